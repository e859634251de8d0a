/* Requests to a key server in any order: enrolment, openings, rekeying, revocations, share care,
 * restarts. The storage servers that it would ask are dead. Whatever comes, what was enrolled
 * stays, nobody is answered for another's key, and the access log holds together. */
#include "key_system.h"

#include "format/statement.h"
#include "keyd/routes.h"
#include "keys/service.h"
#include "sequence.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PEOPLE = 3, WHO_MALLORY = 2, STEP_RESTART = 250, STEP_TARGET = 253 };

static struct {
    bool is_started;
    char folder[PATH_MAX]; /* of the system's state */
    struct daemon_system system;
    struct keyd keyd;
    struct sequence sequence;
    const struct step *step;
} self;

static struct person *person_of(unsigned who) {
    struct person *people[PEOPLE] = {&world.alice, &world.bob, &world.mallory};
    return people[who % PEOPLE];
}

/* ---- Once a process ---- */

static void remove_all(void) {
    daemon_system_close(&self.system);
    (void)!world_teardown(NULL);
}

static void start_once(void) {
    if (world_setup(NULL) != 0)
        abort();
    atexit(remove_all);
    const struct options options = {.system = world.dir};
    snprintf(self.folder, sizeof self.folder, "%.1000s/key-1-state", world.dir);
    must(file_make_folders(self.folder, 0700));
    must(daemon_system_open(&options, self.folder, &self.system));
    sequence_start(keyd_routes, keyd_route_count, &self.sequence);
    self.keyd = (struct keyd){&world.service, &self.system};
    self.sequence.server.options.context = &self.keyd;
    for (unsigned i = 0; i < PEOPLE; i++)
        sequence_add(&self.sequence, &person_of(i)->peer);
    sequence_add(&self.sequence, tls_identity_self(world.storage[0].identity.tls));
    sequence_add(&self.sequence, tls_identity_self(world.self.tls));
    self.is_started = true;
}

/* ---- A step as a request ---- */

static void pack_open(const struct step *step, struct bytes *out) {
    Myelin__OpenRequest request = MYELIN__OPEN_REQUEST__INIT;
    request.owner = person_of(step->user)->name;
    request.tau = field(world.tau_bytes, G2_BYTES);
    request.u = step->a % (N + 1);
    request.prove = step->b % 2 == 1;
    must(format_pack(&request, out));
}

static void pack_recover(struct bytes *out) {
    Myelin__RecoverRequest request = MYELIN__RECOVER_REQUEST__INIT;
    request.recipient = world.bob.name;
    request.tau = field(world.tau_bytes, G2_BYTES);
    must(format_pack(&request, out));
}

static void pack_rekey(struct bytes *out) {
    Myelin__RekeyRequest request = MYELIN__REKEY_REQUEST__INIT;
    uint8_t masked[G2_BYTES];
    memcpy(masked, world.tau_bytes, sizeof masked);
    request.recipient = world.bob.name;
    request.tau = field(world.tau_bytes, G2_BYTES);
    request.p = field(masked, sizeof masked);
    request.q = field(masked, sizeof masked);
    must(format_pack(&request, out));
}

static void pack_revocation(const struct step *step, struct bytes *out) {
    AUTO_FORMAT Myelin__Signed *record = NULL;
    Myelin__Revocation revocation = MYELIN__REVOCATION__INIT;
    revocation.owner = world.alice.name;
    revocation.recipient = world.bob.name;
    revocation.tau = field(world.tau_bytes, G2_BYTES);
    revocation.serial_ms = 1 + step->b;
    must(format_sign(&person_of(step->a)->identity, &revocation, &record));
    must(format_pack(record, out));
}

static void make_body(const struct step *step, const struct server_route *route,
                      struct bytes *out) {
    static struct offer offers[PEOPLE]; /* proofs take long to make */
    unsigned whose = (step->who + (step->kind == BODY_OTHERS)) % PEOPLE;
    if (strcmp(route->pattern, "/v1/shares") == 0) {
        if (offers[whose].message.user == NULL)
            offer_make(person_of(whose), &offers[whose]);
        must(format_pack(&offers[whose].message, out));
    } else if (strcmp(route->pattern, "/v1/open") == 0) {
        pack_open(step, out);
    } else if (strcmp(route->pattern, "/v1/recover") == 0) {
        pack_recover(out);
    } else if (strcmp(route->pattern, "/v1/rekey") == 0) {
        pack_rekey(out);
    } else if (strcmp(route->pattern, "/v1/revocations") == 0) {
        pack_revocation(step, out);
    }
}

static const char *value_of(const char *name) {
    (void)name;
    return person_of(self.step->user)->name;
}

static result ask(const struct step *step, const struct server_route *route) {
    AUTO_BYTES struct bytes body = {0};
    char target[ROUTE_TARGET_MAX];
    self.step = step;
    sequence_target(route->pattern, value_of, target);
    if (step->a % 8 == 7 && strcmp(route->method, "GET") == 0)
        strncat(target, step->b % 2 == 0 ? "?after=1" : "?at=2", 10);
    make_body(step, route, &body);
    sequence_spoil(step, &body);
    return sequence_ask(&self.sequence, step->who, route->method, target, bytes_view(&body), false);
}

static void ask_raw(const struct step *step) {
    char target[ROUTE_TARGET_MAX];
    snprintf(target, sizeof target, "%.*s", (int)(step->raw.len < 2000 ? step->raw.len : 2000),
             step->raw.len > 0 ? (const char *)step->raw.data : "");
    (void)sequence_ask(&self.sequence, step->who, step->object % 2 == 0 ? "GET" : "POST", target,
                       view_of(NULL, 0), false);
}

static void take_step(const struct step *step, bool enrolled[PEOPLE]) {
    if (step->route == STEP_RESTART) {
        service_reopen();
    } else if (step->route == STEP_TARGET) {
        ask_raw(step);
    } else {
        const struct server_route *route = &keyd_routes[step->route % keyd_route_count];
        result code = ask(step, route);
        unsigned who = step->who % (unsigned)self.sequence.people_count;
        /* the storage servers are dead: nobody can be answered with a partial */
        if (code == OK && strcmp(route->pattern, "/v1/open") == 0)
            abort();
        if (code == OK && strcmp(route->pattern, "/v1/shares/activate") == 0 && who < PEOPLE)
            enrolled[who] = true;
    }
}

/* ---- What must hold ---- */

static void check_user(unsigned who, bool is_enrolled) {
    AUTO_BYTES struct bytes answer = {0};
    const struct person *person = person_of(who);
    result code = service_user(&world.service, &person->peer, person->name, &answer);
    if (is_enrolled && code != OK) {
        fprintf(stderr, "%s is lost: %s\n", person->name, error_text());
        abort();
    }
}

static void check_log(void) {
    for (unsigned who = 0; who < PEOPLE; who++) {
        AUTO_BYTES struct bytes wire = {0};
        AUTO_FORMAT Myelin__AuditPage *page = NULL;
        must(service_audit(&world.service, &person_of(who)->peer, NULL, 0, &wire));
        must(format_parse_audit_page(bytes_view(&wire), &page));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct view input = view_of(data, size);
    struct step step;
    bool enrolled[PEOPLE] = {0};
    if (!self.is_started)
        start_once();
    snprintf(world.store, sizeof world.store, "%.1000s/fresh", world.dir);
    must(file_make_folders(world.store, 0700));
    memset(&world.service, 0, sizeof world.service);
    service_reopen();
    for (unsigned i = 0; i < SEQUENCE_STEPS_MAX && sequence_next(&input, &step); i++)
        take_step(&step, enrolled);
    service_reopen();
    for (unsigned who = 0; who < PEOPLE; who++)
        check_user(who, enrolled[who]);
    check_log();
    key_service_close(&world.service);
    must(file_remove_tree(world.store));
    return 0;
}
