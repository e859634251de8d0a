/* What a daemon may still do once it serves, and what it may not. Each test is a process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/sandbox.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { IS_SANITIZED = 1 };
#else
enum { IS_SANITIZED = 0 };
#endif

/* The wait status of a process that enters the sandbox and then does `work`, 0 meaning right. */
static int run_inside(int (*work)(void)) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(sandbox_enter() == OK ? work() : 99);
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void assert_works(int (*work)(void)) {
    assert_int_equal(run_inside(work), 0);
}

static void assert_kills(int (*work)(void)) {
    int status = run_inside(work);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSYS);
}

static void *note(void *argument) {
    *(int *)argument = 1;
    return NULL;
}

static int serve(void) {
    pthread_t thread;
    int ran = 0;
    char name[] = "/tmp/sandbox_test.XXXXXX";
    if (pthread_create(&thread, NULL, note, &ran) != 0 || pthread_join(thread, NULL) != 0 || !ran)
        return 1;
    int fd = mkstemp(name);
    if (fd < 0 || write(fd, "x", 1) != 1 || fsync(fd) != 0 || unlink(name) != 0 || close(fd) != 0)
        return 2;
    int four = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int six = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return four < 0 || (six < 0 && errno == EPERM) ? 3 : 0;
}

static void what_a_server_does_works(void **state) {
    (void)state;
    assert_works(serve);
}

static int run_program(void) {
    char *const nothing[] = {NULL};
    execve("/bin/true", nothing, nothing);
    return 0;
}

static int enter_namespace(void) {
    return syscall(SYS_unshare, 0) == 0;
}

static int trace_nobody(void) {
    return syscall(SYS_bpf, 0, 0, 0) == 0;
}

static void other_programs_kill(void **state) {
    (void)state;
    assert_kills(run_program);
    assert_kills(enter_namespace);
    assert_kills(trace_nobody);
}

static int is_refused(long outcome) {
    return outcome == -1 && errno == EPERM ? 0 : 1;
}

static int open_netlink(void) {
    return is_refused(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
}

static int listen_anew(void) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd < 0 ? 1 : is_refused(listen(fd, 1));
}

static int kill_another(void) {
    return is_refused(kill(getppid(), 0));
}

static int make_process(void) {
    return is_refused(fork());
}

static int run_written_memory(void) {
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return 1;
    if (is_refused(mprotect(page, 4096, PROT_READ | PROT_EXEC)) != 0)
        return 2;
    page = mmap(NULL, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page == MAP_FAILED && errno == EPERM ? 0 : 3;
}

static void all_else_is_refused(void **state) {
    (void)state;
    assert_works(open_netlink);
    assert_works(listen_anew);
    if (IS_SANITIZED) /* these it allows the sanitizer: see sandbox.h */
        return;
    assert_works(kill_another);
    assert_works(make_process);
    assert_works(run_written_memory);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_server_does_works),
        cmocka_unit_test(other_programs_kill),
        cmocka_unit_test(all_else_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
