#include "system/local.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/secret.h"
#include "scheme/setup.h"
#include "system/ca.h"
#include "system/identity.h"
#include "system/paths.h"
#include "system/ports.h"
#include "system/x509.h"

enum { SERVERS_MAX = 2 * FORMAT_SERVERS_MAX, PEM_FILE_MAX = 64 << 10 };

/* Says that a creation is under way, or was interrupted, in which case what it left may go. */
static const char marker_name[] = ".creating";

/* ------------------------------------------------------------------ paths */

result local_manager_path(const char *dir, char *out_path, size_t size) {
    return path_join(dir, "manager", out_path, size);
}

result local_config_path(const char *dir, const char *name, char *out_path, size_t size) {
    char config[PATH_MAX];
    TRY(path_join(dir, "config", config, sizeof config));
    return path_join(config, name, out_path, size);
}

result local_store_path(const char *dir, const char *name, char *out_path, size_t size) {
    return path_join(dir, name, out_path, size);
}

result local_run_path(const char *dir, char *out_path, size_t size) {
    return path_join(dir, "run", out_path, size);
}

/* ------------------------------------------------------------------ servers */

/* One server of the new system; the protobuf struct borrows from here. */
struct member {
    char name[FORMAT_NAME_MAX + 1];
    char address[FORMAT_ADDRESS_MAX + 1];
    uint8_t identity[FORMAT_IDENTITY_BYTES];
    Myelin__Server server;
};

static result make_seal_key(const char *config) {
    char path[PATH_MAX];
    AUTO_SECRET void *key = NULL;
    TRY(secret_new(LOCAL_SEAL_KEY_BYTES, &key));
    secret_random(key, LOCAL_SEAL_KEY_BYTES);
    TRY(path_join(config, "seal.key", path, sizeof path));
    return file_write_atomic(path, view_of(key, LOCAL_SEAL_KEY_BYTES), 0600);
}

static result make_credentials(const char *dir, const struct ca *ca, enum tls_role role,
                               struct member *member) {
    char path[PATH_MAX];
    AUTO_BYTES struct bytes certificate = {0};
    AUTO_SECRET void *block = NULL;
    TRY(secret_new(sizeof(struct sign_key), &block));
    struct sign_key *key = block;
    sign_key_random(key);
    memcpy(member->identity, key->public_key, sizeof member->identity);
    TRY(ca_issue_server(ca, member->name, role, key->public_key, 0, &certificate));
    TRY(local_config_path(dir, member->name, path, sizeof path));
    TRY(identity_write_server(path, bytes_view(&certificate), key));
    return role == TLS_ROLE_KEY ? make_seal_key(path) : OK;
}

static result make_member(const char *dir, const struct ca *ca, enum tls_role role, unsigned number,
                          struct member *member) {
    char path[PATH_MAX];
    snprintf(member->name, sizeof member->name, "%s-%u", tls_role_name(role), number);
    TRY(make_credentials(dir, ca, role, member));
    TRY(local_store_path(dir, member->name, path, sizeof path));
    TRY(file_make_folders(path, 0700));
    myelin__server__init(&member->server);
    member->server.name = member->name;
    member->server.address = member->address;
    member->server.identity = format_bytes(view_of(member->identity, sizeof member->identity));
    return OK;
}

/* ------------------------------------------------------------------ the whole */

static result describe(const char *dir, const struct ca *ca, const struct local_shape *shape,
                       Myelin__Server *servers[]) {
    AUTO_DESCRIPTION struct description description = {0};
    char suite[] = "BLS12-381";
    Myelin__System system = MYELIN__SYSTEM__INIT;
    system.format = 1;
    system.version = 1;
    system.suite = suite;
    system.n = shape->slots;
    system.k = shape->k;
    system.t = shape->t;
    system.n_storage = shape->storage;
    system.storage = servers;
    system.n_key = shape->key;
    system.key = servers + shape->storage;
    system.created_ms = clock_date_ms();
    TRY(description_create(ca, &system, &description));
    return description_write(&description, dir);
}

static void members_free(struct member **members) {
    free(*members);
}

static result choose_addresses(struct member members[], unsigned count) {
    uint16_t ports[SERVERS_MAX];
    TRY(ports_choose(count, ports));
    for (unsigned i = 0; i < count; i++)
        snprintf(members[i].address, sizeof members[i].address, "127.0.0.1:%u", ports[i]);
    return OK;
}

static result take_addresses(const char *list, struct member members[], unsigned count) {
    const char *at = list;
    for (unsigned i = 0; i < count; i++) {
        size_t len = strcspn(at, ",");
        char *address = members[i].address;
        int written = snprintf(address, sizeof members[i].address, "%.*s", (int)len, at);
        if ((size_t)written != len || !format_is_address(address))
            return FAIL(INVALID, "'%.*s' is no address of server %u of %u: expected HOST:PORT",
                        (int)len, at, i + 1, count);
        at += len;
        if ((*at == '\0') != (i + 1 == count))
            return FAIL(INVALID, "'%s': expected %u addresses, one for each server", list, count);
        at++;
    }
    return OK;
}

static result create_members(const char *dir, const struct ca *ca, const struct local_shape *shape,
                             struct member members[]) {
    Myelin__Server *servers[SERVERS_MAX];
    unsigned count = shape->storage + shape->key;
    for (unsigned i = 0; i < count; i++) {
        bool is_storage = i < shape->storage;
        TRY(make_member(dir, ca, is_storage ? TLS_ROLE_STORAGE : TLS_ROLE_KEY,
                        is_storage ? i + 1 : i - shape->storage + 1, &members[i]));
        servers[i] = &members[i].server;
    }
    return describe(dir, ca, shape, servers);
}

static bool exists(const char *path) {
    struct stat status;
    return lstat(path, &status) == 0;
}

/* Refuses a system that is there; clears away what an interrupted creation left. */
static result make_room(const char *dir, const char *marker) {
    char manager[PATH_MAX];
    char config[PATH_MAX];
    char description[PATH_MAX];
    TRY(local_manager_path(dir, manager, sizeof manager));
    TRY(path_join(dir, "config", config, sizeof config));
    TRY(path_join(dir, "system.myelin", description, sizeof description));
    if (exists(description)) {
        unlink(marker); /* of a creation that was interrupted at its very end */
        return FAIL(CONFLICT, "%s has a system already", dir);
    }
    if (!exists(marker) && (exists(manager) || exists(config)))
        return FAIL(CONFLICT,
                    "%s holds manager/ or config/ but no system.myelin: bring that file "
                    "back, or use another folder",
                    dir);
    TRY(file_sweep(dir, ""));
    TRY(file_write_atomic(marker, view_of_string("a system is being made here\n"), 0644));
    TRY(file_remove_tree(manager));
    return file_remove_tree(config);
}

static result create_in(const char *dir, const struct local_shape *shape, struct member members[]) {
    AUTO_CA struct ca *ca = NULL;
    char marker[PATH_MAX];
    char path[PATH_MAX];
    uint8_t system_id[FORMAT_ID_BYTES];
    TRY(path_join(dir, marker_name, marker, sizeof marker));
    TRY(make_room(dir, marker));
    secret_random(system_id, sizeof system_id);
    TRY(local_manager_path(dir, path, sizeof path));
    TRY(ca_create(path, system_id, &ca));
    TRY(local_run_path(dir, path, sizeof path));
    TRY(file_make_folders(path, 0755));
    TRY(create_members(dir, ca, shape, members));
    if (unlink(marker) != 0)
        return FAIL(IO, "removing %s: %s", marker, strerror(errno));
    return file_sync_folder(dir);
}

result local_create(const char *dir, unsigned n, unsigned k, unsigned m, unsigned t) {
    return local_create_at(dir, n, k, m, t, NULL);
}

result local_create_at(const char *dir, unsigned n, unsigned k, unsigned m, unsigned t,
                       const char *addresses) {
    const struct local_shape shape = {
        .storage = n, .slots = n, .k = k, .key = m, .t = t, .addresses = addresses};
    return local_create_shape(dir, &shape);
}

static result check_shape(const struct local_shape *shape) {
    const struct setup setup = {.n = shape->slots, .k = shape->k, .m = shape->key, .t = shape->t};
    if (shape->storage > FORMAT_SERVERS_MAX)
        return FAIL(INVALID, "%u storage servers: at most %d", shape->storage, FORMAT_SERVERS_MAX);
    TRY(setup_check(&setup));
    if (shape->slots > shape->storage)
        return FAIL(INVALID, "n = %u slots of an image: there are %u storage servers", shape->slots,
                    shape->storage);
    return OK;
}

result local_create_shape(const char *dir, const struct local_shape *shape) {
    TRY(check_shape(shape));
    unsigned count = shape->storage + shape->key;
    __attribute__((cleanup(members_free))) struct member *members = calloc(count, sizeof *members);
    if (members == NULL)
        return FAIL(NO_MEMORY, "no memory for %u servers", count);
    TRY(shape->addresses == NULL ? choose_addresses(members, count)
                                 : take_addresses(shape->addresses, members, count));
    TRY(file_make_folders(dir, 0755));
    AUTO_FD int lock = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock < 0)
        return FAIL(IO, "%s: %s", dir, strerror(errno));
    if (flock(lock, LOCK_EX | LOCK_NB) != 0)
        return FAIL(CONFLICT, "another process is making a system in %s", dir);
    return create_in(dir, shape, members);
}

/* ------------------------------------------------------------------ a server more */

/* The credentials that are there from a change that was broken off. */
static result take_again(const char *dir, const struct ca *ca, const struct local_server *server,
                         uint8_t out_identity[FORMAT_IDENTITY_BYTES]) {
    char config[PATH_MAX], path[PATH_MAX];
    AUTO_BYTES struct bytes pem = {0};
    AUTO_BYTES struct bytes certificate = {0};
    AUTO_BYTES struct bytes renewed = {0};
    TRY(local_config_path(dir, server->name, config, sizeof config));
    TRY(path_join(config, "certificate.pem", path, sizeof path));
    TRY(file_read(path, PEM_FILE_MAX, &pem));
    TRY(x509_pem_to_der(bytes_view(&pem), &certificate));
    TRY(x509_identity(bytes_view(&certificate), out_identity));
    return ca_issue_server(ca, server->name, server->is_key ? TLS_ROLE_KEY : TLS_ROLE_STORAGE,
                           out_identity, 0, &renewed);
}

/* A certificate alone, for a key that is elsewhere. */
static result certify_elsewhere(const char *dir, const struct ca *ca,
                                const struct local_server *server) {
    char config[PATH_MAX], path[PATH_MAX];
    AUTO_BYTES struct bytes certificate = {0};
    AUTO_BYTES struct bytes pem = {0};
    TRY(ca_issue_server(ca, server->name, server->is_key ? TLS_ROLE_KEY : TLS_ROLE_STORAGE,
                        server->identity, 0, &certificate));
    TRY(x509_pem_from_der(bytes_view(&certificate), &pem));
    TRY(local_config_path(dir, server->name, config, sizeof config));
    TRY(file_make_folders(config, 0700));
    TRY(path_join(config, "certificate.pem", path, sizeof path));
    return file_write_atomic(path, bytes_view(&pem), 0644);
}

static result make_here(const char *dir, const struct ca *ca, const struct local_server *server,
                        uint8_t out_identity[FORMAT_IDENTITY_BYTES]) {
    struct member member = {0};
    char config[PATH_MAX], store[PATH_MAX];
    TRY(local_config_path(dir, server->name, config, sizeof config));
    TRY(file_sweep(config, ""));
    snprintf(member.name, sizeof member.name, "%s", server->name);
    /* The certificate is the last of the credentials: where it is missing, one that was issued by a
     * change that was broken off is for a key that is lost. */
    TRY(ca_withdraw_server(ca, server->name));
    TRY(make_credentials(dir, ca, server->is_key ? TLS_ROLE_KEY : TLS_ROLE_STORAGE, &member));
    memcpy(out_identity, member.identity, FORMAT_IDENTITY_BYTES);
    TRY(local_store_path(dir, server->name, store, sizeof store));
    return file_make_folders(store, 0700);
}

result local_add_server(const char *dir, const struct ca *ca, const struct local_server *server,
                        char out_address[FORMAT_ADDRESS_MAX + 1],
                        uint8_t out_identity[FORMAT_IDENTITY_BYTES]) {
    uint16_t port = 0;
    if (!format_is_name(server->name))
        return FAIL(INVALID, "'%.64s' is not a name ([a-z0-9][a-z0-9._-]*)", server->name);
    if (server->address != NULL && !format_is_address(server->address))
        return FAIL(INVALID, "'%.64s' is no address: expected HOST:PORT", server->address);
    if (server->address == NULL)
        TRY(ports_choose(1, &port));
    if (server->address != NULL)
        snprintf(out_address, FORMAT_ADDRESS_MAX + 1, "%s", server->address);
    else
        snprintf(out_address, FORMAT_ADDRESS_MAX + 1, "127.0.0.1:%u", port);
    if (server->identity != NULL) {
        memcpy(out_identity, server->identity, FORMAT_IDENTITY_BYTES);
        return certify_elsewhere(dir, ca, server);
    }
    result taken = take_again(dir, ca, server, out_identity);
    return taken == NOT_FOUND ? make_here(dir, ca, server, out_identity) : taken;
}
