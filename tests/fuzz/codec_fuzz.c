/*
 * Decoders on hostile streams, and encoders on hostile files. The first byte chooses:
 *   0, 1, 2, 4   decode the rest as none, zstd, jpegls, shuffle; bytes 1 .. 4 are the size to
 * expect 3            encode the rest as a file of whatever kind suits it, decode, compare
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "codec/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SIZE_MAX_EXPECTED = 4 << 20 };

static void require(bool holds) {
    if (!holds)
        abort();
}

/* Counts, and compares with a file where one is given. */
struct sink {
    uint64_t size, got;
    const uint8_t *expected;
};

static result count_sink(void *context, struct view bytes) {
    struct sink *sink = context;
    require(bytes.len <= sink->size - sink->got);
    if (sink->expected != NULL)
        require(memcmp(sink->expected + sink->got, bytes.data, bytes.len) == 0);
    sink->got += bytes.len;
    return OK;
}

static result decode(enum codec_kind kind, struct view coded, struct sink *sink) {
    AUTO_CODEC_DECODER struct codec_decoder *decoder = NULL;
    TRY(codec_decoder_open(kind, sink->size, 1, count_sink, sink, &decoder));
    TRY(codec_decoder_write(decoder, coded));
    return codec_decoder_finish(decoder);
}

static void decode_hostile(enum codec_kind kind, struct view input) {
    struct view size;
    if (!view_take(&input, 4, &size))
        return;
    struct sink sink = {.size = load_be32(size.data) % SIZE_MAX_EXPECTED};
    result decoded = decode(kind, input, &sink);
    require(decoded == INTEGRITY || (decoded == OK && sink.got == sink.size));
}

static void round_trip(struct view file) {
    struct codec_source source = codec_source_memory(file, "fuzz");
    AUTO_CODEC_ENCODER struct codec_encoder *encoder = NULL;
    AUTO_BYTES struct bytes coded = {0};
    require(codec_encoder_open(CODEC_AUTO, &source, 1, &encoder) == OK);
    for (bool is_end = false; !is_end;) {
        size_t len;
        require(bytes_reserve(&coded, coded.len + 4096) == OK);
        require(codec_encoder_read(encoder, coded.data + coded.len, 4096, &len, &is_end) == OK);
        coded.len += len;
    }
    struct sink sink = {.size = file.len, .expected = file.data};
    require(decode(codec_encoder_kind(encoder), bytes_view(&coded), &sink) == OK);
    require(sink.got == file.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct view input = view_of(data, size), choice;
    if (!view_take(&input, 1, &choice))
        return 0;
    if (choice.data[0] % 5 == CODEC_AUTO)
        round_trip(input);
    else
        decode_hostile((enum codec_kind)(choice.data[0] % 5), input);
    return 0;
}
