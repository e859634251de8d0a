/* Puts that their client left half published: the owner's commit is brought to who lacks it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flow/manifests.h"

/* So many puts are brought forward at a time; the next reader goes on. */
enum { PATH_BYTES = 256, ROLLS_MAX = 16 };

struct roll {
    const struct image *image;
    const struct manifests *manifests;
    uint8_t put[FORMAT_ID_BYTES];
    const bool *has; /* by server: lists an object of the put */
    struct bytes commit;
    struct bytes *commits; /* by server */
};

static void put_path(const struct roll *roll, const char *suffix, char out[PATH_BYTES]) {
    char put[OBJECT_HEX];
    hex_encode(view_of(roll->put, sizeof roll->put), put);
    snprintf(out, PATH_BYTES, "/v1/images/%s/puts/%s%s", roll->image->hex, put, suffix);
}

static result ask_commit(void *context, struct session *session, unsigned server,
                         struct http_client *client) {
    (void)session;
    struct roll *roll = context;
    if (!roll->has[server])
        return FAIL(NOT_FOUND, "does not have it");
    char path[PATH_BYTES];
    put_path(roll, "", path);
    return http_call(client, "GET", path, view_of(NULL, 0), NULL, FORMAT_LIMIT_SIGNED_SMALL,
                     &roll->commits[server]);
}

static result bring_commit(void *context, struct session *session, unsigned server,
                           struct http_client *client) {
    (void)session;
    struct roll *roll = context;
    const struct session_answer *listed = &roll->manifests->answers[server];
    if (roll->has[server] || listed->is_left_out || listed->code == TIMEOUT)
        return OK;
    char path[PATH_BYTES];
    put_path(roll, "/commit", path);
    return http_call(client, "POST", path, bytes_view(&roll->commit), "application/protobuf", 0,
                     NULL);
}

/* The owner's commit of roll->put, from whichever server has it. */
static result find_commit(struct session *session, const uint8_t *owner_key, struct roll *roll,
                          struct session_answer answers[]) {
    unsigned ok;
    TRY(session_ask(session, SESSION_STORAGE, ask_commit, roll, 1, answers, &ok));
    for (unsigned i = 0; i < roll->manifests->servers; i++) {
        AUTO_FORMAT Myelin__Signed *record = NULL;
        AUTO_FORMAT Myelin__Commit *commit = NULL;
        if (answers[i].code != OK ||
            format_parse_signed(bytes_view(&roll->commits[i]), &record) != OK ||
            format_open_commit(record, owner_key, &commit) != OK ||
            memcmp(commit->put.data, roll->put, FORMAT_ID_BYTES) != 0)
            continue;
        return bytes_append(&roll->commit, bytes_view(&roll->commits[i]));
    }
    return FAIL(NOT_FOUND, "no server has the commit");
}

/* Brings one put's commit to the servers that lack the put. Nobody having it is no error. */
static result roll_put(struct session *session, const uint8_t *owner_key, struct roll *roll) {
    unsigned servers = roll->manifests->servers, ok;
    struct session_answer *answers = calloc(servers, sizeof *answers);
    roll->commits = calloc(servers, sizeof *roll->commits);
    result rolled = OK;
    if (answers == NULL || roll->commits == NULL)
        rolled = FAIL(NO_MEMORY, "no memory to ask %u servers", servers);
    else if (find_commit(session, owner_key, roll, answers) == OK)
        rolled = session_ask(session, SESSION_STORAGE, bring_commit, roll, 0, answers, &ok);
    for (unsigned i = 0; roll->commits != NULL && i < servers; i++)
        bytes_free(&roll->commits[i]);
    bytes_free(&roll->commit);
    free(roll->commits);
    free(answers);
    return rolled;
}

/* Whether a server that answered lacks the object although too few others have it. */
static bool is_half_published(const struct manifests *manifests,
                              const struct manifest_entry *entry) {
    unsigned n = (unsigned)entry->manifest->n_servers, k = entry->manifest->k;
    unsigned holders = 0, lacking = 0;
    for (unsigned i = 0; i < manifests->servers; i++) {
        holders += entry->is_at[i];
        const struct session_answer *answer = &manifests->answers[i];
        lacking += !entry->is_at[i] && !answer->is_left_out &&
                   (answer->code == OK || answer->code == NOT_FOUND);
    }
    return lacking > 0 && holders < k + (n - k + 1) / 2;
}

static bool is_among(const uint8_t puts[][FORMAT_ID_BYTES], size_t count, const uint8_t *put) {
    for (size_t i = 0; i < count; i++)
        if (memcmp(puts[i], put, FORMAT_ID_BYTES) == 0)
            return true;
    return false;
}

result manifests_roll_forward(struct session *session, const struct image *image,
                              const uint8_t owner_key[FORMAT_IDENTITY_BYTES],
                              const struct manifests *manifests, size_t *out_rolled) {
    uint8_t puts[ROLLS_MAX][FORMAT_ID_BYTES];
    *out_rolled = 0;
    for (size_t i = 0; i < manifests->count && *out_rolled < ROLLS_MAX; i++) {
        const struct manifest_entry *entry = &manifests->entries[i];
        if (!is_half_published(manifests, entry) ||
            is_among(puts, *out_rolled, entry->manifest->put.data))
            continue;
        struct roll roll = {.image = image, .manifests = manifests, .has = entry->is_at};
        memcpy(roll.put, entry->manifest->put.data, sizeof roll.put);
        memcpy(puts[(*out_rolled)++], roll.put, sizeof roll.put);
        TRY(roll_put(session, owner_key, &roll));
    }
    return OK;
}
