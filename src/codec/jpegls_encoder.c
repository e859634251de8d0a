/* The jpegls container, written: strips go round a ring of threads and come out in order. */
#include <stdlib.h>
#include <string.h>

#include "codec/ring.h"
#include "codec/stream.h"

enum { SLOTS_MAX = CODEC_THREADS_MAX + 1 };

struct jpegls_encoder {
    const struct codec_source *source;
    struct jpegls_pixels pixels;
    struct ring *ring;
    struct jpegls_strip strips[SLOTS_MAX];
    uint64_t position; /* in the source, of the next strip to read */
    uint8_t
        head[JPEGLS_HEADER_BYTES > JPEGLS_RECORD_BYTES ? JPEGLS_HEADER_BYTES : JPEGLS_RECORD_BYTES];
    struct view going_out[2];     /* a head, a record's coded bytes */
    struct jpegls_strip *current; /* whose bytes those are */
};

static void encoder_close(void *state) {
    struct jpegls_encoder *encoder = state;
    ring_destroy(encoder->ring);
    for (unsigned i = 0; i < SLOTS_MAX; i++)
        jpegls_strip_clean_up(&encoder->strips[i]);
    free(encoder);
}

static void encode_slot(void *slot) {
    jpegls_strip_encode(slot);
}

/* Reads the next strip of the file: before, in or behind the pixels. */
static result read_strip(struct jpegls_encoder *encoder, struct jpegls_strip *strip) {
    const struct jpegls_pixels *pixels = &encoder->pixels;
    uint64_t position = encoder->position, pixels_end = pixels->offset + pixels->len;
    uint64_t part_end = encoder->source->size;
    if (position < pixels_end)
        part_end = position < pixels->offset ? pixels->offset : pixels_end;
    strip->is_pixels = position >= pixels->offset && position < pixels_end;
    if (strip->is_pixels)
        strip->plain_len = jpegls_strip_len(pixels, position - pixels->offset);
    else
        strip->plain_len = part_end - position < JPEGLS_STRIP_BYTES_MAX
                               ? (uint32_t)(part_end - position)
                               : JPEGLS_STRIP_BYTES_MAX;
    TRY(codec_source_read(encoder->source, position, strip->plain, strip->plain_len));
    encoder->position += strip->plain_len;
    return OK;
}

static result fill_ring(struct jpegls_encoder *encoder) {
    struct jpegls_strip *strip;
    while (encoder->position < encoder->source->size &&
           (strip = ring_vacant(encoder->ring)) != NULL) {
        TRY(read_strip(encoder, strip));
        ring_submit(encoder->ring);
    }
    return OK;
}

/* Puts the next record in line to go out; none is left where going_out stays empty. */
static result next_record(struct jpegls_encoder *encoder) {
    if (encoder->current != NULL)
        ring_release(encoder->ring);
    TRY(fill_ring(encoder));
    struct jpegls_strip *strip = encoder->current = ring_oldest(encoder->ring);
    if (strip == NULL)
        return OK;
    encoder->head[0] = strip->method;
    store_be32(encoder->head + 1, strip->plain_len);
    store_be32(encoder->head + 5, strip->coded_len);
    encoder->going_out[0] = view_of(encoder->head, JPEGLS_RECORD_BYTES);
    encoder->going_out[1] = view_of(strip->coded, strip->coded_len);
    return OK;
}

static result encoder_produce(void *state, uint8_t *buffer, size_t capacity, size_t *out_len) {
    struct jpegls_encoder *encoder = state;
    struct view *head = &encoder->going_out[0], *body = &encoder->going_out[1];
    if (head->len == 0 && body->len == 0)
        TRY(next_record(encoder));
    struct view *from = head->len > 0 ? head : body, part;
    size_t len = from->len < capacity ? from->len : capacity;
    *out_len = 0;
    if (len > 0 && view_take(from, len, &part)) {
        memcpy(buffer, part.data, len);
        *out_len = len;
    }
    return OK;
}

static void write_header(struct jpegls_encoder *encoder) {
    const struct jpegls_layout *layout = &encoder->pixels.layout;
    memset(encoder->head, 0, sizeof encoder->head);
    memcpy(encoder->head, "MYELJLS1", 8);
    store_be64(encoder->head + 8, encoder->source->size);
    encoder->head[16] = (uint8_t)(layout->columns >> 8);
    encoder->head[17] = (uint8_t)layout->columns;
    encoder->head[18] = layout->components;
    encoder->head[19] = layout->sample_bytes;
    encoder->head[20] = layout->is_big_endian;
    encoder->going_out[0] = view_of(encoder->head, JPEGLS_HEADER_BYTES);
}

/* No more threads than strips. */
static unsigned threads_for(const struct jpegls_encoder *encoder, unsigned threads) {
    uint64_t strips = encoder->source->size / JPEGLS_STRIP_BYTES_MAX + 1;
    return strips < threads ? (unsigned)strips : threads;
}

static result start(struct jpegls_encoder *encoder, unsigned threads) {
    void *slots[SLOTS_MAX];
    threads = threads_for(encoder, threads);
    for (unsigned i = 0; i <= threads; i++) {
        slots[i] = &encoder->strips[i];
        TRY(jpegls_strip_init(&encoder->pixels, true, &encoder->strips[i]));
    }
    return ring_new(threads, slots, threads + 1, encode_slot, &encoder->ring);
}

result jpegls_encoder_open(const struct codec_source *source, const struct jpegls_pixels *pixels,
                           unsigned threads, struct stream_encoder *out_encoder) {
    struct jpegls_encoder *encoder = calloc(1, sizeof *encoder);
    if (encoder == NULL)
        return FAIL(NO_MEMORY, "no memory to compress %s", source->name);
    encoder->source = source;
    encoder->pixels = *pixels;
    result started = start(encoder, threads);
    if (started != OK) {
        encoder_close(encoder);
        return started;
    }
    write_header(encoder);
    *out_encoder = (struct stream_encoder){encoder, encoder_produce, encoder_close};
    return OK;
}
