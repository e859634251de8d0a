#include "audit/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "audit/segment.h"

enum { READ_BUFFER_BYTES = 1 << 20 };

void check_free(struct check *check) {
    free(check->files);
    *check = (struct check){0};
}

static void file_close(FILE **file) {
    if (*file != NULL)
        fclose(*file);
}
#define AUTO_FILE __attribute__((cleanup(file_close)))

static result open_segment(const char *path, FILE **out_file) {
    *out_file = fopen(path, "rbe");
    if (*out_file == NULL)
        return FAIL(errno == ENOENT ? NOT_FOUND : IO, "reading %s: %s", path, strerror(errno));
    (void)setvbuf(*out_file, NULL, _IOFBF, READ_BUFFER_BYTES);
    return OK;
}

static bool same_head(const struct chain_head *a, const struct chain_head *b) {
    return a->sequence == b->sequence && memcmp(a->hash, b->hash, sizeof a->hash) == 0;
}

/* ------------------------------------------------------------------ the order */

/* What the file continues, by its own word: for one without an anchor, by its first record's. */
static result read_before(struct check_file *segment) {
    AUTO_FILE FILE *file = NULL;
    struct segment_start start;
    TRY(open_segment(segment->path, &file));
    result read = segment_read_start(file, &start);
    if (read == INTEGRITY || (read == OK && start.is_anchored)) {
        segment->before = start.before;
        return OK;
    }
    TRY(read);
    AUTO_FORMAT Myelin__AuditBody *body = NULL;
    enum chain_found found;
    uint64_t bytes;
    struct chain_head first = {0};
    TRY(chain_read(file, true, &first, &found, &body, &bytes));
    segment->before.sequence = found == CHAIN_RECORD ? first.sequence - 1 : 0;
    return OK;
}

static int by_sequence(const void *a, const void *b) {
    const struct check_file *left = a, *right = b;
    return (left->before.sequence > right->before.sequence) -
           (left->before.sequence < right->before.sequence);
}

static result sort_files(const char *const paths[], size_t count, struct check *check) {
    check->files = calloc(count, sizeof *check->files);
    if (check->files == NULL)
        return FAIL(NO_MEMORY, "out of memory");
    check->count = count;
    for (size_t i = 0; i < count; i++) {
        check->files[i].path = paths[i];
        TRY(read_before(&check->files[i]));
    }
    qsort(check->files, count, sizeof *check->files, by_sequence);
    return OK;
}

/* ------------------------------------------------------------------ the walk */

struct walk {
    struct check *check;
    const struct chain_head *wanted;
    check_take take;
    void *context;
    struct chain_head at;
    bool begun;
    bool after_fault; /* what the next file continues may be what is damaged */
};

static void note_fault(struct check *check, struct check_file *segment, uint64_t offset) {
    segment->offset = offset;
    segment->sequence = segment->last.sequence + 1;
    snprintf(segment->why, sizeof segment->why, "%s", error_text());
    check->faults++;
}

static void compare_head(struct walk *walk) {
    if (walk->wanted != NULL && walk->wanted->sequence == walk->at.sequence)
        walk->check->head =
            same_head(walk->wanted, &walk->at) ? CHECK_HEAD_HOLDS : CHECK_HEAD_DIFFERS;
}

/* Takes the walk to where the file says that it begins. INTEGRITY where that is not where the one
 * before it ends. */
static result enter_file(struct walk *walk, const struct segment_start *start) {
    if (!start->is_anchored)
        return OK; /* its first record says */
    const struct chain_head ended = walk->at;
    bool first = !walk->begun;
    walk->at = start->before;
    compare_head(walk);
    if (first || same_head(&ended, &start->before) ||
        (walk->after_fault && start->before.sequence >= ended.sequence))
        return OK;
    if (start->before.sequence > ended.sequence)
        return FAIL(INTEGRITY, "entries %llu to %llu before it are missing",
                    (unsigned long long)ended.sequence + 1,
                    (unsigned long long)start->before.sequence);
    return FAIL(INTEGRITY, "it continues an entry %llu that is not the one before it",
                (unsigned long long)start->before.sequence);
}

/* The records; `offset` comes as their beginning and goes as the first fault's. */
static result walk_records(struct walk *walk, FILE *file, struct check_file *segment,
                           uint64_t *offset, enum chain_found *out_found) {
    bool free_start = walk->after_fault;
    for (;;) {
        AUTO_FORMAT Myelin__AuditBody *body = NULL;
        uint64_t bytes = 0;
        TRY(chain_read(file, free_start, &walk->at, out_found, &body, &bytes));
        if (*out_found != CHAIN_RECORD)
            return OK;
        free_start = false;
        *offset += bytes;
        segment->last = walk->at;
        if (segment->entries++ == 0)
            segment->first = walk->at.sequence;
        compare_head(walk);
        if (walk->take != NULL)
            TRY(walk->take(walk->context, &walk->at, body));
    }
}

static result walk_file(struct walk *walk, struct check_file *segment) {
    AUTO_FILE FILE *file = NULL;
    struct segment_start start;
    uint64_t offset = 0;
    enum chain_found found = CHAIN_DAMAGED;
    TRY(open_segment(segment->path, &file));
    result read = segment_read_start(file, &start);
    if (read == OK)
        read = enter_file(walk, &start);
    segment->before = segment->last = walk->at;
    if (read != OK && read != INTEGRITY)
        return read;
    segment->offset = start.bytes;
    bool misplaced = read != OK;
    if (misplaced)
        note_fault(walk->check, segment, offset);
    if (!misplaced || start.is_anchored) { /* one out of place may be good in itself */
        walk->after_fault = walk->after_fault && !start.is_anchored;
        offset = start.bytes;
        TRY(walk_records(walk, file, segment, &offset, &found));
    }
    if (found == CHAIN_TORN)
        (void)FAIL(INTEGRITY, "an incomplete record: a crash, a cut, or a copy of a running log");
    if (found != CHAIN_END && !misplaced)
        note_fault(walk->check, segment, offset);
    if (found == CHAIN_END && !misplaced)
        segment->offset = offset;
    segment->is_whole = found == CHAIN_END && !misplaced;
    walk->after_fault = found != CHAIN_END;
    walk->begun = true;
    return OK;
}

static void conclude(struct walk *walk) {
    struct check *check = walk->check;
    check->before = check->files[0].before;
    check->last = check->files[check->count - 1].last;
    for (size_t i = 0; i < check->count; i++)
        check->entries += check->files[i].entries;
    if (walk->wanted != NULL && check->head == CHECK_HEAD_NONE)
        check->head =
            walk->wanted->sequence < check->before.sequence ? CHECK_HEAD_OLDER : CHECK_HEAD_MISSING;
}

result check_segments(const char *const paths[], size_t count, const struct chain_head *head,
                      check_take take, void *context, struct check *out_check) {
    AUTO_CHECK struct check check = {0};
    if (count == 0)
        return FAIL(INVALID, "no segment of an access log to check");
    TRY(sort_files(paths, count, &check));
    struct walk walk = {.check = &check, .wanted = head, .take = take, .context = context};
    compare_head(&walk); /* that of an empty log holds for any */
    for (size_t i = 0; i < count; i++)
        TRY(walk_file(&walk, &check.files[i]));
    conclude(&walk);
    *out_check = check;
    check = (struct check){0};
    return OK;
}
