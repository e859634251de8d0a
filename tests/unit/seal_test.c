/* Segments and texts under AEAD: what was sealed opens; whatever was altered, moved, cut off or
 * added does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/secret.h"
#include "seal/seal.h"

static const uint8_t CONTENT_KEY[SEAL_KEY_BYTES] = {1, 2, 3};
static const uint8_t SALT[SEAL_SALT_BYTES] = {4, 5, 6};

static struct seal_key *key_with(const uint8_t *content_key, const uint8_t *salt,
                                 const char *context) {
    struct seal_key *key;
    assert_int_equal(seal_key_new(content_key, salt, view_of_string(context), &key), OK);
    return key;
}

static void segments_round_trip(void **state) {
    (void)state;
    AUTO_SEAL_KEY struct seal_key *key = key_with(CONTENT_KEY, SALT, "object");
    static const size_t lengths[] = {0, 1, 15, 16, 17, 4096, 100000, SEAL_SEGMENT_BYTES};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        size_t len = lengths[i];
        uint8_t *plain = malloc(len + 1), *sealed = malloc(len + SEAL_TAG_BYTES),
                *opened = malloc(len + 1);
        secret_random(plain, len);
        assert_int_equal(seal_segment(key, i, true, view_of(plain, len), sealed), OK);
        assert_int_equal(
            seal_open_segment(key, i, true, view_of(sealed, len + SEAL_TAG_BYTES), opened), OK);
        assert_memory_equal(opened, plain, len);
        if (len >= 16)
            assert_memory_not_equal(sealed, plain, len);
        free(plain);
        free(sealed);
        free(opened);
    }
}

/* Known answer, computed independently (Python's cryptography: HKDF and AESGCM). */
static void known_answer(void **state) {
    (void)state;
    AUTO_SEAL_KEY struct seal_key *key = key_with(CONTENT_KEY, SALT, "object");
    uint8_t sealed[5 + SEAL_TAG_BYTES], expected[sizeof sealed];
    assert_int_equal(seal_segment(key, 258, true, view_of_string("image"), sealed), OK);
    assert_int_equal(
        hex_decode("fcff24b94a3ed37a83f0704dea6c02c9ee1d0f86c3", expected, sizeof expected), OK);
    assert_memory_equal(sealed, expected, sizeof sealed);
}

/* It is as good as new for the next object, and no longer the key of the one before. */
static void a_cleared_key_is_used_again(void **state) {
    (void)state;
    AUTO_SEAL_KEY struct seal_key *key = key_with(SALT, CONTENT_KEY, "another");
    const struct seal_key *memory = key;
    seal_key_clear(key);
    assert_int_equal(seal_key_renew(CONTENT_KEY, SALT, view_of_string("object"), &key), OK);
    assert_ptr_equal(key, memory);
    uint8_t sealed[5 + SEAL_TAG_BYTES], expected[sizeof sealed];
    assert_int_equal(seal_segment(key, 258, true, view_of_string("image"), sealed), OK);
    assert_int_equal(
        hex_decode("fcff24b94a3ed37a83f0704dea6c02c9ee1d0f86c3", expected, sizeof expected), OK);
    assert_memory_equal(sealed, expected, sizeof sealed);
    seal_key_clear(key);
    for (size_t i = 0; i < SEAL_KEY_BYTES; i++)
        assert_int_equal(((const uint8_t *)memory)[i], 0);
}

static void in_place(void **state) {
    (void)state;
    AUTO_SEAL_KEY struct seal_key *key = key_with(CONTENT_KEY, SALT, "object");
    for (size_t len = 0; len < 3000; len += 37) {
        uint8_t buffer[3000 + SEAL_TAG_BYTES], plain[3000], apart[sizeof buffer];
        secret_random(plain, len);
        memcpy(buffer, plain, len);
        assert_int_equal(seal_segment(key, 7, false, view_of(plain, len), apart), OK);
        assert_int_equal(seal_segment(key, 7, false, view_of(buffer, len), buffer), OK);
        assert_memory_equal(buffer, apart, len + SEAL_TAG_BYTES);
        struct view sealed = view_of(buffer, len + SEAL_TAG_BYTES);
        assert_int_equal(seal_open_segment(key, 7, false, sealed, buffer), OK);
        assert_memory_equal(buffer, plain, len);
    }
}

static void every_flipped_bit_is_noticed(void **state) {
    (void)state;
    AUTO_SEAL_KEY struct seal_key *key = key_with(CONTENT_KEY, SALT, "object");
    uint8_t plain[40] = "forty bytes of an image", sealed[40 + SEAL_TAG_BYTES], opened[40];
    static const uint8_t zeros[40];
    assert_int_equal(seal_segment(key, 3, false, view_of(plain, 40), sealed), OK);
    for (size_t bit = 0; bit < 8 * sizeof sealed; bit++) {
        sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
        memset(opened, 0x55, sizeof opened);
        assert_int_equal(seal_open_segment(key, 3, false, view_of(sealed, sizeof sealed), opened),
                         INTEGRITY);
        assert_memory_equal(opened, zeros, sizeof opened);
        assert_non_null(strstr(error_text(), "segment 3"));
        sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(seal_open_segment(key, 3, false, view_of(sealed, sizeof sealed), opened), OK);
}

static void moved_cut_and_added_segments_are_noticed(void **state) {
    (void)state;
    AUTO_SEAL_KEY struct seal_key *key = key_with(CONTENT_KEY, SALT, "object");
    uint8_t sealed[8 + SEAL_TAG_BYTES], opened[8];
    struct view view = view_of(sealed, sizeof sealed);
    assert_int_equal(seal_segment(key, 1, false, view_of_string("8 bytes."), sealed), OK);
    assert_int_equal(seal_open_segment(key, 2, false, view, opened), INTEGRITY);
    assert_int_equal(seal_open_segment(key, 1ull << 32 | 1, false, view, opened), INTEGRITY);
    assert_int_equal(seal_open_segment(key, 1, true, view, opened), INTEGRITY); /* cut after it */
    assert_int_equal(seal_open_segment(key, 1, false, view_of(sealed, sizeof sealed - 1), opened),
                     INTEGRITY);
    assert_int_equal(seal_open_segment(key, 1, false, view_of(sealed, 15), opened), INTEGRITY);
    assert_int_equal(seal_open_segment(key, 1, false, view, opened), OK);
    assert_int_equal(seal_segment(key, 1, true, view_of_string("8 bytes."), sealed), OK);
    assert_int_equal(seal_open_segment(key, 1, false, view, opened), INTEGRITY); /* added to */
}

static void another_object_does_not_open_it(void **state) {
    (void)state;
    static const uint8_t other[SEAL_KEY_BYTES] = {9};
    AUTO_SEAL_KEY struct seal_key *key = key_with(CONTENT_KEY, SALT, "object");
    AUTO_SEAL_KEY struct seal_key *other_content = key_with(other, SALT, "object");
    AUTO_SEAL_KEY struct seal_key *other_salt = key_with(CONTENT_KEY, other, "object");
    AUTO_SEAL_KEY struct seal_key *other_context = key_with(CONTENT_KEY, SALT, "Object");
    uint8_t sealed[8 + SEAL_TAG_BYTES], opened[8];
    struct view view = view_of(sealed, sizeof sealed);
    assert_int_equal(seal_segment(key, 1, true, view_of_string("8 bytes."), sealed), OK);
    assert_int_equal(seal_open_segment(other_content, 1, true, view, opened), INTEGRITY);
    assert_int_equal(seal_open_segment(other_salt, 1, true, view, opened), INTEGRITY);
    assert_int_equal(seal_open_segment(other_context, 1, true, view, opened), INTEGRITY);
    assert_int_equal(seal_open_segment(key, 1, true, view, opened), OK);
}

struct worker {
    struct seal_key *key;
    unsigned failures;
};

static void *seal_and_open(void *argument) {
    struct worker *worker = argument;
    uint8_t plain[5000], sealed[sizeof plain + SEAL_TAG_BYTES], opened[sizeof plain];
    for (uint64_t i = 0; i < 200; i++) {
        memset(plain, (int)i, sizeof plain);
        result done = seal_segment(worker->key, i, false, view_of(plain, sizeof plain), sealed);
        if (done == OK)
            done = seal_open_segment(worker->key, i, false, view_of(sealed, sizeof sealed), opened);
        worker->failures += done != OK || memcmp(plain, opened, sizeof plain) != 0;
    }
    return NULL;
}

static void a_key_per_thread(void **state) {
    (void)state;
    struct worker workers[4] = {0};
    pthread_t threads[4];
    for (unsigned i = 0; i < 4; i++) {
        workers[i].key = key_with(CONTENT_KEY, SALT, "object");
        assert_int_equal(pthread_create(&threads[i], NULL, seal_and_open, &workers[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(workers[i].failures, 0);
        seal_key_destroy(workers[i].key);
    }
}

static void sizes(void **state) {
    (void)state;
    assert_int_equal(seal_segments_count(0, 4096), 1);
    assert_int_equal(seal_segments_count(1, 4096), 1);
    assert_int_equal(seal_segments_count(4096, 4096), 1);
    assert_int_equal(seal_segments_count(4097, 4096), 2);
    assert_true(seal_segments_count(UINT64_MAX, 4096) == 1ull << 52);
    assert_int_equal(seal_segment_len(0, 4096, 0), 0);
    assert_int_equal(seal_segment_len(4096, 4096, 0), 4096);
    assert_int_equal(seal_segment_len(4097, 4096, 0), 4096);
    assert_int_equal(seal_segment_len(4097, 4096, 1), 1);
    struct seal_key *key;
    uint8_t context[SEAL_CONTEXT_MAX + 1] = {0};
    assert_int_equal(seal_key_new(CONTENT_KEY, SALT, view_of(context, sizeof context), &key),
                     INVALID);
}

static void texts(void **state) {
    (void)state;
    static const char *samples[] = {"", "CT.dcm", "Ärztebrief.pdf"};
    struct view context = view_of_string("object"), other = view_of_string("objecT");
    for (size_t i = 0; i < 3; i++) {
        AUTO_BYTES struct bytes box = {0}, again = {0}, text = {0};
        struct view sample = i == 0 ? (struct view){0} : view_of_string(samples[i]);
        assert_int_equal(seal_text(CONTENT_KEY, "NAME", context, sample, &box), OK);
        assert_int_equal(seal_text(CONTENT_KEY, "NAME", context, sample, &again), OK);
        assert_int_equal(box.len, sample.len + SEAL_TEXT_OVERHEAD);
        assert_false(view_equal(bytes_view(&box), bytes_view(&again)));
        assert_int_equal(seal_open_text(CONTENT_KEY, "NAME", context, bytes_view(&box), &text), OK);
        assert_true(view_equal(bytes_view(&text), sample));
        assert_int_equal(seal_open_text(CONTENT_KEY, "TYPE", context, bytes_view(&box), &text),
                         INTEGRITY);
        assert_int_equal(seal_open_text(CONTENT_KEY, "NAME", other, bytes_view(&box), &text),
                         INTEGRITY);
        assert_int_equal(seal_open_text(SALT, "NAME", context, bytes_view(&box), &text), INTEGRITY);
        for (size_t byte = 0; byte < box.len; byte++) {
            box.data[byte] ^= 1;
            assert_int_equal(seal_open_text(CONTENT_KEY, "NAME", context, bytes_view(&box), &text),
                             INTEGRITY);
            box.data[byte] ^= 1;
        }
        for (size_t len = 0; len < box.len; len++)
            assert_int_equal(
                seal_open_text(CONTENT_KEY, "NAME", context, view_of(box.data, len), &text),
                INTEGRITY);
        assert_int_equal(text.len, sample.len); /* failures appended nothing */
    }
}

int main(void) {
    if (secret_start() != OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segments_round_trip),
        cmocka_unit_test(known_answer),
        cmocka_unit_test(a_cleared_key_is_used_again),
        cmocka_unit_test(in_place),
        cmocka_unit_test(every_flipped_bit_is_noticed),
        cmocka_unit_test(moved_cut_and_added_segments_are_noticed),
        cmocka_unit_test(another_object_does_not_open_it),
        cmocka_unit_test(a_key_per_thread),
        cmocka_unit_test(sizes),
        cmocka_unit_test(texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
