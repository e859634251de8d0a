/*
 * The Orthanc plugin's own folder in front of a disk that fails: spool, map and sender as the
 * plugin has them, called as Orthanc calls them, and servers that do not fail
 * (tests/unit/orthanc_world.h).
 *
 *     run FOLDER SERVERS SAID    creates and removes attachments; what is asked for and what is
 *                                acknowledged goes to the file SAID, a line each
 *     check FOLDER SERVERS       a plain start: what each attachment is now, and again once the
 *                                spool is empty
 */
#include <fcntl.h>

#include "orthanc_world.h"

enum { DRAIN_S = 8, CHECK_DRAIN_S = 30 }; /* on a disk that fails; on a good one */

/* Rows of 64 bytes: the third is more than a segment of the spool. */
static const size_t rows[] = {40, 700, 17000, 90, 300, 5};
enum { COUNT = sizeof rows / sizeof rows[0] };

static int said = -1;
static bool is_all_done = true;

static void say(const char *what, unsigned number) {
    char line[64];
    int len = snprintf(line, sizeof line, "%s %u\n", what, number);
    if (write(said, line, (size_t)len) != len)
        exit(99);
}

static void create(unsigned number) {
    say("create", number);
    bool is_done = orthanc_create(number, rows[number]) == OrthancPluginErrorCode_Success;
    say(is_done ? "created" : "refused", number);
    is_all_done = is_all_done && is_done;
}

static void drop(unsigned number) {
    say("remove", number);
    bool is_done = orthanc_remove(number) == OrthancPluginErrorCode_Success;
    say(is_done ? "removed" : "kept", number);
    is_all_done = is_all_done && is_done;
}

/* Removed from the spool, removed from the servers, and some that stay, in the one or the other. */
static void run(void) {
    for (unsigned i = 0; i < 4; i++)
        create(i);
    drop(1);
    is_all_done = orthanc_drain(DRAIN_S) && is_all_done;
    drop(0);
    create(4);
    create(5);
}

static void show(const char *when) {
    static const char *const seen[] = {"right", "gone", "wrong", "error"};
    for (unsigned i = 0; i < COUNT; i++) {
        char uuid[RECORD_UUID_BYTES + 1];
        struct record record = {.flags = RECORD_IS_INDEXED};
        orthanc_uuid(i, uuid);
        bool is_known = map_find(orthanc.gateway.map, uuid, &record) == OK;
        printf("%s %u %s %s\n", when, i, seen[orthanc_read(i, rows[i])],
               !is_known                                 ? "unknown"
               : (record.flags & RECORD_IS_INDEXED) != 0 ? "indexed"
                                                         : "unconfirmed");
    }
}

static result left_over(void *context, const struct record *record, bool is_whole) {
    (void)context, (void)is_whole;
    printf("left %s\n", record->uuid);
    return OK;
}

static int check(void) {
    show("started");
    if (!orthanc_drain(CHECK_DRAIN_S))
        printf("stuck 0\n");
    sender_stop(orthanc.gateway.sender); /* and what it was about to remove is removed */
    orthanc.gateway.sender = NULL;
    show("drained");
    return spool_list(orthanc.gateway.spool, left_over, NULL) == OK ? 0 : 1;
}

int main(int argc, char **argv) {
    bool is_run = argc == 5 && strcmp(argv[1], "run") == 0;
    if (!is_run && (argc != 4 || strcmp(argv[1], "check") != 0))
        return 2;
    if (is_run && (said = open(argv[4], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) < 0)
        return 99;
    int code = 1;
    if (secret_start() != OK || orthanc_open(argv[2], argv[3], CONFIG_SPOOL) != OK) {
        fprintf(stderr, "%s\n", error_text());
    } else if (is_run) {
        run();
        code = is_all_done ? 0 : 1;
    } else {
        code = check();
    }
    orthanc_close();
    return code;
}
