/*
 * Speed of what every byte of an image goes through on one core: erasure code, seal, compression.
 *
 *     codec_bench [FILE...]    and the compression of these files together
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/secret.h"
#include "code/code.h"
#include "codec/codec.h"
#include "seal/seal.h"

enum { N = 6, K = 3, SEGMENT = SEAL_SEGMENT_BYTES };

static const double LONG_ENOUGH_S = 0.5;

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void must(result outcome) {
    if (outcome == OK)
        return;
    fprintf(stderr, "codec_bench: %s\n", error_text());
    exit(result_exit_code(outcome));
}

static uint8_t *buffer_of(size_t len) {
    uint8_t *buffer = malloc(len);
    if (buffer == NULL)
        exit(result_exit_code(NO_MEMORY));
    secret_random(buffer, len);
    return buffer;
}

static void report(const char *what, double bytes, double seconds) {
    printf("%-32s %8.2f GB/s\n", what, bytes / seconds / 1e9);
}

/* Applies a map to one segment's worth of inputs over and over. */
static void bench_map(const char *what, const struct code_map *map) {
    size_t len = code_block_len(SEGMENT, K);
    uint8_t *in = buffer_of(len * K), *out = buffer_of(len * N);
    const uint8_t *inputs[K];
    uint8_t *outputs[N];
    for (unsigned i = 0; i < K; i++)
        inputs[i] = in + i * len;
    for (unsigned i = 0; i < N; i++)
        outputs[i] = out + i * len;
    double start = now_s(), bytes = 0;
    for (; now_s() - start < LONG_ENOUGH_S; bytes += SEGMENT)
        code_apply(map, inputs, len, outputs);
    report(what, bytes, now_s() - start);
    free(in);
    free(out);
}

static void bench_code(void) {
    uint8_t rows[N * K];
    for (unsigned slot = 0; slot < N; slot++)
        must(code_cauchy_row(K, slot, rows + slot * K));
    AUTO_CODE_MAP struct code_map encoder = {0}, decoder = {0}, recoder = {0};
    must(code_encoder_init(N, K, rows, &encoder));
    must(code_decoder_init(K, rows + K, &decoder));
    must(code_recoder_init(K, rows + K, 1, rows, &recoder));
    bench_map("encode k=3 n=6 (image bytes)", &encoder);
    bench_map("decode k=3 (image bytes)", &decoder);
    bench_map("recode one slice (image bytes)", &recoder);
}

static void bench_seal(void) {
    static const uint8_t key_bytes[SEAL_KEY_BYTES], salt[SEAL_SALT_BYTES];
    AUTO_SEAL_KEY struct seal_key *key = NULL;
    must(seal_key_new(key_bytes, salt, view_of_string("bench"), &key));
    uint8_t *buffer = buffer_of(SEGMENT + SEAL_TAG_BYTES);
    double start = now_s(), bytes = 0;
    for (; now_s() - start < LONG_ENOUGH_S; bytes += SEGMENT)
        must(seal_segment(key, 0, true, view_of(buffer, SEGMENT), buffer));
    report("seal", bytes, now_s() - start);
    must(seal_segment(key, 0, true, view_of(buffer, SEGMENT), buffer));
    uint8_t *plain = buffer_of(SEGMENT);
    start = now_s();
    for (bytes = 0; now_s() - start < LONG_ENOUGH_S; bytes += SEGMENT)
        must(seal_open_segment(key, 0, true, view_of(buffer, SEGMENT + SEAL_TAG_BYTES), plain));
    report("open", bytes, now_s() - start);
    free(plain);
    free(buffer);
}

/* What all files together came to. */
struct tally {
    double plain, coded, encode_s, decode_s;
    unsigned kinds[CODEC_SHUFFLE + 1];
};

static result drop(void *context, struct view bytes) {
    (void)context;
    (void)bytes;
    return OK;
}

static void bench_file(enum codec_kind kind, unsigned threads, struct view file,
                       struct tally *tally) {
    struct codec_source source = codec_source_memory(file, "bench");
    AUTO_CODEC_ENCODER struct codec_encoder *encoder = NULL;
    AUTO_BYTES struct bytes coded = {0};
    must(bytes_reserve(&coded, file.len + (1 << 20)));
    double start = now_s();
    must(codec_encoder_open(kind, &source, threads, &encoder));
    bool is_end;
    must(codec_encoder_read(encoder, coded.data, coded.capacity, &coded.len, &is_end));
    tally->encode_s += now_s() - start;
    AUTO_CODEC_DECODER struct codec_decoder *decoder = NULL;
    kind = codec_encoder_kind(encoder);
    start = now_s();
    must(codec_decoder_open(kind, file.len, threads, drop, NULL, &decoder));
    must(codec_decoder_write(decoder, bytes_view(&coded)));
    must(codec_decoder_finish(decoder));
    tally->decode_s += now_s() - start;
    tally->plain += (double)file.len;
    tally->coded += (double)coded.len;
    tally->kinds[kind]++;
}

static void bench_codec(char **paths, int count) {
    static const enum codec_kind kinds[] = {CODEC_ZSTD, CODEC_SHUFFLE, CODEC_JPEGLS, CODEC_AUTO};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        for (unsigned threads = 1; threads <= 2; threads++) {
            struct tally tally = {0};
            for (int i = 0; i < count; i++) {
                AUTO_BYTES struct bytes file = {0};
                must(file_read(paths[i], (size_t)1 << 30, &file));
                bench_file(kinds[k], threads, bytes_view(&file), &tally);
            }
            printf("%-7s %u thread%s %6.2f:1  encode %7.1f MB/s  decode %7.1f MB/s  (%u none, %u "
                   "zstd, %u shuffle, %u jpegls)\n",
                   codec_kind_name(kinds[k]), threads, threads == 1 ? " " : "s",
                   tally.plain / tally.coded, tally.plain / tally.encode_s / 1e6,
                   tally.plain / tally.decode_s / 1e6, tally.kinds[CODEC_NONE],
                   tally.kinds[CODEC_ZSTD], tally.kinds[CODEC_SHUFFLE], tally.kinds[CODEC_JPEGLS]);
        }
}

int main(int argc, char **argv) {
    must(secret_start());
    bench_code();
    bench_seal();
    if (argc > 1)
        bench_codec(argv + 1, argc - 1);
    return 0;
}
