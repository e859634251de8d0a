/* The rules of the system description. */
#include <string.h>

#include "format/check.h"
#include "format/kind.h"

enum { STATE_MAX = 1 };

static result check_servers_distinct(const Myelin__Server *const servers[], size_t count) {
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++) {
            if (strcmp(servers[i]->name, servers[j]->name) == 0)
                return FAIL(PROTOCOL, "server %s stands there twice", servers[i]->name);
            if (memcmp(servers[i]->identity.data, servers[j]->identity.data,
                       FORMAT_IDENTITY_BYTES) == 0)
                return FAIL(PROTOCOL, "servers %s and %s have one identity key", servers[j]->name,
                            servers[i]->name);
        }
    return OK;
}

/* Appends to `all`, for the comparison across both lists. */
static result check_servers(const char *field, Myelin__Server *const servers[], size_t count,
                            const Myelin__Server *all[], size_t *all_count) {
    TRY(check_count(field, count, 1, FORMAT_SERVERS_MAX));
    for (size_t i = 0; i < count; i++) {
        const Myelin__Server *server = servers[i];
        if (!format_is_name(server->name))
            return FAIL(PROTOCOL, "%s[%zu]: name: '%.64s' is not a name", field, i, server->name);
        if (!format_is_address(server->address))
            return FAIL(PROTOCOL, "%s[%zu]: address: '%.64s' is not host:port", field, i,
                        server->address);
        if (server->identity.len != FORMAT_IDENTITY_BYTES)
            return FAIL(PROTOCOL, "%s[%zu]: identity: %zu bytes, expected %d", field, i,
                        server->identity.len, FORMAT_IDENTITY_BYTES);
        all[(*all_count)++] = server;
    }
    return OK;
}

static result check_weight_and_domain(const char *field, size_t i, uint32_t weight,
                                      const char *domain) {
    if (weight > FORMAT_WEIGHT_MAX)
        return FAIL(PROTOCOL, "%s[%zu]: weight: %u is more than %d", field, i, weight,
                    FORMAT_WEIGHT_MAX);
    if (domain[0] != '\0' && !format_is_name(domain))
        return FAIL(PROTOCOL, "%s[%zu]: domain: '%.64s' is not a name", field, i, domain);
    return OK;
}

/* What only storage servers have, and how many of them take slots. */
static result check_storage(const char *field, Myelin__Server *const servers[], size_t count,
                            size_t *out_active) {
    *out_active = 0;
    for (size_t i = 0; i < count; i++) {
        TRY(check_weight_and_domain(field, i, servers[i]->weight, servers[i]->domain));
        if (servers[i]->state > STATE_MAX)
            return FAIL(PROTOCOL, "%s[%zu]: state: %u is not between 0 and %d", field, i,
                        servers[i]->state, STATE_MAX);
        *out_active += servers[i]->state == 0;
    }
    return OK;
}

static result check_key_servers(Myelin__Server *const servers[], size_t count) {
    for (size_t i = 0; i < count; i++)
        if (servers[i]->weight != 0 || servers[i]->domain[0] != '\0' || servers[i]->state != 0)
            return FAIL(PROTOCOL, "key[%zu]: weight, domain and state are storage servers'", i);
    return OK;
}

static const char *own_domain(const char *domain, const char *name) {
    return domain[0] != '\0' ? domain : name;
}

static uint32_t weight_of(uint32_t weight) {
    return weight != 0 ? weight : FORMAT_WEIGHT_DEFAULT;
}

/* Two seats of one label are one server's at different times. */
static result check_seat_times(Myelin__Seat *const seats[], size_t i, uint64_t version) {
    const Myelin__Seat *seat = seats[i];
    if (seat->came < 1 || seat->came > version || (i > 0 && seat->came < seats[i - 1]->came))
        return FAIL(PROTOCOL, "seat[%zu]: came: version %llu is out of order", i,
                    (unsigned long long)seat->came);
    if (seat->left != 0 && (seat->left <= seat->came || seat->left > version))
        return FAIL(PROTOCOL, "seat[%zu]: left: version %llu is out of order", i,
                    (unsigned long long)seat->left);
    for (size_t j = 0; j < i; j++)
        if (strcmp(seats[j]->label, seat->label) == 0 &&
            (seats[j]->left == 0 || seats[j]->left > seat->came))
            return FAIL(PROTOCOL, "seat[%zu]: label: %s has two seats at a time", i, seat->label);
    return OK;
}

/* Whoever sits there is an active server of that weight and domain. */
static result check_seat_server(const Myelin__Seat *seat, size_t i, Myelin__Server *const storage[],
                                size_t storage_count) {
    if (seat->left != 0)
        return seat->server[0] == '\0' ? OK : FAIL(PROTOCOL, "seat[%zu]: server: it was left", i);
    for (size_t j = 0; j < storage_count; j++) {
        const Myelin__Server *server = storage[j];
        if (strcmp(server->name, seat->server) != 0 || server->state != 0)
            continue;
        if (weight_of(server->weight) != weight_of(seat->weight))
            return FAIL(PROTOCOL, "seat[%zu]: weight: not that of %s", i, server->name);
        if (strcmp(own_domain(server->domain, seat->label),
                   own_domain(seat->domain, seat->label)) != 0)
            return FAIL(PROTOCOL, "seat[%zu]: domain: not that of %s", i, server->name);
        return OK;
    }
    return FAIL(PROTOCOL, "seat[%zu]: server: '%.64s' is no active storage server", i,
                seat->server);
}

static result check_seat_is_only(Myelin__Seat *const seats[], size_t i) {
    for (size_t j = 0; j < i && seats[i]->left == 0; j++)
        if (strcmp(seats[j]->server, seats[i]->server) == 0)
            return FAIL(PROTOCOL, "seat[%zu]: server: %s has two seats", i, seats[i]->server);
    return OK;
}

/* None at all, or one now for each active storage server. */
static result check_seats(Myelin__Seat *const seats[], size_t count, uint64_t version,
                          Myelin__Server *const storage[], size_t storage_count, size_t active) {
    size_t taken = 0;
    TRY(check_count("seat", count, 0, FORMAT_SEATS_MAX));
    for (size_t i = 0; i < count; i++) {
        if (!format_is_name(seats[i]->label))
            return FAIL(PROTOCOL, "seat[%zu]: label: '%.64s' is not a name", i, seats[i]->label);
        TRY(check_weight_and_domain("seat", i, seats[i]->weight, seats[i]->domain));
        TRY(check_seat_times(seats, i, version));
        TRY(check_seat_server(seats[i], i, storage, storage_count));
        TRY(check_seat_is_only(seats, i));
        taken += seats[i]->left == 0;
    }
    if (count > 0 && taken != active)
        return FAIL(PROTOCOL, "seat: %zu of the %zu active storage servers have one", taken,
                    active);
    return OK;
}

/* Those of the version before that are still there have the same key; and all servers of both
 * together are as few as one version may have. */
static result check_gone(const Myelin__System *m) {
    const Myelin__Placement *previous = m->previous;
    size_t all = m->n_storage;
    for (size_t i = 0; i < previous->n_storage; i++) {
        bool is_there = false;
        for (size_t j = 0; j < m->n_storage && !is_there; j++) {
            is_there = strcmp(previous->storage[i]->name, m->storage[j]->name) == 0;
            if (is_there && memcmp(previous->storage[i]->identity.data,
                                   m->storage[j]->identity.data, FORMAT_IDENTITY_BYTES) != 0)
                return FAIL(PROTOCOL, "previous: storage[%zu]: %s had another identity key", i,
                            m->storage[j]->name);
        }
        all += !is_there;
    }
    return check_number("storage servers with those of previous", all, 1, FORMAT_SERVERS_MAX);
}

static result check_previous(const Myelin__System *m) {
    const Myelin__Placement *previous = m->previous;
    const Myelin__Server *all[FORMAT_SERVERS_MAX];
    size_t all_count = 0, active;
    TRY(check_number("previous: version", previous->version, 1, m->version - 1));
    TRY(check_servers("previous: storage", previous->storage, previous->n_storage, all,
                      &all_count));
    TRY(check_servers_distinct(all, all_count));
    TRY(check_gone(m));
    TRY(check_storage("previous: storage", previous->storage, previous->n_storage, &active));
    TRY(check_number("previous: active storage servers", active, m->n, FORMAT_SERVERS_MAX));
    if (previous->n_seat == 0)
        TRY(check_number("previous: active storage servers", active, previous->n_storage,
                         previous->n_storage));
    result seats = check_seats(previous->seat, previous->n_seat, previous->version,
                               previous->storage, previous->n_storage, active);
    return seats == OK ? OK : error_at(seats, "previous");
}

/* n of 0 is what systems had before n could differ from the number of servers. */
static result check_slots(const Myelin__System *m) {
    size_t active;
    TRY(check_storage("storage", m->storage, m->n_storage, &active));
    if (m->n != 0)
        TRY(check_number("n", m->n, 1, active));
    if (m->n == 0 || m->n_seat == 0)
        TRY(check_number("active storage servers", active, m->n_storage, m->n_storage));
    TRY(check_number("k", m->k, 1, m->n != 0 ? m->n : m->n_storage));
    TRY(check_seats(m->seat, m->n_seat, m->version, m->storage, m->n_storage, active));
    if (m->previous == NULL)
        return OK;
    TRY(check_number("n with previous", m->n, 1, FORMAT_SERVERS_MAX));
    return check_previous(m);
}

result format_check_system(const void *message) {
    const Myelin__System *m = message;
    const Myelin__Server *all[2 * FORMAT_SERVERS_MAX];
    size_t all_count = 0;
    TRY(check_number("format", m->format, 1, 1));
    TRY(check_bytes("id", m->id, FORMAT_ID_BYTES));
    TRY(check_number("version", m->version, 1, INT64_MAX));
    if (strcmp(m->suite, "BLS12-381") != 0)
        return FAIL(PROTOCOL, "suite: '%.64s' is not BLS12-381", m->suite);
    TRY(check_servers("storage", m->storage, m->n_storage, all, &all_count));
    TRY(check_servers("key", m->key, m->n_key, all, &all_count));
    TRY(check_servers_distinct(all, all_count));
    TRY(check_key_servers(m->key, m->n_key));
    TRY(check_number("t", m->t, 1, m->n_key));
    TRY(check_slots(m));
    TRY(check_between("ca_certificate", m->ca_certificate, 1, FORMAT_CERTIFICATE_MAX));
    return check_time("created_ms", m->created_ms);
}
