/* Looking into a stopped thread: registers, memory, descriptors. */
#include "fault.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <unistd.h>

static bool get(pid_t thread, struct user_regs_struct *out) {
    return ptrace(PTRACE_GETREGS, thread, NULL, out) == 0;
}

static void set(pid_t thread, const struct user_regs_struct *registers) {
    if (ptrace(PTRACE_SETREGS, thread, NULL, registers) != 0 && errno != ESRCH)
        die("PTRACE_SETREGS: %s", strerror(errno));
}

bool tracee_registers(pid_t thread, struct registers *out) {
    struct user_regs_struct r;
    if (!get(thread, &r))
        return false;
    *out = (struct registers){.number = (long)r.orig_rax,
                              .arguments = {r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9}};
    return true;
}

void tracee_set_argument(pid_t thread, unsigned index, uint64_t value) {
    struct user_regs_struct r;
    if (!get(thread, &r))
        return;
    unsigned long long *const places[] = {&r.rdi, &r.rsi, &r.rdx, &r.r10, &r.r8, &r.r9};
    *places[index] = value;
    set(thread, &r);
}

void tracee_skip_call(pid_t thread) {
    struct user_regs_struct r;
    if (!get(thread, &r))
        return;
    r.orig_rax = (unsigned long long)-1;
    set(thread, &r);
}

long tracee_return_value(pid_t thread) {
    struct user_regs_struct r;
    return get(thread, &r) ? (long)r.rax : -ESRCH;
}

void tracee_set_return_value(pid_t thread, long value) {
    struct user_regs_struct r;
    if (!get(thread, &r))
        return;
    r.rax = (unsigned long long)value;
    set(thread, &r);
}

bool tracee_text(pid_t thread, uint64_t address, char out[PATH_MAX]) {
    for (size_t len = 0; len < PATH_MAX;) {
        size_t part = 256 - (size_t)((address + len) % 256); /* never over a page's end */
        if (part > PATH_MAX - len)
            part = PATH_MAX - len;
        struct iovec here = {out + len, part};
        struct iovec there = {(void *)(uintptr_t)(address + len), part}; // NOLINT: its address
        if (process_vm_readv(thread, &here, 1, &there, 1, 0) != (ssize_t)part)
            return false;
        if (memchr(out + len, '\0', part) != NULL)
            return true;
        len += part;
    }
    return false;
}

static bool link_target(const char *link, char out[PATH_MAX]) {
    ssize_t len = readlink(link, out, PATH_MAX - 1);
    if (len <= 0 || out[0] != '/')
        return false;
    out[len] = '\0';
    return true;
}

bool tracee_fd_path(pid_t thread, int fd, char out[PATH_MAX]) {
    char link[64];
    snprintf(link, sizeof link, "/proc/%d/fd/%d", (int)thread, fd);
    return link_target(link, out);
}

static bool base_of(pid_t thread, int folder, char out[PATH_MAX]) {
    if (folder != AT_FDCWD)
        return tracee_fd_path(thread, folder, out);
    char link[64];
    snprintf(link, sizeof link, "/proc/%d/cwd", (int)thread);
    return link_target(link, out);
}

/* Links of the folder above are followed; the last name is the call's own business. */
static bool settle(char path[2 * PATH_MAX], char out[PATH_MAX]) {
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        path[--len] = '\0';
    char *name = strrchr(path, '/');
    char parent[PATH_MAX];
    if (name == NULL || len >= PATH_MAX)
        return false;
    if (strcmp(name, "/.") == 0)
        return *name = '\0', realpath(path, out) != NULL;
    *name++ = '\0';
    if (realpath(path[0] == '\0' ? "/" : path, parent) == NULL)
        return false;
    return snprintf(out, PATH_MAX, "%s/%s", strcmp(parent, "/") == 0 ? "" : parent, name) <
           PATH_MAX;
}

bool tracee_path(pid_t thread, int folder, uint64_t address, char out[PATH_MAX]) {
    char text[PATH_MAX], base[PATH_MAX] = "", whole[2 * PATH_MAX];
    if (!tracee_text(thread, address, text))
        return false;
    if (text[0] != '/' && !base_of(thread, folder, base))
        return false;
    snprintf(whole, sizeof whole, "%s%s%s", base, text[0] == '/' ? "" : "/", text);
    return settle(whole, out);
}

bool tracee_fd_inode(pid_t thread, int fd, uint64_t *out_inode) {
    char link[64];
    struct stat status;
    snprintf(link, sizeof link, "/proc/%d/fd/%d", (int)thread, fd);
    if (stat(link, &status) != 0)
        return false;
    *out_inode = status.st_ino;
    return true;
}

/* A line of /proc that starts with `label`, as a number. */
static uint64_t proc_number(const char *path, const char *label) {
    char line[256];
    uint64_t number = 0;
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, label, strlen(label)) == 0)
            number = strtoull(line + strlen(label), NULL, 10);
    if (file != NULL)
        fclose(file);
    return number;
}

uint64_t tracee_fd_offset(pid_t thread, int fd) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", (int)thread, fd);
    return proc_number(path, "pos:");
}

pid_t tracee_process(pid_t thread) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/status", (int)thread);
    return (pid_t)proc_number(path, "Tgid:");
}
