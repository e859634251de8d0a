#include "daemon/sandbox.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/sanitizer.h"

/* By name: where an architecture lacks one, libseccomp says so and it is left out. */
static const char *const allowed[] = {
    /* files */
    "read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "preadv2",
    "pwritev2", "openat", "openat2", "open", "close", "close_range", "newfstatat", "fstatat64",
    "fstat", "fstat64", "stat", "stat64", "lstat", "lstat64", "statx", "fstatfs", "fstatfs64",
    "statfs", "statfs64", "lseek", "_llseek", "ftruncate", "ftruncate64", "fallocate", "fsync",
    "fdatasync", "sync_file_range", "syncfs", "rename", "renameat", "renameat2", "link", "linkat",
    "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir", "getdents", "getdents64", "readlink",
    "readlinkat", "access", "faccessat", "faccessat2", "fcntl", "fcntl64", "fadvise64",
    "fadvise64_64", "readahead", "copy_file_range", "sendfile", "sendfile64", "splice", "umask",
    "getcwd", "fchmod", "dup", "dup2", "dup3",
    /* sockets, pipes, waiting */
    "accept", "accept4", "connect", "recvfrom", "recvmsg", "recvmmsg", "sendto", "sendmsg",
    "sendmmsg", "shutdown", "setsockopt", "getsockopt", "getsockname", "getpeername", "pipe",
    "pipe2", "eventfd2", "poll", "ppoll", "select", "_newselect", "pselect6", "epoll_create1",
    "epoll_ctl", "epoll_wait", "epoll_pwait", "memfd_create",
    /* memory */
    "munmap", "mremap", "madvise", "mlock", "mlock2", "munlock", "brk", "mincore", "msync",
    "membarrier",
    /* threads and signals */
    "futex", "futex_waitv", "set_robust_list", "get_robust_list", "rseq", "set_tid_address",
    "gettid", "getpid", "getppid", "exit", "exit_group", "restart_syscall", "rt_sigaction",
    "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait", "rt_sigpending", "sigaltstack",
    "sched_yield", "sched_getaffinity", "sched_getparam", "sched_getscheduler", "getcpu",
    /* time, chance, oneself */
    "clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "time",
    "times", "getrandom", "uname", "sysinfo", "getrusage", "getrlimit", "ugetrlimit", "getuid",
    "geteuid", "getgid", "getegid", "getresuid", "getresgid"};

static const char *const deadly[] = {
    "execve",
    "execveat",
    "process_vm_readv",
    "process_vm_writev",
    "mount",
    "umount2",
    "pivot_root",
    "chroot",
    "setns",
    "unshare",
    "move_mount",
    "open_tree",
    "fsopen",
    "init_module",
    "finit_module",
    "delete_module",
    "kexec_load",
    "kexec_file_load",
    "bpf",
    "perf_event_open",
    "reboot",
    "swapon",
    "swapoff",
    "add_key",
    "request_key",
    "keyctl",
    "userfaultfd",
    "io_uring_setup",
    "setuid",
    "setgid",
    "setresuid",
    "setresgid",
    "setreuid",
    "setregid",
    "setgroups",
    "capset",
    "pidfd_getfd",
    "process_madvise",
    "settimeofday",
    "clock_settime",
    "open_by_handle_at",
    "acct",
    "quotactl",
#ifndef UNDER_SANITIZER
    "ptrace",
#endif
};

#ifdef UNDER_SANITIZER
static const char *const sanitizers_need[] = {"clone",       "clone3", "ptrace",   "wait4",
                                              "waitid",      "prctl",  "mprotect", "mmap",
                                              "personality", "kill",   "tgkill"};
#endif

static result add_rule(scmp_filter_ctx filter, uint32_t action, const char *name, unsigned count,
                       const struct scmp_arg_cmp *arguments) {
    int number = seccomp_syscall_resolve_name(name);
    if (number == __NR_SCMP_ERROR)
        return OK; /* libseccomp is older than the call: the default is for it */
    int code = seccomp_rule_add_array(filter, action, number, count, arguments);
    if (code == -EDOM || code == -EINVAL || code == 0)
        return OK; /* not of this architecture */
    return FAIL(INTERNAL, "the sandbox has no rule for %s: %s", name, strerror(-code));
}

static result add_all(scmp_filter_ctx filter, uint32_t action, const char *const names[],
                      size_t count) {
    for (size_t i = 0; i < count; i++)
        TRY(add_rule(filter, action, names[i], 0, NULL));
    return OK;
}

static result allow_where(scmp_filter_ctx filter, const char *name, struct scmp_arg_cmp argument) {
    return add_rule(filter, SCMP_ACT_ALLOW, name, 1, &argument);
}

/* An argument, counted from 0, that is `value`; or of which the bits of `mask` are. */
static struct scmp_arg_cmp masked(unsigned argument, scmp_datum_t mask, scmp_datum_t value) {
    return (struct scmp_arg_cmp){argument, SCMP_CMP_MASKED_EQ, mask, value};
}

static struct scmp_arg_cmp equal(unsigned argument, scmp_datum_t value) {
    return (struct scmp_arg_cmp){argument, SCMP_CMP_EQ, value, 0};
}

/* Calls of which some uses are right. */
static result add_partial(scmp_filter_ctx filter) {
    const int families[] = {AF_INET, AF_INET6};
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++)
        TRY(allow_where(filter, "socket", equal(0, (scmp_datum_t)families[i])));
    TRY(allow_where(filter, "ioctl", equal(1, FIONBIO)));
    TRY(allow_where(filter, "ioctl", equal(1, FIONREAD)));
    TRY(allow_where(filter, "socketpair", equal(0, AF_UNIX)));
    TRY(allow_where(filter, "mmap", masked(2, PROT_WRITE | PROT_EXEC, 0)));
    TRY(allow_where(filter, "mmap", masked(2, PROT_WRITE | PROT_EXEC, PROT_WRITE)));
    /* code of a shared object that the name service or gconv loads late */
    TRY(allow_where(filter, "mmap", masked(2, PROT_WRITE | PROT_EXEC, PROT_EXEC)));
    TRY(allow_where(filter, "mprotect", masked(2, PROT_EXEC, 0)));
    TRY(allow_where(filter, "clone", masked(0, CLONE_THREAD, CLONE_THREAD)));
#ifndef UNDER_SANITIZER
    /* Its flags lie in memory, where a filter cannot look; without it glibc takes clone. */
    TRY(add_rule(filter, SCMP_ACT_ERRNO(ENOSYS), "clone3", 0, NULL));
#endif
    TRY(allow_where(filter, "prctl", equal(0, PR_SET_NAME)));
    TRY(allow_where(filter, "tgkill", equal(0, (scmp_datum_t)getpid())));
    return allow_where(filter, "prlimit64", equal(2, 0)); /* asks, sets nothing */
}

static result fill(scmp_filter_ctx filter) {
    TRY(add_all(filter, SCMP_ACT_ALLOW, allowed, sizeof allowed / sizeof allowed[0]));
    TRY(add_all(filter, SCMP_ACT_KILL_PROCESS, deadly, sizeof deadly / sizeof deadly[0]));
#ifdef UNDER_SANITIZER
    TRY(add_all(filter, SCMP_ACT_ALLOW, sanitizers_need,
                sizeof sanitizers_need / sizeof sanitizers_need[0]));
#endif
    return add_partial(filter);
}

static void release(scmp_filter_ctx *filter) {
    seccomp_release(*filter);
}

result sandbox_enter(void) {
    __attribute__((cleanup(release))) scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (filter == NULL)
        return FAIL(NO_MEMORY, "no memory for the sandbox");
    if (seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1) != 0)
        return FAIL(INTERNAL, "the sandbox cannot take in every thread; see --no-sandbox");
    TRY(fill(filter));
    int code = seccomp_load(filter);
    if (code != 0)
        return FAIL(INTERNAL, "the sandbox cannot be entered: %s; see --no-sandbox",
                    strerror(-code));
    return OK;
}
