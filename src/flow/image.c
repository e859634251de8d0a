#include "flow/image.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "flow/inbox.h"
#include "flow/slot_holders.h"
#include "scheme/token.h"
#include "seal/seal.h"

#define LABEL_PURPOSE     "MYELIN-V1-LABEL"
#define LABEL_KEY_PURPOSE "MYELIN-V1-LABEL-KEY"

void image_free(struct image *image) {
    format_free(image->record);
    format_free(image->envelope);
    image->record = NULL;
    image->envelope = NULL;
}

static void name_image(struct image *image) {
    uint8_t id[DIGEST_BYTES];
    format_image_id(image->tau_bytes, id);
    hex_encode(view_of(id, sizeof id), image->hex);
}

result image_own(struct session *session, const char *id, struct image *out_image) {
    size_t len = strlen(id);
    if (len == 0 || len > FORMAT_IMAGE_ID_MAX)
        return FAIL(INVALID, "an image's ID has 1 to %d bytes, this one %zu", FORMAT_IMAGE_ID_MAX,
                    len);
    struct g2 tau;
    TRY(token(session->a3, view_of(id, len), &tau));
    uint8_t tau_bytes[FORMAT_TAU_BYTES];
    g2_to_bytes(&tau, tau_bytes);
    image_own_again(session, &tau, tau_bytes, out_image);
    return OK;
}

void image_own_again(const struct session *session, const struct g2 *tau,
                     const uint8_t tau_bytes[FORMAT_TAU_BYTES], struct image *out_image) {
    struct image image = {.is_own = true, .tau = *tau};
    memcpy(image.tau_bytes, tau_bytes, sizeof image.tau_bytes);
    snprintf(image.owner_name, sizeof image.owner_name, "%s", session->user);
    name_image(&image);
    image_date(&image);
    *out_image = image;
}

static result image_of_item(const struct inbox_item *item, struct image *out_image) {
    struct image image = {.owner = item->owner};
    memcpy(image.tau_bytes, item->tau, sizeof image.tau_bytes);
    TRY(g2_parse("forward: tau", view_of(item->tau, sizeof item->tau), &image.tau));
    snprintf(image.owner_name, sizeof image.owner_name, "%s", item->owner->name);
    name_image(&image);
    *out_image = image;
    return OK;
}

result image_find(struct session *session, const char *id, const char *from,
                  struct image *out_image) {
    if (from == NULL || strcmp(from, session->user) == 0)
        return image_own(session, id, out_image);
    const struct session_user *owner = NULL;
    TRY(session_find_user(session, from, &owner));
    AUTO_INBOX struct inbox inbox = {0};
    TRY(inbox_collect(session, from, &inbox));
    const struct inbox_item *newest = NULL;
    for (size_t i = 0; i < inbox.count; i++)
        if (strcmp(inbox.items[i].id, id) == 0 &&
            (newest == NULL || inbox.items[i].serial_ms > newest->serial_ms))
            newest = &inbox.items[i];
    if (newest == NULL)
        return FAIL(NOT_FOUND, "%s has not forwarded an image '%s' to %s: see 'myelin inbox'", from,
                    id, session->user);
    return image_of_item(newest, out_image);
}

/* ------------------------------------------------------------------ the envelope's record */

struct loading {
    const struct image *image;
    const uint8_t *identity; /* the owner's */
    char path[32 + IMAGE_HEX];
    struct loaded {
        Myelin__Signed *record;
        Myelin__Envelope *envelope;
        uint64_t removed_ms; /* 0: no removal */
        uint64_t objects, symbol_bytes;
    } of[FORMAT_SERVERS_MAX];
};

static result check_answer(const struct loading *loading, Myelin__ImageAnswer *answer,
                           struct loaded *loaded) {
    const struct image *image = loading->image;
    if (answer->removal != NULL) {
        AUTO_FORMAT Myelin__Removal *removal = NULL;
        TRY(format_open_removal(answer->removal, loading->identity, &removal));
        if (memcmp(removal->tau.data, image->tau_bytes, FORMAT_TAU_BYTES) != 0)
            return FAIL(INTEGRITY, "the removal is another image's");
        loaded->removed_ms = removal->serial_ms;
        return OK;
    }
    if (answer->envelope == NULL)
        return FAIL(PROTOCOL, "neither envelope nor removal");
    AUTO_FORMAT Myelin__Envelope *envelope = NULL;
    TRY(format_open_envelope(answer->envelope, loading->identity, &envelope));
    if (memcmp(envelope->tau.data, image->tau_bytes, FORMAT_TAU_BYTES) != 0 ||
        strcmp(envelope->owner, image->owner_name) != 0)
        return FAIL(INTEGRITY, "the envelope is another image's");
    /* A copy, as the record's memory is the answer's. */
    AUTO_BYTES struct bytes wire = {0};
    TRY(format_pack(answer->envelope, &wire));
    TRY(format_parse_signed(bytes_view(&wire), &loaded->record));
    loaded->envelope = envelope;
    envelope = NULL;
    loaded->objects = answer->objects;
    loaded->symbol_bytes = answer->symbol_bytes;
    return OK;
}

static result ask_image(void *context, struct session *session, unsigned server,
                        struct http_client *client) {
    (void)session;
    struct loading *loading = context;
    AUTO_BYTES struct bytes wire = {0};
    TRY(http_call(client, "GET", loading->path, (struct view){0}, NULL, FORMAT_LIMIT_IMAGE_ANSWER,
                  &wire));
    AUTO_FORMAT Myelin__ImageAnswer *answer = NULL;
    TRY(format_parse_image_answer(bytes_view(&wire), &answer));
    return check_answer(loading, answer, &loading->of[server]);
}

/* The newest envelope's server, `count` where there is none; what is older than a removal is not
 * there. */
static unsigned newest_envelope(const struct loading *loading, unsigned count) {
    uint64_t newest_ms = 0;
    unsigned newest = count;
    for (unsigned i = 0; i < count; i++)
        if (loading->of[i].removed_ms > newest_ms)
            newest_ms = loading->of[i].removed_ms;
    for (unsigned i = 0; i < count; i++) {
        const Myelin__Envelope *envelope = loading->of[i].envelope;
        if (envelope == NULL || envelope->created_ms <= newest_ms)
            continue;
        newest_ms = envelope->created_ms;
        newest = i;
    }
    return newest;
}

static result fail_not_found(const struct image *image, const char *id) {
    return FAIL(NOT_FOUND, "%s has no image '%s'", image->owner_name, id);
}

/* Servers that missed that the image was removed and put again, or pretend so. */
static void warn_outdated(struct session *session, const struct loading *loading, unsigned newest) {
    const Myelin__Signed *record = loading->of[newest].record;
    for (unsigned i = 0; i < session_server_count(session, SESSION_STORAGE); i++) {
        const struct loaded *loaded = &loading->of[i];
        bool has_other = loaded->record != NULL &&
                         !view_equal(format_view(loaded->record->body), format_view(record->body));
        if (has_other || loaded->removed_ms > 0)
            session_warn(session, "%s: has the image as it was before it was removed and put again",
                         session_server(session, SESSION_STORAGE, i)->name);
    }
}

static result take_newest(struct session *session, const char *id, struct loading *loading,
                          const struct session_answer answers[], struct image *image) {
    unsigned servers = session_server_count(session, SESSION_STORAGE);
    unsigned newest = newest_envelope(loading, servers);
    bool removed = false;
    for (unsigned i = 0; i < servers; i++)
        removed = removed || loading->of[i].removed_ms > 0;
    if (newest == servers) {
        if (removed)
            return fail_not_found(image, id);
        char what[128];
        snprintf(what, sizeof what, "looking for image '%.80s'", id);
        result failed = session_fail_quorum(session, SESSION_STORAGE, what, answers, session->k);
        return failed == NOT_FOUND ? fail_not_found(image, id) : failed;
    }
    warn_outdated(session, loading, newest);
    struct loaded *loaded = &loading->of[newest];
    image_free(image);
    image->record = loaded->record;
    image->envelope = loaded->envelope;
    loaded->record = NULL;
    loaded->envelope = NULL;
    for (unsigned i = 0; i < servers; i++) {
        if (loading->of[i].objects > image->objects)
            image->objects = loading->of[i].objects;
        if (loading->of[i].symbol_bytes > image->symbol_bytes)
            image->symbol_bytes = loading->of[i].symbol_bytes;
    }
    return OK;
}

static void loading_free(struct loading *loading) {
    for (unsigned i = 0; i < FORMAT_SERVERS_MAX; i++) {
        format_free(loading->of[i].record);
        format_free(loading->of[i].envelope);
    }
}

static result load(struct session *session, const char *id, const bool is_asked[],
                   struct image *image) {
    __attribute__((cleanup(loading_free))) struct loading loading = {
        .image = image,
        .identity = image->is_own ? session->signing->public_key : image->owner->identity};
    snprintf(loading.path, sizeof loading.path, "/v1/images/%s", image->hex);
    struct session_answer answers[FORMAT_SERVERS_MAX];
    unsigned ok = 0;
    result loaded = session_ask_some(session, SESSION_STORAGE, is_asked, ask_image, &loading,
                                     session->k, answers, &ok);
    for (unsigned i = 0; i < session_server_count(session, SESSION_STORAGE); i++)
        if (loading.of[i].removed_ms > image->removed_ms)
            image->removed_ms = loading.of[i].removed_ms;
    if (loaded == OK)
        loaded = take_newest(session, id, &loading, answers, image);
    if (loaded == OK)
        session_warn_failed(session, SESSION_STORAGE, answers, NOT_FOUND);
    image_date(image);
    return loaded;
}

/* All others are asked where those who should have it do not: it may never have been moved. */
result image_load(struct session *session, const char *id, struct image *image) {
    struct slot_holders holders;
    slot_holders_find(session, image->tau_bytes, NULL, 0, &holders);
    result loaded = load(session, id, holders.is_holder, image);
    bool has_others = false;
    for (unsigned i = 0; i < holders.servers; i++)
        has_others |= !holders.is_holder[i];
    if (loaded != NOT_FOUND || !has_others)
        return loaded;
    return load(session, id, NULL, image);
}

void image_date(struct image *image) {
    image->signing_ms = clock_date_ms();
    if (image->signing_ms <= image->removed_ms)
        image->signing_ms = image->removed_ms + 1;
    if (image->envelope != NULL && image->signing_ms <= image->envelope->created_ms)
        image->signing_ms = image->envelope->created_ms + 1;
}

bool image_is_outdated(const struct image *image, const Myelin__Manifest *manifest) {
    const Myelin__Envelope *envelope = image->envelope;
    if (envelope == NULL)
        return manifest->created_ms <= image->removed_ms;
    return manifest->created_ms < envelope->created_ms &&
           !view_equal(format_view(manifest->put), format_view(envelope->put));
}

/* ------------------------------------------------------------------ labels */

static result label_key(const struct session *session, const uint8_t tau[FORMAT_TAU_BYTES],
                        uint8_t **out_key) {
    void *key = NULL;
    TRY(secret_new(DIGEST_BYTES, &key));
    uint8_t a3[SCALAR_BYTES];
    scalar_to_bytes(session->a3, a3);
    digest_hkdf(view_of(a3, sizeof a3), view_of(tau, FORMAT_TAU_BYTES), LABEL_KEY_PURPOSE, key);
    secret_wipe(a3, sizeof a3);
    *out_key = key;
    return OK;
}

result image_label_seal(const struct session *session, const uint8_t tau[FORMAT_TAU_BYTES],
                        const char *id, struct bytes *out_label) {
    AUTO_SECRET uint8_t *key = NULL;
    TRY(label_key(session, tau, &key));
    return seal_text(key, LABEL_PURPOSE, view_of(tau, FORMAT_TAU_BYTES), view_of_string(id),
                     out_label);
}

result image_label_open(const struct session *session, const uint8_t tau[FORMAT_TAU_BYTES],
                        struct view label, struct bytes *out_id) {
    AUTO_SECRET uint8_t *key = NULL;
    TRY(label_key(session, tau, &key));
    TRY(seal_open_text(key, LABEL_PURPOSE, view_of(tau, FORMAT_TAU_BYTES), label, out_id));
    if (out_id->len == 0 || out_id->len > FORMAT_IMAGE_ID_MAX ||
        memchr(out_id->data, 0, out_id->len) != NULL)
        return FAIL(INTEGRITY, "the label holds no ID");
    TRY(bytes_append(out_id, view_of("", 1)));
    out_id->len--;
    return OK;
}
