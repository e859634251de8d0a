/*
 * The gateway: what the plugin's parts share. One a process, made by plugin.c.
 *
 *     Orthanc's threads            storage_area.c  create, read, remove
 *                                  rest.c          /myelin/...
 *                                  pages.c         /myelin/pages/...
 *                                  exports.c       archives and DICOMweb, before they answer
 *     the plugin's own threads     sender.c        spool -> storage servers
 *                                  keeper.c        removals, the inbox, forwards that are due
 *                                  verifier.c      all slices at all storage servers, on request
 */
#ifndef ORTHANC_GATEWAY_H
#define ORTHANC_GATEWAY_H

#include <orthanc/OrthancCPlugin.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/result.h"
#include "config.h"
#include "headers.h"
#include "images.h"
#include "map.h"
#include "myelin.h"
#include "reader.h"
#include "spool.h"

/* Counted since the start, for /myelin/status. */
struct gateway_counts {
    atomic_uint_least64_t stored, read, read_failures, integrity_failures, removed_images,
        deleted_objects;
};

/* What people should know of and did not ask for, such as a revocation; the newest ones are kept
 * for /myelin/status. */
enum { GATEWAY_NOTICES = 64, GATEWAY_NOTICE_BYTES = 320 };
struct gateway_notices {
    pthread_mutex_t lock;
    uint64_t count; /* ever; the last ones are in `lines`, by count modulo their number */
    struct gateway_notice {
        uint64_t time_ms; /* since 1970 */
        char text[GATEWAY_NOTICE_BYTES];
    } lines[GATEWAY_NOTICES];
};

struct gateway {
    OrthancPluginContext *orthanc;
    struct config config;
    struct myelin_session *session;
    struct map *map;
    struct spool *spool;
    struct headers *headers;
    struct images *images;
    struct reader *reader;
    struct sender *sender;
    struct keeper *keeper;
    struct verifier *verifier;
    struct gateway_counts counts;
    struct gateway_notices notices;
};

/* Lines in Orthanc's own log; control characters are replaced. */
void gateway_error(const struct gateway *gateway, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void gateway_warn(const struct gateway *gateway, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A notice, in Orthanc's log too. */
void gateway_notice(struct gateway *gateway, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* What the library warns of, into Orthanc's log. */
void gateway_log_warnings(struct gateway *gateway);

/* A result of the library, which has set this thread's error text. */
static inline result gateway_result(int code) {
    return (result)code;
}

#endif
