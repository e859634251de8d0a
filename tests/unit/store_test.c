/* The store: what is put is got, names list in order, streams and ranges, one process at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/secret.h"
#include "storage/place.h"
#include "storage/put_record.h"
#include "storage/record.h"
#include "storage/store.h"
#include "store_fixture.h"

static void assert_value(struct store *store, const char *key, const char *expected) {
    AUTO_BYTES struct bytes value = {0};
    assert_int_equal(store_get(store, key, 1000, &value), OK);
    assert_true(view_equal(bytes_view(&value), view_of_string(expected)));
}

static void test_values_come_back(void **state) {
    struct store *store = ((struct world *)*state)->store;
    AUTO_BYTES struct bytes value = {0};
    assert_int_equal(store_put(store, "a/b/c", view_of_string("one")), OK);
    assert_value(store, "a/b/c", "one");
    assert_int_equal(store_replace(store, "a/b/c", view_of_string("three")), OK);
    assert_value(store, "a/b/c", "three");
    assert_int_equal(store_get(store, "a/b/d", 10, &value), NOT_FOUND);
    assert_int_equal(store_get(store, "a/b/c", 4, &value), INTEGRITY);
    assert_int_equal(store_publish(store, "a/b/c", "x/y"), OK);
    assert_value(store, "x/y", "three");
    assert_int_equal(store_get(store, "a/b/c", 10, &value), NOT_FOUND);
    assert_int_equal(store_publish(store, "a/b/c", "x/z"), NOT_FOUND);
    assert_int_equal(store_delete(store, "x/y"), OK);
    assert_int_equal(store_delete(store, "x/y"), OK);
    assert_int_equal(store_get(store, "x/y", 10, &value), NOT_FOUND);
}

static void test_keys_cannot_leave_the_folder(void **state) {
    static const char *const bad[] = {"",    "/a",   "a/",    "../a", "a/../b", "a/./b", "a//b",
                                      "A/b", "a\\b", "a b/c", ".a",   "a/.b",   "a\n"};
    struct store *store = ((struct world *)*state)->store;
    AUTO_BYTES struct bytes value = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(store_put(store, bad[i], view_of("", 0)), INTERNAL);
        assert_int_equal(store_get(store, bad[i], 10, &value), INTERNAL);
        assert_int_equal(store_delete_all(store, bad[i]), INTERNAL);
    }
}

static void test_links_are_not_followed(void **state) {
    struct world *world = *state;
    char link[128];
    uint64_t bytes;
    int fd;
    snprintf(link, sizeof link, "%s/link", world->folder);
    assert_int_equal(symlink("/etc/passwd", link), 0);
    assert_int_equal(store_open_range(world->store, "link", 0, 1, &fd, &bytes), IO);
    assert_int_equal(store_put(world->store, "link", view_of_string("x")), IO);
}

static void test_names_are_listed_in_order(void **state) {
    struct store *store = ((struct world *)*state)->store;
    static const char *const keys[] = {"l/b.one", "l/a.two", "l/c.one", "l/a.one", "l/.hidden"};
    AUTO_NAMES struct store_names ones = {0}, after = {0}, none = {0};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(store_put(store, keys[i], view_of("", 0)), OK);
    assert_int_equal(store_list(store, "l", ".one", "", &ones), OK);
    assert_int_equal(ones.count, 3);
    assert_string_equal(ones.names[0], "a");
    assert_string_equal(ones.names[1], "b");
    assert_string_equal(ones.names[2], "c");
    assert_int_equal(store_list(store, "l", ".one", "a", &after), OK);
    assert_int_equal(after.count, 2);
    assert_int_equal(store_list(store, "nothing", "", "", &none), OK);
    assert_int_equal(none.count, 0);
}

static void test_streams_and_ranges(void **state) {
    struct store *store = ((struct world *)*state)->store;
    enum { TOTAL = 1000000 };
    uint8_t *bytes = malloc(TOTAL), *back = malloc(TOTAL);
    assert_non_null(bytes);
    assert_non_null(back);
    secret_random(bytes, TOTAL);
    struct store_writer *writer = NULL;
    assert_int_equal(store_writer_open(store, "s/value", &writer), OK);
    for (size_t done = 0, part = 1; done < TOTAL; part = part * 3 + 1) {
        size_t len = part < TOTAL - done ? part : TOTAL - done;
        assert_int_equal(store_writer_append(writer, view_of(bytes + done, len)), OK);
        done += len;
    }
    assert_int_equal(store_writer_close(writer), OK);
    uint64_t size = 0, offset = 0;
    int fd = -1;
    assert_int_equal(store_size(store, "s/value", &size), OK);
    assert_int_equal(size, TOTAL);
    assert_int_equal(store_open_range(store, "s/value", 10, TOTAL - 10, &fd, &offset), OK);
    assert_int_equal(store_delete(store, "s/value"), OK);
    assert_int_equal(pread(fd, back, TOTAL - 10, (off_t)offset), TOTAL - 10);
    assert_memory_equal(back, bytes + 10, TOTAL - 10);
    close(fd);
    free(bytes);
    free(back);
}

static void test_a_short_value_is_noticed(void **state) {
    struct store *store = ((struct world *)*state)->store;
    uint64_t offset;
    int fd;
    assert_int_equal(store_put(store, "short", view_of_string("12345")), OK);
    assert_int_equal(store_open_range(store, "short", 0, 6, &fd, &offset), INTEGRITY);
    assert_int_equal(store_open_range(store, "short", UINT64_MAX, 2, &fd, &offset), INTEGRITY);
    assert_int_equal(store_open_range(store, "long", 0, 6, &fd, &offset), NOT_FOUND);
}

static void test_abandoned_streams_leave_nothing(void **state) {
    struct store *store = ((struct world *)*state)->store;
    struct store_writer *writer = NULL;
    uint64_t size;
    assert_int_equal(store_writer_open(store, "s/value", &writer), OK);
    assert_int_equal(store_writer_append(writer, view_of_string("x")), OK);
    store_writer_abandon(writer);
    assert_int_equal(store_size(store, "s/value", &size), NOT_FOUND);
}

static void test_prefixes_move_as_one(void **state) {
    struct store *store = ((struct world *)*state)->store;
    uint64_t size;
    assert_int_equal(store_put(store, "one/a", view_of_string("a")), OK);
    assert_int_equal(store_put(store, "one/b", view_of_string("b")), OK);
    assert_int_equal(store_publish_all(store, "one", "far/two"), OK);
    assert_value(store, "far/two/a", "a");
    assert_int_equal(store_size(store, "one/a", &size), NOT_FOUND);
    assert_int_equal(store_put(store, "one/c", view_of_string("c")), OK);
    assert_int_equal(store_publish_all(store, "one", "far/two"), IO);
    assert_int_equal(store_delete_all(store, "far"), OK);
    assert_int_equal(store_delete_all(store, "far"), OK);
    assert_int_equal(store_size(store, "far/two/b", &size), NOT_FOUND);
}

static void test_syncs_are_counted(void **state) {
    struct store *store = ((struct world *)*state)->store;
    char key[32];
    for (int i = 0; i < 20; i++) { /* more than are synced one by one */
        snprintf(key, sizeof key, "many/%d", i);
        assert_int_equal(store_put(store, key, view_of_string("x")), OK);
    }
    uint64_t before = store_waits(store).syncs;
    assert_int_equal(store_sync(store, "many"), OK);
    assert_int_equal(store_put(store, "few/one", view_of_string("x")), OK);
    assert_int_equal(store_sync(store, "few"), OK);
    assert_int_equal(store_sync_names(store, "not/there"), OK);
    assert_int_equal(store_waits(store).syncs, before + 3);
}

static void test_one_process_at_a_time(void **state) {
    struct world *world = *state;
    struct store *second = NULL;
    assert_int_equal(store_open(world->folder, &second), CONFLICT);
    store_close(world->store);
    char location[80];
    snprintf(location, sizeof location, "file:%s", world->folder);
    assert_int_equal(store_open(location, &world->store), OK);
    assert_int_equal(store_open("s3:bucket", &second), INVALID);
}

static void test_records_notice_every_change(void **state) {
    struct store *store = ((struct world *)*state)->store;
    AUTO_BYTES struct bytes value = {0};
    assert_int_equal(record_put(store, "r", "kind", view_of_string("a body")), OK);
    assert_int_equal(store_get(store, "r", 1000, &value), OK);
    for (size_t i = 0; i < value.len; i++) {
        AUTO_BYTES struct bytes body = {0};
        value.data[i] ^= 0x10;
        assert_int_equal(store_put(store, "r", bytes_view(&value)), OK);
        assert_int_equal(record_get(store, "r", "kind", 100, &body), INTEGRITY);
        value.data[i] ^= 0x10;
        assert_int_equal(store_put(store, "r", view_of(value.data, i)), OK);
        assert_int_equal(record_get(store, "r", "kind", 100, &body), INTEGRITY);
    }
    AUTO_BYTES struct bytes body = {0}, other = {0};
    assert_int_equal(store_put(store, "r", bytes_view(&value)), OK);
    assert_int_equal(record_get(store, "r", "other", 100, &other), INTEGRITY);
    assert_int_equal(record_get(store, "r", "kind", 5, &other), INTEGRITY);
    assert_int_equal(record_get(store, "r", "kind", 6, &body), OK);
    assert_true(view_equal(bytes_view(&body), view_of_string("a body")));
}

static void test_put_records_come_back(void **state) {
    struct store *store = ((struct world *)*state)->store;
    struct short_id objects[2] = {{.hex = "00000000000000000000000000000000"},
                                  {.bytes = {0xff}, .hex = "ff000000000000000000000000000000"}};
    struct put_record record = {.creates = true,
                                .prepared_ms = 1,
                                .sealed_bytes = 2,
                                .symbol_bytes = 3,
                                .caller = "alice",
                                .objects = objects,
                                .object_count = 2};
    memset(record.contents, 7, sizeof record.contents);
    AUTO_PUT_RECORD struct put_record back = {0};
    assert_int_equal(put_record_replace(store, "p", &record), OK);
    assert_int_equal(put_record_get(store, "p", &back), OK);
    assert_true(back.creates);
    assert_int_equal(back.prepared_ms, 1);
    assert_int_equal(back.sealed_bytes, 2);
    assert_int_equal(back.symbol_bytes, 3);
    assert_string_equal(back.caller, "alice");
    assert_int_equal(back.object_count, 2);
    assert_string_equal(back.objects[1].hex, objects[1].hex);
    assert_memory_equal(back.contents, record.contents, sizeof back.contents);
    assert_int_equal(back.commit.len, 0);
    /* Whole as a record, and not what a put's record is. */
    static const char *const bad[] = {"", "\1", "\2\0"};
    for (size_t i = 0; i < 3; i++) {
        AUTO_PUT_RECORD struct put_record none = {0};
        assert_int_equal(record_put(store, "p", "put", view_of(bad[i], i)), OK);
        assert_int_equal(put_record_get(store, "p", &none), INTEGRITY);
    }
}

static void test_ids_are_what_they_look_like(void **state) {
    (void)state;
    struct image_id image;
    struct short_id object;
    static const char *const bad[] = {"",
                                      "00",
                                      "0000000000000000000000000000000g",
                                      "0000000000000000000000000000000A",
                                      "../00000000000000000000000000000",
                                      "000000000000000000000000000000000"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(short_id_parse("an object", bad[i], &object), INVALID);
        assert_int_equal(image_id_parse(bad[i], &image), INVALID);
    }
    assert_int_equal(short_id_parse("a put", "00112233445566778899aabbccddeeff", &object), OK);
    assert_int_equal(object.bytes[15], 0xff);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_values_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keys_cannot_leave_the_folder, setup, teardown),
        cmocka_unit_test_setup_teardown(test_links_are_not_followed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names_are_listed_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_streams_and_ranges, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_short_value_is_noticed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_abandoned_streams_leave_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_prefixes_move_as_one, setup, teardown),
        cmocka_unit_test_setup_teardown(test_syncs_are_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_process_at_a_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_records_notice_every_change, setup, teardown),
        cmocka_unit_test_setup_teardown(test_put_records_come_back, setup, teardown),
        cmocka_unit_test(test_ids_are_what_they_look_like),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
