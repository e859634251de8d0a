/*
 * How long a key server takes to verify its access log at the start, and what it keeps in memory.
 * The log is made in a folder of /tmp, in segments of the usual length.
 *
 *     access_log_bench [ENTRIES]    default 1000000
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "audit/segment.h"
#include "base/file.h"
#include "base/log.h"
#include "base/secret.h"
#include "keys/access_index.h"
#include "keys/access_log.h"

static void must(result outcome) {
    if (outcome == OK)
        return;
    fprintf(stderr, "access_log_bench: %s\n", error_text());
    exit(result_exit_code(outcome));
}

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* What an opening of a forwarded image is: the longest entry of the usual ones. */
static void chain_one(struct chain_head *head, uint64_t i, struct bytes *segment) {
    char user[32], owner[32], action[] = "open", outcome[] = "ok";
    uint8_t image[FORMAT_HASH_BYTES] = {0};
    Myelin__AuditBody body = MYELIN__AUDIT_BODY__INIT;
    snprintf(user, sizeof user, "reader-%u", (unsigned)(i % 500));
    snprintf(owner, sizeof owner, "hospital-%u", (unsigned)(i % 20));
    store_be64(image, i);
    body.time_ms = 1700000000000 + i;
    body.user = body.recipient = user;
    body.owner = owner;
    body.action = action;
    body.outcome = outcome;
    body.image = format_bytes(view_of(image, sizeof image));
    must(chain_append(head, &body, segment));
}

static void write_segment(const char *folder, uint32_t number, struct bytes *segment) {
    char path[4096];
    must(segment_path(folder, number, path, sizeof path));
    FILE *file = fopen(path, "we");
    if (file == NULL || fwrite(segment->data, 1, segment->len, file) != segment->len ||
        fclose(file) != 0)
        must(FAIL(IO, "writing %s: %s", path, strerror(errno)));
    segment->len = 0;
}

static uint64_t make_log(const char *folder, uint64_t entries) {
    AUTO_BYTES struct bytes segment = {0};
    struct chain_head head = {0};
    uint32_t number = 0;
    uint64_t total = 0;
    must(bytes_reserve(&segment, ACCESS_LOG_SEGMENT_BYTES + (1 << 20)));
    must(bytes_append(&segment, view_of(chain_magic, CHAIN_MAGIC_BYTES)));
    for (uint64_t i = 0; i < entries; i++) {
        chain_one(&head, i, &segment);
        if (segment.len < ACCESS_LOG_SEGMENT_BYTES && i + 1 < entries)
            continue;
        total += segment.len;
        write_segment(folder, number++, &segment);
        uint8_t anchor[SEGMENT_ANCHOR_BYTES];
        segment_anchor(&head, anchor);
        must(bytes_append(&segment, view_of(anchor, sizeof anchor)));
    }
    return total;
}

static void measure(const char *folder, uint64_t entries, uint64_t total) {
    double start = now_s();
    struct access_log *log = NULL;
    must(access_log_open(folder, &log));
    double served = now_s() - start;
    must(access_log_wait(log, 600000));
    AUTO_BYTES struct bytes page = {0};
    must(access_log_page(log, "reader-7", NULL, 0, 1, &page));
    double took = now_s() - start;
    if (access_log_last(log) != entries || access_log_damaged(log))
        must(FAIL(INTERNAL, "the log is not what was made"));
    printf("%llu entries, %llu bytes an entry: begins after %.3f s, all verified after %.2f s "
           "(%.2f us and %zu bytes of memory an entry)\n",
           (unsigned long long)entries, (unsigned long long)(total / entries), served, took,
           took * 1e6 / (double)entries, sizeof(struct access_index_entry));
    access_log_close(log);
}

int main(int argc, char *argv[]) {
    uint64_t entries = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    char folder[] = "/tmp/myelin-log-bench-XXXXXX";
    must(secret_start());
    log_set_level(LOG_WARNING);
    if (entries == 0 || mkdtemp(folder) == NULL)
        must(FAIL(INVALID, "usage: access_log_bench [ENTRIES]"));
    measure(folder, entries, make_log(folder, entries));
    must(file_remove_tree(folder));
    return 0;
}
