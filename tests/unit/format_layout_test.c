/* Hashes of what is stored, and where the segments of an object lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "format/hash.h"
#include "format/layout.h"
#include "format_checks.h"
#include "format_samples_records.h"
#include "format_samples_storage.h"

static void hashes_are_as_documented(void **state) {
    (void)state;
    uint8_t got[32], expected[32], bytes[4096];
    ProtobufCBinaryData tau = sample_bytes(1, 96);
    memcpy(bytes, "myelin image v1", 16);
    memcpy(bytes + 16, tau.data, 96);
    digest_sha256(view_of(bytes, 112), expected);
    format_image_id(tau.data, got);
    assert_memory_equal(got, expected, 32);

    const Myelin__Symbol *symbol = sample_symbol();
    memcpy(bytes, symbol->alpha.data, 48);
    memcpy(bytes + 48, symbol->gamma.data, 576);
    memcpy(bytes + 624, symbol->coefficient[0].data, 32);
    memcpy(bytes + 656, symbol->coefficient[1].data, 32);
    digest_sha256(view_of(bytes, 688), expected);
    format_symbol_hash(symbol, got);
    assert_memory_equal(got, expected, 32);

    ProtobufCBinaryData hashes = sample_bytes(9, 96);
    memcpy(bytes, "myelin slices v1", 17);
    memcpy(bytes + 17, hashes.data, 96);
    digest_sha256(view_of(bytes, 113), expected);
    assert_int_equal(format_slice_table_root(format_view(hashes), got), OK);
    assert_memory_equal(got, expected, 32);
    struct format_slice_table table;
    format_slice_table_start(&table);
    for (int i = 0; i < 3; i++)
        format_slice_table_add(&table, hashes.data + (32 * i));
    format_slice_table_finish(&table, got);
    assert_memory_equal(got, expected, 32);
    assert_int_equal(format_slice_table_root(view_of(bytes, 33), got), PROTOCOL);

    format_audit_hash(view_of(bytes, 32), view_of(bytes + 32, 20), got);
    digest_sha256(view_of(bytes, 52), expected);
    assert_memory_equal(got, expected, 32);
}

static void commit_contents_ignore_order(void **state) {
    (void)state;
    Myelin__Signed a = MYELIN__SIGNED__INIT, b = a, envelope = a;
    a.body = sample_bytes(1, 20);
    b.body = sample_bytes(2, 20);
    envelope.body = sample_bytes(3, 20);
    Myelin__Signed *forth[] = {&a, &b}, *back[] = {&b, &a};
    uint8_t first[32], second[32], expected[32], all[96], low[32], high[32];
    assert_int_equal(format_commit_contents(&envelope, forth, 2, first), OK);
    assert_int_equal(format_commit_contents(&envelope, back, 2, second), OK);
    assert_memory_equal(first, second, 32);
    format_record_hash(&envelope, all);
    format_record_hash(&a, low);
    format_record_hash(&b, high);
    bool in_order = memcmp(low, high, 32) < 0;
    memcpy(all + 32, in_order ? low : high, 32);
    memcpy(all + 64, in_order ? high : low, 32);
    digest_sha256(view_of(all, 96), expected);
    assert_memory_equal(first, expected, 32);
    assert_int_equal(format_commit_contents(NULL, forth, 2, second), OK);
    digest_sha256(view_of(all + 32, 64), expected);
    assert_memory_equal(second, expected, 32);
    assert_int_equal(format_commit_contents(&envelope, NULL, 0, second), OK);
    digest_sha256(view_of(all, 32), expected);
    assert_memory_equal(second, expected, 32);
}

static void layouts_add_up(void **state) {
    (void)state;
    static const uint64_t sizes[] = {0, 1, 4095, 4096, 4097, 8192, 100000, 4096 * 50};
    static const uint32_t ks[] = {1, 2, 3, 7, 255};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t j = 0; j < sizeof ks / sizeof *ks; j++) {
            struct format_layout plan, read, taken;
            assert_int_equal(format_layout_plan(sizes[i], 4096, ks[j], &plan), OK);
            assert_int_equal(format_layout(plan.sealed_bytes, 4096, plan.segments, ks[j], &read),
                             OK);
            assert_memory_equal(&plan, &read, sizeof plan);
            Myelin__Manifest m = sample_manifest();
            m.sealed_bytes = plan.sealed_bytes;
            m.segments = plan.segments;
            m.k = ks[j];
            format_layout_of(&m, &taken);
            assert_memory_equal(&plan, &taken, sizeof plan);
            uint64_t sealed = 0, symbol = 0;
            for (uint64_t s = 0; s < plan.segments; s++) {
                uint32_t len = format_sealed_len(&plan, s);
                assert_int_equal(format_slice_len(&plan, s), (len + ks[j] - 1) / ks[j]);
                assert_int_equal(format_slice_offset(&plan, s), symbol);
                sealed += len;
                symbol += format_slice_len(&plan, s);
            }
            assert_int_equal(sealed, sizes[i] + 16 * plan.segments);
            assert_int_equal(sealed, plan.sealed_bytes);
            assert_int_equal(symbol, plan.symbol_bytes);
        }
}

static void layouts_are_bounded(void **state) {
    (void)state;
    struct format_layout layout;
    assert_int_equal(format_layout_plan(1, 4095, 1, &layout), INVALID);
    assert_int_equal(format_layout_plan(1, 4096, 0, &layout), INVALID);
    assert_int_equal(format_layout_plan(1, 4096, 256, &layout), INVALID);
    assert_int_equal(format_layout_plan(UINT64_C(4096) << 20, 4096, 1, &layout), OK);
    assert_int_equal(format_layout_plan((UINT64_C(4096) << 20) + 1, 4096, 1, &layout), INVALID);
    assert_int_equal(format_layout_plan(UINT64_C(1) << 40, 16 << 20, 1, &layout), INVALID);
    assert_int_equal(format_layout_plan(UINT64_MAX, 16 << 20, 1, &layout), INVALID);
    assert_int_equal(format_layout(16, 4096, 1, 0, &layout), PROTOCOL);
    assert_int_equal(format_slot_of(sample_servers(), SAMPLE_N, "storage-3"), 2);
    assert_int_equal(format_slot_of(sample_servers(), SAMPLE_N, "storage-4"), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_are_as_documented),
        cmocka_unit_test(commit_contents_ignore_order),
        cmocka_unit_test(layouts_add_up),
        cmocka_unit_test(layouts_are_bounded),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
