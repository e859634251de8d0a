/*
 * The journal: one line a call that succeeded, fields separated by tabs, then as many bytes as a
 * write's line says.
 *
 *     create PATH INODE
 *     truncate INODE LENGTH
 *     write INODE OFFSET LENGTH, then the bytes
 *     sync INODE
 *     syncall
 *     mkdir PATH INODE
 *     rename PATH PATH
 *     link PATH PATH
 *     unlink PATH
 *     rmdir PATH
 */
#include "fault.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static uint64_t inode_of(const char *path) {
    struct stat status;
    if (lstat(path, &status) != 0)
        die("%s was made and is not there: %s", path, strerror(errno));
    return status.st_ino;
}

static uint64_t fd_inode(pid_t thread, int fd, const char *path) {
    uint64_t inode = 0;
    if (!tracee_fd_inode(thread, fd, &inode))
        die("%s: its descriptor %d cannot be looked at", path, fd);
    return inode;
}

/* What was written stands in the file now, whichever call wrote it. */
static void note_write(FILE *journal, pid_t thread, const struct registers *registers,
                       const struct call *call, size_t length) {
    bool placed = registers->number == SYS_pwrite64 || registers->number == SYS_pwritev;
    uint64_t offset =
        placed ? registers->arguments[3] : tracee_fd_offset(thread, call->fd) - length;
    char link[64];
    snprintf(link, sizeof link, "/proc/%d/fd/%d", (int)thread, call->fd);
    uint8_t *data = malloc(length);
    int fd = open(link, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || data == NULL || pread(fd, data, length, (off_t)offset) != (ssize_t)length)
        die("%s: what was written cannot be read: %s", call->path, strerror(errno));
    close(fd);
    fprintf(journal, "write\t%llu\t%llu\t%zu\n",
            (unsigned long long)fd_inode(thread, call->fd, call->path), (unsigned long long)offset,
            length);
    fwrite(data, 1, length, journal);
    free(data);
}

static void note_truncation(FILE *journal, pid_t thread, const struct call *call) {
    uint64_t inode = call->fd < 0 ? inode_of(call->path) : fd_inode(thread, call->fd, call->path);
    fprintf(journal, "truncate\t%llu\t%llu\n", (unsigned long long)inode,
            (unsigned long long)(call->fd < 0 ? 0 : call->length));
}

void journal_note(FILE *journal, pid_t thread, const struct registers *registers,
                  const struct call *call, long returned) {
    const char *name = calls_name(call->kind);
    switch (call->kind) {
    case CALL_CREATE:
    case CALL_MKDIR:
        fprintf(journal, "%s\t%s\t%llu\n", name, call->path,
                (unsigned long long)inode_of(call->path));
        break;
    case CALL_TRUNCATE:
        note_truncation(journal, thread, call);
        break;
    case CALL_WRITE:
        if (returned > 0)
            note_write(journal, thread, registers, call, (size_t)returned);
        break;
    case CALL_SYNC:
        fprintf(journal, "%s\t%llu\n", name,
                (unsigned long long)fd_inode(thread, call->fd, call->path));
        break;
    case CALL_SYNC_ALL:
        fprintf(journal, "%s\n", name);
        break;
    case CALL_RENAME:
    case CALL_LINK:
        fprintf(journal, "%s\t%s\t%s\n", name, call->path, call->to);
        break;
    case CALL_UNLINK:
    case CALL_RMDIR:
        fprintf(journal, "%s\t%s\n", name, call->path);
        break;
    case CALL_ALLOCATE:
        die("%s: fallocate is not followed by the journal", call->path);
    case CALL_NONE:
    case CALL_HINT:
    case CALL_READ:
    case CALL_ESCAPE:
        break;
    }
    if (fflush(journal) != 0)
        die("the journal: %s", strerror(errno));
}
