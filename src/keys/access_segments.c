#include "keys/access_segments.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/segment.h"
#include "base/file.h"
#include "base/log.h"

/* What is cut off after a crash is kept up to this length: more than any batch's last record. */
enum { TAIL_KEPT_MAX = 1 << 20, READ_BUFFER_BYTES = 1 << 20 };

/* Every record is longer than this: how many may hide in a damaged stretch. */
enum { RECORD_BYTES_MIN = 64 };

/* A walk over all segments. */
struct verification {
    struct access_segments *segments;
    struct access_index *index;
    struct chain_head head;
    uint64_t skipped;  /* sequences that damage since the last good entry may have held */
    bool begun;        /* a segment was read */
    bool after_damage; /* no good entry since */
    bool damaged_here; /* the segment at hand is damaged to its end */
    uint64_t end;      /* of the good part of the segment at hand */
};

static void file_close(FILE **file) {
    if (*file != NULL)
        fclose(*file);
}

static void note_damage(struct verification *walk, const char *path) {
    log_event(LOG_ERROR, "access-log-damaged",
              "file=%s offset=%llu last_sequence=%llu error=\"%s\"", path,
              (unsigned long long)walk->end, (unsigned long long)walk->head.sequence, error_text());
    walk->segments->damaged = true;
    walk->after_damage = true;
}

/* Whether a segment's records follow what was read before it. One that says itself what it follows
 * is read even if that is gone. */
enum follows { FOLLOWS, FOLLOWS_A_GAP, FOLLOWS_NOT };

static enum follows follows(const struct verification *walk, const struct segment_start *start,
                            uint32_t number) {
    const struct chain_head *before = &start->before;
    if (!walk->begun && !start->is_anchored && number > 0)
        return (void)FAIL(INTEGRITY, "what came before it is gone"), FOLLOWS_A_GAP;
    if (!walk->begun || !start->is_anchored)
        return FOLLOWS;
    if (before->sequence < walk->head.sequence)
        return (void)FAIL(INTEGRITY, "it continues entry %llu, as other entries do already",
                          (unsigned long long)before->sequence),
               FOLLOWS_NOT;
    if (walk->after_damage || (before->sequence == walk->head.sequence &&
                               memcmp(before->hash, walk->head.hash, DIGEST_BYTES) == 0))
        return FOLLOWS;
    return (void)FAIL(INTEGRITY, "it continues an entry %llu that is gone",
                      (unsigned long long)before->sequence),
           FOLLOWS_A_GAP;
}

/* Takes the walk to the segment's first record; false where there is nothing to be read. */
static bool enter_segment(struct verification *walk, const struct segment_start *start,
                          uint32_t number, const char *path) {
    enum follows how = follows(walk, start, number);
    if (how == FOLLOWS_NOT)
        return false;
    if (!walk->begun && start->is_anchored)
        walk->segments->before = start->before;
    if (how == FOLLOWS_A_GAP)
        note_damage(walk, path);
    walk->begun = true;
    walk->end = start->bytes;
    if (start->is_anchored) {
        walk->head = start->before;
        walk->after_damage = false;
        walk->skipped = 0;
    }
    return true;
}

/* Reads records into the index up to the end or the first that is not good. */
static result walk_records(struct verification *walk, uint32_t number, const char *path, FILE *file,
                           enum chain_found *out_found) {
    struct segment_start start;
    result good = segment_read_start(file, &start);
    if (good != OK && good != INTEGRITY)
        return good;
    *out_found = CHAIN_DAMAGED;
    if (good != OK || !enter_segment(walk, &start, number, path))
        return OK;
    for (;;) {
        AUTO_FORMAT Myelin__AuditBody *body = NULL;
        uint64_t bytes = 0;
        TRY(chain_read(file, walk->after_damage, &walk->head, out_found, &body, &bytes));
        if (*out_found != CHAIN_RECORD)
            return OK;
        TRY(access_index_reserve(walk->index));
        access_index_add(walk->index, walk->head.sequence, (struct access_place){number, walk->end},
                         body);
        walk->end += bytes;
        walk->after_damage = false;
        walk->skipped = 0;
    }
}

static result keep_tail(const char *path, FILE *file, uint64_t end, uint64_t sequence) {
    AUTO_BYTES struct bytes tail = {0};
    char kept[PATH_MAX];
    if (snprintf(kept, sizeof kept, "%s.cut-%llu", path, (unsigned long long)sequence) >= PATH_MAX)
        return FAIL(INVALID, "the path of a store folder is too long");
    TRY(bytes_reserve(&tail, TAIL_KEPT_MAX));
    if (fseeko(file, (off_t)end, SEEK_SET) != 0)
        return FAIL(IO, "reading %s: %s", path, strerror(errno));
    tail.len = fread(tail.data, 1, TAIL_KEPT_MAX, file);
    return file_write_atomic(kept, bytes_view(&tail), 0600);
}

static result cut_tail(const char *path, FILE *file, const struct verification *walk) {
    log_event(LOG_WARNING, "access-log-cut", "file=%s bytes_kept=%llu last_sequence=%llu", path,
              (unsigned long long)walk->end, (unsigned long long)walk->head.sequence);
    TRY(keep_tail(path, file, walk->end, walk->head.sequence));
    AUTO_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || ftruncate(fd, (off_t)walk->end) != 0 || fsync(fd) != 0)
        return FAIL(IO, "cutting %s: %s", path, strerror(errno));
    return OK;
}

static result verify_segment(struct verification *walk, uint32_t number, bool last) {
    char path[PATH_MAX];
    TRY(segment_path(walk->segments->folder, number, path, sizeof path));
    __attribute__((cleanup(file_close))) FILE *file = fopen(path, "rbe");
    struct stat status;
    if (file == NULL || fstat(fileno(file), &status) != 0 || !S_ISREG(status.st_mode))
        return FAIL(IO, "reading %s: %s", path, file == NULL ? strerror(errno) : "not a file");
    (void)setvbuf(file, NULL, _IOFBF, READ_BUFFER_BYTES);
    enum chain_found found = CHAIN_END;
    walk->end = 0;
    walk->damaged_here = false;
    TRY(walk_records(walk, number, path, file, &found));
    if (found == CHAIN_TORN && last)
        return cut_tail(path, file, walk);
    if (found == CHAIN_TORN)
        (void)FAIL(INTEGRITY, "an incomplete record");
    if (found == CHAIN_END)
        return OK;
    note_damage(walk, path);
    walk->begun = walk->damaged_here = true;
    walk->skipped += ((uint64_t)status.st_size - walk->end) / RECORD_BYTES_MIN + 1;
    return OK;
}

/* A segment that continues `head`, or, where that is NULL, begins the log. */
static result make_segment(const char *path, const struct chain_head *head) {
    uint8_t anchor[SEGMENT_ANCHOR_BYTES];
    struct view start = view_of(chain_magic, CHAIN_MAGIC_BYTES);
    if (head != NULL) {
        segment_anchor(head, anchor);
        start = view_of(anchor, sizeof anchor);
    }
    return file_create_atomic(path, start, 0600);
}

/* The last segment, ready for appending; a new one where the last one is damaged or there is none.
 */
static result open_last(struct verification *walk, bool any, uint32_t number) {
    struct access_segments *segments = walk->segments;
    char path[PATH_MAX];
    bool after_damaged = any && walk->damaged_here;
    walk->head.sequence += walk->skipped;
    segments->last = number + after_damaged;
    TRY(segment_path(segments->folder, segments->last, path, sizeof path));
    if (!any || after_damaged) {
        TRY(make_segment(path, any ? &walk->head : NULL));
        walk->end = any ? SEGMENT_ANCHOR_BYTES : CHAIN_MAGIC_BYTES;
    }
    segments->fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC);
    if (segments->fd < 0)
        return FAIL(IO, "opening %s: %s", path, strerror(errno));
    segments->end = walk->end;
    return OK;
}

/* What a crash while a file was made has left. */
static void remove_leftovers(const char *folder) {
    DIR *entries = opendir(folder);
    for (struct dirent *entry; entries != NULL && (entry = readdir(entries)) != NULL;) {
        size_t len = strlen(entry->d_name);
        if (strncmp(entry->d_name, "access.log.", 11) == 0 && len > 4 &&
            strcmp(entry->d_name + len - 4, ".tmp") == 0)
            (void)unlinkat(dirfd(entries), entry->d_name, 0);
    }
    if (entries != NULL)
        closedir(entries);
}

static bool read_anchor_of(const char *folder, uint32_t number, struct segment_start *out_start) {
    char path[PATH_MAX];
    if (segment_path(folder, number, path, sizeof path) != OK)
        return false;
    __attribute__((cleanup(file_close))) FILE *file = fopen(path, "rbe");
    return file != NULL && segment_read_start(file, out_start) == OK && out_start->is_anchored;
}

/* Whether the last segment can be gone on with before the others are read: each says what it
 * continues, and that is later than what the one before it does. */
static bool are_anchored(const char *folder, const struct access_older *all) {
    uint64_t latest = 0;
    for (size_t i = 1; i < all->count; i++) {
        struct segment_start start;
        if (!read_anchor_of(folder, all->numbers[i], &start) || start.before.sequence <= latest)
            return false;
        latest = start.before.sequence;
    }
    return all->count > 1;
}

result access_segments_open(const char *folder, struct access_segments *segments,
                            struct access_index *index, struct chain_head *out_head) {
    struct verification walk = {.segments = segments, .index = index};
    struct access_older *all = &segments->older;
    if (snprintf(segments->folder, sizeof segments->folder, "%s", folder) >= PATH_MAX)
        return FAIL(INVALID, "the path of a store folder is too long");
    remove_leftovers(folder);
    TRY(segment_list(folder, &all->numbers, &all->count));
    size_t count = all->count;
    for (size_t i = are_anchored(folder, all) ? count - 1 : 0; i < count; i++) {
        if (i == 0)
            all->count = 0; /* nothing is left for later */
        TRY(verify_segment(&walk, all->numbers[i], i + 1 == count));
    }
    if (all->count > 0)
        all->count--;
    TRY(open_last(&walk, count > 0, count > 0 ? all->numbers[count - 1] : 0));
    *out_head = walk.head;
    return OK;
}

/* What the segment after the older ones continues must be where they end. */
static void check_joint(struct verification *walk, const struct access_segments *segments) {
    const struct segment_start start = {.is_anchored = true, .before = segments->before};
    enum follows how = walk->begun ? follows(walk, &start, 1) : FOLLOWS;
    if (how != FOLLOWS)
        note_damage(walk, "the segment after them");
    access_index_cut(walk->index, segments->before.sequence);
}

result access_segments_verify_older(const struct access_segments *segments, const atomic_bool *stop,
                                    struct access_index *index, struct chain_head *out_before,
                                    bool *out_damaged) {
    struct access_segments older = {.before = segments->before};
    struct verification walk = {.segments = &older, .index = index};
    memcpy(older.folder, segments->folder, sizeof older.folder);
    for (size_t i = 0; i < segments->older.count; i++) {
        if (*stop)
            return FAIL(INTERNAL, "stopped");
        char path[PATH_MAX];
        uint32_t number = segments->older.numbers[i];
        TRY(segment_path(older.folder, number, path, sizeof path));
        if (!walk.begun && access(path, F_OK) != 0)
            continue; /* taken away since */
        if (!walk.begun)
            older.before = (struct chain_head){0};
        TRY(verify_segment(&walk, number, false));
    }
    check_joint(&walk, segments);
    *out_before = older.before;
    *out_damaged = older.damaged;
    return OK;
}

/* Whether a segment that could not be made is gone, for good. */
static bool undo_segment(const struct access_segments *segments, const char *path) {
    if (unlink(path) != 0)
        return errno == ENOENT;
    return file_sync_folder(segments->folder) == OK;
}

result access_segments_next(const struct access_segments *segments, const struct chain_head *head,
                            int *out_fd, bool *out_unknown) {
    char path[PATH_MAX], why[ERROR_TEXT_BYTES];
    *out_unknown = false;
    if (segments->last >= SEGMENT_NUMBER_MAX)
        return FAIL(INVALID, "the access log has no number left for a segment");
    TRY(segment_path(segments->folder, segments->last + 1, path, sizeof path));
    result made = make_segment(path, head);
    if (made == OK && (*out_fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC)) < 0)
        made = FAIL(IO, "opening %s: %s", path, strerror(errno));
    if (made == OK || made == CONFLICT)
        return made;
    snprintf(why, sizeof why, "%s", error_text());
    *out_unknown = !undo_segment(segments, path);
    return FAIL(made, "%s", why);
}

void access_segments_switch(struct access_segments *segments, int fd) {
    file_close_at(&segments->fd);
    segments->fd = fd;
    segments->last++;
}

static result read_exactly(int fd, uint8_t *out, size_t len, uint64_t offset) {
    ssize_t got;
    do
        got = pread(fd, out, len, (off_t)offset);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return FAIL(IO, "reading the access log: %s", strerror(errno));
    if ((size_t)got != len)
        return FAIL(INTEGRITY, "access log: a record is gone");
    return OK;
}

result access_segments_read(const struct access_segments *segments, struct access_place place,
                            struct bytes *out_wire) {
    char path[PATH_MAX];
    uint8_t frame[CHAIN_FRAME_BYTES];
    TRY(segment_path(segments->folder, place.segment, path, sizeof path));
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return FAIL(errno == ENOENT ? NOT_FOUND : IO, "reading %s: %s", path, strerror(errno));
    TRY(read_exactly(fd, frame, sizeof frame, place.offset));
    uint32_t len = load_be32(frame);
    if (len > FORMAT_LIMIT_AUDIT_ENTRY)
        return FAIL(INTEGRITY, "access log: a record's length is damaged");
    TRY(bytes_reserve(out_wire, len));
    TRY(read_exactly(fd, out_wire->data, len, place.offset + sizeof frame));
    out_wire->len = len;
    return OK;
}

void access_segments_close(struct access_segments *segments) {
    file_close_at(&segments->fd);
    free(segments->older.numbers);
    segments->older = (struct access_older){0};
}
