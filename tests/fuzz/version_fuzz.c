/*
 * Which version of the system description counts, as others say it: a line of an answer's head, and
 * the file of the version that was seen. The client never believes a lower version than before, and
 * no version without a mark's number; a file that breaks a rule is none, and after a look it says
 * what was looked at or a higher version.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "net/client_private.h"
#include "system/description.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { VERSION = 7, MARK = 0xabc };

static void check_line(const uint8_t *data, size_t size) {
    struct http_client client = {.system_version = VERSION, .system_mark = MARK};
    struct transfer transfer = {.client = &client, .is_answering = true};
    char *line = malloc(size > 0 ? size : 1); /* libcurl ends none with a zero */
    if (line == NULL)
        abort();
    if (size > 0)
        memcpy(line, data, size);
    if (transfer_on_header(line, 1, size, &transfer) != size)
        abort();
    if (client.system_version < VERSION || client.system_version > INT64_MAX ||
        client.marked_version > INT64_MAX || client.system_mark == 0)
        abort();
    free(line);
}

static const char *folder(void) {
    static char made[64];
    if (made[0] == '\0') {
        snprintf(made, sizeof made, "%s/myelin-version-XXXXXX",
                 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        if (mkdtemp(made) == NULL)
            abort();
        log_set_level(LOG_ERROR + 1);
    }
    return made;
}

static void sweep(void) {
    if (file_remove_tree(folder()) != OK)
        _exit(1);
}

static result check_at(uint64_t version) {
    Myelin__System system = MYELIN__SYSTEM__INIT;
    system.version = version;
    struct description description = {.system = &system, .id = "0123", .mark = MARK};
    return description_check_version(&description, folder());
}

static void check_file(const uint8_t *data, size_t size) {
    char path[96];
    snprintf(path, sizeof path, "%s/0123.seen", folder());
    FILE *file = fopen(path, "we");
    bool is_written = file != NULL && (size == 0 || fwrite(data, 1, size, file) == size);
    if (!is_written || fclose(file) != 0)
        abort();
    result seen = check_at(VERSION);
    if (seen != OK && seen != INTEGRITY)
        abort();
    if (seen == OK && (check_at(VERSION) != OK || check_at(VERSION - 1) != INTEGRITY))
        abort();
    if (seen == INTEGRITY && check_at(VERSION) != INTEGRITY)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static bool started;
    if (!started && atexit(sweep) != 0)
        abort();
    started = true;
    check_line(data, size);
    check_file(data, size);
    return 0;
}
