/* Which version of a description counts: never an older one than was seen before. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/file.h"
#include "base/log.h"
#include "system/description.h"
#include "system/paths.h"

/* ------------------------------------------------------------------ the version seen */

/* "<version> <mark> <SHA-256 of these two and the blank between, in hexadecimal>": a flipped bit
 * must not pass for a version that nobody will ever issue. Before there were marks: "<version>
 * <SHA-256 of it>". */
enum { SEEN_BYTES = 160 };

struct seen {
    uint64_t version;
    uint64_t mark; /* 0: not known */
};

static int seen_text(const struct seen *seen, char out[SEEN_BYTES]) {
    uint8_t digest[DIGEST_BYTES];
    char hex[2 * DIGEST_BYTES + 1];
    int len = seen->mark != 0
                  ? snprintf(out, SEEN_BYTES, "%" PRIu64 " %016" PRIx64, seen->version, seen->mark)
                  : snprintf(out, SEEN_BYTES, "%" PRIu64, seen->version);
    digest_sha256(view_of(out, (size_t)len), digest);
    hex_encode(view_of(digest, sizeof digest), hex);
    return len + snprintf(out + len, SEEN_BYTES - (size_t)len, " %s\n", hex);
}

/* Whether the text is the one for what it says. */
static bool parse_seen(const char *stored, bool has_mark, struct seen *out_seen) {
    char expected[SEEN_BYTES], *rest = NULL;
    struct seen seen = {.version = strtoull(stored, &rest, 10)};
    if (has_mark)
        seen.mark = strtoull(rest, NULL, 16);
    seen_text(&seen, expected);
    if (strcmp(stored, expected) != 0)
        return false;
    *out_seen = seen;
    return true;
}

/* Whoever can damage the file can also remove it: a damaged one is none, and is said. */
static result read_seen(const char *path, struct seen *out_seen) {
    AUTO_BYTES struct bytes text = {0};
    char stored[SEEN_BYTES] = "";
    *out_seen = (struct seen){0};
    result read = file_read(path, sizeof stored - 1, &text);
    if (read == NOT_FOUND)
        return OK;
    if (read != INVALID)
        TRY(read);
    if (read == OK && text.len > 0)
        memcpy(stored, text.data, text.len);
    if (read != OK || (!parse_seen(stored, true, out_seen) && !parse_seen(stored, false, out_seen)))
        log_event(LOG_WARNING, "seen-version-damaged", "file=%s", path);
    return OK;
}

/* The manager signed two of one number. Nobody can say which one counts; a higher one does. */
static result fail_forked(uint64_t version) {
    return FAIL(INTEGRITY,
                "this version %" PRIu64 " of the system description is another than the version "
                "%" PRIu64 " that is in use: the manager has signed two; he must make a higher one",
                version, version);
}

result description_check_version(const struct description *description, const char *folder) {
    char path[PATH_MAX];
    char name[SYSTEM_ID_HEX + 8];
    char text[SEEN_BYTES];
    struct seen seen;
    const struct seen now = {description->system->version, description->mark};
    snprintf(name, sizeof name, "%s.seen", description->id);
    TRY(path_join(folder, name, path, sizeof path));
    TRY(read_seen(path, &seen));
    if (now.version < seen.version)
        return FAIL(INTEGRITY,
                    "the system description is an old one: version %" PRIu64 ", but version "
                    "%" PRIu64 " was seen before",
                    now.version, seen.version);
    if (now.version == seen.version && seen.mark != 0)
        return now.mark == seen.mark ? OK : fail_forked(now.version);
    int len = seen_text(&now, text);
    TRY(file_make_folders(folder, 0700));
    return file_write_atomic(path, view_of(text, (size_t)len), 0600);
}

/* ------------------------------------------------------------------ the newest */

static result kept_path(const struct description *description, const char *folder,
                        char out_path[PATH_MAX]) {
    char name[SYSTEM_ID_HEX + 8];
    snprintf(name, sizeof name, "%s.system", description->id);
    return path_join(folder, name, out_path, PATH_MAX);
}

/* `out_kept` stays empty where there is none that counts. */
static result load_kept(const struct description *description, const char *folder,
                        struct description *out_kept) {
    char path[PATH_MAX];
    struct description_trust trust;
    memcpy(trust.ca_key, description->ca_key, sizeof trust.ca_key);
    memcpy(trust.system_id, description->system->id.data, sizeof trust.system_id);
    TRY(kept_path(description, folder, path));
    result loaded = description_load(path, &trust, out_kept);
    if (loaded == INTEGRITY || loaded == DENIED)
        log_event(LOG_WARNING, "kept-description-damaged", "file=%s text=\"%s\"", path,
                  error_text());
    return loaded == NOT_FOUND || loaded == INTEGRITY || loaded == DENIED ? OK : loaded;
}

result description_load_newest(const char *path, const char *folder,
                               const struct description_trust *trust,
                               struct description *out_description) {
    AUTO_DESCRIPTION struct description description = {0};
    AUTO_DESCRIPTION struct description kept = {0};
    TRY(description_load(path, trust, &description));
    TRY(load_kept(&description, folder, &kept));
    bool is_kept = kept.system != NULL && kept.system->version >= description.system->version;
    struct description *newest = is_kept ? &kept : &description;
    if (is_kept && kept.system->version == description.system->version &&
        kept.mark != description.mark)
        log_event(LOG_ERROR, "system-version-forked", "version=%" PRIu64 " file=%s text=\"%s\"",
                  kept.system->version, path, "another of this number is in use, and stays");
    TRY(description_check_version(newest, folder));
    *out_description = *newest;
    *newest = (struct description){0};
    return OK;
}

result description_keep(const struct description *description, const char *folder) {
    char path[PATH_MAX];
    AUTO_DESCRIPTION struct description kept = {0};
    TRY(kept_path(description, folder, path));
    TRY(load_kept(description, folder, &kept));
    if (kept.system != NULL && kept.system->version >= description->system->version)
        return OK;
    TRY(file_make_folders(folder, 0700));
    return description_write(description, path);
}

/* ------------------------------------------------------------------ the next */

static result check_key_servers_stay(const Myelin__System *now, const Myelin__System *next) {
    if (next->n_key < now->n_key)
        return FAIL(INVALID, "version %" PRIu64 " has %zu key servers, expected %zu or more",
                    next->version, next->n_key, now->n_key);
    for (size_t i = 0; i < now->n_key; i++)
        if (strcmp(now->key[i]->name, next->key[i]->name) != 0)
            return FAIL(INVALID, "version %" PRIu64 " has %s in the place of key server %s",
                        next->version, next->key[i]->name, now->key[i]->name);
    return OK;
}

result description_check_next(const struct description *description,
                              const struct description *next) {
    struct description_trust trust;
    memcpy(trust.ca_key, description->ca_key, sizeof trust.ca_key);
    memcpy(trust.system_id, description->system->id.data, sizeof trust.system_id);
    TRY(description_check_trust(next, &trust));
    const Myelin__System *now = description->system;
    if (next->system->version == now->version && next->mark != description->mark)
        return fail_forked(now->version);
    if (next->system->version <= now->version)
        return FAIL(CONFLICT,
                    "version %" PRIu64 " of the system description is no newer than version "
                    "%" PRIu64,
                    next->system->version, now->version);
    if (next->system->k != now->k || description_slots(next) != description_slots(description))
        return FAIL(INVALID,
                    "version %" PRIu64 " changes k or n, by which all images are coded: %u and %u, "
                    "expected %u and %u",
                    next->system->version, next->system->k, description_slots(next), now->k,
                    description_slots(description));
    return check_key_servers_stay(now, next->system);
}
