#include "system/ports.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/secret.h"

enum { PORT_LEAST = 10240, PORT_MOST = 32767, ATTEMPTS = 200 };

/* Binds to `port`, 0 for any; the socket's descriptor, or -1. */
static int try_port(uint16_t port, uint16_t *out_port) {
    AUTO_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, len) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        return -1;
    *out_port = ntohs(address.sin_port);
    int bound = fd;
    fd = -1;
    return bound;
}

static int choose_one(uint16_t *out_port) {
    for (int i = 0; i < ATTEMPTS; i++) {
        uint32_t random;
        secret_random(&random, sizeof random);
        uint16_t port = (uint16_t)(PORT_LEAST + random % (PORT_MOST - PORT_LEAST + 1));
        int fd = try_port(port, out_port);
        if (fd >= 0)
            return fd;
    }
    return try_port(0, out_port);
}

/* All stay bound until the last is chosen, so that no two are the same. */
result ports_choose(unsigned count, uint16_t out_ports[]) {
    int *fds = calloc(count, sizeof *fds);
    unsigned chosen = 0;
    result found = OK;
    if (fds == NULL)
        return FAIL(NO_MEMORY, "no memory for %u ports", count);
    while (chosen < count && found == OK) {
        fds[chosen] = choose_one(&out_ports[chosen]);
        if (fds[chosen] < 0)
            found = FAIL(IO, "no free port on 127.0.0.1: %s", strerror(errno));
        else
            chosen++;
    }
    while (chosen > 0)
        close(fds[--chosen]);
    free(fds);
    return found;
}
