/* The plugin's map, its journal and its spool: what survives, what is counted, what is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/secret.h"
#include "map.h"
#include "spool.h"

static char folder[64];
static const uint8_t key[32] = {7}, other_key[32] = {8};

static bool fail_folder_syncs;

/* In the place of the C library's. */
int fsync(int fd) {
    struct stat status;
    if (fail_folder_syncs && fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
}

static int start(void **state) {
    (void)state;
    return secret_start() == OK ? 0 : 1;
}

static int fresh(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/myelin-map-XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int sweep(void **state) {
    (void)state;
    return (int)file_remove_tree(folder);
}

static void path_to(const char *name, char out[128]) {
    snprintf(out, 128, "%s/%s", folder, name);
}

static struct map *open_map(struct map_found *found) {
    char path[128];
    struct map *map = NULL;
    path_to("map", path);
    assert_int_equal(map_open(path, key, found, &map), OK);
    return map;
}

/* The `number`th attachment, of `size` bytes. */
static struct record attachment(const char *image, unsigned number, unsigned flags) {
    struct record record = {.op = RECORD_ADD, .flags = flags, .size = 100};
    snprintf(record.uuid, sizeof record.uuid, "00000000-0000-4000-8000-%012x", number);
    snprintf(record.name, sizeof record.name, "%s", record.uuid);
    snprintf(record.image, sizeof record.image, "%s", image);
    snprintf(record.sop, sizeof record.sop, "1.2.%u", number);
    return record;
}

static void add(struct map *map, const char *image, unsigned number, unsigned flags) {
    struct record record = attachment(image, number, flags);
    assert_int_equal(map_add(map, &record), OK);
}

static void drop(struct map *map, const char *image, unsigned number) {
    struct record record = attachment(image, number, 0), removed;
    assert_int_equal(map_remove(map, record.uuid, &removed), OK);
    assert_string_equal(removed.image, image);
}

static void what_was_added_is_there_after_a_restart(void **state) {
    (void)state;
    struct map_found found;
    struct record record;
    struct map *map = open_map(&found);
    for (unsigned i = 0; i < 3000; i++)
        add(map, i % 2 ? "odd" : "even", i, RECORD_IS_STORED);
    drop(map, "odd", 1);
    assert_int_equal(map_set(map, attachment("even", 0, 0).uuid, RECORD_IS_INDEXED), OK);
    assert_int_equal(map_want_forward(map, "even", "bob"), OK);
    struct record again = attachment("even", 0, 0);
    assert_int_equal(map_add(map, &again), CONFLICT);
    map_close(map);

    map = open_map(&found);
    assert_int_equal(found.attachments, 2999);
    assert_int_equal(found.journal.cut_bytes, 0);
    assert_int_equal(map_find(map, attachment("even", 0, 0).uuid, &record), OK);
    assert_int_equal(record.flags, RECORD_IS_STORED | RECORD_IS_INDEXED);
    assert_string_equal(record.image, "even");
    assert_string_equal(record.sop, "1.2.0");
    assert_int_equal(map_find(map, attachment("odd", 1, 0).uuid, &record), NOT_FOUND);
    assert_true(map_due_forward(map, 0, &record));
    assert_string_equal(record.name, "bob");
    assert_int_equal(map_end_forward(map, "even", "bob"), OK);
    assert_false(map_due_forward(map, 0, &record));
    map_close(map);
}

static void an_instance_is_known_as_long_as_a_uuid_stands_for_it(void **state) {
    (void)state;
    struct map_found found;
    struct map *map = open_map(&found);
    assert_false(map_knows_sop(map, "1.2.1"));
    for (unsigned i = 0; i < 2000; i++)
        add(map, "image", i, 0);
    assert_true(map_knows_sop(map, "1.2.1"));
    assert_true(map_knows_sop(map, "1.2.1999"));
    assert_false(map_knows_sop(map, "1.2.2000"));
    drop(map, "image", 1);
    assert_false(map_knows_sop(map, "1.2.1"));
    map_close(map);
}

static void a_torn_tail_is_cut_and_damage_is_kept_aside(void **state) {
    (void)state;
    struct map_found found;
    struct record record;
    char path[128], damaged[128];
    path_to("map", path);
    path_to("map.damaged", damaged);
    struct map *map = open_map(&found);
    for (unsigned i = 0; i < 500; i++)
        add(map, "image", i, 0);
    map_close(map);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);

    assert_int_equal(truncate(path, status.st_size - 5), 0);
    map = open_map(&found);
    assert_int_equal(found.attachments, 499);
    assert_true(found.journal.cut_bytes > 0);
    assert_false(found.journal.is_damaged);
    add(map, "image", 1000, 0);
    map_close(map);
    map = open_map(&found);
    assert_int_equal(found.attachments, 500);
    map_close(map);

    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, 2000, SEEK_SET), 0);
    assert_int_equal(fputs("damage", file) < 0, 0);
    fclose(file);
    map = open_map(&found);
    assert_true(found.journal.is_damaged);
    assert_true(found.attachments > 0 && found.attachments < 20);
    assert_int_equal(access(damaged, F_OK), 0);
    assert_int_equal(map_find(map, attachment("image", 0, 0).uuid, &record), OK);
    map_close(map);
    map = open_map(&found);
    assert_false(found.journal.is_damaged);
    assert_true(found.attachments > 0);
    map_close(map);
}

static void another_key_opens_nothing(void **state) {
    (void)state;
    struct map_found found;
    struct map *map = open_map(&found);
    char path[128];
    path_to("map", path);
    add(map, "image", 1, 0);
    map_close(map);
    assert_int_equal(map_open(path, other_key, &found, &map), DENIED);
    map = open_map(&found); /* and harms nothing */
    assert_int_equal(found.attachments, 1);
    map_close(map);
}

static void an_image_goes_when_its_last_object_has_gone(void **state) {
    (void)state;
    struct map_found found;
    struct map_image_info info;
    struct map *map = open_map(&found);
    add(map, "image", 1, RECORD_IS_STORED);
    add(map, "image", 2, RECORD_IS_STORED);
    drop(map, "image", 1);
    assert_false(map_next_removal(map, 0, &info));
    drop(map, "image", 2);
    assert_false(map_next_removal(map, 60000, &info));
    map_close(map);

    map = open_map(&found); /* what is dead is known over a restart */
    assert_true(map_next_removal(map, 0, &info));
    assert_string_equal(info.id, "image");
    assert_int_equal(info.dead, 2);
    assert_false(map_next_removal(map, 0, &info));
    assert_int_equal(map_removed(map, "image", false), OK);
    assert_true(map_next_removal(map, 0, &info));
    assert_int_equal(map_removed(map, "image", true), OK);
    assert_false(map_image(map, "", "image", &info));
    map_close(map);
    map = open_map(&found);
    assert_false(map_next_removal(map, 0, &info));
    map_close(map);
}

/* The names that are to be deleted now, as one text, in the order in which their objects died. */
static size_t deletions(struct map *map, const char *image, bool is_deleted) {
    struct map_image_info info;
    char *names[8];
    size_t count = map_next_deletions(map, NULL, 0, 8, &info, names);
    if (count == 0)
        return 0;
    assert_string_equal(info.id, image);
    assert_int_equal(map_deleted(map, image, names, count, is_deleted), OK);
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    return count;
}

static void reference(struct map *map, const char *image, unsigned number, unsigned to) {
    struct record record = attachment(image, number, RECORD_IS_STORED);
    snprintf(record.name, sizeof record.name, "%s", attachment(image, to, 0).uuid);
    assert_int_equal(map_add(map, &record), OK);
}

static void dead_objects_of_a_living_image_are_deleted(void **state) {
    (void)state;
    struct map_found found;
    struct map_image_info info;
    char *names[8];
    struct map *map = open_map(&found);
    for (unsigned i = 1; i <= 4; i++)
        add(map, "image", i, RECORD_IS_STORED);
    assert_int_equal(deletions(map, "image", true), 0);
    drop(map, "image", 1);
    drop(map, "image", 2);
    assert_int_equal(map_backlog(map).deletions, 2);
    assert_int_equal(map_next_deletions(map, NULL, 60000, 8, &info, names), 0);
    assert_int_equal(deletions(map, "image", false), 2);
    map_close(map);

    map = open_map(&found); /* known over a restart, and until it is said that they are deleted */
    assert_int_equal(map_next_deletions(map, NULL, 0, 1, &info, names), 1);
    assert_int_equal(map_next_deletions(map, NULL, 0, 8, &info, &names[1]),
                     0); /* somebody has them */
    assert_string_equal(names[0], attachment("image", 2, 0).uuid);
    assert_int_equal(map_deleted(map, "image", names, 1, true), OK);
    free(names[0]);
    map_close(map);
    map = open_map(&found);
    assert_int_equal(deletions(map, "image", true), 1);
    assert_int_equal(deletions(map, "image", true), 0);
    map_close(map);

    map = open_map(&found);
    assert_int_equal(map_backlog(map).deletions, 0);
    drop(map, "image", 3);
    drop(map, "image", 4); /* the last: then the image goes as a whole */
    assert_int_equal(deletions(map, "image", true), 0);
    assert_true(map_next_removal(map, 0, &info));
    assert_int_equal(map_removed(map, "image", true), OK);
    assert_int_equal(map_backlog(map).deletions, 0);
    map_close(map);
}

/* An object with two uuids, one that comes back to life, one that Orthanc did not store, one of
 * another owner's, one that was never sent: none of them is to be deleted. */
static void what_somebody_needs_is_not_deleted(void **state) {
    (void)state;
    struct map_found found;
    struct map *map = open_map(&found);
    struct record other = attachment("image", 20, RECORD_IS_STORED), removed;
    add(map, "image", 1, RECORD_IS_STORED);
    add(map, "image", 2, RECORD_IS_STORED);
    reference(map, "image", 11, 1);
    drop(map, "image", 1);
    assert_int_equal(deletions(map, "image", true), 0); /* 11 stands for it */
    drop(map, "image", 11);
    reference(map, "image", 12, 1);
    assert_int_equal(deletions(map, "image", true), 0);
    map_close(map);
    map = open_map(&found);
    assert_int_equal(deletions(map, "image", true), 0);
    snprintf(other.name, sizeof other.name, "a file of somebody's");
    assert_int_equal(map_add(map, &other), OK);
    assert_int_equal(map_remove(map, other.uuid, &removed), OK);
    add(map, "image", 3, RECORD_IS_SPOOLED);
    drop(map, "image", 3);
    assert_int_equal(deletions(map, "image", true), 0);
    for (unsigned i = 21; i < 23; i++) {
        struct record bobs = attachment("image", i, RECORD_IS_STORED);
        snprintf(bobs.owner, sizeof bobs.owner, "bob");
        assert_int_equal(map_add(map, &bobs), OK);
    }
    assert_int_equal(map_remove(map, attachment("image", 21, 0).uuid, &removed), OK);
    assert_int_equal(deletions(map, "image", true), 0);
    drop(map, "image", 12);
    assert_int_equal(deletions(map, "image", true), 1);
    map_close(map);
}

/* Removed while it was on its way: the servers may have it soon, and not before. */
static void what_died_on_its_way_is_deleted_afterwards(void **state) {
    (void)state;
    struct map_found found;
    struct record batch[2];
    struct map *map = open_map(&found);
    add(map, "image", 1, RECORD_IS_STORED);
    add(map, "image", 2, RECORD_IS_SPOOLED);
    assert_int_equal(map_next_batch(map, 2, 1000, batch), 1);
    drop(map, "image", 2);
    assert_int_equal(deletions(map, "image", true), 0);
    assert_int_equal(map_sent(map, batch, 1, true), OK);
    assert_int_equal(deletions(map, "image", false), 1);
    map_close(map);
    map = open_map(&found);
    assert_int_equal(deletions(map, "image", true), 1);
    map_close(map);
}

/* The journal is written anew now and then, and loses nothing by it. */
static void deletions_outlive_a_rewriting(void **state) {
    (void)state;
    struct map_found found;
    struct map *map = open_map(&found);
    add(map, "image", 1, RECORD_IS_STORED);
    add(map, "image", 2, RECORD_IS_STORED);
    drop(map, "image", 1);
    for (unsigned i = 10; i < 10100; i++) {
        add(map, "other", i, RECORD_IS_SPOOLED);
        drop(map, "other", i);
    }
    map_close(map);
    map = open_map(&found);
    assert_in_range(found.journal.records, 1, 15000);
    assert_int_equal(deletions(map, "image", true), 1);
    map_close(map);
}

/* Which of both files a power cut would leave is not known then: nothing more is promised. */
static void a_new_journal_whose_name_is_not_durable_takes_nothing_more(void **state) {
    (void)state;
    struct map_found found;
    struct map *map = open_map(&found);
    struct record record = attachment("image", 0, RECORD_IS_STORED), removed;
    result added = OK;
    fail_folder_syncs = true;
    for (unsigned i = 0; i < 20000 && added == OK; i++) {
        added = map_add(map, &record);
        if (added == OK)
            added = map_remove(map, record.uuid, &removed);
    }
    assert_int_equal(added, IO);
    fail_folder_syncs = false;
    assert_int_equal(map_add(map, &record), IO);
    map_close(map);
    map = open_map(&found);
    assert_false(found.journal.is_damaged);
    add(map, "image", 1, RECORD_IS_STORED);
    assert_int_equal(map_sync(map), OK);
    map_close(map);
}

static void a_forwarded_image_is_never_removed(void **state) {
    (void)state;
    struct map_found found;
    struct map_image_info info;
    struct record record = attachment("image", 1, RECORD_IS_STORED), removed;
    snprintf(record.owner, sizeof record.owner, "bob");
    struct map *map = open_map(&found);
    assert_int_equal(map_add(map, &record), OK);
    assert_true(map_image(map, "bob", "image", &info));
    assert_int_equal(map_remove(map, record.uuid, &removed), OK);
    assert_false(map_next_removal(map, 0, &info));
    assert_false(map_image(map, "bob", "image", &info));
    map_close(map);
}

static void a_batch_holds_one_image_and_what_is_removed_meanwhile_is_dead(void **state) {
    (void)state;
    struct map_found found;
    struct map_image_info info;
    struct record batch[8];
    struct map *map = open_map(&found);
    add(map, "a", 1, RECORD_IS_SPOOLED);
    add(map, "b", 2, RECORD_IS_SPOOLED);
    add(map, "a", 3, RECORD_IS_SPOOLED);
    add(map, "a", 4, RECORD_IS_SPOOLED | RECORD_IS_DUPLICATE);
    assert_int_equal(map_backlog(map).attachments, 4);
    assert_int_equal(map_backlog(map).bytes, 400);
    assert_int_equal(map_next_batch(map, 8, 1000, batch), 2);
    assert_string_equal(batch[1].uuid, attachment("a", 3, 0).uuid);
    drop(map, "a", 3); /* on its way */
    drop(map, "a", 4); /* never sent: leaves nothing */
    assert_int_equal(map_sent(map, batch, 2, true), OK);
    drop(map, "a", 1);
    assert_true(map_next_removal(map, 0, &info));
    assert_int_equal(info.dead, 2);

    assert_int_equal(map_next_batch(map, 8, 50, batch), 1); /* one, however large it is */
    assert_int_equal(map_next_batch(map, 8, 1000, &batch[1]), 0);
    assert_int_equal(map_sent(map, batch, 1, false), OK);
    drop(map, "b", 2); /* it was tried, but the servers never got it */
    assert_int_equal(map_backlog(map).attachments, 0);
    map_close(map);
}

static void records_are_refused_that_break_a_rule(void **state) {
    (void)state;
    AUTO_BYTES struct bytes text = {0};
    struct record record = attachment("image", 1, 0), parsed;
    assert_int_equal(record_pack(&record, &text), OK);
    assert_int_equal(record_parse(bytes_view(&text), &parsed), OK);
    assert_string_equal(parsed.image, "image");
    for (size_t len = 0; len < text.len; len++)
        assert_int_equal(record_parse(view_of(text.data, len), &parsed), INTEGRITY);
    assert_int_equal(bytes_append(&text, view_of("x", 1)), OK);
    assert_int_equal(record_parse(bytes_view(&text), &parsed), INTEGRITY);
    text.len--;
    text.data[0] = 99;
    assert_int_equal(record_parse(bytes_view(&text), &parsed), INTEGRITY);
    assert_false(record_is_uuid("../../../../../../../../../etc/passwd"));
    assert_false(record_is_uuid("00000000-0000-4000-8000-00000000000G"));
    assert_true(record_is_uuid(record.uuid));
}

struct listed {
    unsigned files, whole;
};

static result count_file(void *context, const struct record *record, bool is_whole) {
    struct listed *listed = context;
    listed->files++;
    listed->whole += is_whole && strcmp(record->image, "image") == 0;
    return OK;
}

static void the_spool_gives_back_what_it_took_or_says_so(void **state) {
    (void)state;
    char path[128], file[192];
    struct spool *spool = NULL;
    static uint8_t data[(5 << 20) / 2];
    AUTO_BYTES struct bytes back = {0}, broken = {0};
    struct listed listed = {0};
    struct record record = attachment("image", 1, 0);
    record.size = sizeof data;
    memset(data, 0x5a, sizeof data);
    path_to("spool", path);
    snprintf(file, sizeof file, "%s/%s", path, record.uuid);
    assert_int_equal(spool_open(path, key, &spool), OK);
    assert_int_equal(spool_write(spool, &record, view_of(data, sizeof data)), OK);
    assert_int_equal(spool_write(spool, &record, view_of(data, sizeof data)), CONFLICT);
    assert_int_equal(spool_read(spool, record.uuid, &back), OK);
    assert_true(view_equal(bytes_view(&back), view_of(data, sizeof data)));
    assert_int_equal(truncate(file, 1 << 20), 0);
    assert_int_equal(spool_read(spool, record.uuid, &broken), INTEGRITY);
    assert_int_equal(spool_list(spool, count_file, &listed), OK);
    assert_int_equal(listed.files, 1);
    assert_int_equal(listed.whole, 0);
    assert_int_equal(spool_remove(spool, record.uuid), OK);
    assert_int_equal(spool_remove(spool, record.uuid), OK);
    assert_int_equal(spool_read(spool, record.uuid, &broken), NOT_FOUND);
    assert_int_equal(spool_write(spool, &record, view_of(data, sizeof data)), OK);
    assert_int_equal(spool_list(spool, count_file, &listed), OK);
    assert_int_equal(listed.whole, 1);
    spool_close(spool);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, sweep)
    const struct CMUnitTest tests[] = {
        TEST(what_was_added_is_there_after_a_restart),
        TEST(an_instance_is_known_as_long_as_a_uuid_stands_for_it),
        TEST(a_torn_tail_is_cut_and_damage_is_kept_aside),
        TEST(another_key_opens_nothing),
        TEST(an_image_goes_when_its_last_object_has_gone),
        TEST(dead_objects_of_a_living_image_are_deleted),
        TEST(what_somebody_needs_is_not_deleted),
        TEST(what_died_on_its_way_is_deleted_afterwards),
        TEST(deletions_outlive_a_rewriting),
        TEST(a_new_journal_whose_name_is_not_durable_takes_nothing_more),
        TEST(a_forwarded_image_is_never_removed),
        TEST(a_batch_holds_one_image_and_what_is_removed_meanwhile_is_dead),
        TEST(records_are_refused_that_break_a_rule),
        TEST(the_spool_gives_back_what_it_took_or_says_so),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
