/* Which system calls change files, and what one of them does. */
#include "fault.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* How a call names what it works on. Numbers: which argument. */
enum form {
    FORM_OPEN,      /* path, flags: openat and its kin */
    FORM_FD,        /* argument 0 is the descriptor */
    FORM_FD_LAST,   /* sendfile: 0 is where to; splice, copy_file_range: 2 */
    FORM_PATH,      /* path */
    FORM_AT,        /* folder, path */
    FORM_TWO,       /* path, path */
    FORM_TWO_AT,    /* folder, path, folder, path */
    FORM_MAP,       /* mmap */
    FORM_NEVER,     /* no program here has a use for it */
    FORM_PRIVILEGE, /* prctl */
};

struct known {
    long number;
    enum form form;
    enum call_kind kind;
};

static const struct known writing[] = {
    {SYS_open, FORM_OPEN, CALL_CREATE},        {SYS_creat, FORM_NEVER, CALL_ESCAPE},
    {SYS_openat, FORM_OPEN, CALL_CREATE},      {SYS_openat2, FORM_OPEN, CALL_CREATE},
    {SYS_write, FORM_FD, CALL_WRITE},          {SYS_pwrite64, FORM_FD, CALL_WRITE},
    {SYS_writev, FORM_FD, CALL_WRITE},         {SYS_pwritev, FORM_FD, CALL_WRITE},
    {SYS_pwritev2, FORM_FD, CALL_WRITE},       {SYS_sendfile, FORM_FD, CALL_WRITE},
    {SYS_splice, FORM_FD_LAST, CALL_WRITE},    {SYS_copy_file_range, FORM_FD_LAST, CALL_WRITE},
    {SYS_ftruncate, FORM_FD, CALL_TRUNCATE},   {SYS_truncate, FORM_PATH, CALL_ESCAPE},
    {SYS_fallocate, FORM_FD, CALL_ALLOCATE},   {SYS_fsync, FORM_FD, CALL_SYNC},
    {SYS_fdatasync, FORM_FD, CALL_SYNC},       {SYS_syncfs, FORM_FD, CALL_SYNC_ALL},
    {SYS_sync, FORM_NEVER, CALL_ESCAPE},       {SYS_sync_file_range, FORM_FD, CALL_HINT},
    {SYS_rename, FORM_TWO, CALL_RENAME},       {SYS_renameat, FORM_TWO_AT, CALL_RENAME},
    {SYS_renameat2, FORM_TWO_AT, CALL_RENAME}, {SYS_link, FORM_TWO, CALL_LINK},
    {SYS_linkat, FORM_TWO_AT, CALL_LINK},      {SYS_symlink, FORM_NEVER, CALL_ESCAPE},
    {SYS_symlinkat, FORM_NEVER, CALL_ESCAPE},  {SYS_unlink, FORM_PATH, CALL_UNLINK},
    {SYS_unlinkat, FORM_AT, CALL_UNLINK},      {SYS_rmdir, FORM_PATH, CALL_RMDIR},
    {SYS_mkdir, FORM_PATH, CALL_MKDIR},        {SYS_mkdirat, FORM_AT, CALL_MKDIR},
    {SYS_mknod, FORM_NEVER, CALL_ESCAPE},      {SYS_mknodat, FORM_NEVER, CALL_ESCAPE},
    {SYS_mmap, FORM_MAP, CALL_ESCAPE},         {SYS_io_uring_setup, FORM_NEVER, CALL_ESCAPE},
    {SYS_io_setup, FORM_NEVER, CALL_ESCAPE},   {SYS_prctl, FORM_PRIVILEGE, CALL_NONE},
};

static const struct known reading[] = {
    {SYS_open, FORM_OPEN, CALL_READ},       {SYS_openat, FORM_OPEN, CALL_READ},
    {SYS_openat2, FORM_OPEN, CALL_READ},    {SYS_read, FORM_FD, CALL_READ},
    {SYS_pread64, FORM_FD, CALL_READ},      {SYS_readv, FORM_FD, CALL_READ},
    {SYS_preadv, FORM_FD, CALL_READ},       {SYS_sendfile, FORM_FD_LAST, CALL_READ},
    {SYS_getdents64, FORM_FD, CALL_READ},   {SYS_mmap, FORM_MAP, CALL_READ},
    {SYS_prctl, FORM_PRIVILEGE, CALL_NONE},
};

enum { WRITING = sizeof writing / sizeof *writing, READING = sizeof reading / sizeof *reading };

void calls_install_filter(bool reads) {
    const struct known *list = reads ? reading : writing;
    const size_t count = reads ? READING : WRITING;
    struct sock_filter filter[WRITING + READING + 3];
    size_t len = 0;
    filter[len++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < count; i++)
        filter[len++] = (struct sock_filter)BPF_JUMP(
            BPF_JMP | BPF_JEQ | BPF_K, (unsigned)list[i].number, (uint8_t)(count - i), 0);
    filter[len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    filter[len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
    const struct sock_fprog program = {.len = (unsigned short)len, .filter = filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        die("the filter of system calls: %s", strerror(errno));
}

static bool is_below(const char *path, const char *root) {
    size_t len = strlen(root);
    return strncmp(path, root, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

static uint64_t open_flags(pid_t thread, const struct registers *r) {
    if (r->number != SYS_openat2)
        return r->arguments[r->number == SYS_open ? 1 : 2];
    char how[PATH_MAX]; /* struct open_how starts with its flags; a zero byte ends the reading */
    uint64_t flags = 0;
    if (tracee_text(thread, r->arguments[2], how))
        memcpy(&flags, how, sizeof flags);
    return flags;
}

static void look_open(pid_t thread, const struct registers *r, bool reads, struct call *call) {
    bool by_path = r->number == SYS_open;
    uint64_t flags = open_flags(thread, r);
    struct stat there;
    if (!tracee_path(thread, by_path ? AT_FDCWD : (int)r->arguments[0],
                     r->arguments[by_path ? 0 : 1], call->path))
        return;
    bool is_there = lstat(call->path, &there) == 0;
    if (reads)
        call->kind = is_there && (flags & (O_CREAT | O_DIRECTORY)) == 0 ? CALL_READ : CALL_NONE;
    else if ((flags & O_TMPFILE) == O_TMPFILE)
        call->kind = CALL_ESCAPE;
    else if ((flags & O_CREAT) != 0 && !is_there)
        call->kind = CALL_CREATE;
    else if ((flags & O_TRUNC) != 0 && is_there)
        call->kind = CALL_TRUNCATE;
}

static void look_fd(pid_t thread, const struct registers *r, unsigned argument, enum call_kind kind,
                    struct call *call) {
    call->fd = (int)r->arguments[argument];
    call->length = r->arguments[1];
    call->shortenable =
        (r->number == SYS_write || r->number == SYS_pwrite64) && r->arguments[2] > 1;
    if (tracee_fd_path(thread, call->fd, call->path))
        call->kind = kind;
}

static void look_map(pid_t thread, const struct registers *r, bool reads, struct call *call) {
    bool writes = (r->arguments[3] & MAP_TYPE) != MAP_PRIVATE && (r->arguments[2] & PROT_WRITE);
    if ((r->arguments[3] & MAP_ANONYMOUS) == 0 && (reads || writes))
        look_fd(thread, r, 4, reads ? CALL_READ : CALL_ESCAPE, call);
}

static void look_two(pid_t thread, const struct registers *r, enum form form, enum call_kind kind,
                     struct call *call) {
    bool at = form == FORM_TWO_AT;
    if (tracee_path(thread, at ? (int)r->arguments[0] : AT_FDCWD, r->arguments[at ? 1 : 0],
                    call->path) &&
        tracee_path(thread, at ? (int)r->arguments[2] : AT_FDCWD, r->arguments[at ? 3 : 1],
                    call->to))
        call->kind = kind;
}

static void look_one(pid_t thread, const struct registers *r, enum form form, enum call_kind kind,
                     struct call *call) {
    bool at = form == FORM_AT;
    if (!tracee_path(thread, at ? (int)r->arguments[0] : AT_FDCWD, r->arguments[at ? 1 : 0],
                     call->path))
        return;
    bool folder = r->number == SYS_unlinkat && (r->arguments[2] & AT_REMOVEDIR) != 0;
    call->kind = folder ? CALL_RMDIR : kind;
}

static void look_as(pid_t thread, const struct registers *r, const struct known *known, bool reads,
                    struct call *call) {
    switch (known->form) {
    case FORM_OPEN:
        look_open(thread, r, reads, call);
        break;
    case FORM_FD:
        look_fd(thread, r, 0, known->kind, call);
        break;
    case FORM_FD_LAST:
        look_fd(thread, r, reads ? 1 : 2, known->kind, call);
        break;
    case FORM_PATH:
    case FORM_AT:
        look_one(thread, r, known->form, known->kind, call);
        break;
    case FORM_TWO:
    case FORM_TWO_AT:
        look_two(thread, r, known->form, known->kind, call);
        break;
    case FORM_MAP:
        look_map(thread, r, reads, call);
        break;
    case FORM_NEVER:
        call->kind = CALL_ESCAPE;
        break;
    case FORM_PRIVILEGE:
        break;
    }
}

void calls_look(pid_t thread, const struct registers *registers, const char *root, bool reads,
                struct call *out_call) {
    const struct known *list = reads ? reading : writing;
    const size_t count = reads ? READING : WRITING;
    *out_call = (struct call){.kind = CALL_NONE, .fd = -1};
    for (size_t i = 0; i < count; i++)
        if (list[i].number == registers->number) {
            look_as(thread, registers, &list[i], reads, out_call);
            bool everywhere = list[i].form == FORM_NEVER;
            if (!everywhere && !is_below(out_call->path, root) && !is_below(out_call->to, root))
                out_call->kind = CALL_NONE;
            return;
        }
}

const char *calls_name(enum call_kind kind) {
    static const char *const names[] = {
        [CALL_NONE] = "none",        [CALL_CREATE] = "create",     [CALL_TRUNCATE] = "truncate",
        [CALL_WRITE] = "write",      [CALL_ALLOCATE] = "allocate", [CALL_SYNC] = "sync",
        [CALL_SYNC_ALL] = "syncall", [CALL_HINT] = "hint",         [CALL_RENAME] = "rename",
        [CALL_LINK] = "link",        [CALL_UNLINK] = "unlink",     [CALL_RMDIR] = "rmdir",
        [CALL_MKDIR] = "mkdir",      [CALL_READ] = "read",         [CALL_ESCAPE] = "escape",
    };
    return names[kind];
}

bool calls_takes_space(enum call_kind kind) {
    return kind == CALL_CREATE || kind == CALL_WRITE || kind == CALL_ALLOCATE ||
           kind == CALL_MKDIR || kind == CALL_LINK;
}
