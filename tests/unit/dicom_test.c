/* DICOM headers: the study is found and the pixels are where they are said to be; what is not
 * DICOM, or is broken, is no error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/secret.h"
#include "codec/dicom.h"
#include "dicom_sample.h"

static struct dicom_info probe(struct view file) {
    struct codec_source source = codec_source_memory(file, "sample");
    struct dicom_info info;
    assert_int_equal(dicom_probe(&source, &info), OK);
    return info;
}

static const uint8_t PIXELS[24] = "abcdefghijklmnopqrstuvw";

static struct dicom_sample plain_sample(enum sample_syntax syntax) {
    return (struct dicom_sample){.syntax = syntax,
                                 .study_uid = SAMPLE_STUDY,
                                 .photometric = "MONOCHROME2",
                                 .rows = 3,
                                 .columns = 4,
                                 .samples = 1,
                                 .bits_allocated = 16,
                                 .bits_stored = 12,
                                 .pixels = {PIXELS, sizeof PIXELS}};
}

static void every_field_is_read(void **state) {
    (void)state;
    for (enum sample_syntax syntax = IMPLICIT_LITTLE; syntax <= EXPLICIT_BIG; syntax++) {
        struct dicom_sample sample = plain_sample(syntax);
        sample.samples = 3;
        sample.photometric = "RGB";
        sample.frames = "17";
        sample.is_planar = sample.is_signed = true;
        AUTO_BYTES struct bytes file = {0};
        size_t offset = sample_write(&sample, &file);
        struct dicom_info info = probe(bytes_view(&file));
        assert_true(info.is_dicom);
        assert_string_equal(info.study_uid, SAMPLE_STUDY);
        assert_string_equal(info.sop_instance_uid, SAMPLE_INSTANCE);
        assert_string_equal(info.photometric, "RGB");
        assert_true(info.has_native_pixels);
        assert_int_equal(info.pixel_offset, offset);
        assert_int_equal(info.pixel_len, sizeof PIXELS);
        assert_int_equal(info.is_big_endian, syntax == EXPLICIT_BIG);
        assert_int_equal(info.rows, 3);
        assert_int_equal(info.columns, 4);
        assert_int_equal(info.frames, 17);
        assert_int_equal(info.samples, 3);
        assert_int_equal(info.bits_allocated, 16);
        assert_int_equal(info.bits_stored, 12);
        assert_true(info.is_signed);
        assert_true(info.is_planar);
    }
}

static void without_a_preamble(void **state) {
    (void)state;
    for (enum sample_syntax syntax = IMPLICIT_LITTLE; syntax <= EXPLICIT_BIG; syntax++) {
        struct dicom_sample sample = plain_sample(syntax);
        sample.no_preamble = true;
        AUTO_BYTES struct bytes file = {0};
        size_t offset = sample_write(&sample, &file);
        struct dicom_info info = probe(bytes_view(&file));
        assert_true(info.is_dicom);
        assert_string_equal(info.study_uid, SAMPLE_STUDY);
        assert_int_equal(info.pixel_offset, offset);
    }
}

static void studies_without_a_good_uid(void **state) {
    (void)state;
    static const char *const bad[] = {
        NULL, "", "1.2.x", "../../etc/passwd",
        "1.2.3.4.5.6.7.8.9.0.1.2.3.4.5.6.7.8.9.0.1.2.3.4.5.6.7.8.9.0.12345"}; /* 65 */
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct dicom_sample sample = plain_sample(EXPLICIT_LITTLE);
        sample.study_uid = bad[i];
        AUTO_BYTES struct bytes file = {0};
        sample_write(&sample, &file);
        struct dicom_info info = probe(bytes_view(&file));
        assert_true(info.is_dicom);
        assert_string_equal(info.study_uid, "");
    }
}

static void compressed_pixels_are_not_native(void **state) {
    (void)state;
    struct dicom_sample sample = plain_sample(EXPLICIT_LITTLE);
    sample.transfer_syntax = "1.2.840.10008.1.2.4.70";
    sample.said_pixel_len = UINT32_MAX;
    AUTO_BYTES struct bytes file = {0};
    sample_write(&sample, &file);
    struct dicom_info info = probe(bytes_view(&file));
    assert_string_equal(info.study_uid, SAMPLE_STUDY);
    assert_string_equal(info.transfer_syntax, "1.2.840.10008.1.2.4.70");
    assert_false(info.has_native_pixels);
}

/* The pixels need not be there, nor be read: a header of long values is skipped over. */
static void truncated_and_long_files(void **state) {
    (void)state;
    struct dicom_sample sample = plain_sample(EXPLICIT_LITTLE);
    sample.filler = 100000;
    sample.said_pixel_len = 4000000000u;
    AUTO_BYTES struct bytes file = {0};
    size_t offset = sample_write(&sample, &file);
    struct dicom_info info = probe(bytes_view(&file));
    assert_int_equal(info.pixel_offset, offset);
    assert_int_equal(info.pixel_len, 4000000000u);
    for (size_t len = 0; len < offset; len += len < 700 ? 1 : 9001) {
        info = probe(view_of(file.data, len));
        assert_int_equal(info.is_dicom, len >= 132);
        assert_false(info.has_native_pixels);
    }
}

static void other_files_are_no_error(void **state) {
    (void)state;
    uint8_t noise[4096];
    for (unsigned round = 0; round < 200; round++) {
        secret_random(noise, sizeof noise);
        noise[0] = 8; /* as a data set without a preamble starts */
        noise[1] = 0;
        assert_false(probe(view_of(noise, sizeof noise)).is_dicom);
    }
    assert_false(probe(view_of_string("%PDF-1.7")).is_dicom);
    assert_false(probe(view_of(NULL, 0)).is_dicom);
}

/* DCMTK recurses into sequences: a file of nothing but their beginnings must not exhaust the
 * stack, one of nothing but tiny elements not the memory or anybody's patience. */
static void hostile_nesting_and_counts(void **state) {
    (void)state;
    struct dicom_sample sample = plain_sample(EXPLICIT_LITTLE);
    AUTO_BYTES struct bytes file = {0};
    size_t offset = sample_write(&sample, &file);
    file.len = offset - 12;
    for (unsigned depth = 0; depth < 300000; depth++) {
        sample_head(&file, EXPLICIT_LITTLE, 0x30060010, "SQ", UINT32_MAX);
        sample_number(&file, EXPLICIT_LITTLE, 0xe000fffe, 4);
        sample_number(&file, EXPLICIT_LITTLE, UINT32_MAX, 4);
    }
    struct dicom_info info = probe(bytes_view(&file));
    assert_string_equal(info.study_uid, SAMPLE_STUDY);
    assert_false(info.has_native_pixels);

    file.len = offset - 12;
    for (uint32_t i = 0; i < 500000; i++)
        sample_head(&file, EXPLICIT_LITTLE, 0x30060000 + (i << 8), "CS", 0);
    info = probe(bytes_view(&file));
    assert_string_equal(info.study_uid, SAMPLE_STUDY);

    file.len = offset - 12; /* the wrong way round, which DCMTK sorts one by one */
    for (uint32_t i = 0; i < 500000; i++)
        sample_head(&file, EXPLICIT_LITTLE, 0x7f000000 - i * 4, "CS", 0);
    clock_t start = clock();
    info = probe(bytes_view(&file));
    assert_string_equal(info.study_uid, SAMPLE_STUDY);
    assert_in_range((clock() - start) / CLOCKS_PER_SEC, 0, 3); /* half a minute unbounded */
}

static void paths(void **state) {
    (void)state;
    struct dicom_info info;
    assert_int_equal(dicom_probe_path("/nonexistent/file.dcm", &info), NOT_FOUND);
    assert_int_equal(dicom_probe_path("/tmp", &info), INVALID);
}

/* The real files that come with pydicom (Debian: python3-pydicom). Its own values for some of
 * them; the rest must just be read without an error. */
#define PYDICOM "/usr/lib/python3/dist-packages/pydicom/data/test_files"

static void real_files(void **state) {
    (void)state;
    static const struct {
        const char *name, *study;
        uint64_t pixel_offset, pixel_len, header_len;
    } known[] = {
        {"CT_small.dcm", "1.3.6.1.4.1.5962.1.2.1.20040119072730.12322", 6300, 32768, 6300},
        {"MR_small_bigendian.dcm", "1.3.6.1.4.1.5962.1.2.4.20040826185059.5457", 1516, 8192, 1516},
        {"MR_small_implicit.dcm", "1.3.6.1.4.1.5962.1.2.4.20040826185059.5457", 1510, 8192, 1510},
        {"image_dfl.dcm", "1.3.6.1.4.1.5962.1.2.0.977067310.6001.0", 0, 0, 0},
        {"JPEG2000.dcm", "1.3.6.1.4.1.5962.1.2.8.20040826185059.5457", 0, 0, 3034},
        {"ExplVR_BigEndNoMeta.dcm", "1.2.333.4444.5.6.7.8.9", 0, 0, 0},
    };
    DIR *folder = opendir(PYDICOM);
    if (folder == NULL)
        fail_msg("%s is missing: install the Debian package python3-pydicom", PYDICOM);
    unsigned found = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (strstr(entry->d_name, ".dcm") == NULL)
            continue;
        char path[512];
        snprintf(path, sizeof path, "%s/%s", PYDICOM, entry->d_name);
        struct dicom_info info;
        assert_int_equal(dicom_probe_path(path, &info), OK);
        for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
            if (strcmp(entry->d_name, known[i].name) != 0)
                continue;
            found++;
            assert_string_equal(info.study_uid, known[i].study);
            assert_int_equal(info.has_native_pixels, known[i].pixel_offset > 0);
            assert_int_equal(info.pixel_offset, known[i].pixel_offset);
            assert_int_equal(info.pixel_len, known[i].pixel_len);
            assert_int_equal(info.header_len, known[i].header_len);
            assert_int_equal(info.is_encapsulated, known[i].header_len > known[i].pixel_offset);
        }
    }
    closedir(folder);
    assert_int_equal(found, sizeof known / sizeof *known);
}

int main(void) {
    if (secret_start() != OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_is_read),
        cmocka_unit_test(without_a_preamble),
        cmocka_unit_test(studies_without_a_good_uid),
        cmocka_unit_test(compressed_pixels_are_not_native),
        cmocka_unit_test(truncated_and_long_files),
        cmocka_unit_test(other_files_are_no_error),
        cmocka_unit_test(hostile_nesting_and_counts),
        cmocka_unit_test(paths),
        cmocka_unit_test(real_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
