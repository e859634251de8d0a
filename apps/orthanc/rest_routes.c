#include "rest_routes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "accept.h"
#include "archive.h"
#include "deletions.h"
#include "rebuild.h"
#include "sender.h"
#include "verifier.h"

enum { RECIPIENTS_MAX = 256 };

/* A new reference, or an error where there is no memory for it. */
static result give(json_t *answer, json_t **out_answer) {
    if (answer == NULL)
        return FAIL(NO_MEMORY, "out of memory");
    *out_answer = answer;
    return OK;
}

/* ------------------------------------------------------------------ status, users */

static void add_server(void *context, const struct myelin_server *server) {
    json_array_append_new(context, json_pack("{s:s, s:s, s:b, s:b, s:I, s:o}", "Name", server->name,
                                             "Address", server->address, "IsKeyServer",
                                             server->is_key_server, "IsWell", server->is_well,
                                             "Milliseconds", (json_int_t)server->time_ms, "Trouble",
                                             orthanc_json_text(server->trouble)));
}

static json_t *show_backlog(struct gateway *gateway) {
    char trouble[ERROR_TEXT_BYTES];
    struct map_backlog backlog = map_backlog(gateway->map);
    sender_trouble(gateway->sender, trouble);
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:o}", "Attachments",
                     (json_int_t)backlog.attachments, "Bytes", (json_int_t)backlog.bytes,
                     "LimitBytes", (json_int_t)gateway->config.spool_bytes, "OldestSeconds",
                     (json_int_t)(backlog.oldest_ms / 1000), "Deletions",
                     (json_int_t)backlog.deletions, "Trouble", orthanc_json_text(trouble));
}

static json_t *show_notices(struct gateway *gateway) {
    struct gateway_notices *notices = &gateway->notices;
    json_t *list = json_array();
    pthread_mutex_lock(&notices->lock);
    uint64_t first = notices->count > GATEWAY_NOTICES ? notices->count - GATEWAY_NOTICES : 0;
    for (uint64_t i = first; i < notices->count; i++) {
        const struct gateway_notice *notice = &notices->lines[i % GATEWAY_NOTICES];
        json_array_append_new(list, json_pack("{s:I, s:o}", "TimeMs", (json_int_t)notice->time_ms,
                                              "Text", orthanc_json_text(notice->text)));
    }
    pthread_mutex_unlock(&notices->lock);
    return list;
}

static result serve_status(struct gateway *gateway, const struct rest_request *request,
                           json_t **out_answer) {
    (void)request;
    const struct gateway_counts *counts = &gateway->counts;
    json_t *servers = json_array();
    result status = gateway_result(myelin_status(gateway->session, add_server, servers));
    bool is_well = status == OK;
    return give(
        json_pack("{s:s, s:s, s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I}",
                  "Version", myelin_version(), "User", gateway->config.user, "WritePolicy",
                  gateway->config.policy == CONFIG_SPOOL ? "spool" : "durable", "IsWell", is_well,
                  "Message", orthanc_json_text(is_well ? "" : error_text()), "Servers", servers,
                  "Spool", show_backlog(gateway), "Notices", show_notices(gateway), "Verify",
                  verifier_show(gateway->verifier), "Stored", (json_int_t)counts->stored, "Read",
                  (json_int_t)counts->read, "ReadFailures", (json_int_t)counts->read_failures,
                  "IntegrityFailures", (json_int_t)counts->integrity_failures, "RemovedImages",
                  (json_int_t)counts->removed_images, "DeletedObjects",
                  (json_int_t)counts->deleted_objects),
        out_answer);
}

static void add_name(void *context, const char *name) {
    json_array_append_new(context, orthanc_json_text(name));
}

static result serve_users(struct gateway *gateway, const struct rest_request *request,
                          json_t **out_answer) {
    (void)request;
    AUTO_JSON json_t *users = json_array();
    TRY(gateway_result(myelin_users(gateway->session, add_name, users)));
    return give(json_incref(users), out_answer);
}

/* ------------------------------------------------------------------ images, inbox */

struct listing {
    struct gateway *gateway;
    json_t *list;
};

static json_t *show_image(const struct myelin_image *image) {
    return json_pack("{s:o, s:o, s:I, s:I, s:I}", "Owner", orthanc_json_text(image->owner), "Image",
                     orthanc_json_text(image->id), "TimeMs", (json_int_t)image->time_ms, "Objects",
                     (json_int_t)image->objects, "SealedBytes", (json_int_t)image->sealed_bytes);
}

static void add_own(void *context, const struct myelin_image *image) {
    const struct listing *listing = context;
    json_t *shown = show_image(image);
    json_t *recipients = json_array();
    for (size_t i = 0; i < image->recipient_count; i++)
        json_array_append_new(recipients, orthanc_json_text(image->recipients[i]));
    json_object_set_new(shown, "Recipients", recipients);
    json_array_append_new(listing->list, shown);
}

static void add_forwarded(void *context, const struct myelin_image *image) {
    const struct listing *listing = context;
    struct map_image_info info = {0};
    json_t *shown = show_image(image);
    map_image(listing->gateway->map, image->owner, image->id, &info);
    json_object_set_new(shown, "Accepted", json_integer((json_int_t)info.living));
    json_array_append_new(listing->list, shown);
}

static result serve_images(struct gateway *gateway, const struct rest_request *request,
                           json_t **out_answer) {
    (void)request;
    AUTO_JSON json_t *list = json_array();
    struct listing listing = {gateway, list};
    TRY(gateway_result(myelin_list(gateway->session, add_own, &listing)));
    return give(json_incref(list), out_answer);
}

static result serve_inbox(struct gateway *gateway, const struct rest_request *request,
                          json_t **out_answer) {
    (void)request;
    AUTO_JSON json_t *list = json_array();
    struct listing listing = {gateway, list};
    TRY(gateway_result(myelin_inbox(gateway->session, add_forwarded, &listing)));
    return give(json_incref(list), out_answer);
}

static result serve_accept(struct gateway *gateway, const struct rest_request *request,
                           json_t **out_answer) {
    struct accept_request accept = {
        .owner = orthanc_text(request->body, "Owner"),
        .image = orthanc_text(request->body, "Image"),
        .merges_patient = json_is_true(json_object_get(request->body, "MergePatient"))};
    if (accept.owner[0] == '\0' || accept.image[0] == '\0')
        return FAIL(INVALID, "the body is to name \"Owner\" and \"Image\"");
    if (strcmp(accept.owner, gateway->config.user) == 0)
        return FAIL(INVALID, "%s is this gateway's own user", accept.owner);
    return accept_image(gateway, &accept, out_answer);
}

/* ------------------------------------------------------------------ forward, revoke */

/* The image of the study that the body names by Orthanc's identifier, if it is the gateway's own
 * and of that study alone. */
static result find_study(struct gateway *gateway, const struct rest_request *request,
                         char out_image[RECORD_IMAGE_MAX + 1]) {
    const char *id = orthanc_text(request->body, "Study");
    struct map_image_info info;
    AUTO_JSON json_t *study = NULL;
    AUTO_JSON json_t *statistics = NULL;
    if (!orthanc_is_id(id))
        return FAIL(INVALID, "the body is to name the \"Study\" by Orthanc's identifier");
    TRY(orthanc_get(gateway, &study, "/studies/%s", id));
    TRY(orthanc_get(gateway, &statistics, "/studies/%s/statistics", id));
    const char *uid = orthanc_text(json_object_get(study, "MainDicomTags"), "StudyInstanceUID");
    if (!map_image(gateway->map, "", uid, &info) || info.living == 0)
        return FAIL(NOT_FOUND,
                    "the study is not this gateway's own: only its owner can forward it");
    json_int_t instances = json_integer_value(json_object_get(statistics, "CountInstances"));
    if (instances < 0 || (uint64_t)instances != info.living)
        return FAIL(CONFLICT,
                    "the image of this study has %llu instances, and the study %lld: another "
                    "patient's study has the same StudyInstanceUID, or instances are arriving",
                    (unsigned long long)info.living, (long long)instances);
    snprintf(out_image, RECORD_IMAGE_MAX + 1, "%s", uid);
    return OK;
}

static result take_recipients(const json_t *body, const char *out_names[RECIPIENTS_MAX],
                              size_t *out_count) {
    const json_t *to = json_object_get(body, "To");
    size_t count = json_array_size(to);
    if (!json_is_array(to) || count == 0 || count > RECIPIENTS_MAX)
        return FAIL(INVALID, "the body is to name 1 to %d users in the list \"To\"",
                    RECIPIENTS_MAX);
    for (size_t i = 0; i < count; i++) {
        out_names[i] = json_string_value(json_array_get(to, i));
        if (out_names[i] == NULL || strlen(out_names[i]) > RECORD_OWNER_MAX)
            return FAIL(INVALID, "\"To\" is to hold names of users");
    }
    *out_count = count;
    return OK;
}

/* What the storage servers do not have yet is forwarded once they do. */
static result forward_later(struct gateway *gateway, const char *image, const char *const names[],
                            size_t count) {
    for (size_t i = 0; i < count; i++)
        TRY(map_want_forward(gateway->map, image, names[i]));
    return OK;
}

/* Without objects that are about to go. */
static result forward_now(struct gateway *gateway, const char *image, const char *const names[],
                          size_t count) {
    TRY(deletions_all(gateway, image));
    return gateway_result(myelin_forward(gateway->session, image, names, count));
}

static result serve_forward(struct gateway *gateway, const struct rest_request *request,
                            json_t **out_answer) {
    char image[RECORD_IMAGE_MAX + 1];
    const char *names[RECIPIENTS_MAX];
    size_t count = 0;
    TRY(take_recipients(request->body, names, &count));
    TRY(find_study(gateway, request, image));
    bool waits = map_is_sending(gateway->map, "", image);
    TRY(waits ? forward_later(gateway, image, names, count)
              : forward_now(gateway, image, names, count));
    return give(json_pack("{s:o, s:s, s:O}", "Image", orthanc_json_text(image), "State",
                          waits ? "waiting" : "forwarded", "To",
                          json_object_get(request->body, "To")),
                out_answer);
}

static result serve_revoke(struct gateway *gateway, const struct rest_request *request,
                           json_t **out_answer) {
    char image[RECORD_IMAGE_MAX + 1];
    const char *user = orthanc_text(request->body, "From");
    if (user[0] == '\0' || strlen(user) > RECORD_OWNER_MAX)
        return FAIL(INVALID, "the body is to name the user in \"From\"");
    TRY(find_study(gateway, request, image));
    TRY(map_end_forward(gateway->map, image, user));
    TRY(gateway_result(myelin_revoke(gateway->session, image, user)));
    return give(json_pack("{s:o, s:o}", "Image", orthanc_json_text(image), "Revoked",
                          orthanc_json_text(user)),
                out_answer);
}

/* ------------------------------------------------------------------ rebuild, verify, audit */

static result serve_rebuild(struct gateway *gateway, const struct rest_request *request,
                            json_t **out_answer) {
    (void)request;
    struct rebuild_done done;
    TRY(rebuild_map(gateway, &done));
    return give(json_pack("{s:I, s:I, s:I}", "Images", (json_int_t)done.images, "Attachments",
                          (json_int_t)done.attachments, "Restored", (json_int_t)done.restored),
                out_answer);
}

enum { MIGRATE_MAX = 100000 };

static result serve_migrate(struct gateway *gateway, const struct rest_request *request,
                            json_t **out_answer) {
    struct archive_done done = {0};
    json_int_t count = json_integer_value(json_object_get(request->body, "Count"));
    if (count < 1 || count > MIGRATE_MAX)
        return FAIL(INVALID, "the body is to say how many attachments to move: \"Count\", 1 to %d",
                    MIGRATE_MAX);
    TRY(json_is_true(json_object_get(request->body, "Undo"))
            ? archive_move_out(gateway, (uint64_t)count, &done)
            : archive_move_in(gateway, (uint64_t)count, &done));
    return give(json_pack("{s:I, s:I, s:b}", "Moved", (json_int_t)done.moved, "Skipped",
                          (json_int_t)done.skipped, "IsDone", done.is_done),
                out_answer);
}

static result serve_reindex(struct gateway *gateway, const struct rest_request *request,
                            json_t **out_answer) {
    (void)request;
    struct accept_totals totals = {0};
    TRY(accept_own(gateway, &totals));
    return give(json_pack("{s:I, s:I, s:I, s:I}", "Images", (json_int_t)totals.images, "Imported",
                          (json_int_t)totals.imported, "Existing", (json_int_t)totals.existing,
                          "Skipped", (json_int_t)totals.skipped),
                out_answer);
}

static result serve_verify(struct gateway *gateway, const struct rest_request *request,
                           json_t **out_answer) {
    (void)request;
    TRY(verifier_begin(gateway->verifier));
    return give(json_pack("{s:s}", "State", "running"), out_answer);
}

static void add_access(void *context, const struct myelin_access *access) {
    json_array_append_new(
        context,
        json_pack("{s:I, s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "TimeMs",
                  (json_int_t)access->time_ms, "Server", access->server, "Sequence",
                  (json_int_t)access->sequence, "User", orthanc_json_text(access->user), "Action",
                  orthanc_json_text(access->action), "Owner", orthanc_json_text(access->owner),
                  "Image", access->id == NULL ? json_null() : orthanc_json_text(access->id),
                  "Recipient", orthanc_json_text(access->recipient), "Outcome",
                  orthanc_json_text(access->outcome)));
}

static const char *query(const struct rest_request *request, const char *key) {
    for (uint32_t i = 0; i < request->http->getCount; i++)
        if (strcmp(request->http->getKeys[i], key) == 0 && request->http->getValues[i][0] != '\0')
            return request->http->getValues[i];
    return NULL;
}

static result serve_audit(struct gateway *gateway, const struct rest_request *request,
                          json_t **out_answer) {
    AUTO_JSON json_t *entries = json_array();
    const char *image = query(request, "image"), *owner = query(request, "owner");
    if (image == NULL && owner != NULL)
        return FAIL(INVALID, "?owner= goes with ?image=");
    TRY(gateway_result(myelin_audit(gateway->session, image, owner, add_access, entries)));
    return give(json_incref(entries), out_answer);
}

const struct rest_route rest_routes[] = {
    {"status", OrthancPluginHttpMethod_Get, RIGHT_VIEW, serve_status},
    {"users", OrthancPluginHttpMethod_Get, RIGHT_VIEW, serve_users},
    {"images", OrthancPluginHttpMethod_Get, RIGHT_VIEW, serve_images},
    {"inbox", OrthancPluginHttpMethod_Get, RIGHT_VIEW, serve_inbox},
    {"accept", OrthancPluginHttpMethod_Post, RIGHT_ACCEPT, serve_accept},
    {"forward", OrthancPluginHttpMethod_Post, RIGHT_FORWARD, serve_forward},
    {"revoke", OrthancPluginHttpMethod_Post, RIGHT_FORWARD, serve_revoke},
    {"rebuild", OrthancPluginHttpMethod_Post, RIGHT_ACCEPT, serve_rebuild},
    {"migrate", OrthancPluginHttpMethod_Post, RIGHT_ACCEPT, serve_migrate},
    {"reindex", OrthancPluginHttpMethod_Post, RIGHT_ACCEPT, serve_reindex},
    {"verify", OrthancPluginHttpMethod_Post, RIGHT_ACCEPT, serve_verify},
    {"audit", OrthancPluginHttpMethod_Get, RIGHT_AUDIT, serve_audit},
    {0},
};
