#include "fault.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char usage[] =
    "myelin-fault --root DIR --report FILE [--journal FILE] [--reads] [--only TEXT]\n"
    "             [--at K --do WHAT [--on]] -- PROGRAM [ARGUMENT...]\n"
    "\n"
    "Runs PROGRAM and numbers its calls that change files below DIR (with --reads: that read\n"
    "them; with --only: those whose path holds TEXT). At call K it does WHAT:\n"
    "  kill-before, kill-after   SIGKILL before or after the call\n"
    "  kill-torn                 half of a write, then SIGKILL\n"
    "  eio, enospc               the call fails; enospc only where it takes space\n"
    "  short                     a write writes half\n"
    "and with --on so at every call from K on (eio, enospc). Each call is a line of the report,\n"
    "the program's end the last: `end exited CODE` or `end killed SIGNAL`.\n";

enum action { NOTHING, KILL_BEFORE, KILL_AFTER, KILL_TORN, FAIL_EIO, FAIL_ENOSPC, SHORT };

struct run {
    char root[PATH_MAX];
    const char *only;
    FILE *report, *journal;
    bool reads, from_then_on;
    uint64_t at, count;
    enum action action;
};

static pid_t program; /* for the signal handler */

void die(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("myelin-fault: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    if (program > 0)
        kill(program, SIGKILL);
    exit(125);
}

static enum action parse_action(const char *text) {
    static const char *const names[] = {"",    "kill-before", "kill-after", "kill-torn",
                                        "eio", "enospc",      "short"};
    for (size_t i = 1; i < sizeof names / sizeof *names; i++)
        if (strcmp(text, names[i]) == 0)
            return (enum action)i;
    die("--do %s: no such fault\n%s", text, usage);
}

static FILE *open_output(const char *path) {
    FILE *file = fopen(path, "we");
    if (file == NULL)
        die("%s: %s", path, strerror(errno));
    return file;
}

static void parse(int argc, char *argv[], struct run *run) {
    static const struct option options[] = {
        {"root", required_argument, NULL, 'r'},
        {"report", required_argument, NULL, 'o'},
        {"journal", required_argument, NULL, 'j'},
        {"reads", no_argument, NULL, 'R'},
        {"only", required_argument, NULL, 'm'},
        {"at", required_argument, NULL, 'k'},
        {"do", required_argument, NULL, 'd'},
        {"on", no_argument, NULL, 'O'},
        {0},
    };
    for (int option; (option = getopt_long(argc, argv, "+", options, NULL)) != -1;)
        switch (option) {
        case 'r':
            if (realpath(optarg, run->root) == NULL)
                die("%s: %s", optarg, strerror(errno));
            break;
        case 'o':
            run->report = open_output(optarg);
            break;
        case 'j':
            run->journal = open_output(optarg);
            break;
        case 'R':
            run->reads = true;
            break;
        case 'm':
            run->only = optarg;
            break;
        case 'k':
            run->at = strtoull(optarg, NULL, 10);
            break;
        case 'd':
            run->action = parse_action(optarg);
            break;
        case 'O':
            run->from_then_on = true;
            break;
        default:
            die("%s", usage);
        }
    if (run->root[0] == '\0' || run->report == NULL || optind >= argc)
        die("%s", usage);
}

/* ------------------------------------------------------------------ one call */

static void go_on(pid_t thread, int request, int signal) {
    if (ptrace((enum __ptrace_request)request, thread, NULL, (void *)(intptr_t)signal) != 0 &&
        errno != ESRCH)
        die("ptrace: %s", strerror(errno));
}

/* Lets the call at which the thread stands run; false where the thread is no more. */
static bool run_to_end_of_call(pid_t thread) {
    for (int status = 0, signal = 0;;) {
        go_on(thread, PTRACE_SYSCALL, signal);
        if (waitpid(thread, &status, __WALL) < 0 || !WIFSTOPPED(status))
            return false;
        if (WSTOPSIG(status) == (SIGTRAP | 0x80))
            return true;
        signal = status >> 16 == 0 ? WSTOPSIG(status) : 0;
    }
}

static void kill_program(pid_t thread) {
    kill(program, SIGKILL);
    go_on(thread, PTRACE_CONT, 0);
}

static bool fails(const struct run *run, const struct call *call) {
    bool hit = run->count == run->at || (run->from_then_on && run->count > run->at);
    if (!hit || (run->action != FAIL_EIO && run->action != FAIL_ENOSPC))
        return false;
    /* A disk that becomes full in the middle of a write takes the first half. */
    bool partly = run->from_then_on && run->count == run->at && call->shortenable;
    return run->action == FAIL_EIO || (calls_takes_space(call->kind) && !partly);
}

static bool halves(const struct run *run, const struct call *call) {
    bool wanted = run->action == KILL_TORN || run->action == SHORT ||
                  (run->action == FAIL_ENOSPC && run->from_then_on);
    return run->count == run->at && wanted && call->shortenable;
}

static void fail_call(pid_t thread, long error) {
    tracee_skip_call(thread);
    if (!run_to_end_of_call(thread))
        return;
    tracee_set_return_value(thread, -error);
    go_on(thread, PTRACE_CONT, 0);
}

static void do_call(struct run *run, pid_t thread, const struct registers *registers,
                    const struct call *call) {
    bool hit = run->count == run->at;
    if (hit && run->action == KILL_BEFORE) {
        kill_program(thread);
        return;
    }
    if (fails(run, call)) {
        fail_call(thread, run->action == FAIL_EIO ? EIO : ENOSPC);
        return;
    }
    if (halves(run, call))
        tracee_set_argument(thread, 2, registers->arguments[2] / 2);
    if (!run_to_end_of_call(thread))
        return;
    long returned = tracee_return_value(thread);
    if (returned >= 0 && run->journal != NULL)
        journal_note(run->journal, thread, registers, call, returned);
    if (hit && (run->action == KILL_AFTER || run->action == KILL_TORN))
        kill_program(thread);
    else
        go_on(thread, PTRACE_CONT, 0);
}

static bool concerns(const struct run *run, const struct call *call) {
    return call->kind != CALL_NONE && call->kind != CALL_HINT &&
           (run->only == NULL || strstr(call->path, run->only) != NULL);
}

/* Programs that hide their memory from debuggers would hide the paths too. */
static bool hides_memory(const struct registers *registers) {
    return registers->number == SYS_prctl && registers->arguments[0] == PR_SET_DUMPABLE;
}

static void stand_at_call(struct run *run, pid_t thread) {
    struct registers registers;
    struct call call;
    if (!tracee_registers(thread, &registers))
        return;
    if (hides_memory(&registers)) {
        fail_call(thread, 0);
        return;
    }
    calls_look(thread, &registers, run->root, run->reads, &call);
    if (!concerns(run, &call) || tracee_process(thread) != program) {
        go_on(thread, PTRACE_CONT, 0);
        return;
    }
    if (call.kind == CALL_ESCAPE)
        die("system call %ld on %s is not followed here", registers.number, call.path);
    run->count++;
    fprintf(run->report, "%llu\t%s\t%s%s%s\n", (unsigned long long)run->count,
            calls_name(call.kind), call.path, call.to[0] == '\0' ? "" : "\t", call.to);
    fflush(run->report);
    do_call(run, thread, &registers, &call);
}

/* ------------------------------------------------------------------ all calls */

static void note_end(const struct run *run, int status) {
    if (WIFEXITED(status))
        fprintf(run->report, "end\texited %d\n", WEXITSTATUS(status));
    else
        fprintf(run->report, "end\tkilled %d\n", WTERMSIG(status));
    fflush(run->report);
}

static void stopped(struct run *run, pid_t thread, int status) {
    int event = status >> 16, signal = WSTOPSIG(status);
    if (event == PTRACE_EVENT_SECCOMP)
        stand_at_call(run, thread);
    else if (event == PTRACE_EVENT_STOP && signal != SIGTRAP)
        go_on(thread, PTRACE_LISTEN, 0);
    else
        go_on(thread, PTRACE_CONT, event == 0 ? signal : 0);
}

/* Until the program and everything that it started are gone. */
static int follow(struct run *run) {
    int code = 125;
    for (;;) {
        int status;
        pid_t thread = waitpid(-1, &status, __WALL);
        if (thread < 0 && errno == EINTR)
            continue;
        if (thread < 0)
            return code;
        if (WIFSTOPPED(status)) {
            stopped(run, thread, status);
        } else if (thread == program) {
            note_end(run, status);
            code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        }
    }
}

static void pass_on(int signal) {
    kill(program, signal);
}

static pid_t start(const struct run *run, char *const arguments[]) {
    int gate[2];
    if (pipe(gate) != 0)
        die("pipe: %s", strerror(errno));
    pid_t child = fork();
    if (child < 0)
        die("fork: %s", strerror(errno));
    if (child == 0) {
        char byte;
        close(gate[1]);
        if (read(gate[0], &byte, 1) != 1)
            _exit(125);
        close(gate[0]);
        calls_install_filter(run->reads);
        execvp(arguments[0], arguments);
        fprintf(stderr, "myelin-fault: %s: %s\n", arguments[0], strerror(errno));
        _exit(125);
    }
    const long options = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL |
                         PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK;
    program = child;
    if (ptrace(PTRACE_SEIZE, child, NULL, options) != 0)
        die("this machine lets nobody trace a program: %s", strerror(errno));
    if (write(gate[1], "g", 1) != 1)
        die("pipe: %s", strerror(errno));
    close(gate[0]);
    close(gate[1]);
    return child;
}

int main(int argc, char *argv[]) {
    struct run run = {0};
    parse(argc, argv, &run);
    program = start(&run, argv + optind);
    signal(SIGTERM, pass_on);
    signal(SIGINT, pass_on);
    return follow(&run);
}
