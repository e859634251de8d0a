/* Requests to a storage server in any order: puts that race and break off, forwards, removals,
 * deletions, restarts. Whatever comes, strangers read nothing, what an owner can read is whole, and
 * what he deleted has no slices, also after a restart. */
#include "storage_deletion.h"

#include "sequence.h"
#include "storaged/routes.h"
#include "system/local.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { DRAFTS = 4, WHO_MALLORY = 2, STEP_RESTART = 250, STEP_SWEEP, STEP_CLOCK, STEP_TARGET };

static struct {
    struct fixture *fixture;
    char folder[64]; /* of the system */
    struct draft drafts[DRAFTS];
    struct daemon_system system;
    struct storaged storaged;
    struct sequence sequence;
    const struct step *step; /* the one that is made into a request */
} self;

/* ---- Once a process ---- */

static void add_person(const struct person *person, enum tls_role role) {
    struct tls_peer peer = {.role = role, .expires = time(NULL) + 86400};
    snprintf(peer.name, sizeof peer.name, "%s", person->name);
    memcpy(peer.identity, person->key.public_key, TLS_KEY_BYTES);
    peer.certificate = person->caller.certificate;
    sequence_add(&self.sequence, &peer);
}

static void remove_all(void) {
    daemon_system_close(&self.system);
    (void)!file_remove_tree(self.folder);
    (void)!file_remove_tree(self.fixture->folder);
}

static void start_once(void) {
    void *state = NULL;
    if (fixture_setup(&state) != 0)
        abort();
    self.fixture = state;
    fixture_folder(self.folder);
    must(local_create(self.folder, 1, 1, 1, 1));
    const struct options options = {.system = self.folder};
    must(daemon_system_open(&options, self.folder, &self.system));
    atexit(remove_all);
    const struct fixture *fixture = self.fixture;
    draft_make(&self.drafts[0], &fixture->alice, "a", true, 2);
    draft_make(&self.drafts[1], &fixture->alice, "a", false, 1);
    deletion_made = self.drafts[0].put;
    draft_make(&self.drafts[2], &fixture->alice, "a", true, 1);
    draft_make(&self.drafts[3], &fixture->bob, "b", true, 3);
    sequence_start(storaged_routes, storaged_route_count, &self.sequence);
    self.storaged.system = &self.system;
    self.sequence.server.options.context = &self.storaged;
    add_person(&fixture->alice, TLS_ROLE_USER);
    add_person(&fixture->bob, TLS_ROLE_USER);
    add_person(&fixture->mallory, TLS_ROLE_USER);
    add_person(&fixture->key_server, TLS_ROLE_KEY);
    add_person(&fixture->other_server, TLS_ROLE_STORAGE);
}

/* ---- A step as a request ---- */

static const struct draft *draft_of(const struct step *step) {
    return &self.drafts[(step->thing + (step->kind == BODY_OTHERS)) % DRAFTS];
}

static const struct draft_object *object_of(const struct step *step, const struct draft *draft) {
    return &draft->objects[step->object % draft->object_count];
}

static const struct person *user_of(const struct step *step) {
    return step->user % 2 == 0 ? &self.fixture->alice : &self.fixture->bob;
}

/* Nobody can sign a forward to himself. */
static const struct person *recipient_of(const struct step *step, const struct draft *draft) {
    const struct person *user = user_of(step);
    return user != draft->owner           ? user
           : user == &self.fixture->alice ? &self.fixture->bob
                                          : &self.fixture->alice;
}

static const char *value_of(const char *name) {
    const struct draft *draft = &self.drafts[self.step->thing % DRAFTS];
    if (strcmp(name, "image") == 0)
        return draft->image.hex;
    if (strcmp(name, "put") == 0)
        return draft->put.hex;
    return strcmp(name, "object") == 0 ? object_of(self.step, draft)->id.hex
                                       : user_of(self.step)->name;
}

static void make_query(const struct step *step, const struct server_route *route, char *target) {
    size_t len = strlen(target);
    const struct draft *draft = &self.drafts[step->thing % DRAFTS];
    const char *last = strrchr(route->pattern, '/');
    if (strcmp(last, "/whole") == 0)
        snprintf(target + len, ROUTE_TARGET_MAX - len, "?slot=%d&slice=%u",
                 FIXTURE_SLOT + (step->a == 1), FIXTURE_SLICE);
    else if (strcmp(last, "/{object}") == 0 || strcmp(last, "/blocks") == 0)
        snprintf(target + len, ROUTE_TARGET_MAX - len, "?slot=%d&slice=%u", FIXTURE_SLOT,
                 object_of(step, draft)->layout.slice_len);
    else if (strcmp(last, "/symbol") == 0 && strstr(route->pattern, "objects") == NULL)
        snprintf(target + len, ROUTE_TARGET_MAX - len, "?for=%s%s", user_of(step)->name,
                 step->a % 2 == 0 ? "" : "&signed=1");
    else if (step->a % 4 == 1)
        snprintf(target + len, ROUTE_TARGET_MAX - len, "?after=%s",
                 step->b % 2 == 0 ? draft->image.hex : object_of(step, draft)->id.hex);
}

static void make_body(const struct step *step, const struct server_route *route,
                      struct bytes *out) {
    const struct draft *draft = draft_of(step);
    const struct draft_object *object = object_of(step, draft);
    const char *last = strrchr(route->pattern, '/');
    uint64_t serial = fixture_now_ms + step->a;
    if (strcmp(last, "/{put}") == 0 && strcmp(route->method, "POST") == 0)
        draft_begin_body(draft, out);
    else if (strcmp(last, "/{object}") == 0)
        must(bytes_append(out, view_of(object->slices, object->layout.symbol_bytes)));
    else if (strcmp(last, "/whole") == 0)
        draft_whole_body(draft, out);
    else if (strcmp(last, "/prepare") == 0)
        draft_prepare_body(draft, out);
    else if (strcmp(last, "/commit") == 0)
        must(bytes_append(out, bytes_view(&draft->commit)));
    else if (strcmp(last, "/{user}") == 0 && strcmp(route->method, "PUT") == 0)
        make_forward(draft, recipient_of(step, draft), serial, out);
    else if (strcmp(last, "/{user}") == 0)
        make_revocation(draft, recipient_of(step, draft), serial, out);
    else if (strcmp(last, "/{image}") == 0 && strcmp(route->method, "DELETE") == 0)
        make_removal(draft, serial, out);
    else if (strcmp(last, "/objects") == 0 && strcmp(route->method, "DELETE") == 0)
        make_deletions(draft, 1 + step->object % draft->object_count, serial, out);
}

/* Mending and metrics need the scrub, which runs by itself. */
static bool is_left_out(const struct server_route *route) {
    return strstr(route->pattern, "/repair") != NULL || strcmp(route->pattern, "/metrics") == 0;
}

static result ask(const struct step *step, unsigned who, const struct server_route *route) {
    AUTO_BYTES struct bytes body = {0};
    char target[ROUTE_TARGET_MAX];
    self.step = step;
    sequence_target(route->pattern, value_of, target);
    make_query(step, route, target);
    make_body(step, route, &body);
    sequence_spoil(step, &body);
    return sequence_ask(&self.sequence, who, route->method, target, bytes_view(&body),
                        step->kind == BODY_ABANDONED);
}

/* "METHOD TARGET" from the input. */
static void ask_raw(const struct step *step) {
    static const char *const methods[] = {"GET", "PUT", "POST", "DELETE"};
    char target[ROUTE_TARGET_MAX];
    struct route_target parsed;
    snprintf(target, sizeof target, "%.*s", (int)(step->raw.len < 2000 ? step->raw.len : 2000),
             step->raw.len > 0 ? (const char *)step->raw.data : "");
    if (strstr(target, "repair") == NULL && strstr(target, "metrics") == NULL &&
        route_target_parse(target, &parsed) == OK)
        (void)sequence_ask(&self.sequence, step->who, methods[step->object % 4], target,
                           view_of(NULL, 0), false);
}

static bool reads(const struct server_route *route) {
    return strcmp(route->method, "GET") == 0 && strstr(route->pattern, "{image}") != NULL;
}

static void take_step(const struct step *step) {
    if (step->route == STEP_RESTART) {
        fixture_restart(self.fixture);
        self.storaged.storage = self.fixture->storage;
    } else if (step->route == STEP_SWEEP) {
        storage_sweep(self.fixture->storage);
    } else if (step->route == STEP_CLOCK) {
        fixture_now_ms += UINT64_C(1) << (step->a % 24);
    } else if (step->route == STEP_TARGET) {
        ask_raw(step);
    } else {
        const struct server_route *route = &storaged_routes[step->route % storaged_route_count];
        if (is_left_out(route))
            return;
        result code = ask(step, step->who, route);
        if (code == OK && reads(route) && step->who % self.sequence.people_count == WHO_MALLORY)
            abort();
    }
}

/* ---- What must hold ---- */

static bool is_readable(const struct draft *draft) {
    AUTO_BYTES struct bytes page = {0};
    return listing_objects(self.fixture->storage, &draft->owner->caller, &draft->image, "",
                           &page) == OK;
}

static void check_image(const struct draft *draft) {
    AUTO_BYTES struct bytes wire = {0};
    AUTO_FORMAT Myelin__CheckAnswer *answer = NULL;
    must(image_check(self.fixture->storage, &draft->owner->caller, &draft->image, SLOT_ANY, &wire));
    must(format_parse_check_answer(bytes_view(&wire), &answer));
    if (!answer->envelope_good)
        abort();
    for (size_t object = 0; object < answer->n_object; object++)
        if (!answer->object[object]->good)
            abort();
}

static void check_deleted(const struct draft *draft) {
    for (size_t i = 0; i < draft->object_count; i++) {
        struct place place = place_of_slices(&draft->image, &draft->objects[i].id, FIXTURE_SLOT);
        uint64_t bytes;
        if (deletion_is_here(self.fixture->storage, &draft->image, &draft->objects[i].id) &&
            store_size(self.fixture->store, place.key, &bytes) == OK)
            abort();
    }
}

static void check_end(void) {
    for (size_t i = 0; i < DRAFTS; i++)
        if (is_readable(&self.drafts[i])) {
            check_image(&self.drafts[i]);
            check_deleted(&self.drafts[i]);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct view input = view_of(data, size);
    struct step step;
    bool was_readable[DRAFTS];
    if (self.fixture == NULL)
        start_once();
    else
        fixture_start(self.fixture);
    self.storaged.storage = self.fixture->storage;
    fixture_now_ms = 1700000000000;
    for (unsigned i = 0; i < SEQUENCE_STEPS_MAX && sequence_next(&input, &step); i++)
        take_step(&step);
    check_end();
    for (size_t i = 0; i < DRAFTS; i++)
        was_readable[i] = is_readable(&self.drafts[i]);
    fixture_restart(self.fixture);
    for (size_t i = 0; i < DRAFTS; i++)
        if (was_readable[i] && !is_readable(&self.drafts[i]))
            abort();
    check_end();
    fixture_stop(self.fixture);
    must(file_remove_tree(self.fixture->folder));
    must(file_make_folders(self.fixture->folder, 0700));
    return 0;
}
