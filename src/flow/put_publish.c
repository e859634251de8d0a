/*
 * Put's last step: prepare and commit, by which all of a put becomes visible at once
 * (docs/PROTOCOL.md, a put).
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "flow/put_batch.h"

static const char PROTOBUF[] = "application/protobuf";

enum {
    PREPARE_GRACE_MS = 5000,
    WHOLE_GRACE_MS = 3000,
    PREPARE_LEAST_MS = 20000, /* and as long as a slow disk takes to have the symbol down */
    PREPARE_MOST_MS = 300000,
    DISK_BYTES_PER_MS = 10000,
    COMMIT_GRACE_MS = 3000,
    COMMIT_LIMIT_MS = 10000,
    ABORT_LIMIT_MS = 3000,

    /* After the first server prepared, a commit must be out within this time: another put of the
     * owner's overrules a prepared one after 30 s. */
    DECIDE_MS = 20000,
    /* Another put that is prepared, and whose client died, is overruled by then. */
    RIVAL_MS = 33000,
    RIVAL_PAUSE_MS = 300,
};

/* ------------------------------------------------------------------ manifests */

struct publishing {
    struct put_batch *batch;
    Myelin__Signed **manifests; /* by object */
    struct bytes commit;        /* packed */
    struct put_answer *answers; /* by slot */

    pthread_mutex_t lock;
    uint64_t first_prepared_ms; /* 0: none yet */
};

static void publishing_free(struct publishing *publishing) {
    for (size_t i = 0; publishing->manifests != NULL && i < publishing->batch->count; i++)
        format_free(publishing->manifests[i]);
    free(publishing->manifests);
    free(publishing->answers);
    bytes_free(&publishing->commit);
}

static result seal_meta(const struct put_batch *batch, const struct put_object *object,
                        struct bytes *out_box) {
    Myelin__ObjectMeta meta = MYELIN__OBJECT_META__INIT;
    meta.name = (char *)(uintptr_t)object->file->name; /* read only */
    meta.size = object->file->size;
    meta.codec = object->codec;
    meta.sha256 = format_bytes(view_of(object->sha256, DIGEST_BYTES));
    meta.note = format_bytes(object->file->note);
    return object_meta_seal(batch->content_key->bytes, object->context, &meta, out_box);
}

static result sign_manifest(const struct put_batch *batch, const struct put_object *object,
                            Myelin__Signed **out_record) {
    unsigned n = batch->slots->n, k = batch->slots->k;
    AUTO_BYTES struct bytes meta = {0};
    TRY(seal_meta(batch, object, &meta));
    ProtobufCBinaryData roots[FORMAT_SERVERS_MAX], rows[FORMAT_SERVERS_MAX];
    for (unsigned i = 0; i < n; i++) {
        roots[i] = format_bytes(view_of(object->roots[i], DIGEST_BYTES));
        rows[i] = format_bytes(view_of(batch->rows + (size_t)i * k, k));
    }
    Myelin__Manifest manifest = MYELIN__MANIFEST__INIT;
    manifest.format = 1;
    manifest.owner = (char *)(uintptr_t)batch->session->user; /* read only */
    manifest.tau = format_bytes(view_of(batch->image->tau_bytes, FORMAT_TAU_BYTES));
    manifest.object = format_bytes(view_of(object->id, FORMAT_ID_BYTES));
    manifest.put = format_bytes(view_of(batch->put, FORMAT_ID_BYTES));
    manifest.salt = format_bytes(view_of(object->salt, SEAL_SALT_BYTES));
    manifest.sealed_meta = format_bytes(bytes_view(&meta));
    manifest.sealed_bytes = object->sealed_bytes;
    manifest.segment_bytes = object->segment_bytes;
    manifest.segments = object->segments;
    manifest.k = k;
    manifest.n_servers = manifest.n_symbol_root = manifest.n_row = n;
    manifest.servers = (char **)(uintptr_t)batch->servers; /* read only */
    manifest.symbol_root = roots;
    manifest.row = rows;
    manifest.created_ms = batch->created_ms;
    return format_sign(batch->session->signing, &manifest, out_record);
}

static result sign_commit(struct publishing *publishing) {
    const struct put_batch *batch = publishing->batch;
    uint8_t contents[DIGEST_BYTES];
    TRY(format_commit_contents(batch->envelope == NULL ? NULL : batch->envelope->record,
                               publishing->manifests, batch->count, contents));
    Myelin__Commit commit = MYELIN__COMMIT__INIT;
    commit.owner = (char *)(uintptr_t)batch->session->user; /* read only */
    commit.tau = format_bytes(view_of(batch->image->tau_bytes, FORMAT_TAU_BYTES));
    commit.put = format_bytes(view_of(batch->put, FORMAT_ID_BYTES));
    commit.contents = format_bytes(view_of(contents, sizeof contents));
    AUTO_FORMAT Myelin__Signed *record = NULL;
    TRY(format_sign(batch->session->signing, &commit, &record));
    return format_pack(record, &publishing->commit);
}

static result sign_all(struct publishing *publishing) {
    const struct put_batch *batch = publishing->batch;
    publishing->manifests = calloc(batch->count, sizeof *publishing->manifests);
    publishing->answers = calloc(batch->slots->n, sizeof *publishing->answers);
    if (publishing->manifests == NULL || publishing->answers == NULL)
        return FAIL(NO_MEMORY, "no memory for %zu manifests", batch->count);
    for (size_t i = 0; i < batch->count; i++)
        TRY(sign_manifest(batch, &batch->objects[i], &publishing->manifests[i]));
    return sign_commit(publishing);
}

/* ------------------------------------------------------------------ prepare */

static result pack_prepare(const struct publishing *publishing, unsigned slot,
                           struct bytes *out_wire) {
    const struct put_batch *batch = publishing->batch;
    Myelin__PreparePut message = MYELIN__PREPARE_PUT__INIT;
    message.tau = format_bytes(view_of(batch->image->tau_bytes, FORMAT_TAU_BYTES));
    message.n_manifest = batch->count;
    message.manifest = publishing->manifests;
    AUTO_FORMAT Myelin__Symbol *symbol = NULL;
    if (batch->envelope != NULL) {
        message.envelope = batch->envelope->record;
        message.coefficients = format_bytes(bytes_view(&batch->envelope->coefficients));
        if (batch->assignment == NULL)
            TRY(format_parse_symbol(bytes_view(&batch->envelope->symbols[slot]), &symbol));
        message.symbol = symbol; /* else the server made it */
    }
    return format_pack(&message, out_wire);
}

static void note_prepared(struct publishing *publishing) {
    pthread_mutex_lock(&publishing->lock);
    if (publishing->first_prepared_ms == 0)
        publishing->first_prepared_ms = clock_ms();
    pthread_mutex_unlock(&publishing->lock);
}

static unsigned prepare_limit_ms(const struct put_batch *batch) {
    uint64_t limit_ms = PREPARE_LEAST_MS;
    for (size_t i = 0; i < batch->count; i++)
        limit_ms += batch->objects[i].sealed_bytes / batch->slots->k / DISK_BYTES_PER_MS;
    return limit_ms < PREPARE_MOST_MS ? (unsigned)limit_ms : PREPARE_MOST_MS;
}

static result ask_prepare(void *context, unsigned slot, struct http_client *client) {
    struct publishing *publishing = context;
    char path[PUT_PATH_BYTES];
    put_batch_path(publishing->batch, "/prepare", path);
    AUTO_BYTES struct bytes wire = {0};
    TRY(pack_prepare(publishing, slot, &wire));
    http_client_set_answer_timeout(client, prepare_limit_ms(publishing->batch));
    result prepared = http_call(client, "POST", path, bytes_view(&wire), PROTOBUF, 0, NULL);
    http_client_set_answer_timeout(client, 0);
    if (prepared == OK)
        note_prepared(publishing);
    return prepared;
}

/* Begin, uploads and prepare at once. */
static result make_whole(void *context, unsigned slot, struct http_client *client,
                         struct put_request *out_request) {
    const struct publishing *publishing = context;
    AUTO_BYTES struct bytes prepare = {0};
    TRY(pack_prepare(publishing, slot, &prepare));
    http_client_set_answer_timeout(client, prepare_limit_ms(publishing->batch));
    return put_whole_request(publishing->batch, slot, bytes_view(&prepare), out_request);
}

static result take_whole(void *context, unsigned slot, struct http_client *client, result sent,
                         struct view answer) {
    struct publishing *publishing = context;
    http_client_set_answer_timeout(client, 0);
    TRY(sent);
    TRY(put_whole_check(publishing->batch, slot, answer));
    note_prepared(publishing);
    return OK;
}

static result ask_by_steps(void *context, unsigned slot, struct http_client *client) {
    struct publishing *publishing = context;
    AUTO_BYTES struct bytes prepare = {0};
    TRY(pack_prepare(publishing, slot, &prepare));
    http_client_set_answer_timeout(client, prepare_limit_ms(publishing->batch));
    result prepared = put_whole_by_steps(publishing->batch, slot, client, bytes_view(&prepare));
    http_client_set_answer_timeout(client, 0);
    if (prepared == OK)
        note_prepared(publishing);
    return prepared;
}

/* Not found is an image that the put does not create, or the request itself, at a server of a
 * version without it. */
static const struct put_request_kind WHOLE = {make_whole, take_whole, ask_by_steps};

/* The put that a refusal names: "... put <id> is prepared". */
static bool rival_of(const struct put_answer *answer, uint8_t out_put[FORMAT_ID_BYTES]) {
    static const char before[] = "put ", after[] = " is prepared";
    if (!answer->was_asked || answer->code != CONFLICT)
        return false;
    for (const char *at = answer->text; (at = strstr(at, before)) != NULL; at++) {
        const char *id = at + strlen(before);
        char hex[PUT_HEX];
        if (strlen(id) < PUT_HEX - 1 + strlen(after) ||
            strncmp(id + PUT_HEX - 1, after, strlen(after)) != 0)
            continue;
        memcpy(hex, id, PUT_HEX - 1);
        hex[PUT_HEX - 1] = '\0';
        if (hex_decode(hex, out_put, FORMAT_ID_BYTES) == OK)
            return true;
    }
    return false;
}

/* Which slots wait for a rival, and whether one of those goes first: the lower id does. */
static unsigned find_rivals(const struct publishing *publishing, bool out_waits[],
                            bool *out_is_lower) {
    const struct put_batch *batch = publishing->batch;
    unsigned count = 0;
    *out_is_lower = false;
    for (unsigned i = 0; i < batch->slots->n; i++) {
        uint8_t rival[FORMAT_ID_BYTES];
        out_waits[i] = rival_of(&publishing->answers[i], rival);
        if (!out_waits[i])
            continue;
        count++;
        *out_is_lower |= memcmp(rival, batch->put, FORMAT_ID_BYTES) < 0;
    }
    return count;
}

static unsigned time_left(const struct publishing *publishing, uint64_t started_ms) {
    uint64_t end = publishing->first_prepared_ms != 0 ? publishing->first_prepared_ms + DECIDE_MS
                                                      : started_ms + RIVAL_MS;
    uint64_t now = clock_ms();
    return now < end ? (unsigned)(end - now) : 0;
}

static void keep_answers(struct publishing *publishing, const struct put_answer fresh[]) {
    for (unsigned i = 0; i < publishing->batch->slots->n; i++)
        if (fresh[i].was_asked)
            publishing->answers[i] = fresh[i];
}

/* The lower of two puts asks again until the higher one has given way. A few servers that refuse
 * cannot hold up a put that has its quorum for longer than their grace. */
static result outwait_rivals(struct publishing *publishing, uint64_t started_ms,
                             struct put_answer fresh[]) {
    struct put_batch *batch = publishing->batch;
    bool waits[FORMAT_SERVERS_MAX], is_lower;
    uint64_t grace_end_ms = clock_ms() + PREPARE_GRACE_MS;
    while (find_rivals(publishing, waits, &is_lower) > 0) {
        TRY(session_check_cancel(batch->session));
        bool has_quorum = put_answers_ok(batch->slots, publishing->answers) >= batch->slots->quorum;
        unsigned left = time_left(publishing, started_ms);
        if (has_quorum && (clock_ms() >= grace_end_ms || left < DECIDE_MS / 2))
            return OK;
        if (!has_quorum && (is_lower || left == 0))
            return FAIL(CONFLICT,
                        "another put of this image is under way: try again in half a minute");
        nanosleep(&(struct timespec){.tv_nsec = RIVAL_PAUSE_MS * 1000000L}, NULL);
        struct put_patience patience = {batch->slots->n, 0, left > 1000 ? left : 1000};
        TRY(put_slots_ask(batch->slots, waits, ask_prepare, publishing, patience, fresh));
        keep_answers(publishing, fresh);
    }
    return OK;
}

/* What begin alone would have been refused with. */
static result check_begun(struct publishing *publishing) {
    struct put_batch *batch = publishing->batch;
    for (unsigned i = 0; i < batch->slots->n; i++) {
        uint8_t rival[FORMAT_ID_BYTES];
        if (!rival_of(&publishing->answers[i], rival))
            TRY(put_batch_prove_conflict(batch, i, &publishing->answers[i]));
    }
    batch->has_begun = true;
    return OK;
}

/* The first question, of all servers. */
static result ask_all(struct publishing *publishing) {
    struct put_batch *batch = publishing->batch;
    struct put_patience patience = {batch->slots->quorum, PREPARE_GRACE_MS,
                                    prepare_limit_ms(batch)};
    if (!batch->is_small)
        return put_slots_ask(batch->slots, NULL, ask_prepare, publishing, patience,
                             publishing->answers);
    patience.grace_ms = WHOLE_GRACE_MS;
    batch->was_sent = true;
    TRY(put_slots_request(batch->slots, NULL, &WHOLE, publishing, patience, publishing->answers));
    TRY(session_check_cancel(batch->session));
    return check_begun(publishing);
}

static result prepare(struct publishing *publishing, uint64_t started_ms) {
    struct put_batch *batch = publishing->batch;
    struct put_answer *fresh = calloc(batch->slots->n, sizeof *fresh);
    if (fresh == NULL)
        return FAIL(NO_MEMORY, "no memory to ask %u servers", batch->slots->n);
    result prepared = ask_all(publishing);
    if (prepared == OK)
        prepared = outwait_rivals(publishing, started_ms, fresh);
    free(fresh);
    TRY(prepared);
    TRY(session_check_cancel(batch->session));
    if (put_answers_ok(batch->slots, publishing->answers) < batch->slots->quorum)
        TRY(put_batch_prove_conflicts(batch, publishing->answers));
    put_slots_lose_failed(batch->slots, publishing->answers);
    TRY(put_slots_check(batch->slots, "put"));
    if (time_left(publishing, started_ms) == 0)
        return FAIL(TIMEOUT, "the storage servers took too long to agree: put again");
    return OK;
}

/* ------------------------------------------------------------------ commit and abort */

static result make_commit(void *context, unsigned slot, struct http_client *client,
                          struct put_request *out_request) {
    (void)slot, (void)client;
    const struct publishing *publishing = context;
    put_batch_path(publishing->batch, "/commit", out_request->path);
    out_request->body = bytes_view(&publishing->commit);
    return OK;
}

static result take_commit(void *context, unsigned slot, struct http_client *client, result sent,
                          struct view answer) {
    (void)context, (void)slot, (void)client, (void)answer;
    return sent;
}

static const struct put_request_kind COMMIT = {make_commit, take_commit, NULL};

/* So many know the commit that readers, who ask k at least, meet one of them, as far as a put can
 * have it. */
static unsigned commits_needed(const struct put_slots *slots) {
    unsigned met = slots->n - slots->k + 1;
    return met < slots->quorum ? met : slots->quorum;
}

/* Whether the server may still take it, asked once more. */
static bool is_passing(result code) {
    return code == TIMEOUT || code == NO_MEMORY;
}

/* Brings the commit to every server that prepared and has not said that it has it, again and again
 * until enough have, nobody else can, or the time is over. */
static result spread_commit(struct publishing *publishing, uint64_t started_ms) {
    struct put_batch *batch = publishing->batch;
    unsigned n = batch->slots->n, needed = commits_needed(batch->slots), left;
    bool lacks[FORMAT_SERVERS_MAX], is_open;
    struct put_answer *fresh = calloc(n, sizeof *fresh);
    if (fresh == NULL)
        return FAIL(NO_MEMORY, "no memory to ask %u servers", n);
    for (unsigned i = 0; i < n; i++)
        lacks[i] = batch->slots->slot[i].is_live;
    memset(publishing->answers, 0, n * sizeof *publishing->answers);
    batch->may_be_decided = true;
    result asked;
    do {
        unsigned ok = put_answers_ok(batch->slots, publishing->answers);
        struct put_patience patience = {needed - ok, COMMIT_GRACE_MS, COMMIT_LIMIT_MS};
        asked = put_slots_request(batch->slots, lacks, &COMMIT, publishing, patience, fresh);
        keep_answers(publishing, fresh);
        is_open = false;
        for (unsigned i = 0; i < n; i++)
            is_open |= lacks[i] = lacks[i] && is_passing(publishing->answers[i].code);
        left = time_left(publishing, started_ms);
        if (!is_open || put_answers_ok(batch->slots, publishing->answers) >= needed)
            break;
        nanosleep(&(struct timespec){.tv_nsec = RIVAL_PAUSE_MS * 1000000L}, NULL);
    } while (asked == OK && left > 0 && !session_is_cancelled(batch->session));
    free(fresh);
    return asked;
}

/* One server that committed decides the put: the others have it on disk and take the commit from
 * any reader who meets that one. */
static result commit(struct publishing *publishing, uint64_t started_ms) {
    struct put_batch *batch = publishing->batch;
    TRY(spread_commit(publishing, started_ms));
    unsigned ok = put_answers_ok(batch->slots, publishing->answers);
    for (unsigned i = 0; ok > 0 && i < batch->slots->n; i++)
        if (publishing->answers[i].was_asked && publishing->answers[i].code != OK)
            session_warn(batch->session, "%s (it has the put, and will show it once it is back)",
                         publishing->answers[i].text);
    if (ok >= commits_needed(batch->slots))
        return OK;
    if (ok > 0)
        return FAIL(QUORUM,
                    "the put is stored, but %u of the %u storage servers needed were told so: it "
                    "shows once they are back",
                    ok, commits_needed(batch->slots));
    put_slots_lose_failed(batch->slots, publishing->answers);
    return put_slots_check(batch->slots, "publishing the put");
}

static result publish(struct publishing *publishing) {
    TRY(sign_all(publishing));
    uint64_t started_ms = clock_ms();
    TRY(prepare(publishing, started_ms));
    return commit(publishing, started_ms);
}

result put_batch_publish(struct put_batch *batch) {
    __attribute__((cleanup(publishing_free))) struct publishing publishing = {
        .batch = batch, .lock = PTHREAD_MUTEX_INITIALIZER};
    return publish(&publishing);
}

static result ask_abort(void *context, unsigned slot, struct http_client *client) {
    (void)slot;
    char path[PUT_PATH_BYTES];
    put_batch_path(context, "", path);
    return http_call(client, "DELETE", path, view_of(NULL, 0), NULL, 0, NULL);
}

void put_batch_abort(struct put_batch *batch) {
    struct failure why = {0};
    failure_keep(&why, INTERNAL); /* the text alone matters */
    struct put_answer *answers = calloc(batch->slots->n, sizeof *answers);
    bool everyone[FORMAT_SERVERS_MAX];
    memset(everyone, true, sizeof everyone);
    struct put_patience patience = {batch->slots->n, 0, ABORT_LIMIT_MS};
    if (answers != NULL &&
        put_slots_ask(batch->slots, everyone, ask_abort, batch, patience, answers) != OK)
        log_event(LOG_DEBUG, "abort", "put=%s", batch->hex);
    free(answers);
    (void)failure_raise(&why);
}
