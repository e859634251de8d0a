#include "system/change.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"

enum { ACTIVE, DRAINING };

static char nobody[] = "";

/* The structs of protobuf-c have no const; nobody writes through these. */
static char *text_of(const char *text) {
    return (char *)(uintptr_t)text;
}

/* ------------------------------------------------------------------ the draft */

static void copy_servers(struct change *change, const Myelin__System *before) {
    for (size_t i = 0; i < before->n_storage; i++) {
        change->servers[i] = *before->storage[i];
        change->storage[i] = &change->servers[i];
    }
    change->system.storage = change->storage;
    for (size_t i = 0; i < before->n_key; i++)
        change->key[i] = before->key[i];
    change->system.key = change->key;
}

static Myelin__Seat *add_seat(struct change *change, uint64_t came, const char *label,
                              const Myelin__Server *server) {
    Myelin__Seat *seat = &change->seats[change->system.n_seat];
    myelin__seat__init(seat);
    seat->label = text_of(label);
    seat->server = server->name;
    seat->weight = server->weight;
    seat->domain = server->domain;
    seat->came = came;
    change->seat[change->system.n_seat++] = seat;
    return seat;
}

/* A description from before there were seats means one for each server. */
static void copy_seats(struct change *change, const Myelin__System *before) {
    change->system.seat = change->seat;
    change->system.n_seat = 0;
    for (size_t i = 0; i < before->n_seat; i++) {
        change->seats[i] = *before->seat[i];
        change->seat[i] = &change->seats[i];
        change->system.n_seat++;
    }
    for (size_t i = 0; before->n_seat == 0 && i < before->n_storage; i++)
        add_seat(change, 1, before->storage[i]->name, before->storage[i]);
}

result change_begin(const struct description *before, bool force, struct change *out_change) {
    const Myelin__System *system = before->system;
    *out_change = (struct change){.before = before, .force = force, .system = *system};
    out_change->system.version++;
    out_change->system.n = description_slots(before);
    copy_servers(out_change, system);
    copy_seats(out_change, system);
    return OK;
}

/* What moves slots begins with all of them where they belong, or those that are still on their way
 * could not be found. */
static result move_slots(struct change *change) {
    const Myelin__System *before = change->before->system;
    if (before->previous != NULL && !change->force)
        return FAIL(CONFLICT,
                    "slots are still on their way since version %" PRIu64
                    ": wait until 'myelin system status' says that none are, then 'myelin system "
                    "settle'",
                    before->version);
    myelin__placement__init(&change->previous);
    change->previous.version = before->version;
    change->previous.storage = before->storage;
    change->previous.n_storage = before->n_storage;
    change->previous.seat = before->seat;
    change->previous.n_seat = before->n_seat;
    change->system.previous = &change->previous;
    return OK;
}

/* ------------------------------------------------------------------ servers and seats */

static result find_storage(const struct change *change, const char *name,
                           Myelin__Server **out_server) {
    for (size_t i = 0; i < change->system.n_storage; i++)
        if (strcmp(change->storage[i]->name, name) == 0) {
            *out_server = change->storage[i];
            return OK;
        }
    return FAIL(NOT_FOUND, "the system has no storage server %s", name);
}

/* Only of active servers. */
static Myelin__Seat *seat_of(struct change *change, const char *name) {
    for (size_t i = 0; i < change->system.n_seat; i++)
        if (strcmp(change->seats[i].server, name) == 0)
            return &change->seats[i];
    return NULL;
}

static result check_new(const struct change *change, const struct change_server *server) {
    const struct description *before = change->before;
    if (!format_is_name(server->name))
        return FAIL(INVALID, "'%.64s' is not a name ([a-z0-9][a-z0-9._-]*)", server->name);
    if (!format_is_address(server->address))
        return FAIL(INVALID, "'%.64s' is no address: expected HOST:PORT", server->address);
    if (server->domain[0] != '\0' && !format_is_name(server->domain))
        return FAIL(INVALID, "'%.64s' is no name of a domain", server->domain);
    if (server->weight > FORMAT_WEIGHT_MAX)
        return FAIL(INVALID, "weight %u: at most %d", server->weight, FORMAT_WEIGHT_MAX);
    if (description_find_storage(before, server->name) >= 0 ||
        description_find_key(before, server->name) >= 0)
        return FAIL(CONFLICT, "the system has a server %s already", server->name);
    return OK;
}

static void fill_server(const struct change_server *from, Myelin__Server *server) {
    myelin__server__init(server);
    server->name = text_of(from->name);
    server->address = text_of(from->address);
    server->identity = format_bytes(view_of(from->identity, sizeof from->identity));
    server->weight = from->weight;
    server->domain = text_of(from->domain);
}

static result check_room(const struct change *change) {
    if (change->system.n_seat >= FORMAT_SEATS_MAX)
        return FAIL(INVALID, "the system has had %d changes of its storage servers: no more fit",
                    FORMAT_SEATS_MAX);
    return OK;
}

/* So many active servers must be left. */
static result check_enough_left(const struct change *change, const char *name) {
    unsigned active = 0;
    for (size_t i = 0; i < change->system.n_storage; i++)
        active +=
            change->storage[i]->state == ACTIVE && strcmp(change->storage[i]->name, name) != 0;
    if (active < change->system.n)
        return FAIL(
            INVALID,
            "without %s there are %u active storage servers, and an image has %u slots: add "
            "one first, or replace it",
            name, active, change->system.n);
    return OK;
}

static void leave_seat(struct change *change, const char *name) {
    Myelin__Seat *seat = seat_of(change, name);
    if (seat == NULL)
        return;
    seat->server = nobody;
    seat->left = change->system.version;
}

static void strike_out(struct change *change, const Myelin__Server *server) {
    size_t at = 0;
    while (change->storage[at] != server)
        at++;
    change->system.n_storage--;
    memmove(change->storage + at, change->storage + at + 1,
            (change->system.n_storage - at) * sizeof *change->storage);
}

/* ------------------------------------------------------------------ the changes */

result change_add_storage(struct change *change, const struct change_server *server) {
    TRY(check_new(change, server));
    TRY(check_room(change));
    TRY(move_slots(change));
    if (change->system.n_storage >= FORMAT_SERVERS_MAX)
        return FAIL(INVALID, "a system has at most %d storage servers", FORMAT_SERVERS_MAX);
    Myelin__Server *added = &change->servers[change->before->system->n_storage];
    fill_server(server, added);
    change->storage[change->system.n_storage++] = added;
    add_seat(change, change->system.version, added->name, added);
    return OK;
}

result change_drain(struct change *change, const char *name) {
    Myelin__Server *server = NULL;
    TRY(find_storage(change, name, &server));
    if (server->state != ACTIVE)
        return FAIL(CONFLICT, "%s is draining already", name);
    TRY(check_enough_left(change, name));
    TRY(move_slots(change));
    leave_seat(change, name);
    server->state = DRAINING;
    return OK;
}

result change_activate(struct change *change, const char *name) {
    Myelin__Server *server = NULL;
    TRY(find_storage(change, name, &server));
    if (server->state == ACTIVE)
        return FAIL(CONFLICT, "%s is active already", name);
    TRY(check_room(change));
    TRY(move_slots(change));
    server->state = ACTIVE;
    add_seat(change, change->system.version, name, server);
    return OK;
}

result change_remove(struct change *change, const char *name) {
    Myelin__Server *server = NULL;
    TRY(find_storage(change, name, &server));
    if (server->state == ACTIVE && !change->force)
        return FAIL(CONFLICT,
                    "%s holds slots: 'myelin system drain %s' first; --force where it is dead",
                    name, name);
    TRY(check_enough_left(change, name));
    if (server->state == ACTIVE || change->before->system->previous != NULL)
        TRY(move_slots(change));
    leave_seat(change, name);
    strike_out(change, server);
    return OK;
}

result change_replace(struct change *change, const char *old, const struct change_server *server) {
    Myelin__Server *replaced = NULL;
    TRY(check_new(change, server));
    TRY(find_storage(change, old, &replaced));
    if (replaced->state != ACTIVE)
        return FAIL(CONFLICT, "%s gives its slots away already: remove it when it has", old);
    TRY(move_slots(change));
    Myelin__Seat *seat = seat_of(change, old);
    replaced->name = seat->server = text_of(server->name);
    replaced->address = text_of(server->address);
    replaced->identity = format_bytes(view_of(server->identity, sizeof server->identity));
    return OK;
}

result change_weight(struct change *change, const char *name, uint32_t weight) {
    Myelin__Server *server = NULL;
    TRY(find_storage(change, name, &server));
    if (weight == 0 || weight > FORMAT_WEIGHT_MAX)
        return FAIL(INVALID, "weight %u: expected 1 to %d", weight, FORMAT_WEIGHT_MAX);
    Myelin__Seat *seat = seat_of(change, name);
    if (seat == NULL)
        return FAIL(CONFLICT, "%s is draining: it takes no slots, whatever its weight", name);
    TRY(check_room(change));
    TRY(move_slots(change));
    const char *label = seat->label;
    leave_seat(change, name);
    server->weight = weight;
    add_seat(change, change->system.version, label, server);
    return OK;
}

result change_add_key(struct change *change, const struct change_server *server) {
    TRY(check_new(change, server));
    if (change->system.n_key >= FORMAT_SERVERS_MAX)
        return FAIL(INVALID, "a system has at most %d key servers", FORMAT_SERVERS_MAX);
    fill_server(server, &change->key_server);
    change->key[change->system.n_key++] = &change->key_server;
    return OK;
}

result change_settle(struct change *change) {
    if (change->before->system->previous == NULL)
        return FAIL(CONFLICT, "version %" PRIu64 " is settled", change->before->system->version);
    change->system.previous = NULL;
    return OK;
}

result change_sign(struct change *change, const struct ca *ca, struct description *out_next) {
    AUTO_DESCRIPTION struct description next = {0};
    change->system.created_ms = clock_date_ms();
    TRY(description_create(ca, &change->system, &next));
    TRY(description_check_next(change->before, &next));
    *out_next = next;
    next = (struct description){0};
    return OK;
}
