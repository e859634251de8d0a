/* myelin system: the manager's changes of the system, and what became of them. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cli.h"
#include "files.h"
#include "flow/certify.h"
#include "flow/enrol_manager.h"
#include "flow/shares.h"
#include "flow/system.h"
#include "print.h"
#include "system/change.h"
#include "system/local.h"

/* One action's way. */
struct managing {
    struct cli *cli;
    const char *dir; /* the system's folder, with the manager in it */
    const char *name, *other;
    bool force;
    struct description before;
    struct ca *ca;
    int lock; /* of the CA's folder, while `ca` is set */
    struct change change;
    struct change_server added;
    char address[FORMAT_ADDRESS_MAX + 1];
};

static void managing_clean_up(struct managing *managing) {
    if (managing->ca != NULL)
        file_close_at(&managing->lock);
    ca_free_at(&managing->ca);
    description_free(&managing->before);
}

/* ------------------------------------------------------------------ show */

static const char *state_name(const struct description *description, const Myelin__Server *server) {
    if (description_find_storage(description, server->name) < 0)
        return "replaced";
    return server->state == 0 ? "active" : "draining";
}

static unsigned weight_of(const Myelin__Server *server) {
    return server->weight != 0 ? server->weight : FORMAT_WEIGHT_DEFAULT;
}

static const char *domain_of(const Myelin__Server *server) {
    return server->domain[0] != '\0' ? server->domain : server->name;
}

static result show_json(const struct description *description) {
    const Myelin__System *system = description->system;
    const Myelin__Server *servers[FORMAT_SERVERS_MAX];
    unsigned count = description_storage(description, servers);
    json_t *storage = json_array(), *key = json_array();
    for (unsigned i = 0; i < count; i++)
        json_array_append_new(storage, json_pack("{s:s, s:s, s:s, s:i, s:s}", "name",
                                                 servers[i]->name, "address", servers[i]->address,
                                                 "state", state_name(description, servers[i]),
                                                 "weight", (int)weight_of(servers[i]), "domain",
                                                 domain_of(servers[i])));
    for (size_t i = 0; i < system->n_key; i++)
        json_array_append_new(key, json_pack("{s:s, s:s}", "name", system->key[i]->name, "address",
                                             system->key[i]->address));
    return print_json(json_pack(
        "{s:s, s:I, s:i, s:i, s:i, s:b, s:o, s:o}", "system", description->id, "version",
        (json_int_t)system->version, "n", (int)description_slots(description), "k", (int)system->k,
        "t", (int)system->t, "settled", system->previous == NULL, "storage", storage, "key", key));
}

static void show(const struct description *description) {
    const Myelin__System *system = description->system;
    const Myelin__Server *servers[FORMAT_SERVERS_MAX];
    unsigned count = description_storage(description, servers);
    printf("system %s, version %" PRIu64 "%s: %u slots an image, any %u are enough; any %u key "
           "servers\n",
           description->id, system->version, system->previous != NULL ? ", slots on their way" : "",
           description_slots(description), system->k, system->t);
    for (unsigned i = 0; i < count; i++)
        printf("%-14s %-22s %-9s weight %-5u domain %s\n", servers[i]->name, servers[i]->address,
               state_name(description, servers[i]), weight_of(servers[i]), domain_of(servers[i]));
    for (size_t i = 0; i < system->n_key; i++)
        printf("%-14s %-22s\n", system->key[i]->name, system->key[i]->address);
}

static result act_show(struct managing *managing) {
    if (managing->cli->json)
        return show_json(&managing->before);
    show(&managing->before);
    return OK;
}

/* ------------------------------------------------------------------ the servers */

static result open_session(struct managing *managing) {
    struct session *session = NULL;
    if (managing->cli->session != NULL)
        return OK;
    TRY(shares_manager_session(managing->dir, &session));
    cli_watch(managing->cli, session);
    return OK;
}

static unsigned server_count(const struct session *session) {
    return session_server_count(session, SESSION_STORAGE) + session->m;
}

static json_t *status_json(const struct system_server *server) {
    bool well = server->answer.code == OK;
    return json_pack("{s:s, s:s, s:b, s:b, s:I, s:I, s:I, s:o}", "name", server->server->name,
                     "role", server->role == SESSION_STORAGE ? "storage" : "key", "well", well,
                     "forked", server->is_forked, "version", (json_int_t)server->version,
                     "settled_version", (json_int_t)server->settled_version, "moving",
                     (json_int_t)server->moving, "detail",
                     print_json_text(well ? "" : server->answer.text));
}

static void print_status(const struct session *session, const struct system_server *server) {
    printf("%-14s ", server->server->name);
    if (server->answer.code != OK) {
        print_safe(stdout, server->answer.text);
        putchar('\n');
        return;
    }
    printf("version %-4" PRIu64, server->version);
    if (server->is_forked)
        fputs(" ANOTHER description of this number: make a higher version", stdout);
    else if (server->role == SESSION_STORAGE && server->moving > 0)
        printf(" %" PRIu64 " slots to come or to go", server->moving);
    else if (server->role == SESSION_STORAGE)
        fputs(server->settled_version >= session->description.system->version
                  ? " settled"
                  : " has not looked at all others yet",
              stdout);
    putchar('\n');
}

static result act_status(struct managing *managing) {
    static struct system_server servers[2 * FORMAT_SERVERS_MAX];
    TRY(open_session(managing));
    const struct session *session = managing->cli->session;
    TRY(flow_system_status(managing->cli->session, servers));
    bool settled = flow_system_check_settled(session, servers) == OK;
    const Myelin__System *system = session->description.system;
    uint64_t moving = 0;
    json_t *list = managing->cli->json ? json_array() : NULL;
    for (unsigned i = 0; i < server_count(session); i++)
        moving += servers[i].moving;
    if (list == NULL)
        printf("version %" PRIu64 ": %" PRIu64 " slots to come or to go%s\n", system->version,
               moving,
               system->previous == NULL ? ""
               : settled                ? "; all are in place: 'myelin system settle'"
                                        : "; not settled");
    for (unsigned i = 0; i < server_count(session); i++) {
        if (list != NULL)
            json_array_append_new(list, status_json(&servers[i]));
        else
            print_status(session, &servers[i]);
    }
    if (list == NULL)
        return OK;
    return print_json(json_pack("{s:I, s:b, s:b, s:I, s:o}", "version", (json_int_t)system->version,
                                "settled", system->previous == NULL, "in_place", settled, "moving",
                                (json_int_t)moving, "servers", list));
}

/* One that this change adds has not been started: that it does not answer is nothing to warn of. */
static bool is_added(const struct managing *managing, unsigned server) {
    const struct session *session = managing->cli->session;
    unsigned storage = session_server_count(session, SESSION_STORAGE);
    const Myelin__Server *found = server < storage
                                      ? session_server(session, SESSION_STORAGE, server)
                                      : session_server(session, SESSION_KEY, server - storage);
    return managing->added.name != NULL && strcmp(found->name, managing->added.name) == 0;
}

/* Whoever is away hears of it from the others. */
static result act_publish(struct managing *managing) {
    static struct session_answer answers[2 * FORMAT_SERVERS_MAX];
    TRY(open_session(managing));
    struct session *session = managing->cli->session;
    unsigned ok = 0;
    TRY(flow_system_publish(session, answers));
    for (unsigned i = 0; i < server_count(session); i++) {
        ok += answers[i].code == OK;
        if (answers[i].code != OK && !is_added(managing, i))
            session_warn(session, "%s; it hears of the new version from the others",
                         answers[i].text);
    }
    if (!managing->cli->json)
        printf("version %" PRIu64 " is at %u of %u servers\n", session->description.system->version,
               ok, server_count(session));
    return OK;
}

/* ------------------------------------------------------------------ changes */

static result read_number(const char *text, unsigned *out_number) {
    char *end = NULL;
    unsigned long number = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || number < 1 || number > FORMAT_WEIGHT_MAX)
        return FAIL(INVALID, "'%s' is no weight: expected 1 to %d", text, FORMAT_WEIGHT_MAX);
    *out_number = (unsigned)number;
    return OK;
}

/* The server to be: its credentials and address. What the change would refuse is refused before a
 * certificate is given out. */
static result make_server(struct managing *managing, const char *name, bool is_key) {
    const char *const *values = managing->cli->arguments->values;
    uint8_t identity[FORMAT_IDENTITY_BYTES];
    struct local_server server = {
        .name = name, .is_key = is_key, .address = values[OPTION_ADDRESS]};
    if (values[OPTION_IDENTITY] != NULL) {
        if (strlen(values[OPTION_IDENTITY]) != 2 * sizeof identity ||
            hex_decode(values[OPTION_IDENTITY], identity, sizeof identity) != OK)
            return FAIL(INVALID, "--identity: expected %zu hexadecimal digits",
                        2 * sizeof identity);
        if (values[OPTION_ADDRESS] == NULL)
            return FAIL(INVALID, "--identity is of a server elsewhere: it takes --address");
        server.identity = identity;
    }
    if (description_find_storage(&managing->before, name) >= 0 ||
        description_find_key(&managing->before, name) >= 0)
        return FAIL(CONFLICT, "the system has a server %s already", name);
    managing->added.name = name;
    managing->added.domain = values[OPTION_DOMAIN] != NULL ? values[OPTION_DOMAIN] : "";
    if (values[OPTION_WEIGHT] != NULL)
        TRY(read_number(values[OPTION_WEIGHT], &managing->added.weight));
    TRY(local_add_server(managing->dir, managing->ca, &server, managing->address,
                         managing->added.identity));
    managing->added.address = managing->address;
    return OK;
}

static void say_how_to_start(const struct managing *managing, const char *name, const char *kind) {
    if (managing->cli->json)
        return;
    printf("%s: config/%s in %s has its credentials; start it with 'myelin up %s', or where it is\n"
           "with 'myelin-%s --config ... --system system.myelin --store ...'\n",
           name, name, managing->dir, managing->dir, kind);
}

static result add_storage(struct managing *managing) {
    TRY(make_server(managing, managing->name, false));
    TRY(change_add_storage(&managing->change, &managing->added));
    say_how_to_start(managing, managing->name, "storaged");
    return OK;
}

static result add_key(struct managing *managing) {
    TRY(make_server(managing, managing->name, true));
    TRY(change_add_key(&managing->change, &managing->added));
    say_how_to_start(managing, managing->name, "keyd");
    return OK;
}

static result replace(struct managing *managing) {
    const char *const *values = managing->cli->arguments->values;
    if (values[OPTION_WEIGHT] != NULL || values[OPTION_DOMAIN] != NULL)
        return FAIL(INVALID, "%s takes over the weight and domain of %s", managing->other,
                    managing->name);
    if (description_find_storage(&managing->before, managing->name) < 0)
        return FAIL(NOT_FOUND, "the system has no storage server %s", managing->name);
    TRY(make_server(managing, managing->other, false));
    TRY(change_replace(&managing->change, managing->name, &managing->added));
    say_how_to_start(managing, managing->other, "storaged");
    return OK;
}

static result drain(struct managing *managing) {
    return change_drain(&managing->change, managing->name);
}

static result activate(struct managing *managing) {
    return change_activate(&managing->change, managing->name);
}

static result remove_storage(struct managing *managing) {
    return change_remove(&managing->change, managing->name);
}

static result weigh(struct managing *managing) {
    unsigned weight;
    TRY(read_number(managing->other, &weight));
    return change_weight(&managing->change, managing->name, weight);
}

/* Only on the word of every storage server, or by force. */
static result settle(struct managing *managing) {
    static struct system_server servers[2 * FORMAT_SERVERS_MAX];
    TRY(change_settle(&managing->change));
    if (managing->force)
        return OK;
    TRY(open_session(managing));
    TRY(flow_system_status(managing->cli->session, servers));
    result settled = flow_system_check_settled(managing->cli->session, servers);
    cli_end(managing->cli); /* the next session is of the new version */
    return settled == OK ? OK : FAIL(settled, "%s; --force where a server is dead", error_text());
}

/* ------------------------------------------------------------------ certificates */

static result act_certify(struct managing *managing) {
    AUTO_BYTES struct bytes request = {0};
    AUTO_BYTES struct bytes certificate = {0};
    struct certify_answer answer;
    const char *path = managing->other;
    TRY(files_read_request(managing->name, &request));
    if (path != NULL)
        TRY(files_check_new(path));
    TRY(flow_certify(managing->dir, bytes_view(&request), managing->force, &answer,
                     path != NULL ? &certificate : NULL));
    if (path != NULL)
        TRY(files_write_certificate(path, bytes_view(&certificate), false));
    if (managing->cli->json)
        return print_json(json_pack("{s:s, s:s, s:b}", "user", answer.name, "fingerprint",
                                    answer.fingerprint, "certified", path != NULL));
    printf("%s %s certified: fingerprint %s\n", answer.name, path != NULL ? "is" : "asks to be",
           answer.fingerprint);
    return OK;
}

static result act_renew(struct managing *managing) {
    AUTO_BYTES struct bytes certificate = {0};
    TRY(flow_certify_renewal(managing->dir, managing->name, &certificate));
    return files_write_certificate(managing->other, bytes_view(&certificate), true);
}

/* ------------------------------------------------------------------ the table */

struct action {
    const char *name;
    size_t words; /* with its own, at least */
    result (*change)(struct managing *managing);
    result (*act)(struct managing *managing);
    const char *usage;
};

static const struct action actions[] = {
    {"show", 1, NULL, act_show, "show"},
    {"status", 1, NULL, act_status, "status"},
    {"publish", 1, NULL, act_publish, "publish"},
    {"settle", 1, settle, NULL, "settle"},
    {"add-storage", 2, add_storage, NULL, "add-storage NAME"},
    {"add-key", 2, add_key, NULL, "add-key NAME"},
    {"drain", 2, drain, NULL, "drain NAME"},
    {"activate", 2, activate, NULL, "activate NAME"},
    {"remove", 2, remove_storage, NULL, "remove NAME"},
    {"replace", 3, replace, NULL, "replace OLD NEW"},
    {"weight", 3, weigh, NULL, "weight NAME W"},
    {"certify", 2, NULL, act_certify, "certify REQUEST [CERTIFICATE]"},
    {"renew", 3, NULL, act_renew, "renew NAME CERTIFICATE"},
};

static result find_action(const struct arguments *arguments, const struct action **out_action) {
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        if (strcmp(actions[i].name, arguments->words[0]) != 0)
            continue;
        size_t most = actions[i].words + (actions[i].act == act_certify);
        if (arguments->word_count < actions[i].words || arguments->word_count > most)
            return FAIL(INVALID, "'myelin system %s' is expected", actions[i].usage);
        *out_action = &actions[i];
        return OK;
    }
    return FAIL(INVALID, "'system %s' is nothing: see 'myelin system --help'", arguments->words[0]);
}

/* What each action makes of the server that it is about. */
static result check_options(const struct arguments *arguments, const struct action *action) {
    static const enum cli_option of_new[] = {OPTION_ADDRESS, OPTION_WEIGHT, OPTION_DOMAIN,
                                             OPTION_IDENTITY};
    bool makes =
        action->change == add_storage || action->change == add_key || action->change == replace;
    for (size_t i = 0; i < sizeof of_new / sizeof *of_new; i++)
        if (arguments->values[of_new[i]] != NULL && !makes)
            return FAIL(INVALID, "'system %s' takes no %s", action->name,
                        option_helps[of_new[i]].name);
    return OK;
}

/* So that two changes at one time do not make two versions of one number. */
static result lock_manager(struct managing *managing) {
    char manager[PATH_MAX];
    AUTO_CA struct ca *ca = NULL;
    TRY(local_manager_path(managing->dir, manager, sizeof manager));
    TRY(ca_load(manager, &ca));
    TRY(enrol_manager_lock(manager, &managing->lock));
    managing->ca = ca;
    ca = NULL;
    return OK;
}

/* The folder's description is the manager's own: the one that the next version follows. */
static result load(struct managing *managing, bool needs_ca) {
    TRY(description_load(managing->dir, NULL, &managing->before));
    if (!needs_ca)
        return OK;
    TRY(lock_manager(managing));
    description_free(&managing->before); /* another change may have come between */
    return description_load(managing->dir, NULL, &managing->before);
}

/* On the manager's disk before any server has it: a version is signed once. */
static result apply(struct managing *managing, const struct action *action) {
    AUTO_DESCRIPTION struct description next = {0};
    TRY(change_begin(&managing->before, managing->force, &managing->change));
    TRY(action->change(managing));
    TRY(change_sign(&managing->change, managing->ca, &next));
    TRY(description_write(&next, managing->dir));
    TRY(act_publish(managing));
    return managing->cli->json ? show_json(&next) : OK;
}

result command_system(struct cli *cli) {
    __attribute__((cleanup(managing_clean_up))) struct managing managing = {.cli = cli};
    const struct arguments *arguments = cli->arguments;
    const struct action *action = NULL;
    TRY(find_action(arguments, &action));
    TRY(check_options(arguments, action));
    TRY(cli_system(cli, &managing.dir));
    managing.name = arguments->word_count > 1 ? arguments->words[1] : NULL;
    managing.other = arguments->word_count > 2 ? arguments->words[2] : NULL;
    managing.force = arguments->values[OPTION_FORCE] != NULL;
    TRY(load(&managing, action->change != NULL));
    return action->change != NULL ? apply(&managing, action) : action->act(&managing);
}
