/* The storage area as Orthanc uses it: many threads create, read, read ranges of and remove
 * attachments while the sender empties the spool, the servers go away and come back, and what a
 * damaged file in the spool does to the others: nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "orthanc_world.h"

enum { THREADS = 6, OWN = 24, DRAIN_S = 60 };

static char folder[64];
static atomic_uint wrong;
static atomic_uint syncs, syncs_before_removal; /* of files; until one went from the spool */

/* These stand in the place of the C library's. */
int fdatasync(int fd) {
    int done = (int)syscall(SYS_fdatasync, fd);
    atomic_fetch_add(&syncs, 1);
    return done;
}

int unlink(const char *path) {
    if (strstr(path, "/spool/") != NULL)
        syncs_before_removal = syncs;
    return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

static int fresh(void **state, enum config_policy policy) {
    char path[128], servers[128];
    (void)state;
    memset(&orthanc, 0, sizeof orthanc);
    wrong = 0;
    snprintf(folder, sizeof folder, "/tmp/myelin-plugin-XXXXXX");
    if (secret_start() != OK || mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/own", folder);
    snprintf(servers, sizeof servers, "%s/servers", folder);
    return orthanc_open(path, servers, policy) == OK ? 0 : -1;
}

static int spooling(void **state) {
    return fresh(state, CONFIG_SPOOL);
}

static int durable(void **state) {
    return fresh(state, CONFIG_DURABLE);
}

static int sweep(void **state) {
    (void)state;
    orthanc_close();
    return (int)file_remove_tree(folder);
}

static size_t rows_of(unsigned number) {
    return 4 + number * 37 % 400;
}

static void expect(bool is_so) {
    if (!is_so)
        atomic_fetch_add(&wrong, 1);
}

/* The last row's bytes alone, as Orthanc reads a frame. */
static bool read_range(unsigned number) {
    AUTO_BYTES struct bytes want = {0};
    uint8_t got[64];
    char uuid[RECORD_UUID_BYTES + 1];
    orthanc_uuid(number, uuid);
    orthanc_bytes(number, rows_of(number), &want);
    OrthancPluginMemoryBuffer64 target = {.data = got, .size = sizeof got};
    uint64_t start = want.len - sizeof got;
    return orthanc.area.readRange(&target, uuid, OrthancPluginContentType_Dicom, start) ==
               OrthancPluginErrorCode_Success &&
           memcmp(got, want.data + start, sizeof got) == 0;
}

struct thread {
    unsigned number;
    pthread_t thread;
};

/* Its own attachments, of which one in three goes again; and those of the thread before, which may
 * be there, gone, or not yet made, but never other bytes. */
static void *work(void *argument) {
    const struct thread *thread = argument;
    unsigned first = thread->number * OWN, other = (thread->number + THREADS - 1) % THREADS * OWN;
    for (unsigned i = 0; i < OWN; i++) {
        expect(orthanc_create(first + i, rows_of(first + i)) == OrthancPluginErrorCode_Success);
        expect(orthanc_read(first + i, rows_of(first + i)) == SEEN_RIGHT);
        expect(read_range(first + i / 3 * 3));
        expect(orthanc_read(other + i, rows_of(other + i)) != SEEN_WRONG);
        if (i % 3 == 2)
            expect(orthanc_remove(first + i - 1) == OrthancPluginErrorCode_Success);
    }
    return NULL;
}

static void check_all(void) {
    for (unsigned i = 0; i < THREADS * OWN; i++)
        assert_int_equal(orthanc_read(i, rows_of(i)), i % OWN % 3 == 1 ? SEEN_GONE : SEEN_RIGHT);
}

static void run_threads(void) {
    struct thread threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        threads[i].number = i;
        assert_int_equal(pthread_create(&threads[i].thread, NULL, work, &threads[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i].thread, NULL);
    assert_int_equal(wrong, 0);
}

static result count_file(void *context, const struct record *record, bool is_whole) {
    (void)record, (void)is_whole;
    ++*(unsigned *)context;
    return OK;
}

static void many_threads_and_a_sender(void **state) {
    (void)state;
    unsigned files = 0;
    run_threads();
    assert_true(orthanc_drain(DRAIN_S));
    check_all();
    sender_stop(orthanc.gateway.sender);
    orthanc.gateway.sender = NULL;
    assert_int_equal(spool_list(orthanc.gateway.spool, count_file, &files), OK);
    assert_int_equal(files, 0);
}

static void many_threads_straight_to_the_servers(void **state) {
    (void)state;
    run_threads();
    check_all();
    assert_int_equal(map_backlog(orthanc.gateway.map).attachments, 0);
}

static void servers_that_come_back_are_given_what_waited(void **state) {
    (void)state;
    orthanc.is_away = true;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(orthanc_create(i, rows_of(i)), OrthancPluginErrorCode_Success);
    assert_false(orthanc_drain(1));
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(orthanc_read(i, rows_of(i)), SEEN_RIGHT);
    orthanc.is_away = false;
    assert_true(orthanc_drain(DRAIN_S));
}

/* The sender says so once, and sends what else there is. */
static void a_damaged_file_holds_up_nobody(void **state) {
    (void)state;
    char path[PATH_MAX], uuid[RECORD_UUID_BYTES + 1];
    orthanc_uuid(0, uuid);
    snprintf(path, sizeof path, "%s/own/spool/%s", folder, uuid);
    assert_int_equal(orthanc_create(0, rows_of(0)), OrthancPluginErrorCode_Success);
    AUTO_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "damage", 6, 500), 6);
    assert_int_equal(orthanc_create(1, rows_of(1)), OrthancPluginErrorCode_Success);
    for (unsigned i = 0; i < DRAIN_S && map_backlog(orthanc.gateway.map).attachments > 1; i++)
        assert_false(orthanc_drain(1));
    assert_int_equal(map_backlog(orthanc.gateway.map).attachments, 1);
    assert_false(orthanc_drain(1)); /* time for some looks at what waits */
    assert_int_equal(orthanc.lines, 1);
    assert_int_equal(orthanc_read(1, rows_of(1)), SEEN_RIGHT);
    assert_int_equal(orthanc_read(0, rows_of(0)), SEEN_ERROR);
}

/* The servers have it, the map's word of that is not on disk, and Orthanc removes it: after a power
 * cut that leaves neither this word nor the file, the map would wait for ever. */
static void what_leaves_the_spool_is_known_on_disk_before(void **state) {
    (void)state;
    char uuid[RECORD_UUID_BYTES + 1];
    orthanc_uuid(0, uuid);
    orthanc.is_away = true; /* it stays in the spool */
    assert_int_equal(orthanc_create(0, rows_of(0)), OrthancPluginErrorCode_Success);
    assert_int_equal(map_set(orthanc.gateway.map, uuid, RECORD_IS_STORED), OK);
    unsigned before = syncs;
    assert_int_equal(orthanc_remove(0), OrthancPluginErrorCode_Success);
    assert_int_equal(syncs_before_removal, before + 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_leaves_the_spool_is_known_on_disk_before, spooling,
                                        sweep),
        cmocka_unit_test_setup_teardown(many_threads_and_a_sender, spooling, sweep),
        cmocka_unit_test_setup_teardown(many_threads_straight_to_the_servers, durable, sweep),
        cmocka_unit_test_setup_teardown(servers_that_come_back_are_given_what_waited, spooling,
                                        sweep),
        cmocka_unit_test_setup_teardown(a_damaged_file_holds_up_nobody, spooling, sweep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
