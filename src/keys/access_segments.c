#include "keys/access_segments.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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
    bool after_damage; /* no good entry since */
    bool damaged_here; /* the segment at hand is damaged */
    uint64_t end;      /* of the good part of the segment at hand */
};

static result segment_path(const char *folder, uint32_t number, char out[PATH_MAX]) {
    int length = number == 0 ? snprintf(out, PATH_MAX, "%s/access.log", folder)
                             : snprintf(out, PATH_MAX, "%s/access.log.%u", folder, number);
    if (length < 0 || length >= PATH_MAX)
        return FAIL(INVALID, "the path of a store folder is too long");
    return OK;
}

static void file_close(FILE **file) {
    if (*file != NULL)
        fclose(*file);
}

static bool magic_read(FILE *file) {
    char magic[CHAIN_MAGIC_BYTES];
    return fread(magic, 1, sizeof magic, file) == sizeof magic &&
           memcmp(magic, chain_magic, sizeof magic) == 0;
}

/* Reads records into the index up to the end or the first that is not good. */
static result walk_records(struct verification *walk, uint32_t number, FILE *file,
                           enum chain_found *out_found) {
    if (!magic_read(file)) {
        *out_found = CHAIN_DAMAGED;
        (void)FAIL(INTEGRITY, "not an access log");
        return OK;
    }
    walk->end = CHAIN_MAGIC_BYTES;
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

static void note_damage(struct verification *walk, const char *path, uint64_t size) {
    log_event(LOG_ERROR, "access-log-damaged",
              "file=%s offset=%llu last_sequence=%llu error=\"%s\"", path,
              (unsigned long long)walk->end, (unsigned long long)walk->head.sequence, error_text());
    walk->segments->damaged = true;
    walk->after_damage = walk->damaged_here = true;
    walk->skipped += (size - walk->end) / RECORD_BYTES_MIN + 1;
}

static result verify_segment(struct verification *walk, uint32_t number, const char *path,
                             bool last) {
    __attribute__((cleanup(file_close))) FILE *file = fopen(path, "rbe");
    struct stat status;
    if (file == NULL || fstat(fileno(file), &status) != 0 || !S_ISREG(status.st_mode))
        return FAIL(IO, "reading %s: %s", path, file == NULL ? strerror(errno) : "not a file");
    (void)setvbuf(file, NULL, _IOFBF, READ_BUFFER_BYTES);
    enum chain_found found = CHAIN_END;
    walk->end = 0;
    walk->damaged_here = false;
    TRY(walk_records(walk, number, file, &found));
    if (found == CHAIN_TORN && last)
        return cut_tail(path, file, walk);
    if (found == CHAIN_TORN)
        (void)FAIL(INTEGRITY, "an incomplete record");
    if (found != CHAIN_END)
        note_damage(walk, path, (uint64_t)status.st_size);
    return OK;
}

static result make_segment(const char *path) {
    return file_create_atomic(path, view_of(chain_magic, CHAIN_MAGIC_BYTES), 0600);
}

/* The last segment, ready for appending; a new one where the last one is damaged or there is none.
 */
static result open_last(struct verification *walk, uint32_t count) {
    struct access_segments *segments = walk->segments;
    char path[PATH_MAX];
    segments->last = count == 0 ? 0 : count - 1;
    if (count == 0 || walk->damaged_here) {
        segments->last = count;
        walk->end = CHAIN_MAGIC_BYTES;
        TRY(segment_path(segments->folder, count, path));
        TRY(make_segment(path));
    }
    TRY(segment_path(segments->folder, segments->last, path));
    segments->fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC);
    if (segments->fd < 0)
        return FAIL(IO, "opening %s: %s", path, strerror(errno));
    segments->end = walk->end;
    return OK;
}

static bool segment_exists(const char *folder, uint32_t number) {
    char path[PATH_MAX];
    return segment_path(folder, number, path) == OK && access(path, F_OK) == 0;
}

result access_segments_open(const char *folder, struct access_segments *segments,
                            struct access_index *index, struct chain_head *out_head) {
    struct verification walk = {.segments = segments, .index = index};
    if (snprintf(segments->folder, sizeof segments->folder, "%s", folder) >= PATH_MAX)
        return FAIL(INVALID, "the path of a store folder is too long");
    uint32_t count = 0;
    for (; segment_exists(folder, count); count++) {
        char path[PATH_MAX];
        TRY(segment_path(folder, count, path));
        TRY(verify_segment(&walk, count, path, !segment_exists(folder, count + 1)));
    }
    TRY(open_last(&walk, count));
    walk.head.sequence += walk.skipped;
    *out_head = walk.head;
    return OK;
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
    TRY(segment_path(segments->folder, place.segment, path));
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return FAIL(IO, "reading %s: %s", path, strerror(errno));
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
}
