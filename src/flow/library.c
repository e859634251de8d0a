/*
 * The library's face over the flows: it translates, and does nothing of its own.
 */
#include "myelin.h"

#include <stdlib.h>
#include <string.h>

#include "flow/delete.h"
#include "flow/enrol.h"
#include "flow/forward.h"
#include "flow/get.h"
#include "flow/inbox.h"
#include "flow/library.h"
#include "flow/list.h"
#include "flow/patience.h"
#include "flow/put.h"
#include "flow/remove.h"
#include "flow/repair.h"
#include "flow/revoke.h"
#include "flow/show.h"
#include "flow/verify.h"

_Static_assert((int)MYELIN_OK == (int)OK && (int)MYELIN_INVALID == (int)INVALID &&
                   (int)MYELIN_NO_MEMORY == (int)NO_MEMORY && (int)MYELIN_IO == (int)IO &&
                   (int)MYELIN_TIMEOUT == (int)TIMEOUT && (int)MYELIN_PROTOCOL == (int)PROTOCOL &&
                   (int)MYELIN_DENIED == (int)DENIED && (int)MYELIN_INTEGRITY == (int)INTEGRITY &&
                   (int)MYELIN_QUORUM == (int)QUORUM && (int)MYELIN_NOT_FOUND == (int)NOT_FOUND &&
                   (int)MYELIN_CONFLICT == (int)CONFLICT && (int)MYELIN_CRYPTO == (int)CRYPTO &&
                   (int)MYELIN_INTERNAL == (int)INTERNAL,
               "the library's codes are the results");

const char *myelin_version(void) {
    return MYELIN_VERSION;
}

const char *myelin_error_text(void) {
    return error_text();
}

int myelin_start(void) {
    return (int)secret_start();
}

/* ------------------------------------------------------------------ sessions */

static result open_session(const char *system, const char *user, struct view text,
                           struct myelin_session **out_session) {
    AUTO_SECRET struct passphrase *passphrase = NULL;
    TRY(passphrase_from(text, &passphrase));
    struct session *inner = NULL;
    TRY(session_open(system, user, passphrase, &inner));
    struct myelin_session *session = calloc(1, sizeof *session);
    if (session == NULL) {
        session_close(inner);
        return FAIL(NO_MEMORY, "out of memory");
    }
    pthread_mutex_init(&session->lock, NULL);
    session->inner = inner;
    *out_session = session;
    return OK;
}

/* Under the lock. A session that is used by an older version does as well, so no failure counts. */
static void renew(struct myelin_session *session) {
    struct session *newer = NULL;
    struct session **past =
        realloc(session->past, (session->past_count + 1) * sizeof(struct session *));
    if (past == NULL)
        return;
    session->past = past;
    if (session_renew(session->inner, &newer) != OK || newer == NULL)
        return;
    past[session->past_count++] = session->inner;
    if (session->is_cancelled)
        session_cancel(newer);
    session->inner = newer;
}

bool library_is_renewed(struct myelin_session *session, const struct session *before, int done) {
    return session->inner != before && (done == CONFLICT || done == QUORUM || done == NOT_FOUND ||
                                        done == DENIED || done == INTEGRITY);
}

int library_done(struct myelin_session *session, result done) {
    char why[ERROR_TEXT_BYTES];
    if (!session_is_outdated(session->inner) || pthread_mutex_trylock(&session->lock) != 0)
        return (int)done;
    memcpy(why, error_text(), sizeof why);
    renew(session);
    pthread_mutex_unlock(&session->lock);
    if (done != OK)
        error_set(done, "%s", why);
    return (int)done;
}

int myelin_open(const char *system, const char *user, const void *passphrase, size_t passphrase_len,
                struct myelin_session **out_session) {
    return (int)open_session(system, user, view_of(passphrase, passphrase_len), out_session);
}

void myelin_close(struct myelin_session *session) {
    if (session == NULL)
        return;
    for (size_t i = 0; i < session->past_count; i++)
        session_close(session->past[i]);
    session_close(session->inner);
    pthread_mutex_destroy(&session->lock);
    free(session->past);
    free(session);
}

void myelin_set_progress(struct myelin_session *session, myelin_progress progress, void *context) {
    session_set_progress(session->inner, progress, context);
}

void myelin_cancel(struct myelin_session *session) {
    session_cancel(session->inner); /* also what renews it */
    pthread_mutex_lock(&session->lock);
    session->is_cancelled = true;
    for (size_t i = 0; i < session->past_count; i++)
        session_cancel(session->past[i]);
    session_cancel(session->inner);
    pthread_mutex_unlock(&session->lock);
}

void myelin_take_warnings(struct myelin_session *session, myelin_line take, void *context) {
    pthread_mutex_lock(&session->lock);
    for (size_t i = 0; i < session->past_count; i++)
        session_take_warnings(session->past[i], take, context);
    session_take_warnings(session->inner, take, context);
    pthread_mutex_unlock(&session->lock);
}

/* ------------------------------------------------------------------ enrolling */

struct enrolling {
    struct session *session;
    myelin_line warn;
    void *context;
};

static void follow_enrolment(void *context, struct session *session) {
    struct enrolling *enrolling = context;
    if (session == NULL && enrolling->session != NULL && enrolling->warn != NULL)
        session_take_warnings(enrolling->session, enrolling->warn, enrolling->context);
    enrolling->session = session;
}

static result enroll(const struct enrol_options *options, struct view text) {
    AUTO_SECRET struct passphrase *passphrase = NULL;
    TRY(passphrase_from(text, &passphrase));
    struct enrol_options with_passphrase = *options;
    with_passphrase.passphrase = passphrase;
    return flow_enrol(&with_passphrase);
}

int myelin_enroll(const char *system, const char *user, const void *passphrase,
                  size_t passphrase_len, myelin_line warn, void *context) {
    struct enrolling enrolling = {.warn = warn, .context = context};
    struct enrol_options options = {
        .system = system, .user = user, .session = follow_enrolment, .context = &enrolling};
    return (int)enroll(&options, view_of(passphrase, passphrase_len));
}

/* ------------------------------------------------------------------ images */

static result put(struct myelin_session *session, const char *codec, struct put_options *options,
                  const char *const paths[], size_t count) {
    if (codec != NULL)
        TRY(codec_kind_parse(codec, &options->codec));
    return flow_put(session->inner, options, paths, count);
}

int myelin_put(struct myelin_session *session, const char *id, const char *codec,
               const char *const paths[], size_t path_count, myelin_line done, void *context) {
    struct put_options options = {.id = id, .codec = CODEC_AUTO, .done = done, .context = context};
    const struct session *before = session->inner;
    int done_code = library_done(session, put(session, codec, &options, paths, path_count));
    if (id == NULL || !library_is_renewed(session, before, done_code))
        return done_code; /* some of several images may be there */
    return library_done(session, put(session, codec, &options, paths, path_count));
}

int myelin_put_blocks(struct myelin_session *session, const char *id, const char *codec,
                      unsigned copies, const char *const paths[], size_t path_count,
                      myelin_line done, void *context) {
    struct put_options options = {.id = id,
                                  .codec = CODEC_AUTO,
                                  .dispersal = PUT_BLOCKS,
                                  .copies = copies,
                                  .done = done,
                                  .context = context};
    return library_done(session, put(session, codec, &options, paths, path_count));
}

int myelin_get(struct myelin_session *session, const char *id, const char *from,
               const char *folder) {
    AUTO_PATIENCE struct patience patience;
    patience_begin(&patience, PATIENCE_OF_GET);
    const struct get_options options = {.from = from};
    const struct session *before = session->inner;
    int done = library_done(session, flow_get(session->inner, id, &options, folder));
    if (!library_is_renewed(session, before, done))
        return done;
    return library_done(session, flow_get(session->inner, id, &options, folder));
}

int myelin_forward(struct myelin_session *session, const char *id, const char *const recipients[],
                   size_t recipient_count) {
    const struct forward_options options = {0};
    return library_done(session,
                        flow_forward(session->inner, id, recipients, recipient_count, &options));
}

int myelin_revoke(struct myelin_session *session, const char *id, const char *recipient) {
    return library_done(session, flow_revoke(session->inner, id, recipient));
}

int myelin_remove(struct myelin_session *session, const char *id) {
    return library_done(session, flow_remove(session->inner, id));
}

int myelin_delete(struct myelin_session *session, const char *id, const char *const names[],
                  size_t count) {
    return library_done(session,
                        flow_delete(session->inner, id, names, count, DELETE_PASSES_UNKNOWN));
}

/* ------------------------------------------------------------------ listing */

/* Their callbacks, which may be long, wait for nobody. */
static result list_images(struct session *session, struct list *out_list) {
    AUTO_PATIENCE struct patience patience;
    patience_begin(&patience, PATIENCE_OF_LIST);
    return flow_list(session, out_list);
}

static result list_inbox(struct session *session, struct inbox *out_inbox) {
    AUTO_PATIENCE struct patience patience;
    patience_begin(&patience, PATIENCE_OF_LIST);
    return inbox_collect(session, NULL, out_inbox);
}

static result list_objects(struct session *session, const char *id, const char *from,
                           struct shown *out_shown) {
    AUTO_PATIENCE struct patience patience;
    patience_begin(&patience, PATIENCE_OF_LIST);
    return flow_show(session, id, from, out_shown);
}

int myelin_list(struct myelin_session *session, myelin_image_found found, void *context) {
    AUTO_LIST struct list list = {0};
    result listed = list_images(session->inner, &list);
    for (size_t i = 0; i < list.count; i++) {
        const struct list_item *item = &list.items[i];
        struct myelin_image image = {.id = item->id,
                                     .owner = session->inner->user,
                                     .time_ms = item->created_ms,
                                     .objects = item->objects,
                                     .sealed_bytes = item->sealed_bytes,
                                     .recipients = (const char *const *)item->recipients,
                                     .recipient_count = item->recipient_count};
        found(context, &image);
    }
    return library_done(session, listed);
}

int myelin_inbox(struct myelin_session *session, myelin_image_found found, void *context) {
    AUTO_INBOX struct inbox inbox = {0};
    result collected = list_inbox(session->inner, &inbox);
    for (size_t i = 0; i < inbox.count; i++) {
        const struct inbox_item *item = &inbox.items[i];
        struct myelin_image image = {.id = item->id,
                                     .owner = item->owner->name,
                                     .time_ms = item->serial_ms,
                                     .objects = item->objects,
                                     .sealed_bytes = item->sealed_bytes};
        found(context, &image);
    }
    return library_done(session, collected);
}

int myelin_show(struct myelin_session *session, const char *id, const char *from,
                myelin_object_found found, void *context) {
    AUTO_SHOWN struct shown shown = {0};
    result opened = list_objects(session->inner, id, from, &shown);
    for (size_t i = 0; i < shown.object_count; i++) {
        const struct shown_object *object = &shown.objects[i];
        struct myelin_object one = {.name = object->name,
                                    .size = object->size,
                                    .sealed_bytes = object->sealed_bytes,
                                    .codec = codec_kind_name(object->codec)};
        found(context, &one);
    }
    return library_done(session, opened);
}

/* ------------------------------------------------------------------ checking */

struct verifying {
    myelin_finding_made found;
    void *context;
};

static void hand_finding(void *context, const struct verify_finding *finding) {
    const struct verifying *verifying = context;
    struct myelin_finding one = {.id = finding->id,
                                 .object = finding->object,
                                 .server = finding->server,
                                 .state = verify_state_name(finding->state),
                                 .detail = finding->detail};
    verifying->found(verifying->context, &one);
}

int myelin_verify(struct myelin_session *session, const char *id, myelin_finding_made found,
                  void *context) {
    struct verifying verifying = {.found = found, .context = context};
    return library_done(session, flow_verify(session->inner, id, hand_finding, &verifying));
}

struct mending {
    myelin_mended_made mended;
    void *context;
};

static void hand_part(void *context, const struct repair_part *part) {
    const struct mending *mending = context;
    struct myelin_mended one = {.id = part->id,
                                .object = part->object,
                                .server = part->server,
                                .slot = part->slot,
                                .outcome = repair_outcome_name(part->outcome),
                                .detail = part->detail};
    if (mending->mended != NULL)
        mending->mended(mending->context, &one);
}

int myelin_repair(struct myelin_session *session, const char *id, myelin_mended_made mended,
                  void *context) {
    struct mending mending = {mended, context};
    return library_done(session, flow_repair(session->inner, id, hand_part, &mending, NULL));
}
