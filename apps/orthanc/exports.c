#include "exports.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "orthanc_rest.h"
#include "roomy.h"

enum { KNOWN_MS = 3000, WAIT_MS = 700 };

static struct gateway *gateway;
static _Thread_local bool is_heard;   /* this thread tells somebody who asked */
static _Thread_local bool is_refused; /* the request that this thread serves */

/* What is known of the servers. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t asked, told;
    pthread_t thread;
    bool is_started, is_stopping, is_asked;
    result status;
    uint64_t known_ms; /* since when; 0: never */
    char why[ERROR_TEXT_BYTES];
} watch = {.lock = PTHREAD_MUTEX_INITIALIZER,
           .asked = PTHREAD_COND_INITIALIZER,
           .told = PTHREAD_COND_INITIALIZER};

/* ------------------------------------------------------------------ what is an export */

static bool has_export_end(const char *end) {
    return strcmp(end, "/archive") == 0 || strcmp(end, "/media") == 0;
}

bool exports_find(const char *path, char out_resource[EXPORTS_RESOURCE_BYTES]) {
    static const char *const levels[] = {"/patients/", "/studies/", "/series/"};
    enum { ID_LEN = 44 };
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        size_t len = strlen(levels[i]);
        char id[ID_LEN + 1];
        if (strncmp(path, levels[i], len) != 0)
            continue;
        snprintf(id, sizeof id, "%s", path + len);
        snprintf(out_resource, EXPORTS_RESOURCE_BYTES, "%s%s", levels[i], id);
        return orthanc_is_id(id) && has_export_end(path + len + ID_LEN);
    }
    return false;
}

/* Up to the end or the next slash. */
static size_t uid_len(const char *text) {
    return strspn(text, "0123456789.");
}

/* "/dicom-web/studies/1.2.3" or "/dicom-web/studies/1.2.3/series/4.5.6", wherever DICOMweb is
 * configured to be. */
static bool find_wado(const char *path, char out_resource[EXPORTS_RESOURCE_BYTES]) {
    enum { UID_MAX = 64 };
    static const char study[] = "/studies/", series[] = "/series/";
    const char *uid = strstr(path, study);
    bool is_series = false;
    if (uid == NULL)
        return false;
    uid += sizeof study - 1;
    size_t len = uid_len(uid);
    if (strncmp(uid + len, series, sizeof series - 1) == 0) {
        is_series = true;
        uid += len + sizeof series - 1;
        len = uid_len(uid);
    }
    if (len == 0 || len > UID_MAX || uid[len] != '\0')
        return false;
    char *id = is_series ? OrthancPluginLookupSeries(gateway->orthanc, uid)
                         : OrthancPluginLookupStudy(gateway->orthanc, uid);
    if (id == NULL)
        return false;
    snprintf(out_resource, EXPORTS_RESOURCE_BYTES, "%s%s", is_series ? series : study, id);
    OrthancPluginFreeString(gateway->orthanc, id);
    return true;
}

/* ------------------------------------------------------------------ before */

static void ignore_server(void *context, const struct myelin_server *server) {
    (void)context;
    (void)server;
}

/* What it finds is in `watch`. */
static result look(struct gateway *its_gateway) {
    result status = gateway_result(myelin_status(its_gateway->session, ignore_server, NULL));
    pthread_mutex_lock(&watch.lock);
    watch.status = status;
    snprintf(watch.why, sizeof watch.why, "%s", status == OK ? "" : error_text());
    watch.known_ms = clock_ms();
    pthread_mutex_unlock(&watch.lock);
    return status;
}

result exports_look(struct gateway *its_gateway) {
    return look(its_gateway);
}

/* Asks the servers when somebody wants to know: one that hangs would hold up the request for
 * seconds. */
static void *run_watch(void *argument) {
    (void)argument;
    pthread_mutex_lock(&watch.lock);
    while (!watch.is_stopping) {
        if (!watch.is_asked) {
            pthread_cond_wait(&watch.asked, &watch.lock);
            continue;
        }
        pthread_mutex_unlock(&watch.lock);
        (void)look(gateway);
        pthread_mutex_lock(&watch.lock);
        watch.is_asked = false;
        pthread_cond_broadcast(&watch.told);
    }
    pthread_mutex_unlock(&watch.lock);
    return NULL;
}

/* With the lock held. Who asks first waits for a moment; the others go by what is known. */
static void ask_and_wait(void) {
    if (watch.is_asked || !watch.is_started)
        return;
    watch.is_asked = true;
    pthread_cond_signal(&watch.asked);
    uint64_t until_ns = clock_ns() + WAIT_MS * 1000000ULL;
    while (watch.is_asked && clock_wait_until(&watch.told, &watch.lock, until_ns))
        continue;
}

/* OK also where it is not known: what is missing is noticed later then. */
static result ask_servers(void) {
    char why[ERROR_TEXT_BYTES];
    pthread_mutex_lock(&watch.lock);
    if (watch.known_ms == 0 || clock_ms() - watch.known_ms >= KNOWN_MS)
        ask_and_wait();
    bool is_known = watch.known_ms != 0 && clock_ms() - watch.known_ms < KNOWN_MS;
    result status = is_known ? watch.status : OK;
    snprintf(why, sizeof why, "%s", watch.why);
    pthread_mutex_unlock(&watch.lock);
    return status == OK ? OK : FAIL(status, "%s", why);
}

/* As Orthanc reads it; the spool and the caches count. */
static result try_instance(const char *id) {
    char path[EXPORTS_RESOURCE_BYTES + 16];
    OrthancPluginMemoryBuffer buffer;
    if (!orthanc_is_id(id))
        return FAIL(PROTOCOL, "Orthanc names an instance '%.64s'", id);
    snprintf(path, sizeof path, "/instances/%s/file", id);
    if (OrthancPluginRestApiGet(gateway->orthanc, &buffer, path) != OrthancPluginErrorCode_Success)
        return FAIL(QUORUM, "instance %s cannot be read", id);
    OrthancPluginFreeMemoryBuffer(gateway->orthanc, &buffer);
    return OK;
}

static result try_series(const json_t *series) {
    const json_t *instances = json_object_get(series, "Instances");
    size_t count = json_array_size(instances);
    const char *first = json_string_value(json_array_get(instances, 0));
    const char *last = count < 2 ? NULL : json_string_value(json_array_get(instances, count - 1));
    if (first != NULL)
        TRY(try_instance(first));
    return last == NULL ? OK : try_instance(last);
}

/* The first and the last instance of each series. */
static result try_resource(const char *resource) {
    AUTO_JSON json_t *found = NULL;
    size_t index;
    json_t *series;
    if (strncmp(resource, "/series/", strlen("/series/")) == 0) {
        TRY(orthanc_get(gateway, &found, "%s", resource));
        return try_series(found);
    }
    TRY(orthanc_get(gateway, &found, "%s/series", resource));
    json_array_foreach(found, index, series) TRY(try_series(series));
    return OK;
}

/* What Orthanc does not have is Orthanc's to say. */
static result check(void *context) {
    char why[ERROR_TEXT_BYTES];
    if (ask_servers() == OK)
        return OK;
    snprintf(why, sizeof why, "%s", error_text());
    is_heard = true;
    result tried = try_resource(context);
    return tried == OK || tried == NOT_FOUND ? OK : FAIL(tried, "%s", why);
}

static int32_t on_request(OrthancPluginHttpMethod method, const char *uri, const char *ip,
                          uint32_t header_count, const char *const *header_keys,
                          const char *const *header_values, uint32_t argument_count,
                          const char *const *argument_keys, const char *const *argument_values) {
    (void)ip, (void)header_count, (void)header_keys, (void)header_values;
    (void)argument_count, (void)argument_keys, (void)argument_values;
    enum { IS_ERROR = -1, IS_ALLOWED = 1 };
    char resource[EXPORTS_RESOURCE_BYTES];
    is_heard = true; /* this is a thread of the HTTP server, and stays one */
    is_refused = false;
    bool is_get = method == OrthancPluginHttpMethod_Get;
    bool is_export =
        (is_get || method == OrthancPluginHttpMethod_Post) && exports_find(uri, resource);
    if (!is_export && (!is_get || !find_wado(uri, resource)))
        return IS_ALLOWED;
    if (roomy_call(check, resource) == OK)
        return IS_ALLOWED;
    gateway_notice(gateway, "An export was refused, because instances would be missing from it: %s",
                   error_text());
    is_refused = !is_export;
    return is_export ? IS_ERROR : IS_ALLOWED;
}

bool exports_is_refused(void) {
    return is_refused;
}

result exports_start(struct gateway *its_gateway) {
    gateway = its_gateway;
    watch.is_stopping = false;
    watch.is_started = pthread_create(&watch.thread, NULL, run_watch, NULL) == 0;
    if (!watch.is_started)
        return FAIL(NO_MEMORY, "no thread for watching exports");
    OrthancPluginRegisterIncomingHttpRequestFilter2(gateway->orthanc, on_request);
    return OK;
}

void exports_stop(void) {
    pthread_mutex_lock(&watch.lock);
    bool is_started = watch.is_started;
    watch.is_started = false;
    watch.is_stopping = true;
    pthread_cond_signal(&watch.asked);
    pthread_mutex_unlock(&watch.lock);
    if (is_started)
        pthread_join(watch.thread, NULL);
}

/* ------------------------------------------------------------------ meanwhile */

static bool is_making_archive(const json_t *job) {
    const char *type = orthanc_text(job, "Type"), *state = orthanc_text(job, "State");
    return (strcmp(type, "Archive") == 0 || strcmp(type, "Media") == 0) &&
           (strcmp(state, "Running") == 0 || strcmp(state, "Pending") == 0);
}

static void cancel(const char *id) {
    char path[EXPORTS_RESOURCE_BYTES + 16];
    OrthancPluginMemoryBuffer buffer;
    snprintf(path, sizeof path, "/jobs/%.60s/cancel", id);
    if (OrthancPluginRestApiPost(gateway->orthanc, &buffer, path, "{}", 2) !=
        OrthancPluginErrorCode_Success) {
        gateway_error(gateway, "ALARM: an export in which an instance is missing goes on: job %s",
                      id);
        return;
    }
    OrthancPluginFreeMemoryBuffer(gateway->orthanc, &buffer);
    gateway_notice(gateway, "An export was broken off, because an instance could not be read: "
                            "see the log");
}

void exports_read_failed(struct gateway *its_gateway) {
    AUTO_JSON json_t *jobs = NULL;
    size_t index;
    json_t *job;
    if (is_heard || orthanc_get(its_gateway, &jobs, "/jobs?expand") != OK)
        return;
    json_array_foreach(jobs, index, job) if (is_making_archive(job))
        cancel(orthanc_text(job, "ID"));
}
