#include "port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"

static const char device[] = "tun0";

uint64_t port_now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static result step_failed(const char *name, const char *step) {
    return FAIL(IO, "%s: %s: %s (this needs root and /dev/net/tun)", name, step, strerror(errno));
}

static struct ifreq request_for(const char *interface) {
    struct ifreq request = {0};
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", interface);
    return request;
}

static bool set_address(int control, unsigned long what, uint32_t address) {
    struct ifreq request = request_for(device);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(address)};
    memcpy(&request.ifr_addr, &in, sizeof in);
    return ioctl(control, what, &request) == 0;
}

static bool bring_up(int control, const char *interface) {
    struct ifreq request = request_for(interface);
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    return ioctl(control, SIOCSIFFLAGS, &request) == 0;
}

/* In the new namespace. */
static result make_device(const char *name, uint32_t address, int *out_tun) {
    AUTO_FD int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    AUTO_FD int tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    struct ifreq request = request_for(device);
    struct ifreq queue = request_for(device);
    request.ifr_flags = IFF_TUN | IFF_NO_PI;
    queue.ifr_qlen = 5000;
    if (control < 0 || tun < 0 || ioctl(tun, TUNSETIFF, &request) != 0)
        return step_failed(name, "a TUN device");
    if (!set_address(control, SIOCSIFADDR, address) ||
        !set_address(control, SIOCSIFNETMASK, 0xffffff00) ||
        ioctl(control, SIOCSIFTXQLEN, &queue) != 0 || !bring_up(control, device) ||
        !bring_up(control, "lo"))
        return step_failed(name, "its address");
    *out_tun = tun;
    tun = -1;
    return OK;
}

result port_open(const char *name, uint32_t address, struct port *out_port) {
    AUTO_FD int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    struct port port = {.address = address, .tun = -1, .net_ns = -1};
    snprintf(port.name, sizeof port.name, "%s", name);
    if (own < 0 || unshare(CLONE_NEWNET) != 0)
        return step_failed(name, "a network namespace");
    result made = make_device(name, address, &port.tun);
    port.net_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (setns(own, CLONE_NEWNET) != 0)
        return step_failed(name, "back to the own namespace");
    TRY(made);
    if (port.net_ns < 0)
        return step_failed(name, "the namespace's file");
    *out_port = port;
    return OK;
}
