/*
 * Put's first stage: files become segments of plaintext, compressed where that pays. One thread
 * reads large objects; small ones it hands on whole, and the workers of put_code read them.
 */
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "flow/put_batch.h"
#include "format/layout.h"

/* Hashes a file on a thread of its own, while the encoder reads it too. */
struct hashing {
    const struct put_file *file;
    struct codec_source source;
    uint8_t sha256[DIGEST_BYTES];
    pthread_t thread;
    bool is_running;
    struct failure failure;
};

enum { HASH_BYTES = 256 << 10 };

static void *hash_file(void *argument) {
    struct hashing *hashing = argument;
    AUTO_BYTES struct bytes buffer = {0};
    result read = bytes_reserve(&buffer, HASH_BYTES);
    struct digest digest;
    digest_start(&digest);
    for (uint64_t at = 0; read == OK && at < hashing->source.size;) {
        uint64_t left = hashing->source.size - at;
        size_t len = left < HASH_BYTES ? (size_t)left : HASH_BYTES;
        read = codec_source_read(&hashing->source, at, buffer.data, len);
        if (read == OK)
            digest_update(&digest, view_of(buffer.data, len));
        at += len;
    }
    digest_finish(&digest, hashing->sha256);
    failure_keep(&hashing->failure, read);
    return NULL;
}

static void hashing_end(struct hashing *hashing) {
    if (hashing->is_running)
        pthread_join(hashing->thread, NULL);
    hashing->is_running = false;
}
#define AUTO_HASHING __attribute__((cleanup(hashing_end)))

static result hashing_start(struct hashing *hashing) {
    if (pthread_create(&hashing->thread, NULL, hash_file, hashing) != 0)
        return FAIL(NO_MEMORY, "no thread to hash a file");
    hashing->is_running = true;
    return OK;
}

static result seal_up(struct put_object *object, int fd, uint64_t segments, uint64_t plain_bytes) {
    object->segments = segments;
    object->sealed_bytes = plain_bytes + segments * SEAL_TAG_BYTES;
    return put_file_unchanged(object->file, fd);
}

/* The file itself, straight into the segments' buffers. */
static result read_plain(struct put_batch *batch, size_t index, struct codec_source *source) {
    struct put_object *object = &batch->objects[index];
    struct format_layout layout;
    TRY(format_layout_plan(source->size, object->segment_bytes, batch->slots->k, &layout));
    object->codec = CODEC_NONE;
    object->symbol_bytes = layout.symbol_bytes;
    struct digest digest;
    digest_start(&digest);
    result read = OK;
    for (uint64_t number = 0; read == OK && number < layout.segments; number++) {
        struct put_segment *segment;
        read = put_window_claim(batch->window, &segment);
        if (read != OK)
            break;
        segment->object = index;
        segment->number = number;
        segment->is_last = number + 1 == layout.segments;
        segment->plain_len = seal_segment_len(source->size, object->segment_bytes, number);
        read = codec_source_read(source, number * object->segment_bytes, segment->plain,
                                 segment->plain_len);
        if (read != OK)
            break;
        digest_update(&digest, view_of(segment->plain, segment->plain_len));
        if (segment->is_last) {
            digest_finish(&digest, object->sha256);
            read = seal_up(object, source->fd, layout.segments, source->size);
        }
        if (read == OK)
            put_window_submit(batch->window);
    }
    digest_abandon(&digest);
    return read;
}

/* What the encoder makes of the file. */
static result read_encoded(struct put_batch *batch, size_t index, struct codec_source *source,
                           struct codec_encoder *encoder) {
    struct put_object *object = &batch->objects[index];
    AUTO_HASHING struct hashing hashing = {.file = object->file, .source = *source};
    TRY(hashing_start(&hashing));
    object->codec = codec_encoder_kind(encoder);
    object->symbol_bytes = HTTP_LENGTH_UNKNOWN;
    uint64_t plain_bytes = 0;
    bool is_end = false;
    for (uint64_t number = 0; !is_end; number++) {
        struct put_segment *segment;
        TRY(put_window_claim(batch->window, &segment));
        segment->object = index;
        segment->number = number;
        TRY(codec_encoder_read(encoder, segment->plain, object->segment_bytes, &segment->plain_len,
                               &is_end));
        segment->is_last = is_end;
        plain_bytes += segment->plain_len;
        if (is_end) {
            hashing_end(&hashing);
            TRY(failure_raise(&hashing.failure));
            memcpy(object->sha256, hashing.sha256, DIGEST_BYTES);
            TRY(seal_up(object, source->fd, number + 1, plain_bytes));
        }
        put_window_submit(batch->window);
    }
    return OK;
}

static result read_object(struct put_batch *batch, size_t index) {
    struct put_object *object = &batch->objects[index];
    if (object->is_whole) {
        struct put_segment *segment;
        TRY(put_window_claim(batch->window, &segment));
        segment->object = index;
        segment->number = 0;
        segment->is_whole = segment->is_last = true;
        put_window_submit(batch->window);
        return OK;
    }
    AUTO_FD int fd = -1;
    struct codec_source source;
    TRY(put_file_open(object->file, &fd, &source));
    if (batch->codec == CODEC_NONE)
        return read_plain(batch, index, &source);
    AUTO_CODEC_ENCODER struct codec_encoder *encoder = NULL;
    TRY(codec_encoder_open(batch->codec, &source, batch->threads, &encoder));
    if (codec_encoder_kind(encoder) == CODEC_NONE)
        return read_plain(batch, index, &source);
    return read_encoded(batch, index, &source, encoder);
}

void put_read(struct put_batch *batch) {
    result read = OK;
    for (size_t i = 0; read == OK && i < batch->count; i++)
        read = read_object(batch, i);
    if (read == OK)
        put_window_end(batch->window);
    else
        put_window_fail(batch->window, read);
}
