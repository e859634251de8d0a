/* Compression: every file comes back bit for bit, whatever it claims to be; a damaged stream never
 * gives a wrong or a longer one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/secret.h"
#include "codec/codec.h"
#include "codec/jpegls.h"
#include "codec/shuffle.h"
#include "dicom_sample.h"

static const enum codec_kind KINDS[] = {CODEC_NONE, CODEC_ZSTD, CODEC_SHUFFLE, CODEC_JPEGLS,
                                        CODEC_AUTO};
enum { KIND_COUNT = sizeof KINDS / sizeof *KINDS, CODED_COUNT = KIND_COUNT - 1 };

/* Compresses in reads of `chunk` bytes; gives the kind that was chosen. */
static enum codec_kind encode(enum codec_kind kind, struct view file, unsigned threads,
                              size_t chunk, struct bytes *out) {
    struct codec_source source = codec_source_memory(file, "sample");
    AUTO_CODEC_ENCODER struct codec_encoder *encoder = NULL;
    assert_int_equal(codec_encoder_open(kind, &source, threads, &encoder), OK);
    bool is_end = false;
    while (!is_end) {
        size_t len;
        assert_int_equal(bytes_reserve(out, out->len + chunk), OK);
        assert_int_equal(codec_encoder_read(encoder, out->data + out->len, chunk, &len, &is_end),
                         OK);
        assert_true(len == chunk || is_end);
        assert_true(len > 0 || file.len == 0); /* the end comes with the last bytes */
        out->len += len;
    }
    return codec_encoder_kind(encoder);
}

static result append_sink(void *context, struct view bytes) {
    return bytes_append(context, bytes);
}

static result decode(enum codec_kind kind, struct view coded, uint64_t size, unsigned threads,
                     size_t chunk, struct bytes *out) {
    AUTO_CODEC_DECODER struct codec_decoder *decoder = NULL;
    TRY(codec_decoder_open(kind, size, threads, append_sink, out, &decoder));
    struct view part;
    while (coded.len > 0) {
        view_take(&coded, coded.len < chunk ? coded.len : chunk, &part);
        TRY(codec_decoder_write(decoder, part));
    }
    return codec_decoder_finish(decoder);
}

static void assert_same(struct view a, struct view b) {
    assert_int_equal(a.len, b.len);
    if (a.len > 0)
        assert_memory_equal(a.data, b.data, a.len);
}

/* Round trips; gives the kind, and the compressed length through `out_len` unless NULL. */
static enum codec_kind round_trip(enum codec_kind kind, struct view file, unsigned threads,
                                  size_t chunk, size_t *out_len) {
    AUTO_BYTES struct bytes coded = {0}, decoded = {0};
    enum codec_kind chosen = encode(kind, file, threads, chunk, &coded);
    assert_int_equal(decode(chosen, bytes_view(&coded), file.len, threads, chunk, &decoded), OK);
    assert_same(bytes_view(&decoded), file);
    if (out_len != NULL)
        *out_len = coded.len;
    return chosen;
}

/* Something like a scan of 97 x 97 pixels, `components` samples each: a bright disc with a little
 * noise, samples of `bits` bits. */
static void fill_scan(struct bytes *out, unsigned samples, unsigned components, unsigned bytes,
                      unsigned bits, bool is_big, bool is_signed) {
    uint32_t noise = 1;
    for (unsigned i = 0; i < samples; i++) {
        unsigned pixel = i / components;
        if (i % components == 0) /* grey, as most colour in medicine is */
            noise = noise * 1664525 + 1013904223;
        int x = (int)(pixel % 97) - 48, y = (int)(pixel / 97 % 97) - 48;
        int value = (x * x + y * y < 1600 ? (3 << bits) / 5 : 0) + (int)(noise >> 29);
        if (is_signed)
            value -= 1 << (bits - 1);
        uint8_t low = (uint8_t)value, high = (uint8_t)(value >> 8);
        if (bytes == 1)
            sample_raw(out, &low, 1);
        else
            sample_raw(out, (uint8_t[]){is_big ? high : low, is_big ? low : high}, 2);
    }
}

static void any_bytes_round_trip(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 2, 131, 132, 133, 4096, 131072, 131073, 1 << 20, 3000001};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        uint8_t *file = malloc(sizes[s] + 1);
        for (unsigned noisy = 0; noisy < 2; noisy++) {
            if (noisy)
                secret_random(file, sizes[s]);
            else
                for (size_t i = 0; i < sizes[s]; i++)
                    file[i] = (uint8_t)(i / 100);
            for (size_t k = 0; k < KIND_COUNT; k++)
                for (unsigned threads = 0; threads < 4; threads += 3)
                    round_trip(KINDS[k], view_of(file, sizes[s]), threads, 70001, NULL);
        }
        free(file);
    }
}

static void kinds_are_chosen(void **state) {
    (void)state;
    static uint8_t noise[1 << 20], text[1 << 20];
    secret_random(noise, sizeof noise);
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (uint8_t) "the same words again and again "[i % 31];
    assert_int_equal(round_trip(CODEC_AUTO, view_of(noise, sizeof noise), 1, 65536, NULL),
                     CODEC_NONE);
    assert_int_equal(round_trip(CODEC_AUTO, view_of(text, sizeof text), 1, 65536, NULL),
                     CODEC_ZSTD);
    assert_int_equal(round_trip(CODEC_AUTO, view_of(NULL, 0), 1, 65536, NULL), CODEC_NONE);
    assert_int_equal(round_trip(CODEC_JPEGLS, view_of(text, sizeof text), 1, 65536, NULL),
                     CODEC_ZSTD);
    assert_int_equal(round_trip(CODEC_ZSTD, view_of(noise, sizeof noise), 1, 65536, NULL),
                     CODEC_ZSTD);
}

/* The format: a block's even bytes, then its odd ones. */
static void shuffled_blocks(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"", ""},       {"a", "a"},           {"ab", "ab"},
        {"abc", "acb"}, {"abcdef", "acebdf"}, {"abcdefg", "acegbdf"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t len = strlen(cases[i][0]);
        uint8_t shuffled[8], back[8];
        shuffle_block((const uint8_t *)cases[i][0], len, shuffled);
        assert_memory_equal(shuffled, cases[i][1], len);
        shuffle_undo(shuffled, len, back);
        assert_memory_equal(back, cases[i][0], len);
    }
}

/* Files of 2-byte samples are shuffled, and smaller for it; text, bytes and noise are not. */
static void shuffling_where_it_pays(void **state) {
    (void)state;
    static uint8_t other[400000];
    AUTO_BYTES struct bytes wide = {0}, narrow = {0};
    size_t shuffled_len, zstd_len;
    for (int is_big = 0; is_big < 2; is_big++) {
        wide.len = 0;
        fill_scan(&wide, 200000, 1, 2, 12, is_big == 1, false);
        assert_int_equal(round_trip(CODEC_SHUFFLE, bytes_view(&wide), 2, 65536, &shuffled_len),
                         CODEC_SHUFFLE);
        assert_int_equal(round_trip(CODEC_AUTO, bytes_view(&wide), 1, 999, NULL), CODEC_SHUFFLE);
        round_trip(CODEC_ZSTD, bytes_view(&wide), 1, 65536, &zstd_len);
        assert_true(shuffled_len < zstd_len);
    }
    fill_scan(&narrow, 200000, 1, 1, 8, false, false);
    assert_int_equal(round_trip(CODEC_SHUFFLE, bytes_view(&narrow), 1, 65536, NULL), CODEC_ZSTD);
    secret_random(other, sizeof other);
    assert_int_equal(round_trip(CODEC_SHUFFLE, view_of(other, sizeof other), 1, 65536, NULL),
                     CODEC_ZSTD);
    for (size_t i = 0; i < sizeof other; i++)
        other[i] = (uint8_t) "the same words again and again "[i % 31];
    assert_int_equal(round_trip(CODEC_SHUFFLE, view_of(other, sizeof other), 1, 65536, NULL),
                     CODEC_ZSTD);
}

/* Every way in which uncompressed pixels may stand in a file is coded, smaller than zstd does. */
static void every_pixel_layout(void **state) {
    (void)state;
    for (unsigned variant = 0; variant < 3 * 2 * 2 * 2 * 2; variant++) {
        struct dicom_sample sample = {.syntax = variant % 3,
                                      .study_uid = SAMPLE_STUDY,
                                      .rows = 97,
                                      .columns = 97,
                                      .frames = "3",
                                      .after = {(const uint8_t *)"trailing", 8}};
        bool wide = variant / 3 % 2, colour = variant / 6 % 2;
        sample.is_signed = variant / 12 % 2;
        sample.is_planar = variant / 24 % 2;
        sample.samples = colour ? 3 : 1;
        sample.photometric = colour ? "RGB" : "MONOCHROME2";
        sample.bits_allocated = wide ? 16 : 8;
        sample.bits_stored = wide ? 12 : 8;
        AUTO_BYTES struct bytes pixels = {0}, file = {0};
        fill_scan(&pixels, 97u * 97 * 3 * sample.samples, colour && !sample.is_planar ? 3 : 1,
                  wide ? 2 : 1, wide ? 12 : 8, sample.syntax == EXPLICIT_BIG, sample.is_signed);
        sample.pixels = bytes_view(&pixels);
        sample_write(&sample, &file);
        size_t jpegls_len, zstd_len;
        assert_int_equal(round_trip(CODEC_AUTO, bytes_view(&file), 2, 30000, &jpegls_len),
                         CODEC_JPEGLS);
        round_trip(CODEC_ZSTD, bytes_view(&file), 1, 30000, &zstd_len);
        if (jpegls_len >= zstd_len)
            fail_msg("variant %u: jpegls %zu, zstd %zu", variant, jpegls_len, zstd_len);
    }
}

/* Files that lie about their pixels: still bit for bit, never an error. */
static void lying_headers(void **state) {
    (void)state;
    AUTO_BYTES struct bytes pixels = {0};
    fill_scan(&pixels, 97 * 97, 1, 2, 12, false, false);
    struct dicom_sample honest = {.syntax = EXPLICIT_LITTLE,
                                  .study_uid = SAMPLE_STUDY,
                                  .photometric = "MONOCHROME2",
                                  .rows = 97,
                                  .columns = 97,
                                  .samples = 1,
                                  .bits_allocated = 16,
                                  .bits_stored = 12,
                                  .pixels = bytes_view(&pixels)};
    struct dicom_sample lies[14];
    for (size_t i = 0; i < 14; i++)
        lies[i] = honest;
    lies[0].rows = 60000;    /* pixels shorter than that */
    lies[1].columns = 65535; /* a row longer than all pixels */
    lies[2].rows = 0;
    lies[3].columns = 0;
    lies[4].bits_allocated = 8; /* each byte a sample */
    lies[5].bits_allocated = 32;
    lies[6].samples = 3;
    lies[7].samples = 4;
    lies[8].frames = "4000000000";
    lies[9].said_pixel_len = 0xfffffff0;
    lies[10].said_pixel_len = 97; /* longer than said */
    lies[11].pixels.len -= 1001;  /* an odd end */
    lies[12].photometric = "YBR_FULL_422";
    lies[13].transfer_syntax = "1.2.840.10008.1.2.2"; /* the wrong byte order */
    for (size_t i = 0; i < 14; i++) {
        AUTO_BYTES struct bytes file = {0};
        sample_write(&lies[i], &file);
        for (size_t k = 0; k < KIND_COUNT; k++)
            round_trip(KINDS[k], bytes_view(&file), 2, 4096, NULL);
        for (size_t len = 130; len < file.len; len += 1777) /* cut off anywhere */
            round_trip(CODEC_AUTO, view_of(file.data, len), 2, 4096, NULL);
    }
}

/* Samples over the whole range, and noise that JPEG-LS cannot shrink. */
static void strips_that_do_not_shrink(void **state) {
    (void)state;
    static uint8_t noise[512 * 512 * 2];
    secret_random(noise, sizeof noise);
    struct dicom_sample sample = {.syntax = IMPLICIT_LITTLE,
                                  .study_uid = SAMPLE_STUDY,
                                  .photometric = "MONOCHROME2",
                                  .rows = 512,
                                  .columns = 512,
                                  .samples = 1,
                                  .bits_allocated = 16,
                                  .bits_stored = 16,
                                  .pixels = {noise, sizeof noise}};
    AUTO_BYTES struct bytes file = {0};
    sample_write(&sample, &file);
    size_t len;
    assert_int_equal(round_trip(CODEC_AUTO, bytes_view(&file), 1, 65536, &len), CODEC_JPEGLS);
    assert_in_range(len, sizeof noise, sizeof noise + 1000); /* raw */
}

/* Many frames, one huge frame, many tiny ones: strips hold whole rows and at most 1 MiB. */
static void strips_tile_the_pixels(void **state) {
    (void)state;
    static const struct {
        uint32_t rows, columns;
        uint8_t components, bytes;
        uint64_t len;
    } shapes[] = {{512, 512, 1, 2, 512 * 512 * 2 * 40ull},
                  {5120, 4096, 1, 2, 5120 * 4096 * 2ull * 3},
                  {65535, 65535, 3, 2, 1ull << 36},
                  {1, 1, 1, 1, 1 << 22},
                  {65535, 1, 1, 1, 1 << 22},
                  {64, 64, 3, 1, 64 * 64 * 3 * 1000 + 64 * 3}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct jpegls_pixels pixels = {
            .layout = {shapes[i].columns, shapes[i].components, shapes[i].bytes, false},
            .plane_rows = shapes[i].rows};
        uint32_t row_bytes = jpegls_row_bytes(&pixels.layout);
        pixels.len = shapes[i].len - shapes[i].len % row_bytes;
        uint64_t position = 0;
        while (position < pixels.len) {
            uint32_t len = jpegls_strip_len(&pixels, position);
            assert_in_range(len, 1, JPEGLS_STRIP_BYTES_MAX);
            assert_int_equal(len % row_bytes, 0);
            assert_in_range(len / row_bytes, 1, 65535);
            position += len;
        }
        assert_int_equal(position, pixels.len);
    }
}

static void a_large_frame_on_several_threads(void **state) {
    (void)state;
    AUTO_BYTES struct bytes pixels = {0}, file = {0}, one = {0}, four = {0};
    fill_scan(&pixels, 2000 * 1500, 1, 2, 12, false, false);
    struct dicom_sample sample = {.syntax = EXPLICIT_LITTLE,
                                  .study_uid = SAMPLE_STUDY,
                                  .photometric = "MONOCHROME1",
                                  .rows = 2000,
                                  .columns = 1500,
                                  .samples = 1,
                                  .bits_allocated = 16,
                                  .bits_stored = 12,
                                  .pixels = bytes_view(&pixels)};
    sample_write(&sample, &file);
    encode(CODEC_JPEGLS, bytes_view(&file), 1, 65536, &one);
    encode(CODEC_JPEGLS, bytes_view(&file), 4, 999, &four);
    assert_same(bytes_view(&one), bytes_view(&four)); /* whatever the threads and the reads */
    for (unsigned threads = 1; threads < 9; threads += 7) {
        AUTO_BYTES struct bytes decoded = {0};
        assert_int_equal(decode(CODEC_JPEGLS, bytes_view(&one), file.len, threads, 12345, &decoded),
                         OK);
        assert_same(bytes_view(&decoded), bytes_view(&file));
    }
}

static void small_sample(struct bytes *out_file) {
    AUTO_BYTES struct bytes pixels = {0};
    fill_scan(&pixels, 40 * 50, 1, 2, 10, false, false);
    struct dicom_sample sample = {.syntax = EXPLICIT_LITTLE,
                                  .study_uid = SAMPLE_STUDY,
                                  .photometric = "MONOCHROME2",
                                  .rows = 50,
                                  .columns = 40,
                                  .samples = 1,
                                  .bits_allocated = 16,
                                  .bits_stored = 10,
                                  .pixels = bytes_view(&pixels)};
    sample_write(&sample, out_file);
}

/* A stream with one byte changed, cut off or lengthened: an error, or the same bytes. (The seal
 * above keeps such streams away; the codec must only stay sane and within its size.) */
static void damaged_streams(void **state) {
    (void)state;
    AUTO_BYTES struct bytes file = {0};
    small_sample(&file);
    for (size_t k = 1; k < CODED_COUNT; k++) {
        enum codec_kind kind = KINDS[k];
        AUTO_BYTES struct bytes coded = {0};
        assert_int_equal(encode(kind, bytes_view(&file), 1, 65536, &coded), kind);
        for (size_t i = 0; i < coded.len; i++) {
            AUTO_BYTES struct bytes decoded = {0};
            assert_int_equal(decode(kind, view_of(coded.data, i), file.len, 1, 100000, &decoded),
                             INTEGRITY);
            coded.data[i] ^= 0x41;
            decoded.len = 0;
            result damaged = decode(kind, bytes_view(&coded), file.len, 1, 100000, &decoded);
            assert_true(damaged == INTEGRITY || decoded.len == file.len);
            assert_true(decoded.len <= file.len);
            coded.data[i] ^= 0x41;
        }
        AUTO_BYTES struct bytes decoded = {0};
        assert_int_equal(bytes_append(&coded, view_of("", 1)), OK);
        assert_int_equal(decode(kind, bytes_view(&coded), file.len, 1, 100000, &decoded),
                         INTEGRITY);
    }
}

/* The manifest's size is the bound: a stream of another size is refused, and never overruns. */
static void sizes_that_differ(void **state) {
    (void)state;
    AUTO_BYTES struct bytes file = {0};
    small_sample(&file);
    for (size_t k = 0; k < CODED_COUNT; k++) {
        enum codec_kind kind = KINDS[k];
        AUTO_BYTES struct bytes coded = {0};
        encode(kind, bytes_view(&file), 1, 65536, &coded);
        for (int difference = -1; difference <= 1; difference += 2) {
            AUTO_BYTES struct bytes decoded = {0};
            uint64_t size = file.len + (uint64_t)difference;
            assert_int_equal(decode(kind, bytes_view(&coded), size, 1, 100, &decoded), INTEGRITY);
            assert_true(decoded.len <= size);
        }
    }
}

/* A zstd bomb stops at the manifest's size; a frame that asks for a large window is refused. */
static void bombs(void **state) {
    (void)state;
    uint8_t *zeros = calloc(1, 64 << 20);
    AUTO_BYTES struct bytes coded = {0}, decoded = {0};
    encode(CODEC_ZSTD, view_of(zeros, 64 << 20), 1, 65536, &coded);
    free(zeros);
    assert_true(coded.len < 20000);
    assert_int_equal(decode(CODEC_ZSTD, bytes_view(&coded), 1000000, 1, 65536, &decoded),
                     INTEGRITY);
    assert_true(decoded.len <= 1000000);
    /* Magic, a descriptor with neither size nor checksum, window 2^27, an empty last block. */
    static const uint8_t window[] = {0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x88, 0x01, 0x00, 0x00};
    assert_int_equal(decode(CODEC_ZSTD, view_of(window, sizeof window), 0, 1, 65536, &decoded),
                     INTEGRITY);
}

/* A JPEG-LS frame (ITU-T T.87, SOF55) that claims 65535 x 65535 samples in a strip of two thousand:
 * refused by its head, in the memory of a strip. */
static void jpegls_bombs(void **state) {
    static const uint8_t frame[] = {0xff, 0xf7};
    enum { HEIGHT_AT = 5, WIDTH_AT = 7 };
    (void)state;
    AUTO_BYTES struct bytes file = {0}, coded = {0}, decoded = {0};
    small_sample(&file);
    assert_int_equal(encode(CODEC_JPEGLS, bytes_view(&file), 1, 65536, &coded), CODEC_JPEGLS);
    uint8_t *head = memmem(coded.data, coded.len, frame, sizeof frame);
    assert_non_null(head);
    memset(head + HEIGHT_AT, 0xff, WIDTH_AT + 2 - HEIGHT_AT);
    assert_int_equal(decode(CODEC_JPEGLS, bytes_view(&coded), file.len, 1, 65536, &decoded),
                     INTEGRITY);
    assert_true(decoded.len <= file.len);
}

static result failing_sink(void *context, struct view bytes) {
    (void)bytes;
    return FAIL(IO, "%s", (const char *)context);
}

static void sink_errors_are_handed_on(void **state) {
    (void)state;
    AUTO_BYTES struct bytes file = {0};
    small_sample(&file);
    for (size_t k = 0; k < CODED_COUNT; k++) {
        enum codec_kind kind = KINDS[k];
        AUTO_BYTES struct bytes coded = {0};
        encode(kind, bytes_view(&file), 1, 65536, &coded);
        AUTO_CODEC_DECODER struct codec_decoder *decoder = NULL;
        char text[] = "disk full";
        assert_int_equal(codec_decoder_open(kind, file.len, 1, failing_sink, text, &decoder), OK);
        result written = codec_decoder_write(decoder, bytes_view(&coded));
        if (written == OK)
            written = codec_decoder_finish(decoder);
        assert_int_equal(written, IO);
        assert_string_equal(error_text(), "disk full");
    }
}

static void files_that_shrink_meanwhile(void **state) {
    (void)state;
    char path[] = "/tmp/myelin-codec-XXXXXX";
    AUTO_FD int fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    assert_int_equal(ftruncate(fd, 1 << 20), 0);
    struct codec_source source;
    assert_int_equal(codec_source_file(fd, "scan.raw", &source), OK);
    assert_int_equal(source.size, 1 << 20);
    for (enum codec_kind kind = CODEC_NONE; kind <= CODEC_ZSTD; kind++) {
        AUTO_CODEC_ENCODER struct codec_encoder *encoder = NULL;
        assert_int_equal(ftruncate(fd, 1 << 20), 0);
        assert_int_equal(codec_encoder_open(kind, &source, 1, &encoder), OK);
        assert_int_equal(ftruncate(fd, 1000), 0);
        static uint8_t buffer[2 << 20];
        size_t len;
        bool is_end;
        assert_int_equal(codec_encoder_read(encoder, buffer, sizeof buffer, &len, &is_end), IO);
        assert_non_null(strstr(error_text(), "scan.raw"));
    }
}

static void names(void **state) {
    (void)state;
    enum codec_kind kind;
    for (size_t k = 0; k < KIND_COUNT; k++) {
        assert_int_equal(codec_kind_parse(codec_kind_name(KINDS[k]), &kind), OK);
        assert_int_equal(kind, KINDS[k]);
    }
    assert_int_equal(codec_kind_parse("gzip", &kind), INVALID);
    assert_int_equal(codec_kind_check(2, &kind), OK);
    assert_int_equal(kind, CODEC_JPEGLS);
    assert_int_equal(codec_kind_check(CODEC_AUTO, &kind), INTEGRITY);
    assert_int_equal(codec_kind_check(4, &kind), OK);
    assert_int_equal(kind, CODEC_SHUFFLE);
    assert_int_equal(codec_kind_check(5, &kind), INTEGRITY);
    assert_int_equal(codec_kind_check(UINT64_MAX, &kind), INTEGRITY);
}

/* The real files that come with pydicom (Debian: python3-pydicom). */
#define PYDICOM "/usr/lib/python3/dist-packages/pydicom/data/test_files"

static void real_files(void **state) {
    (void)state;
    DIR *folder = opendir(PYDICOM);
    if (folder == NULL)
        fail_msg("%s is missing: install the Debian package python3-pydicom", PYDICOM);
    unsigned lossless = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (strstr(entry->d_name, ".dcm") == NULL)
            continue;
        char path[512];
        snprintf(path, sizeof path, "%s/%s", PYDICOM, entry->d_name);
        AUTO_BYTES struct bytes file = {0};
        assert_int_equal(file_read(path, 64 << 20, &file), OK);
        lossless += round_trip(CODEC_AUTO, bytes_view(&file), 2, 65536, NULL) == CODEC_JPEGLS;
        round_trip(CODEC_ZSTD, bytes_view(&file), 2, 65536, NULL);
    }
    closedir(folder);
    assert_in_range(lossless, 9, 30); /* those with uncompressed 8- or 16-bit pixels */
}

int main(void) {
    if (secret_start() != OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_bytes_round_trip),
        cmocka_unit_test(kinds_are_chosen),
        cmocka_unit_test(shuffled_blocks),
        cmocka_unit_test(shuffling_where_it_pays),
        cmocka_unit_test(every_pixel_layout),
        cmocka_unit_test(lying_headers),
        cmocka_unit_test(strips_that_do_not_shrink),
        cmocka_unit_test(strips_tile_the_pixels),
        cmocka_unit_test(a_large_frame_on_several_threads),
        cmocka_unit_test(damaged_streams),
        cmocka_unit_test(sizes_that_differ),
        cmocka_unit_test(bombs),
        cmocka_unit_test(jpegls_bombs),
        cmocka_unit_test(sink_errors_are_handed_on),
        cmocka_unit_test(files_that_shrink_meanwhile),
        cmocka_unit_test(names),
        cmocka_unit_test(real_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
