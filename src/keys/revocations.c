#include "keys/revocations.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/file.h"

struct revocations {
    char folder[PATH_MAX];
    pthread_mutex_t lock; /* one writer at a time */
};

static result record_path(const struct revocations *revocations, const char *owner,
                          const char *recipient, struct view tau, char out[PATH_MAX]) {
    uint8_t hash[DIGEST_BYTES];
    char name[2 * DIGEST_BYTES + 1];
    struct digest digest;
    digest_start(&digest);
    digest_update(&digest, view_of(owner, strlen(owner) + 1));
    digest_update(&digest, view_of(recipient, strlen(recipient) + 1));
    digest_update(&digest, tau);
    digest_finish(&digest, hash);
    hex_encode(view_of(hash, sizeof hash), name);
    if (snprintf(out, PATH_MAX, "%s/%s.revocation", revocations->folder, name) >= PATH_MAX)
        return FAIL(INVALID, "the path of a store folder is too long");
    return OK;
}

/* Whether the stored record is the one its file's name stands for. */
static bool is_about(const Myelin__Revocation *revocation, const char *owner, const char *recipient,
                     struct view tau) {
    return strcmp(revocation->owner, owner) == 0 && strcmp(revocation->recipient, recipient) == 0 &&
           view_equal(format_view(revocation->tau), tau);
}

static result read_serial(const char *path, const char *owner, const uint8_t *owner_identity,
                          const char *recipient, struct view tau, uint64_t *out_serial_ms) {
    AUTO_BYTES struct bytes wire = {0};
    AUTO_FORMAT Myelin__Signed *record = NULL;
    AUTO_FORMAT Myelin__Revocation *revocation = NULL;
    *out_serial_ms = 0;
    result got = file_read(path, FORMAT_LIMIT_SIGNED_SMALL, &wire);
    if (got == NOT_FOUND)
        return OK;
    if (got == OK)
        got = format_parse_signed(bytes_view(&wire), &record);
    if (got == OK)
        got = format_open_revocation(record, owner_identity, &revocation);
    if (got == OK && !is_about(revocation, owner, recipient, tau))
        got = FAIL(INTEGRITY, "it is about something else");
    if (got == INVALID || got == PROTOCOL || got == INTEGRITY)
        return error_at(INTEGRITY, "a stored revocation of %s", owner);
    TRY(got);
    *out_serial_ms = revocation->serial_ms;
    return OK;
}

result revocations_serial(struct revocations *revocations, const char *owner,
                          const uint8_t owner_identity[SIGN_PUBLIC_BYTES], const char *recipient,
                          struct view tau, uint64_t *out_serial_ms) {
    char path[PATH_MAX];
    TRY(record_path(revocations, owner, recipient, tau, path));
    return read_serial(path, owner, owner_identity, recipient, tau, out_serial_ms);
}

static result add_locked(const char *path, const Myelin__Signed *record,
                         const Myelin__Revocation *revocation, const uint8_t *owner_identity) {
    AUTO_BYTES struct bytes wire = {0};
    uint64_t stored;
    result got = read_serial(path, revocation->owner, owner_identity, revocation->recipient,
                             format_view(revocation->tau), &stored);
    if (got != OK && got != INTEGRITY) /* a damaged one is replaced by what its owner says now */
        return got;
    if (got == OK && stored >= revocation->serial_ms)
        return OK;
    TRY(format_pack(record, &wire));
    return file_write_atomic(path, bytes_view(&wire), 0600);
}

result revocations_add(struct revocations *revocations, const Myelin__Signed *record,
                       const uint8_t owner_identity[SIGN_PUBLIC_BYTES]) {
    AUTO_FORMAT Myelin__Revocation *revocation = NULL;
    char path[PATH_MAX];
    TRY(format_open_revocation(record, owner_identity, &revocation));
    TRY(record_path(revocations, revocation->owner, revocation->recipient,
                    format_view(revocation->tau), path));
    pthread_mutex_lock(&revocations->lock);
    result added = add_locked(path, record, revocation, owner_identity);
    pthread_mutex_unlock(&revocations->lock);
    return added;
}

result revocations_open(const char *folder, struct revocations **out_revocations) {
    TRY(file_make_folders(folder, 0700));
    TRY(file_sweep(folder, ""));
    struct revocations *revocations = calloc(1, sizeof *revocations);
    if (revocations == NULL)
        return FAIL(NO_MEMORY, "no memory for the revocations");
    if (snprintf(revocations->folder, sizeof revocations->folder, "%s", folder) >= PATH_MAX) {
        free(revocations);
        return FAIL(INVALID, "the path of a store folder is too long");
    }
    pthread_mutex_init(&revocations->lock, NULL);
    *out_revocations = revocations;
    return OK;
}

void revocations_close(struct revocations *revocations) {
    if (revocations == NULL)
        return;
    pthread_mutex_destroy(&revocations->lock);
    free(revocations);
}
