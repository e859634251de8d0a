#include "flow/repair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "flow/failure.h"
#include "flow/image.h"
#include "flow/list.h"
#include "flow/verify.h"

enum {
    REPAIR_ANSWER_MS = 3600 * 1000, /* one large object may take long; all else comes in seconds */
    REPAIR_WATCH_MS = 100,
    PATH_BYTES = 256,
};

const char *repair_outcome_name(enum repair_outcome outcome) {
    static const char *const names[] = {
        [REPAIR_GOOD] = "good",     [REPAIR_REBUILT] = "rebuilt", [REPAIR_COPIED] = "copied",
        [REPAIR_FAILED] = "failed", [REPAIR_DROPPED] = "dropped",
    };
    return names[outcome];
}

/* A whole flow; the lock guards all that servers' threads change. */
struct repairing {
    struct session *session;
    repair_report report;
    void *context;
    struct repair_totals totals;
    const char *id; /* the image at hand */
    bool is_bad[FORMAT_SERVERS_MAX];
    pthread_mutex_t lock;
    pthread_cond_t change;
    unsigned running;
    bool lacks_sources;     /* a part failed for want of good symbols */
    struct failure failure; /* the first of the image at hand */
};

/* ------------------------------------------------------------------ one server */

struct repair_server {
    struct repairing *repairing;
    unsigned server;
    char hex[IMAGE_HEX];
    struct http_client *client;
    pthread_t thread;
    bool is_started;
};

static void keep_failure(struct repairing *repairing, result code, const char *server,
                         const char *why) {
    repairing->lacks_sources |= code == QUORUM;
    if (repairing->failure.code == OK) {
        (void)FAIL(code, "%s: %s", server, why);
        failure_keep(&repairing->failure, code);
    }
}

static void take_part(struct repair_server *work, const Myelin__RepairedPart *part) {
    struct repairing *repairing = work->repairing;
    char object[2 * FORMAT_ID_BYTES + 1];
    if (part->object.len > 0)
        hex_encode(format_view(part->object), object);
    const struct repair_part one = {
        .id = repairing->id,
        .object = part->object.len > 0 ? object : NULL,
        .server = http_client_name(work->client),
        .slot = part->slot,
        .outcome = (enum repair_outcome)part->outcome,
        .detail = part->fault,
    };
    if (one.outcome == REPAIR_GOOD)
        return;
    if (one.outcome == REPAIR_FAILED)
        keep_failure(repairing, result_from_http_status(part->code), one.server, part->fault);
    else
        repairing->totals.parts++;
    if (repairing->report != NULL)
        repairing->report(repairing->context, &one);
}

static result ask_once(struct repair_server *work, char after[2 * FORMAT_ID_BYTES + 1]) {
    AUTO_BYTES struct bytes wire = {0};
    AUTO_FORMAT Myelin__RepairAnswer *answer = NULL;
    char path[PATH_BYTES];
    struct repairing *repairing = work->repairing;
    TRY(session_check_cancel(repairing->session));
    snprintf(path, sizeof path, "/v1/images/%s/repair%s%s", work->hex,
             after[0] != '\0' ? "?after=" : "", after);
    TRY(http_call(work->client, "POST", path, view_of(NULL, 0), NULL, FORMAT_LIMIT_REPAIR_ANSWER,
                  &wire));
    TRY(format_parse_repair_answer(bytes_view(&wire), &answer));
    char last[2 * FORMAT_ID_BYTES + 1] = "";
    if (answer->after.len > 0)
        hex_encode(format_view(answer->after), last);
    if (last[0] != '\0' && strcmp(last, after) <= 0)
        return FAIL(PROTOCOL, "%s: its repair does not go on", http_client_name(work->client));
    memcpy(after, last, sizeof last);
    pthread_mutex_lock(&repairing->lock);
    for (size_t i = 0; i < answer->n_part; i++)
        take_part(work, answer->part[i]);
    repairing->totals.bytes_read += answer->bytes_read;
    repairing->totals.bytes_written += answer->bytes_written;
    pthread_mutex_unlock(&repairing->lock);
    return OK;
}

static void *run_server(void *argument) {
    struct repair_server *work = argument;
    struct repairing *repairing = work->repairing;
    char after[2 * FORMAT_ID_BYTES + 1] = "";
    result asked;
    http_client_set_answer_timeout(work->client, REPAIR_ANSWER_MS);
    do
        asked = ask_once(work, after);
    while (asked == OK && after[0] != '\0');
    pthread_mutex_lock(&repairing->lock);
    if (asked != OK && repairing->failure.code == OK) {
        repairing->lacks_sources |= asked == QUORUM || asked == TIMEOUT;
        failure_keep(&repairing->failure, asked);
    }
    repairing->running--;
    pthread_cond_signal(&repairing->change);
    pthread_mutex_unlock(&repairing->lock);
    return NULL;
}

/* ------------------------------------------------------------------ one image */

static void start_server(struct repairing *repairing, const struct image *image, unsigned server,
                         struct repair_server *work) {
    *work = (struct repair_server){.repairing = repairing, .server = server};
    memcpy(work->hex, image->hex, sizeof work->hex);
    if (session_client_take(repairing->session, SESSION_STORAGE, server, &work->client) != OK)
        return;
    pthread_mutex_lock(&repairing->lock);
    repairing->running++;
    work->is_started = pthread_create(&work->thread, NULL, run_server, work) == 0;
    repairing->running -= !work->is_started;
    pthread_mutex_unlock(&repairing->lock);
}

static result mend_servers(struct repairing *repairing, const struct image *image) {
    unsigned servers = session_server_count(repairing->session, SESSION_STORAGE), asked = 0;
    struct repair_server *works = calloc(servers, sizeof *works);
    if (works == NULL)
        return FAIL(NO_MEMORY, "no memory to repair at %u servers", servers);
    for (unsigned i = 0; i < servers; i++) {
        asked += repairing->is_bad[i];
        if (repairing->is_bad[i])
            start_server(repairing, image, i, &works[i]);
    }
    pthread_mutex_lock(&repairing->lock);
    while (repairing->running > 0) {
        session_step(repairing->session, "repair", asked - repairing->running, asked);
        clock_wait(&repairing->change, &repairing->lock, REPAIR_WATCH_MS);
    }
    pthread_mutex_unlock(&repairing->lock);
    for (unsigned i = 0; i < servers; i++) {
        if (works[i].is_started)
            pthread_join(works[i].thread, NULL);
        session_client_give(repairing->session, works[i].client);
    }
    free(works);
    return session_check_cancel(repairing->session);
}

static void take_finding(void *context, const struct verify_finding *finding) {
    struct repairing *repairing = context;
    unsigned servers = session_server_count(repairing->session, SESSION_STORAGE);
    bool is_bad = finding->state != VERIFY_GOOD && finding->state != VERIFY_UNREACHABLE;
    for (unsigned i = 0; is_bad && i < servers; i++)
        if (strcmp(session_server(repairing->session, SESSION_STORAGE, i)->name, finding->server) ==
            0)
            repairing->is_bad[i] = true;
}

static result verify(struct repairing *repairing) {
    memset(repairing->is_bad, 0, sizeof repairing->is_bad);
    return flow_verify(repairing->session, repairing->id, take_finding, repairing);
}

/* What stays is told with the first reason that a server gave. */
static result explain(struct repairing *repairing, result verified) {
    if (verified != INTEGRITY || repairing->failure.code == OK)
        return verified;
    char left[ERROR_TEXT_BYTES];
    snprintf(left, sizeof left, "%s", repairing->failure.text);
    return FAIL(repairing->lacks_sources ? QUORUM : INTEGRITY, "image '%.80s' is not good yet: %s",
                repairing->id, left);
}

static result repair_image(struct repairing *repairing, const char *id) {
    AUTO_IMAGE struct image image = {0};
    repairing->id = id;
    repairing->failure = (struct failure){0};
    repairing->lacks_sources = false;
    TRY(image_own(repairing->session, id, &image));
    repairing->totals.images++;
    result verified = verify(repairing);
    if (verified != INTEGRITY)
        return verified;
    TRY(mend_servers(repairing, &image));
    verified = verify(repairing);
    repairing->totals.repaired += verified == OK;
    return explain(repairing, verified);
}

/* All are tried; of those that failed the first is told. */
static result repair_images(struct repairing *repairing, const char *id) {
    if (id != NULL)
        return repair_image(repairing, id);
    AUTO_LIST struct list list = {0};
    struct failure first = {0};
    TRY(flow_list(repairing->session, &list));
    for (size_t i = 0; i < list.count; i++) {
        result repaired = repair_image(repairing, list.items[i].id);
        if (repaired != OK && repaired != INTEGRITY && repaired != QUORUM && repaired != NOT_FOUND)
            return repaired;
        if (repaired != OK && repaired != NOT_FOUND && first.code == OK)
            failure_keep(&first, repaired);
    }
    return first.code == OK ? OK : failure_raise(&first);
}

result flow_repair(struct session *session, const char *id, repair_report report, void *context,
                   struct repair_totals *out_totals) {
    struct repairing repairing = {
        .session = session,
        .report = report,
        .context = context,
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .change = PTHREAD_COND_INITIALIZER,
    };
    result repaired = repair_images(&repairing, id);
    if (out_totals != NULL)
        *out_totals = repairing.totals;
    return repaired;
}
