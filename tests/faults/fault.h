/*
 * myelin-fault: runs a program and stands at every system call with which it changes, or reads,
 * what lies below one folder. The kernel stops the program at these calls (seccomp and ptrace), so
 * that none can pass by: whichever thread or library makes it.
 *
 * It numbers the calls from 1, writes each to a report and to a journal (from which
 * power_cut.py builds what a disk may hold after the power went), and at a chosen one kills the
 * program, or lets the call fail.
 */
#ifndef MYELIN_FAULTS_FAULT_H
#define MYELIN_FAULTS_FAULT_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

enum call_kind {
    CALL_NONE, /* not below the folder, or without effect on it */
    CALL_CREATE,
    CALL_TRUNCATE, /* an opening that empties, truncate, ftruncate */
    CALL_WRITE,
    CALL_ALLOCATE,
    CALL_SYNC,
    CALL_SYNC_ALL,
    CALL_HINT, /* sync_file_range: promises nothing */
    CALL_RENAME,
    CALL_LINK,
    CALL_UNLINK,
    CALL_RMDIR,
    CALL_MKDIR,
    CALL_READ,
    CALL_ESCAPE, /* changes files in a way that is not followed here: an error of the run */
};

struct call {
    enum call_kind kind;
    char path[PATH_MAX]; /* absolute; of a descriptor's file as it was named last */
    char to[PATH_MAX];   /* of a rename or link */
    int fd;              /* in the program; -1 where the call is by path */
    uint64_t length;     /* a truncation's new length */
    bool shortenable;    /* write, pwrite: argument 2 is a length */
};

/* ------------------------------------------------------------------ tracee.c */

struct registers {
    long number;
    uint64_t arguments[6];
};
bool tracee_registers(pid_t thread, struct registers *out);
void tracee_set_argument(pid_t thread, unsigned index, uint64_t value);
void tracee_skip_call(pid_t thread);
long tracee_return_value(pid_t thread);
void tracee_set_return_value(pid_t thread, long value);

/* The text at `address`; false where there is none. */
bool tracee_text(pid_t thread, uint64_t address, char out[PATH_MAX]);

/* The absolute path that an openat-like call means; its parent's links are followed. */
bool tracee_path(pid_t thread, int folder, uint64_t address, char out[PATH_MAX]);

/* Where descriptor `fd` leads; false for sockets and the like. */
bool tracee_fd_path(pid_t thread, int fd, char out[PATH_MAX]);
bool tracee_fd_inode(pid_t thread, int fd, uint64_t *out_inode);
uint64_t tracee_fd_offset(pid_t thread, int fd);
pid_t tracee_process(pid_t thread);

/* ------------------------------------------------------------------ calls.c */

/* Installs, in the program to be, the filter that stops it at every call named there. */
void calls_install_filter(bool reads);

/* What the call at which `thread` stands does below `root`. */
void calls_look(pid_t thread, const struct registers *registers, const char *root, bool reads,
                struct call *out_call);
const char *calls_name(enum call_kind kind);
bool calls_takes_space(enum call_kind kind);

/* ------------------------------------------------------------------ journal.c */

/* Notes what a call that returned `returned` has done. */
void journal_note(FILE *journal, pid_t thread, const struct registers *registers,
                  const struct call *call, long returned);

_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
