/*
 * The plugin's gateway without Orthanc and without a system: Orthanc is a table of services, and
 * the storage servers are a folder, under the names of images.h. What they were given they keep: a
 * put is there as a whole or not, and of a name that they have they say CONFLICT.
 */
#ifndef MYELIN_TESTS_ORTHANC_WORLD_H
#define MYELIN_TESTS_ORTHANC_WORLD_H

#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/secret.h"
#include "dicom_sample.h"
#include "exports.h"
#include "sender.h"
#include "storage_area.h"

enum { ORTHANC_CACHE_BYTES = 256 << 10, ORTHANC_SPOOL_WAIT_S = 10 };

static struct orthanc_world {
    char servers[256];
    atomic_bool is_away; /* the servers do not answer */
    atomic_uint lines;   /* errors logged */
    _OrthancPluginRegisterStorageArea2 area;
    OrthancPluginOnStoredInstanceCallback stored;
    struct gateway gateway;
} orthanc;

/* ------------------------------------------------------------------ the servers */

static inline void server_path(const char *name, const char *end, char out[PATH_MAX]) {
    snprintf(out, PATH_MAX, "%s/%s%s", orthanc.servers, name, end);
}

static inline result server_put(const struct myelin_blob *blob) {
    char path[PATH_MAX], fresh[PATH_MAX];
    server_path(blob->name, "", path);
    server_path(blob->name, ".new", fresh);
    FILE *file = fopen(fresh, "we");
    if (file == NULL)
        return FAIL(IO, "%s", fresh);
    size_t written = fwrite(blob->data, 1, blob->size, file);
    if (fclose(file) != 0 || written != blob->size || rename(fresh, path) != 0)
        return FAIL(IO, "%s", fresh);
    return OK;
}

result images_put_all(struct images *images, const char *image, const struct myelin_blob blobs[],
                      size_t count) {
    char path[PATH_MAX];
    (void)images, (void)image;
    if (orthanc.is_away)
        return FAIL(QUORUM, "too few servers");
    for (size_t i = 0; i < count; i++) {
        server_path(blobs[i].name, "", path);
        if (access(path, F_OK) == 0)
            return FAIL(CONFLICT, "%s is there", blobs[i].name);
    }
    for (size_t i = 0; i < count; i++)
        TRY(server_put(&blobs[i]));
    return OK;
}

result images_put(struct images *images, const char *image, const struct myelin_blob *blob) {
    return images_put_all(images, image, blob, 1);
}

result images_read(struct images *images, const char *owner, const char *image,
                   const char *const names[], size_t count, myelin_blob_take take, void *context) {
    (void)images, (void)owner, (void)image;
    if (orthanc.is_away)
        return FAIL(QUORUM, "too few servers");
    for (size_t i = 0; i < count; i++) {
        char path[PATH_MAX];
        AUTO_BYTES struct bytes data = {0};
        server_path(names[i], "", path);
        TRY(file_read(path, 64 << 20, &data));
        if (take(context, i, data.data, data.len) != (int)OK)
            break;
    }
    return OK;
}

void images_forget(struct images *images, const char *owner, const char *image) {
    (void)images, (void)owner, (void)image;
}

void myelin_take_warnings(struct myelin_session *session, myelin_line take, void *context) {
    (void)session, (void)take, (void)context;
}

/* ------------------------------------------------------------------ Orthanc */

/* In the place of exports.c: it makes no archives. */
bool exports_is_refused(void) {
    return false;
}

void exports_read_failed(struct gateway *gateway) {
    (void)gateway;
}

static inline OrthancPluginErrorCode
orthanc_buffer(const _OrthancPluginCreateMemoryBuffer64 *asked) {
    asked->target->data = malloc(asked->size > 0 ? asked->size : 1);
    asked->target->size = asked->size;
    return asked->target->data == NULL ? OrthancPluginErrorCode_NotEnoughMemory
                                       : OrthancPluginErrorCode_Success;
}

/* What is not here fails, as where Orthanc has no such thing. */
static inline OrthancPluginErrorCode orthanc_serve(OrthancPluginContext *context,
                                                   _OrthancPluginService service,
                                                   const void *parameters) {
    (void)context;
    if (service == _OrthancPluginService_RegisterStorageArea2)
        orthanc.area = *(const _OrthancPluginRegisterStorageArea2 *)parameters;
    else if (service == _OrthancPluginService_RegisterOnStoredInstanceCallback)
        orthanc.stored = ((const _OrthancPluginOnStoredInstanceCallback *)parameters)->callback;
    else if (service == _OrthancPluginService_RegisterErrorCode)
        *((const _OrthancPluginRegisterErrorCode *)parameters)->target =
            OrthancPluginErrorCode_StorageAreaPlugin;
    else if (service == _OrthancPluginService_LogError) {
        orthanc.lines++;
        fprintf(stderr, "%s\n", (const char *)parameters);
    } else if (service == _OrthancPluginService_CreateMemoryBuffer64)
        return orthanc_buffer(parameters);
    else
        return OrthancPluginErrorCode_UnknownResource;
    return OrthancPluginErrorCode_Success;
}

/* ------------------------------------------------------------------ the gateway */

static inline void orthanc_close(void) {
    struct gateway *gateway = &orthanc.gateway;
    sender_stop(gateway->sender);
    reader_free(gateway->reader);
    headers_close(gateway->headers);
    spool_close(gateway->spool);
    map_close(gateway->map);
}

static inline result orthanc_open_parts(const char *folder) {
    static const uint8_t key[32] = {7};
    struct gateway *gateway = &orthanc.gateway;
    struct map_found found;
    char path[PATH_MAX];
    TRY(file_make_folders(orthanc.servers, 0700));
    TRY(file_make_folders(folder, 0700));
    snprintf(path, sizeof path, "%s/map", folder);
    TRY(map_open(path, key, &found, &gateway->map));
    if (found.journal.is_damaged)
        return FAIL(INTEGRITY, "the map is damaged");
    snprintf(path, sizeof path, "%s/spool", folder);
    TRY(spool_open(path, key, &gateway->spool));
    snprintf(path, sizeof path, "%s/headers", folder);
    TRY(headers_open(path, key, &gateway->headers));
    TRY(reader_new(NULL, gateway->map, ORTHANC_CACHE_BYTES, &gateway->reader));
    return sender_start(gateway, &gateway->sender);
}

/* As plugin.c does, in this order. orthanc_close frees it, also where it failed. */
static inline result orthanc_open(const char *folder, const char *servers,
                                  enum config_policy policy) {
    static OrthancPluginContext context = {.InvokeService = orthanc_serve};
    orthanc.gateway = (struct gateway){.orthanc = &context};
    orthanc.gateway.config = (struct config){.policy = policy,
                                             .archive = (char[]){""},
                                             .spool_bytes = 64 << 20,
                                             .attachment_bytes = 16 << 20,
                                             .spool_wait_s = ORTHANC_SPOOL_WAIT_S};
    snprintf(orthanc.servers, sizeof orthanc.servers, "%s", servers);
    TRY(orthanc_open_parts(folder));
    storage_area_register(&orthanc.gateway);
    return OK;
}

/* ------------------------------------------------------------------ attachments */

static inline void orthanc_uuid(unsigned number, char out[RECORD_UUID_BYTES + 1]) {
    snprintf(out, RECORD_UUID_BYTES + 1, "00000000-0000-4000-8000-%012x", number);
}

/* An instance of the one study, of rows of 64 bytes. */
static inline void orthanc_bytes(unsigned number, size_t rows, struct bytes *out) {
    AUTO_BYTES struct bytes pixels = {0};
    if (bytes_reserve(&pixels, 64 * rows) != OK)
        __builtin_trap();
    pixels.len = 64 * rows;
    for (size_t i = 0; i < pixels.len; i++)
        pixels.data[i] = (uint8_t)(i * 31 + number * 7 + (i >> 9));
    const struct dicom_sample sample = {.syntax = EXPLICIT_LITTLE,
                                        .study_uid = SAMPLE_STUDY,
                                        .photometric = "MONOCHROME2",
                                        .rows = (uint16_t)rows,
                                        .columns = 64,
                                        .samples = 1,
                                        .bits_allocated = 8,
                                        .bits_stored = 8,
                                        .pixels = bytes_view(&pixels)};
    sample_write(&sample, out);
}

static inline OrthancPluginErrorCode orthanc_create(unsigned number, size_t rows) {
    AUTO_BYTES struct bytes data = {0};
    char uuid[RECORD_UUID_BYTES + 1];
    orthanc_uuid(number, uuid);
    orthanc_bytes(number, rows, &data);
    OrthancPluginErrorCode code =
        orthanc.area.create(uuid, data.data, (int64_t)data.len, OrthancPluginContentType_Dicom);
    return code == OrthancPluginErrorCode_Success ? orthanc.stored(NULL, NULL) : code;
}

static inline OrthancPluginErrorCode orthanc_remove(unsigned number) {
    char uuid[RECORD_UUID_BYTES + 1];
    orthanc_uuid(number, uuid);
    return orthanc.area.remove(uuid, OrthancPluginContentType_Dicom);
}

enum orthanc_seen { SEEN_RIGHT, SEEN_GONE, SEEN_WRONG, SEEN_ERROR };

static inline enum orthanc_seen orthanc_read(unsigned number, size_t rows) {
    AUTO_BYTES struct bytes want = {0};
    OrthancPluginMemoryBuffer64 got = {0};
    char uuid[RECORD_UUID_BYTES + 1];
    orthanc_uuid(number, uuid);
    orthanc_bytes(number, rows, &want);
    OrthancPluginErrorCode code =
        orthanc.area.readWhole(&got, uuid, OrthancPluginContentType_Dicom);
    if (code != OrthancPluginErrorCode_Success)
        return code == OrthancPluginErrorCode_InexistentFile ? SEEN_GONE : SEEN_ERROR;
    bool is_right = view_equal(view_of(got.data, got.size), bytes_view(&want));
    free(got.data);
    return is_right ? SEEN_RIGHT : SEEN_WRONG;
}

/* False where something still waits in the spool after so long. */
static inline bool orthanc_drain(unsigned seconds) {
    uint64_t end = clock_ms() + seconds * 1000;
    while (map_backlog(orthanc.gateway.map).attachments > 0) {
        if (clock_ms() >= end)
            return false;
        nanosleep(&(struct timespec){.tv_nsec = 20 * 1000000}, NULL);
    }
    return true;
}

#endif
