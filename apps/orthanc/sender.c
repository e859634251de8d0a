#include "sender.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "codec/dicom.h"

enum {
    BATCH_OBJECTS = 64,
    PAUSE_MS = 100,   /* between looks */
    QUIET_MS = 400,   /* a study that is arriving is sent when it has paused for so long ... */
    OLDEST_MS = 3000, /* ... or something has waited for so long: one put for many is cheaper */
    RETRY_FIRST_MS = 500,
    RETRY_MOST_MS = 30000,
};
#define BATCH_BYTES ((uint64_t)32 << 20)

struct sender {
    struct gateway *gateway;
    pthread_t thread;
    bool is_started, is_stopping;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    char trouble[ERROR_TEXT_BYTES];
    unsigned retry_ms;
};

/* ------------------------------------------------------------------ one batch */

struct batch {
    size_t count;
    struct record records[BATCH_OBJECTS];
    struct bytes data[BATCH_OBJECTS];
    struct myelin_blob blobs[BATCH_OBJECTS];
    size_t headers[BATCH_OBJECTS]; /* bytes before the pixels; 0: no DICOM */
};

static void batch_free(struct batch *batch) {
    if (batch == NULL)
        return;
    for (size_t i = 0; i < BATCH_OBJECTS; i++)
        bytes_free(&batch->data[i]);
    free(batch);
}

static void make_blob(const struct record *record, const struct bytes *data,
                      struct myelin_blob *out_blob, size_t *out_header) {
    struct codec_source source = codec_source_memory(bytes_view(data), "a spooled file");
    struct dicom_info dicom = {0};
    *out_blob = (struct myelin_blob){
        .name = record->name, .data = data->data, .size = data->len, .note = data->data};
    *out_header = 0;
    if (dicom_probe(&source, &dicom) != OK || !dicom.is_dicom)
        return;
    *out_header = dicom.header_len > 0 ? (size_t)dicom.header_len : data->len;
    out_blob->note_size = *out_header <= MYELIN_NOTE_MAX ? *out_header : 0;
}

/* A file that is gone was removed by Orthanc; one that is damaged stays where it is, is tried again
 * now and then, and holds up nobody else. */
static void load_batch(struct sender *sender, struct batch *batch) {
    struct gateway *gateway = sender->gateway;
    size_t kept = 0;
    for (size_t i = 0; i < batch->count; i++) {
        struct bytes data = {0};
        result read = spool_read(gateway->spool, batch->records[i].uuid, &data);
        if (read != OK) {
            if (read != NOT_FOUND)
                gateway_error(gateway, "ALARM: the spool: %s", error_text());
            map_put_off(gateway->map, &batch->records[i]);
            continue;
        }
        batch->records[kept] = batch->records[i];
        batch->data[kept] = data;
        make_blob(&batch->records[kept], &batch->data[kept], &batch->blobs[kept],
                  &batch->headers[kept]);
        kept++;
    }
    batch->count = kept;
}

struct comparing {
    const struct bytes *data;
    bool is_same;
};

static int compare(void *context, size_t index, const void *data, size_t size) {
    (void)index;
    struct comparing *comparing = context;
    comparing->is_same = view_equal(view_of(data, size), bytes_view(comparing->data));
    return (int)OK;
}

/* A crash between a put and the map's word of it: the servers have the object already. */
static bool is_there(struct gateway *gateway, const struct batch *batch, size_t index) {
    struct comparing comparing = {.data = &batch->data[index]};
    const char *name = batch->records[index].name;
    return images_read(gateway->images, "", batch->records[index].image, &name, 1, compare,
                       &comparing) == OK &&
           comparing.is_same;
}

static result put_each(struct gateway *gateway, const struct batch *batch) {
    for (size_t i = 0; i < batch->count; i++) {
        result put = images_put_all(gateway->images, batch->records[i].image, &batch->blobs[i], 1);
        if (put == CONFLICT && is_there(gateway, batch, i))
            put = OK;
        TRY(put);
        TRY(map_set(gateway->map, batch->records[i].uuid, RECORD_IS_STORED));
    }
    return OK;
}

static result put_batch(struct gateway *gateway, const struct batch *batch) {
    result put =
        images_put_all(gateway->images, batch->records[0].image, batch->blobs, batch->count);
    return put == CONFLICT ? put_each(gateway, batch) : put;
}

/* What Orthanc asks for most often, for when the spool does not have it any more. */
static void keep_headers(struct gateway *gateway, const struct batch *batch) {
    for (size_t i = 0; i < batch->count; i++) {
        const char *uuid = batch->records[i].uuid;
        struct record record;
        headers_keep(gateway->headers, uuid, view_of(batch->data[i].data, batch->headers[i]));
        if (map_find(gateway->map, uuid, &record) != OK) /* removed meanwhile */
            headers_remove(gateway->headers, uuid);
    }
}

static void clear_spool(struct gateway *gateway, const struct batch *batch) {
    if (map_sync(gateway->map) != OK) {
        gateway_error(gateway, "the map: %s", error_text());
        return; /* the files are found again at the next start */
    }
    for (size_t i = 0; i < batch->count; i++)
        if (spool_remove(gateway->spool, batch->records[i].uuid) != OK)
            gateway_warn(gateway, "the spool: %s", error_text());
}

/* False where there was nothing to send. */
static bool send_batch(struct sender *sender, result *out_put) {
    struct gateway *gateway = sender->gateway;
    struct batch *batch = calloc(1, sizeof *batch);
    *out_put = OK;
    if (batch == NULL)
        return false;
    batch->count = map_next_batch(gateway->map, BATCH_OBJECTS, BATCH_BYTES, batch->records);
    bool is_any = batch->count > 0;
    load_batch(sender, batch);
    if (batch->count > 0) {
        *out_put = put_batch(gateway, batch);
        pthread_mutex_lock(&sender->lock);
        snprintf(sender->trouble, sizeof sender->trouble, "%s", *out_put == OK ? "" : error_text());
        pthread_mutex_unlock(&sender->lock);
        if (map_sent(gateway->map, batch->records, batch->count, *out_put == OK) != OK)
            gateway_error(gateway, "the map: %s", error_text());
        else if (*out_put == OK) {
            keep_headers(gateway, batch);
            clear_spool(gateway, batch);
        }
        gateway_log_warnings(gateway);
    }
    batch_free(batch);
    return is_any;
}

/* ------------------------------------------------------------------ the thread */

static bool is_time(struct sender *sender) {
    struct map_backlog backlog = map_backlog(sender->gateway->map);
    return backlog.attachments > 0 &&
           (backlog.newest_ms >= QUIET_MS || backlog.oldest_ms >= OLDEST_MS ||
            backlog.bytes >= sender->gateway->config.spool_bytes / 4);
}

static void wait_ms(struct sender *sender, unsigned ms) {
    pthread_mutex_lock(&sender->lock);
    if (!sender->is_stopping)
        clock_wait(&sender->wake, &sender->lock, ms);
    pthread_mutex_unlock(&sender->lock);
}

static bool is_stopping(struct sender *sender) {
    pthread_mutex_lock(&sender->lock);
    bool is = sender->is_stopping;
    pthread_mutex_unlock(&sender->lock);
    return is;
}

/* The longer it has not worked the longer it waits; said once for each doubling. */
static void back_off(struct sender *sender) {
    sender->retry_ms = sender->retry_ms == 0 ? RETRY_FIRST_MS : 2 * sender->retry_ms;
    if (sender->retry_ms > RETRY_MOST_MS)
        sender->retry_ms = RETRY_MOST_MS;
    gateway_warn(sender->gateway, "the spool cannot be sent, and is tried again in %u ms: %s",
                 sender->retry_ms, error_text());
    uint64_t end_ms = clock_ms() + sender->retry_ms;
    for (uint64_t now = clock_ms(); now < end_ms && !is_stopping(sender); now = clock_ms())
        wait_ms(sender, (unsigned)(end_ms - now));
}

static void *run(void *argument) {
    struct sender *sender = argument;
    while (!is_stopping(sender)) {
        result put = OK;
        bool is_any = is_time(sender) && send_batch(sender, &put);
        if (put != OK) {
            back_off(sender);
            continue;
        }
        sender->retry_ms = 0;
        if (!is_any)
            wait_ms(sender, PAUSE_MS);
    }
    return NULL;
}

/* ------------------------------------------------------------------ what an earlier run left */

/* Of a file that was being written when the power went, the length alone may be right. */
static result read_whole(struct gateway *gateway, const char *uuid, bool *is_whole) {
    AUTO_BYTES struct bytes data = {0};
    result read = *is_whole ? spool_read(gateway->spool, uuid, &data) : OK;
    *is_whole = *is_whole && read == OK;
    return read == INTEGRITY ? OK : read;
}

static result take_up(void *context, const struct record *file, bool is_whole) {
    struct gateway *gateway = context;
    struct record known;
    result found = map_find(gateway->map, file->uuid, &known);
    if (found == OK && (known.flags & RECORD_IS_STORED) != 0)
        return spool_remove(gateway->spool, file->uuid);
    if (found == OK && !is_whole)
        gateway_error(gateway, "ALARM: the spooled attachment %s is damaged", file->uuid);
    if (found == OK)
        return OK;
    TRY(read_whole(gateway, file->uuid, &is_whole));
    if (!is_whole) /* Orthanc was never told that it is stored */
        return spool_remove(gateway->spool, file->uuid);
    struct record record = *file;
    record.flags |= RECORD_IS_SPOOLED;
    return map_add(gateway->map, &record);
}

result sender_start(struct gateway *gateway, struct sender **out_sender) {
    TRY(spool_list(gateway->spool, take_up, gateway));
    TRY(map_sync(gateway->map));
    struct sender *sender = calloc(1, sizeof *sender);
    if (sender == NULL)
        return FAIL(NO_MEMORY, "no memory for the sender");
    sender->gateway = gateway;
    pthread_mutex_init(&sender->lock, NULL);
    pthread_cond_init(&sender->wake, NULL);
    sender->is_started = pthread_create(&sender->thread, NULL, run, sender) == 0;
    if (!sender->is_started) {
        sender_stop(sender);
        return FAIL(NO_MEMORY, "no thread for the sender");
    }
    *out_sender = sender;
    return OK;
}

void sender_stop(struct sender *sender) {
    if (sender == NULL)
        return;
    pthread_mutex_lock(&sender->lock);
    sender->is_stopping = true;
    pthread_cond_broadcast(&sender->wake);
    pthread_mutex_unlock(&sender->lock);
    if (sender->is_started)
        pthread_join(sender->thread, NULL);
    pthread_cond_destroy(&sender->wake);
    pthread_mutex_destroy(&sender->lock);
    free(sender);
}

void sender_trouble(struct sender *sender, char out_text[ERROR_TEXT_BYTES]) {
    pthread_mutex_lock(&sender->lock);
    memcpy(out_text, sender->trouble, ERROR_TEXT_BYTES);
    pthread_mutex_unlock(&sender->lock);
}

/* ------------------------------------------------------------------ back-pressure */

static result fail_full(struct sender *sender, const struct map_backlog *backlog) {
    char trouble[ERROR_TEXT_BYTES];
    sender_trouble(sender, trouble);
    return FAIL(NO_MEMORY, "the spool is full: %llu attachments wait, %llu MB of %llu MB; %s",
                (unsigned long long)backlog->attachments,
                (unsigned long long)(backlog->bytes >> 20),
                (unsigned long long)(sender->gateway->config.spool_bytes >> 20),
                trouble[0] == '\0' ? "the storage servers take it too slowly" : trouble);
}

result sender_admit(struct sender *sender, uint64_t bytes) {
    uint64_t limit = sender->gateway->config.spool_bytes;
    uint64_t end_ms = clock_ms() + (uint64_t)sender->gateway->config.spool_wait_s * 1000;
    for (;;) {
        struct map_backlog backlog = map_backlog(sender->gateway->map);
        if (backlog.attachments == 0 || (bytes <= limit && backlog.bytes <= limit - bytes))
            return OK;
        if (clock_ms() >= end_ms)
            return fail_full(sender, &backlog);
        nanosleep(&(struct timespec){.tv_nsec = 50 * 1000000L}, NULL);
    }
}
