#include <inttypes.h>
#include <stdio.h>

#include "base/budget.h"
#include "base/lines.h"
#include "net/server_private.h"

/* The last place counts every other status. */
static const unsigned statuses[STATUS_KINDS] = {200, 206, 400, 403, 404, 405, 409, 412, 413,
                                                416, 422, 424, 500, 502, 503, 504, 507, 0};
enum { STATUS_OTHER = 17 };

void metrics_count(struct server *server, const struct server_route *route, unsigned status) {
    size_t row = route == NULL ? ROUTE_NONE : (size_t)(route - server->options.routes);
    size_t column = 0;
    while (column < STATUS_OTHER && statuses[column] != status)
        column++;
    atomic_fetch_add(&server->requests[row][column], 1);
}

void server_count(const struct server *server, struct server_counters *out_counters) {
    struct server_counters counters = {
        .abandoned = atomic_load(&server->abandoned),
        .bytes_received = atomic_load(&server->bytes_received),
        .bytes_sent = atomic_load(&server->bytes_sent),
        .connections = atomic_load(&server->connections),
    };
    for (size_t row = 0; row <= ROUTE_NONE; row++)
        for (size_t column = 0; column <= STATUS_OTHER; column++) {
            uint64_t count = atomic_load(&server->requests[row][column]);
            counters.requests += count;
            if (statuses[column] == 0 || statuses[column] >= 400)
                counters.refused += count;
        }
    *out_counters = counters;
}

static result append_requests(const struct server *server, size_t row, struct bytes *out) {
    const struct server_route *route =
        row < server->options.route_count ? &server->options.routes[row] : NULL;
    for (size_t column = 0; column <= STATUS_OTHER; column++) {
        uint64_t count = atomic_load(&server->requests[row][column]);
        char status[16] = "other";
        if (count == 0)
            continue;
        if (statuses[column] != 0)
            snprintf(status, sizeof status, "%u", statuses[column]);
        TRY(lines_add(
            out,
            "myelin_http_requests_total{method=\"%s\",route=\"%s\",status=\"%s\"} %" PRIu64 "\n",
            route == NULL ? "" : route->method, route == NULL ? "" : route->pattern, status,
            count));
    }
    return OK;
}

static result append_one(struct bytes *out, const char *name, const char *type, const char *help,
                         uint64_t value) {
    return lines_add(out, "# HELP %s %s\n# TYPE %s %s\n%s %" PRIu64 "\n", name, help, name, type,
                     name, value);
}

/* What was refused or cut to keep the server for everybody, by reason: see guard.h. */
static result append_refusals(const struct server *server, struct bytes *out) {
    struct guard_counters counters;
    guard_count(server->guard, &counters);
    const struct {
        const char *reason;
        uint64_t value;
    } rows[] = {
        {"connections", counters.refused_connections},
        {"address_rate", counters.refused_addresses},
        {"evicted", counters.evicted},
        {"slow", counters.cut_slow},
        {"user_connections", counters.refused_users},
        {"user_rate", counters.refused_rate},
        {"user_running", counters.refused_running},
        {"user_memory", counters.refused_memory},
        {"memory", budget_refusals()},
    };
    TRY(lines_add(out,
                  "# HELP myelin_http_guarded_total Connections and requests refused or cut to "
                  "keep the server for all, by reason.\n"
                  "# TYPE myelin_http_guarded_total counter\n"));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        TRY(lines_add(out, "myelin_http_guarded_total{reason=\"%s\"} %" PRIu64 "\n", rows[i].reason,
                      rows[i].value));
    return append_one(out, "myelin_http_memory_bytes", "gauge", "Memory that requests take now.",
                      budget_used());
}

result server_metrics_text(const struct server *server, struct bytes *out_text) {
    struct server_counters counters;
    server_count(server, &counters);
    TRY(lines_add(out_text, "# HELP myelin_http_requests_total Requests answered.\n"
                            "# TYPE myelin_http_requests_total counter\n"));
    for (size_t row = 0; row <= ROUTE_NONE; row++)
        TRY(append_requests(server, row, out_text));
    TRY(append_one(out_text, "myelin_http_requests_abandoned_total", "counter",
                   "Requests that ended before their answer was sent.", counters.abandoned));
    TRY(append_one(out_text, "myelin_http_received_bytes_total", "counter",
                   "Bytes of request bodies.", counters.bytes_received));
    TRY(append_one(out_text, "myelin_http_sent_bytes_total", "counter", "Bytes of answers' bodies.",
                   counters.bytes_sent));
    TRY(append_refusals(server, out_text));
    return append_one(out_text, "myelin_http_connections", "gauge", "Connections open now.",
                      counters.connections);
}
