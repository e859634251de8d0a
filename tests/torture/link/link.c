/*
 * myelin-link: a network of namespaces in one process, for tests. Every kernel with /dev/net/tun
 * has it, netem or not.
 *
 *     myelin-link SEED NAME=ADDRESS...
 *
 * makes a namespace for each name, 10.x.y.z/24 its address, and carries packets between them. It
 * prints "port NAME FD" for each, where /proc/PID/fd/FD is the namespace (for nsenter), then
 * "ready". On standard input it takes, one a line, each answered by a line:
 *
 *     set NAME out|in|both [KEY=VALUE]...   conditions of the way out of or into NAME's namespace;
 *                                           keys not given: ideal. delay_ms, loss, rate_bps, cut,
 *                                           reset: see port.h
 *     count NAME                            packets, dropped, resets: out, then in
 *
 * It ends, and everything of it, with its standard input.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "packet.h"
#include "port.h"

enum { BATCH = 64, LINE_BYTES = 512 };

static struct port ports[PORTS_MAX];
static unsigned port_count;

/* ------------------------------------------------------------------ packets */

static struct port *port_of(uint32_t address) {
    for (unsigned i = 0; i < port_count; i++)
        if (ports[i].address == address)
            return &ports[i];
    return NULL;
}

/* A full device loses a packet, as a full line does. */
static void hand_over(struct port *port, const uint8_t *data, uint16_t len) {
    if (write(port->tun, data, len) < 0)
        port->in.dropped++;
}

static void reset_connection(const uint8_t *data, uint16_t len) {
    uint8_t to_sender[PACKET_RESET_BYTES], to_receiver[PACKET_RESET_BYTES];
    uint32_t from, to;
    if (!packet_addresses(data, len, &from, &to))
        return;
    packet_resets(data, len, to_sender, to_receiver);
    struct port *sender = port_of(from), *receiver = port_of(to);
    if (sender != NULL)
        hand_over(sender, to_sender, sizeof to_sender);
    if (receiver != NULL)
        hand_over(receiver, to_receiver, sizeof to_receiver);
}

static bool passes(struct lane *lane, const uint8_t *data, uint16_t len, uint64_t now_us) {
    enum lane_verdict verdict = lane_pass(lane, data, len, now_us);
    if (verdict == LANE_RESET)
        reset_connection(data, len);
    return verdict == LANE_PASSED;
}

static void enter(const uint8_t *data, uint16_t len, uint64_t now_us) {
    uint32_t from, to;
    struct port *port = packet_addresses(data, len, &from, &to) ? port_of(to) : NULL;
    if (port != NULL && passes(&port->in, data, len, now_us))
        hand_over(port, data, len);
}

static void read_packets(struct port *port) {
    uint8_t data[PORT_MTU];
    uint64_t now_us = port_now_us();
    for (unsigned i = 0; i < BATCH; i++) {
        ssize_t len = read(port->tun, data, sizeof data);
        uint32_t from, to;
        if (len <= 0)
            return;
        /* A kernel's own IPv6 packets come when they like, and would take chances from the rest. */
        if (!packet_addresses(data, (uint16_t)len, &from, &to))
            continue;
        if (passes(&port->out, data, (uint16_t)len, now_us))
            enter(data, (uint16_t)len, now_us);
    }
}

static void release_due(struct port *port, uint64_t now_us) {
    struct packet *packet;
    while ((packet = lane_take_due(&port->out, now_us)) != NULL) {
        enter(packet->data, packet->len, now_us);
        free(packet);
    }
    while ((packet = lane_take_due(&port->in, now_us)) != NULL) {
        hand_over(port, packet->data, packet->len);
        free(packet);
    }
}

static void earlier(const struct lane *lane, uint64_t *due_us) {
    if (lane->head != NULL && lane->head->due_us < *due_us)
        *due_us = lane->head->due_us;
}

/* Releases what is due; microseconds until the next is, or UINT64_MAX. */
static uint64_t release_all(void) {
    uint64_t now_us = port_now_us(), due_us = UINT64_MAX;
    for (unsigned i = 0; i < port_count; i++)
        release_due(&ports[i], now_us);
    for (unsigned i = 0; i < port_count; i++) {
        earlier(&ports[i].out, &due_us);
        earlier(&ports[i].in, &due_us);
    }
    return due_us == UINT64_MAX ? due_us : due_us > now_us ? due_us - now_us : 0;
}

/* ------------------------------------------------------------------ commands */

static result set_value(struct conditions *conditions, const char *word) {
    const struct {
        const char *name;
        double *value, most;
    } keys[] = {{"delay_ms=", &conditions->delay_ms, 1e5},
                {"loss=", &conditions->loss, 1},
                {"rate_bps=", &conditions->rate_bps, 1e12},
                {"cut=", &conditions->cut, 1},
                {"reset=", &conditions->reset, 1}};
    for (unsigned i = 0; i < sizeof keys / sizeof *keys; i++) {
        size_t len = strlen(keys[i].name);
        if (strncmp(word, keys[i].name, len) != 0)
            continue;
        char *end;
        *keys[i].value = strtod(word + len, &end);
        if (end == word + len || *end != '\0' || !(*keys[i].value >= 0) ||
            *keys[i].value > keys[i].most)
            return FAIL(INVALID, "%s is out of range", word);
        return OK;
    }
    return FAIL(INVALID, "%s is no condition", word);
}

static struct port *port_named(const char *name) {
    for (unsigned i = 0; name != NULL && i < port_count; i++)
        if (strcmp(ports[i].name, name) == 0)
            return &ports[i];
    return NULL;
}

static result take_set(struct port *port, char **rest) {
    struct conditions conditions = {0};
    const char *way = strtok_r(NULL, " ", rest);
    for (const char *word; way != NULL && (word = strtok_r(NULL, " ", rest)) != NULL;)
        TRY(set_value(&conditions, word));
    bool both = way != NULL && strcmp(way, "both") == 0;
    bool out = both || (way != NULL && strcmp(way, "out") == 0);
    bool in = both || (way != NULL && strcmp(way, "in") == 0);
    if (!out && !in)
        return FAIL(INVALID, "which way: out, in or both?");
    if (out)
        port->out.conditions = conditions;
    if (in)
        port->in.conditions = conditions;
    puts("ok");
    return OK;
}

static void say_count(const struct port *port) {
    printf("ok %llu %llu %llu %llu %llu %llu\n", (unsigned long long)port->out.packets,
           (unsigned long long)port->out.dropped, (unsigned long long)port->out.resets,
           (unsigned long long)port->in.packets, (unsigned long long)port->in.dropped,
           (unsigned long long)port->in.resets);
}

static void take_command(char *line) {
    char *rest;
    const char *verb = strtok_r(line, " ", &rest);
    struct port *port = verb == NULL ? NULL : port_named(strtok_r(NULL, " ", &rest));
    result done = OK;
    if (port == NULL)
        done = FAIL(INVALID, "a verb and a known name are needed");
    else if (strcmp(verb, "set") == 0)
        done = take_set(port, &rest);
    else if (strcmp(verb, "count") == 0)
        say_count(port);
    else
        done = FAIL(INVALID, "%s is no command", verb);
    if (done != OK)
        printf("error %s\n", error_text());
    fflush(stdout);
}

/* False at the end of the input. */
static bool read_commands(void) {
    static char line[LINE_BYTES];
    static size_t len;
    ssize_t got = read(STDIN_FILENO, line + len, sizeof line - 1 - len);
    if (got <= 0)
        return got < 0 && errno == EINTR;
    len += (size_t)got;
    for (char *end; (end = memchr(line, '\n', len)) != NULL;) {
        *end = '\0';
        size_t used = (size_t)(end - line) + 1;
        take_command(line);
        memmove(line, line + used, len - used);
        len -= used;
    }
    return len < sizeof line - 1;
}

/* ------------------------------------------------------------------ life */

static result open_ports(int count, char *const named[]) {
    for (int i = 0; i < count; i++) {
        char name[sizeof ports[0].name];
        struct in_addr address;
        const char *equals = strchr(named[i], '=');
        size_t len = equals == NULL ? 0 : (size_t)(equals - named[i]);
        if (port_count == PORTS_MAX || len == 0 || len >= sizeof name ||
            inet_pton(AF_INET, equals + 1, &address) != 1)
            return FAIL(INVALID, "%s: expected NAME=ADDRESS, at most %d of them", named[i],
                        PORTS_MAX);
        memcpy(name, named[i], len);
        name[len] = '\0';
        TRY(port_open(name, ntohl(address.s_addr), &ports[port_count]));
        port_count++;
    }
    return OK;
}

static void run(void) {
    struct pollfd waits[PORTS_MAX + 1];
    for (unsigned i = 0; i < port_count; i++)
        waits[i] = (struct pollfd){.fd = ports[i].tun, .events = POLLIN};
    waits[port_count] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
    for (;;) {
        uint64_t wait_us = release_all();
        struct timespec wait = {(time_t)(wait_us / 1000000), (long)(wait_us % 1000000) * 1000};
        int ready = ppoll(waits, port_count + 1, wait_us == UINT64_MAX ? NULL : &wait, NULL);
        for (unsigned i = 0; ready > 0 && i < port_count; i++)
            if (waits[i].revents != 0)
                read_packets(&ports[i]);
        if (ready > 0 && waits[port_count].revents != 0 && !read_commands())
            return;
    }
}

int main(int argc, char *argv[]) {
    if (argc < 3) {
        fprintf(stderr, "Usage: myelin-link SEED NAME=ADDRESS...\n");
        return 2;
    }
    lane_seed(strtoull(argv[1], NULL, 10));
    if (open_ports(argc - 2, argv + 2) != OK) {
        fprintf(stderr, "myelin-link: %s\n", error_text());
        return 1;
    }
    for (unsigned i = 0; i < port_count; i++)
        printf("port %s %d\n", ports[i].name, ports[i].net_ns);
    puts("ready");
    fflush(stdout);
    run();
    return 0;
}
