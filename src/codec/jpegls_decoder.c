/* The jpegls container, read: records are collected from the stream, decoded on a ring of threads,
 * and handed on in order. */
#include <stdlib.h>
#include <string.h>

#include "codec/ring.h"
#include "codec/stream.h"

enum { SLOTS_MAX = CODEC_THREADS_MAX + 1 };

struct jpegls_decoder {
    struct stream_output *output;
    unsigned threads;
    struct jpegls_pixels pixels; /* of which the layout alone is known */
    struct ring *ring;           /* NULL until the header has been read */
    struct jpegls_strip strips[SLOTS_MAX];
    uint64_t announced_left; /* plain bytes that records have yet to bring */
    uint8_t head[JPEGLS_HEADER_BYTES];
    size_t head_len;              /* bytes of a header or of a record's head so far */
    struct jpegls_strip *current; /* being collected, or NULL */
    uint32_t collected;
};

static void decoder_close(void *state) {
    struct jpegls_decoder *decoder = state;
    ring_destroy(decoder->ring);
    for (unsigned i = 0; i < SLOTS_MAX; i++)
        jpegls_strip_clean_up(&decoder->strips[i]);
    free(decoder);
}

static void decode_slot(void *slot) {
    jpegls_strip_decode(slot);
}

static result start(struct jpegls_decoder *decoder) {
    void *slots[SLOTS_MAX];
    uint64_t strips = decoder->announced_left / JPEGLS_STRIP_BYTES_MAX + 1;
    unsigned threads = strips < decoder->threads ? (unsigned)strips : decoder->threads;
    for (unsigned i = 0; i <= threads; i++) {
        slots[i] = &decoder->strips[i];
        TRY(jpegls_strip_init(&decoder->pixels, false, &decoder->strips[i]));
    }
    return ring_new(threads, slots, threads + 1, decode_slot, &decoder->ring);
}

static result read_header(struct jpegls_decoder *decoder) {
    const uint8_t *head = decoder->head;
    static const uint8_t zeros[3];
    struct jpegls_layout layout = {.columns = (uint32_t)(head[16] << 8 | head[17]),
                                   .components = head[18],
                                   .sample_bytes = head[19],
                                   .is_big_endian = head[20] == 1};
    if (memcmp(head, "MYELJLS1", 8) != 0)
        return FAIL(INTEGRITY, "jpegls: this is no jpegls container of version 1");
    if (load_be64(head + 8) != decoder->output->left)
        return FAIL(INTEGRITY, "jpegls: the container's size is not the manifest's");
    if (layout.columns < 1 || (layout.components != 1 && layout.components != 3) ||
        layout.sample_bytes < 1 || layout.sample_bytes > 2 || head[20] > 1 ||
        memcmp(head + 21, zeros, 3) != 0)
        return FAIL(INTEGRITY, "jpegls: the container's pixel layout is impossible");
    decoder->pixels.layout = layout;
    decoder->announced_left = decoder->output->left;
    return start(decoder);
}

/* Takes finished strips off the ring: all, or until one slot is vacant. */
static result drain(struct jpegls_decoder *decoder, bool all) {
    struct jpegls_strip *strip;
    while ((all || ring_vacant(decoder->ring) == NULL) &&
           (strip = ring_oldest(decoder->ring)) != NULL) {
        if (strip->failed)
            return FAIL(INTEGRITY, "jpegls: a record does not decode");
        TRY(stream_emit(decoder->output, view_of(strip->plain, strip->plain_len)));
        ring_release(decoder->ring);
    }
    return OK;
}

static result read_record_head(struct jpegls_decoder *decoder) {
    const uint8_t *head = decoder->head;
    uint32_t plain_len = load_be32(head + 1), coded_len = load_be32(head + 5);
    bool lengths_fit = head[0] == JPEGLS_RAW ? coded_len == plain_len : coded_len < plain_len;
    if (head[0] > JPEGLS_LOSSLESS || plain_len < 1 || plain_len > JPEGLS_STRIP_BYTES_MAX ||
        plain_len > decoder->announced_left || coded_len < 1 || !lengths_fit)
        return FAIL(INTEGRITY, "jpegls: a record's lengths are impossible");
    TRY(drain(decoder, false));
    struct jpegls_strip *strip = ring_vacant(decoder->ring);
    strip->method = head[0];
    strip->plain_len = plain_len;
    strip->coded_len = coded_len;
    decoder->announced_left -= plain_len;
    decoder->current = strip;
    decoder->collected = 0;
    return OK;
}

/* Collects a header or a record's head. */
static result consume_head(struct jpegls_decoder *decoder, struct view *compressed) {
    bool is_header = decoder->ring == NULL;
    if (!is_header && decoder->announced_left == 0)
        return FAIL(INTEGRITY, "jpegls: bytes follow the last record");
    size_t wanted = (is_header ? JPEGLS_HEADER_BYTES : JPEGLS_RECORD_BYTES) - decoder->head_len;
    size_t len = compressed->len < wanted ? compressed->len : wanted;
    struct view part;
    if (view_take(compressed, len, &part))
        memcpy(decoder->head + decoder->head_len, part.data, len);
    decoder->head_len += len;
    if (len < wanted)
        return OK;
    decoder->head_len = 0;
    return is_header ? read_header(decoder) : read_record_head(decoder);
}

/* Collects a record's coded bytes. */
static void consume_body(struct jpegls_decoder *decoder, struct view *compressed) {
    struct jpegls_strip *strip = decoder->current;
    uint32_t wanted = strip->coded_len - decoder->collected;
    uint32_t len = compressed->len < wanted ? (uint32_t)compressed->len : wanted;
    struct view part;
    if (view_take(compressed, len, &part))
        memcpy(strip->coded + decoder->collected, part.data, len);
    decoder->collected += len;
    if (decoder->collected == strip->coded_len) {
        ring_submit(decoder->ring);
        decoder->current = NULL;
    }
}

static result decoder_consume(void *state, struct view compressed) {
    struct jpegls_decoder *decoder = state;
    while (compressed.len > 0) {
        if (decoder->current != NULL)
            consume_body(decoder, &compressed);
        else
            TRY(consume_head(decoder, &compressed));
    }
    return OK;
}

static result decoder_finish(void *state) {
    struct jpegls_decoder *decoder = state;
    if (decoder->ring == NULL || decoder->current != NULL || decoder->head_len > 0 ||
        decoder->announced_left > 0)
        return FAIL(INTEGRITY, "jpegls: the container breaks off");
    return drain(decoder, true);
}

result jpegls_decoder_open(struct stream_output *output, unsigned threads,
                           struct stream_decoder *out_decoder) {
    struct jpegls_decoder *decoder = calloc(1, sizeof *decoder);
    if (decoder == NULL)
        return FAIL(NO_MEMORY, "no memory to decompress");
    decoder->output = output;
    decoder->threads = threads;
    *out_decoder =
        (struct stream_decoder){decoder, decoder_consume, decoder_finish, decoder_close, NULL};
    return OK;
}
