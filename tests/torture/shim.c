/*
 * libmyelin-shim.so, preloaded into a program under test: its clock is wrong by as much as a file
 * says at the moment, and what it sends drips.
 *
 * MYELIN_SHIM names that file: a struct shim in this machine's byte order, which the test changes
 * while the program runs. Clocks that do not tell the time of day, and the time stamps of files,
 * stay as they are.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct shim {
    _Atomic int64_t clock_ms;   /* added to the time of day */
    _Atomic int64_t drip;       /* 1: a byte a second is sent on a TCP connection ... */
    _Atomic int64_t drip_after; /* ... once so many were */
};

enum { FDS = 4096 };

static struct shim nothing;
static struct shim *shim = &nothing;
static _Atomic int64_t sent[FDS];

static int (*real_clock_gettime)(clockid_t, struct timespec *);
static ssize_t (*real_send)(int, const void *, size_t, int);
static ssize_t (*real_sendmsg)(int, const struct msghdr *, int);
static int (*real_close)(int);

/* dlsym gives a void *, which ISO C does not turn into a function. */
static void find(const char *name, void *out_function) {
    *(void **)out_function = dlsym(RTLD_NEXT, name);
}

__attribute__((constructor)) static void start(void) {
    find("clock_gettime", &real_clock_gettime);
    find("send", &real_send);
    find("sendmsg", &real_sendmsg);
    find("close", &real_close);
    const char *path = getenv("MYELIN_SHIM");
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    void *map = mmap(NULL, sizeof *shim, PROT_READ, MAP_SHARED, fd, 0);
    if (map != MAP_FAILED)
        shim = map;
    close(fd);
}

/* ------------------------------------------------------------------ the time of day */

int clock_gettime(clockid_t clock, struct timespec *out) {
    if (real_clock_gettime == NULL)
        find("clock_gettime", &real_clock_gettime); /* before our own constructor */
    int done = real_clock_gettime(clock, out);
    if (done != 0 || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE))
        return done;
    int64_t ns = (int64_t)out->tv_nsec + shim->clock_ms % 1000 * 1000000;
    int64_t s = (int64_t)out->tv_sec + shim->clock_ms / 1000;
    out->tv_sec = (time_t)(s + (ns < 0 ? -1 : ns / 1000000000));
    out->tv_nsec = (long)((ns + 1000000000) % 1000000000);
    return 0;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    *out = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
    return 0;
}

time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out != NULL)
        *out = now.tv_sec;
    return now.tv_sec;
}

/* ------------------------------------------------------------------ dripping */

static _Atomic int64_t *sent_on(int fd) {
    return fd >= 0 && fd < FDS ? &sent[fd] : &sent[FDS - 1];
}

static int drips(int fd) {
    struct sockaddr_storage name;
    socklen_t len = sizeof name;
    return shim->drip != 0 && *sent_on(fd) >= shim->drip_after &&
           getsockname(fd, (struct sockaddr *)&name, &len) == 0 && name.ss_family != AF_UNIX;
}

static ssize_t count(int fd, ssize_t bytes) {
    if (bytes > 0)
        *sent_on(fd) += bytes;
    return bytes;
}

static ssize_t drip(int fd, const void *byte, int flags) {
    ssize_t done = real_send(fd, byte, 1, flags);
    int kept = errno;
    nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
    errno = kept;
    return count(fd, done);
}

ssize_t send(int fd, const void *data, size_t len, int flags) {
    if (len > 0 && drips(fd))
        return drip(fd, data, flags);
    return count(fd, real_send(fd, data, len, flags));
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    for (size_t i = 0; message->msg_controllen == 0 && i < message->msg_iovlen; i++)
        if (message->msg_iov[i].iov_len > 0 && drips(fd))
            return drip(fd, message->msg_iov[i].iov_base, flags);
    return count(fd, real_sendmsg(fd, message, flags));
}

int close(int fd) {
    if (real_close == NULL)
        find("close", &real_close);
    *sent_on(fd) = 0;
    return real_close(fd);
}
