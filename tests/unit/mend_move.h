/*
 * A slot that moves, in the servers of mend_world.h.
 */
#ifndef MYELIN_TESTS_MEND_MOVE_H
#define MYELIN_TESTS_MEND_MOVE_H

#include "mend_image.h"
#include "system/ca.h"
#include "system/change.h"

/* The server of slot 0 is replaced by a new one, which takes its place among the hosts. */
struct move {
    struct description next;
    struct host *old;
    unsigned number;
};

static inline void move_begin(struct drawn *d, struct move *move) {
    static const char name[] = "storage-new";
    struct change change;
    struct change_server server = {.name = name, .address = "127.0.0.1:1", .domain = ""};
    AUTO_CA struct ca *ca = NULL;
    char folder[128];
    move->number = d->host[0];
    move->old = &world.hosts[N];
    *move->old = world.hosts[move->number];
    const char *old = host_name(move->number);
    struct host *fresh = &world.hosts[move->number];
    secret_random(server.identity, sizeof server.identity);
    snprintf(folder, sizeof folder, "%s/manager", world.dir);
    assert_int_equal(ca_load(folder, &ca), OK);
    assert_int_equal(change_begin(&world.description, false, &change), OK);
    assert_int_equal(change_replace(&change, old, &server), OK);
    assert_int_equal(change_sign(&change, ca, &move->next), OK);
    struct description before = world.description;
    world.description = move->next;
    move->next = before;
    *fresh = (struct host){.key = move->old->key};
    snprintf(fresh->folder, sizeof fresh->folder, "%.64s.new", move->old->folder);
    host_start(move->number);
    peers_free(move->old->peers);
    mender_free(move->old->mender);
    assert_int_equal(peers_new(&world.description, NULL, old, &move->old->peers), OK);
    assert_int_equal(mender_new(move->old->storage, move->old->peers, &move->old->mender), OK);
    storage_set_description(move->old->storage, &world.description);
    for (unsigned i = 0; i < N; i++)
        if (i != move->number)
            storage_set_description(world.hosts[i].storage, &world.description);
}

static inline void move_end(struct move *move) {
    mender_free(move->old->mender);
    peers_free(move->old->peers);
    storage_close(move->old->storage);
    store_close(move->old->store);
}

static inline result mend_old(struct move *move, struct drawn *d, struct mend_report *report) {
    const struct mend_options options = {.caller = NULL};
    mend_report_free(report);
    return mend_image(move->old->mender, &d->image, &options, report);
}

static inline bool has_slices(struct host *host, struct drawn *d, unsigned object) {
    uint64_t bytes;
    return store_size(host->store, place_of_slices(&d->image, &d->objects[object].id, 0).key,
                      &bytes) == OK;
}

#endif
