/*
 * Five storage servers in one process, each with a store and a mender of its own, and between them
 * no network but this file: it stands in the place of src/storage/peers.c, and lies as a test tells
 * it.
 */
#ifndef MYELIN_TESTS_MEND_WORLD_H
#define MYELIN_TESTS_MEND_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/log.h"
#include "base/secret.h"
#include "code/code.h"
#include "format/hash.h"
#include "format/layout.h"
#include "format/symbol.h"
#include "scheme/enc.h"
#include "scheme/encode.h"
#include "scheme/rekeygen.h"
#include "scheme/token.h"
#include "storage/check.h"
#include "storage/forward.h"
#include "storage/image.h"
#include "storage/listing.h"
#include "storage/mend.h"
#include "storage/put.h"
#include "storage/removal.h"
#include "storage/state.h"
#include "system/local.h"
#include "system/placement.h"

enum { N = 5, K = 2, OBJECTS = 2, SEGMENT = 4096 };

struct person {
    char name[16];
    struct sign_key key;
    struct public_key public_key;
    struct secret_key secret;
    struct storage_caller caller;
};

/* How a server misbehaves towards its peers. */
enum lie {
    HONEST,
    DOWN,
    LIES_ON_SLICES,
    LIES_ON_HASHES,
    LIES_ON_SYMBOLS,
    SHOWS_NO_OBJECTS,
    LISTS_WITHOUT_END, /* images that nobody has, a minute a page */
};

struct host {
    char folder[128];
    struct store *store;
    struct storage *storage;
    struct sign_key key;
    struct peers *peers;
    struct mender *mender;
    enum lie lie;
    const struct description
        *_Atomic heard; /* the last description that came here; NULL: the world's */
    unsigned slices_served;
};

static struct {
    char root[64], dir[96];
    struct description description;
    struct host hosts[N + 1];                    /* and one that was replaced */
    struct person alice, bob, mallory, namesake; /* of alice, with another key */
    uint64_t now_ms;
    _Atomic uint64_t steady_ahead_ms;
} world;

static inline uint64_t world_clock(void) {
    return world.now_ms;
}

static inline uint64_t world_steady(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000 + world.steady_ahead_ms;
}

/* ------------------------------------------------------------------ the network */

struct peers {
    struct peer_group group;
};

static inline const char *host_name(unsigned host) {
    return world.description.system->storage[host]->name;
}

static inline int host_of(const char *name) {
    return description_find_storage(&world.description, name);
}

result peers_new(const struct description *description, const struct tls_identity *identity,
                 const char *self, struct peers **out_peers) {
    struct peers *peers = calloc(1, sizeof *peers);
    assert_non_null(peers);
    peers->group.description = *description; /* borrowed here */
    TRY(storage_fleet_new(description, identity, &peers->group.fleet));
    peers->group.self = storage_fleet_find(peers->group.fleet, self);
    *out_peers = peers;
    return OK;
}

void peers_free(struct peers *peers) {
    if (peers != NULL)
        storage_fleet_free(peers->group.fleet);
    free(peers);
}

result peers_set_description(struct peers *peers, const struct description *description) {
    peers->group.description = *description;
    return OK;
}

static inline const char *asker_name(const struct peer_group *group) {
    return storage_fleet_name(group->fleet, (unsigned)group->self);
}

struct peer_group *peers_hold(struct peers *peers) {
    return &peers->group;
}

void peers_release(struct peers *peers, struct peer_group *group) {
    (void)peers;
    (void)group;
}

/* A path's parts: "/v1/images/IMAGE/WHAT/ID/LAST?slot=S". */
struct asked {
    struct image_id image;
    char what[32], id[80], last[32];
    uint32_t slot;
    char after[80];
};

static inline void read_path(const char *path, struct asked *asked) {
    char text[512], hex[80] = "";
    *asked = (struct asked){.slot = SLOT_ANY};
    snprintf(text, sizeof text, "%s", path);
    char *query = strchr(text, '?');
    if (query != NULL) {
        *query++ = '\0';
        (void)sscanf(query, "slot=%u", &asked->slot);
        (void)sscanf(query, "after=%79s", asked->after);
    }
    assert_true(sscanf(text, "/v1/images/%79[^/]/%31[^/]/%79[^/]/%31s", hex, asked->what, asked->id,
                       asked->last) >= 1);
    assert_int_equal(image_id_parse(hex, &asked->image), OK);
}

static inline result serve(struct host *host, const struct storage_caller *caller,
                           const struct asked *asked, struct bytes *out) {
    struct short_id id;
    const struct image_id *image = &asked->image;
    if (strcmp(asked->what, "state") == 0)
        return state_answer(host->storage, caller, image, out);
    if (strcmp(asked->what, "coefficients") == 0)
        return state_coefficients(host->storage, caller, image, out);
    if (strcmp(asked->what, "forwards") == 0)
        return listing_forwards(host->storage, caller, image, asked->after, out);
    if (strcmp(asked->what, "symbol") == 0)
        return forward_symbol(host->storage, caller, image, NULL, asked->slot, out);
    if (strcmp(asked->what, "check") == 0)
        return image_check(host->storage, caller, image, asked->slot, out);
    if (strcmp(asked->what, "objects") == 0 && asked->id[0] == '\0')
        return host->lie == SHOWS_NO_OBJECTS
                   ? OK /* a page without entries has no bytes */
                   : listing_objects(host->storage, caller, image, asked->after, out);
    TRY(short_id_parse("an id", asked->id, &id));
    if (strcmp(asked->what, "puts") == 0)
        return put_read_commit(host->storage, caller, image, &id, out);
    assert_string_equal(asked->last, "hashes");
    return image_hashes(host->storage, caller, image, &id, asked->slot, out);
}

/* The images behind `after`, each one more than the one before. */
static inline result list_without_end(const char *after, struct bytes *out) {
    enum { COUNT = 8 };
    uint8_t images[COUNT][DIGEST_BYTES], image[DIGEST_BYTES] = {0};
    Myelin__IndexEntry entries[COUNT], *pointers[COUNT];
    Myelin__IndexPage page = MYELIN__INDEX_PAGE__INIT;
    struct image_id id;
    if (after[0] != '\0') {
        TRY(image_id_parse(after, &id));
        memcpy(image, id.bytes, sizeof image);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        for (unsigned at = DIGEST_BYTES; at-- > 0 && ++image[at] == 0;)
            continue;
        memcpy(images[i], image, sizeof image);
        myelin__index_entry__init(&entries[i]);
        entries[i].image = entries[i].digest = format_bytes(view_of(images[i], DIGEST_BYTES));
        pointers[i] = &entries[i];
    }
    page.entry = pointers;
    page.n_entry = COUNT;
    page.more = true;
    world.steady_ahead_ms += 60000;
    return format_pack(&page, out);
}

static inline result list_images(struct host *host, const struct storage_caller *caller,
                                 const char *path, struct bytes *out) {
    const char *after = strchr(path, '=');
    after = after == NULL ? "" : after + 1;
    return host->lie == LISTS_WITHOUT_END ? list_without_end(after, out)
                                          : state_index(host->storage, caller, after, out);
}

static inline result ask_host(struct peer_group *group, unsigned server, const char *path,
                              struct bytes *out) {
    struct host *host = &world.hosts[server];
    const struct storage_caller caller = {.name = asker_name(group), .role = STORAGE_ROLE_PEER};
    struct asked asked;
    if (host->lie == DOWN)
        return FAIL(TIMEOUT, "%s: connection refused", storage_fleet_name(group->fleet, server));
    if (strcmp(path, "/v1/system") == 0)
        return format_pack((host->heard == NULL ? &world.description : host->heard)->record, out);
    if (strncmp(path, "/v1/index", 9) == 0)
        return list_images(host, &caller, path, out);
    read_path(path, &asked);
    TRY(serve(host, &caller, &asked, out));
    bool is_lie = (host->lie == LIES_ON_HASHES && strcmp(asked.last, "hashes") == 0) ||
                  (host->lie == LIES_ON_SYMBOLS && strcmp(asked.what, "symbol") == 0);
    if (is_lie)
        out->data[out->len - 1] ^= 1;
    return OK;
}

result peers_call(struct peer_group *group, unsigned server, const char *method, const char *path,
                  uint32_t patience_ms, size_t limit, struct bytes *out_answer) {
    (void)method;
    (void)patience_ms;
    TRY(ask_host(group, server, path, out_answer));
    assert_in_range(out_answer->len, 0, limit);
    return OK;
}

result peers_download(struct peer_group *group, unsigned server, const char *path, uint64_t offset,
                      uint64_t length, struct bytes *out_bytes) {
    struct host *host = &world.hosts[server];
    const struct storage_caller caller = {.name = asker_name(group), .role = STORAGE_ROLE_PEER};
    struct asked asked;
    struct short_id object;
    struct image_range range;
    if (host->lie == DOWN)
        return FAIL(TIMEOUT, "%s: connection refused", storage_fleet_name(group->fleet, server));
    read_path(path, &asked);
    TRY(short_id_parse("an object", asked.id, &object));
    TRY(image_open_symbol(host->storage, &caller, &asked.image, &object, asked.slot, &range));
    AUTO_FD int fd = range.fd;
    assert_in_range(offset + length, 0, range.length);
    TRY(bytes_reserve(out_bytes, out_bytes->len + length));
    assert_int_equal(
        pread(fd, out_bytes->data + out_bytes->len, length, (off_t)(range.offset + offset)),
        length);
    out_bytes->len += length;
    host->slices_served++;
    if (host->lie == LIES_ON_SLICES)
        out_bytes->data[out_bytes->len - 1] ^= 1;
    return OK;
}

/* A certificate is "certificate NUMBER, of NAME" here. */
result peers_identify(const struct peer_group *group, struct view certificate,
                      char out_name[FORMAT_NAME_MAX + 1], uint8_t out_identity[SIGN_PUBLIC_BYTES]) {
    const struct person *people[] = {&world.alice, &world.bob, &world.mallory, &world.namesake};
    (void)group;
    for (size_t i = 0; i < 4; i++)
        if (view_equal(certificate, people[i]->caller.certificate)) {
            snprintf(out_name, FORMAT_NAME_MAX + 1, "%s", people[i]->name);
            memcpy(out_identity, people[i]->key.public_key, SIGN_PUBLIC_BYTES);
            return OK;
        }
    return FAIL(DENIED, "no certificate of the CA");
}

void peers_each(const bool is_wanted[], unsigned count, peers_work work, void *context) {
    for (unsigned i = 0; i < count; i++)
        if (is_wanted[i])
            work(context, i);
}

/* ------------------------------------------------------------------ its life */

static inline void person_make(struct person *person, const char *name) {
    static char certificates[4][48];
    static unsigned next;
    char *certificate = certificates[next % 4];
    snprintf(person->name, sizeof person->name, "%s", name);
    snprintf(certificate, sizeof certificates[0], "certificate %u, of %s", next++, name);
    sign_key_random(&person->key);
    keygen(&person->secret, &person->public_key);
    person->caller = (struct storage_caller){person->name, STORAGE_ROLE_USER,
                                             person->key.public_key, view_of_string(certificate)};
}

static inline void host_start(unsigned number) {
    struct host *host = &world.hosts[number];
    struct storage_options options = {.server = host_name(number),
                                      .key = &host->key,
                                      .now_ms = world_clock,
                                      .steady_ms = world_steady,
                                      .description = &world.description};
    assert_int_equal(store_open(host->folder, &host->store), OK);
    assert_int_equal(storage_open(host->store, &options, &host->storage), OK);
    assert_int_equal(peers_new(&world.description, NULL, options.server, &host->peers), OK);
    assert_int_equal(mender_new(host->storage, host->peers, &host->mender), OK);
}

static inline void host_stop(unsigned number) {
    struct host *host = &world.hosts[number];
    mender_free(host->mender);
    peers_free(host->peers);
    storage_close(host->storage);
    store_close(host->store);
}

static inline int world_setup(void **state) {
    (void)state;
    memset(&world, 0, sizeof world);
    world.now_ms = 1700000000000;
    snprintf(world.root, sizeof world.root, "%s/myelin-mend-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (secret_start() != OK || mkdtemp(world.root) == NULL)
        return -1;
    log_set_level(LOG_ERROR + 1);
    snprintf(world.dir, sizeof world.dir, "%s/system", world.root);
    assert_int_equal(local_create(world.dir, N, K, 2, 2), OK);
    assert_int_equal(description_load(world.dir, NULL, &world.description), OK);
    person_make(&world.alice, "alice");
    person_make(&world.bob, "bob");
    person_make(&world.mallory, "mallory");
    person_make(&world.namesake, "alice");
    for (unsigned i = 0; i < N; i++) {
        sign_key_random(&world.hosts[i].key);
        snprintf(world.hosts[i].folder, sizeof world.hosts[i].folder, "%s/%u", world.root, i);
        host_start(i);
    }
    return 0;
}

static inline int world_teardown(void **state) {
    (void)state;
    for (unsigned i = 0; i < N; i++)
        host_stop(i);
    description_free(&world.description);
    return file_remove_tree(world.root) == OK ? 0 : -1;
}

#endif
