/*
 * Crashes: the power goes at every step of a put, a second put, a repair, forwards and a removal.
 * What was acknowledged is there afterwards; what was not is there as a whole or not at all.
 *
 * A store between the storage server and its folder counts every change. At the chosen one, and
 * from then on, everything fails. Then it takes away what a crash may take away: bytes of files
 * that were not synced, and, last first, changes of names that were not.
 */
#include "storage_fixture.h"

#include "storage/store_backend.h"

enum { JOURNAL_MAX = 256, UNSYNCED_MAX = 256 };

struct rename {
    char from[STORE_KEY_BYTES], to[STORE_KEY_BYTES]; /* to "trash/N": a removal */
    bool replaced;                                   /* what stood there is gone for good */
};

struct fragile_store {
    struct store base;
    struct store *below; /* borrowed */
    unsigned changes, limit;
    struct rename journal[JOURNAL_MAX];
    size_t journal_len;
    char unsynced[UNSYNCED_MAX][STORE_KEY_BYTES];
    size_t unsynced_len;
    unsigned trash;
};

struct fragile_writer {
    struct store_writer base;
    struct store_writer *below;
};

static struct fragile_store *fragile_of(struct store *store) {
    return (struct fragile_store *)store;
}

static result power(struct store *store) {
    struct fragile_store *fragile = fragile_of(store);
    if (fragile->changes >= fragile->limit)
        return FAIL(IO, "the power is gone");
    return OK;
}

/* One more change, unless the power is gone. */
static result change(struct store *store) {
    TRY(power(store));
    fragile_of(store)->changes++;
    return OK;
}

static bool is_below(const char *key, const char *prefix) {
    size_t len = strlen(prefix);
    return strncmp(key, prefix, len) == 0 && (key[len] == '/' || key[len] == '\0');
}

static void note_unsynced(struct fragile_store *fragile, const char *key) {
    assert_true(fragile->unsynced_len < UNSYNCED_MAX);
    snprintf(fragile->unsynced[fragile->unsynced_len++], STORE_KEY_BYTES, "%s", key);
}

static void forget_unsynced(struct fragile_store *fragile, const char *prefix) {
    size_t kept = 0;
    for (size_t i = 0; i < fragile->unsynced_len; i++)
        if (!is_below(fragile->unsynced[i], prefix))
            memmove(fragile->unsynced[kept++], fragile->unsynced[i], STORE_KEY_BYTES);
    fragile->unsynced_len = kept;
}

static void note_rename(struct fragile_store *fragile, const char *from, const char *to,
                        bool replaced) {
    assert_true(fragile->journal_len < JOURNAL_MAX);
    struct rename *entry = &fragile->journal[fragile->journal_len++];
    snprintf(entry->from, sizeof entry->from, "%s", from);
    snprintf(entry->to, sizeof entry->to, "%s", to);
    entry->replaced = replaced;
    for (size_t i = 0; i < fragile->unsynced_len; i++)
        if (strcmp(fragile->unsynced[i], from) == 0)
            snprintf(fragile->unsynced[i], STORE_KEY_BYTES, "%s", to);
}

/* ------------------------------------------------------------------ the store's methods */

static void fragile_close(struct store *store) {
    free(fragile_of(store));
}

static result fragile_put(struct store *store, const char *key, struct view value) {
    TRY(change(store));
    note_unsynced(fragile_of(store), key);
    return store_put(fragile_of(store)->below, key, value);
}

static result fragile_replace(struct store *store, const char *key, struct view value) {
    TRY(change(store));
    fragile_of(store)->journal_len = 0; /* a journal is written in order */
    return store_replace(fragile_of(store)->below, key, value);
}

static result fragile_get(struct store *store, const char *key, size_t limit,
                          struct bytes *out_value) {
    TRY(power(store));
    return store_get(fragile_of(store)->below, key, limit, out_value);
}

static result fragile_writer_open(struct store *store, const char *key,
                                  struct store_writer **out_writer) {
    TRY(change(store));
    struct fragile_writer *writer = malloc(sizeof *writer);
    assert_non_null(writer);
    writer->base.store = store;
    assert_int_equal(store_writer_open(fragile_of(store)->below, key, &writer->below), OK);
    note_unsynced(fragile_of(store), key);
    *out_writer = &writer->base;
    return OK;
}

static result fragile_writer_append(struct store_writer *base, struct view part) {
    TRY(power(base->store));
    return store_writer_append(((struct fragile_writer *)base)->below, part);
}

static result fragile_writer_close(struct store_writer *base) {
    struct store_writer *below = ((struct fragile_writer *)base)->below;
    result powered = change(base->store);
    free(base);
    result closed = store_writer_close(below);
    return powered == OK ? closed : powered;
}

static void fragile_writer_abandon(struct store_writer *base) {
    struct store_writer *below = ((struct fragile_writer *)base)->below;
    if (power(base->store) == OK)
        store_writer_abandon(below);
    else
        assert_int_equal(store_writer_close(below), OK);
    free(base);
}

static result fragile_size(struct store *store, const char *key, uint64_t *out_bytes) {
    TRY(power(store));
    return store_size(fragile_of(store)->below, key, out_bytes);
}

static result fragile_open_range(struct store *store, const char *key, uint64_t offset,
                                 uint64_t length, int *out_fd, uint64_t *out_offset) {
    TRY(power(store));
    return store_open_range(fragile_of(store)->below, key, offset, length, out_fd, out_offset);
}

static result fragile_publish(struct store *store, const char *from, const char *to) {
    uint64_t size;
    TRY(change(store));
    bool replaced = store_size(fragile_of(store)->below, to, &size) == OK;
    TRY(store_publish(fragile_of(store)->below, from, to));
    note_rename(fragile_of(store), from, to, replaced);
    return OK;
}

static result fragile_publish_all(struct store *store, const char *from, const char *to) {
    TRY(change(store));
    TRY(store_publish_all(fragile_of(store)->below, from, to));
    note_rename(fragile_of(store), from, to, false);
    return OK;
}

static result fragile_remove(struct store *store, const char *key) {
    char trash[64];
    TRY(change(store));
    struct fragile_store *fragile = fragile_of(store);
    snprintf(trash, sizeof trash, "trash/%u", fragile->trash++);
    result moved = store_publish(fragile->below, key, trash);
    if (moved == OK)
        note_rename(fragile, key, trash, false);
    return moved == NOT_FOUND ? OK : moved;
}

/* Piece by piece, as a file system does it: a crash may fall in between. */
static result fragile_remove_all(struct store *store, const char *prefix) {
    AUTO_NAMES struct store_names names = {0};
    TRY(store_list(fragile_of(store)->below, prefix, "", "", &names));
    for (size_t i = names.count; i-- > 0;) {
        char key[STORE_KEY_BYTES + STORE_NAME_BYTES];
        snprintf(key, sizeof key, "%s/%s", prefix, names.names[i]);
        TRY(fragile_remove(store, key));
    }
    TRY(change(store));
    forget_unsynced(fragile_of(store), prefix);
    return OK; /* the empty folder stays: names in it are all that counts */
}

static result fragile_sync(struct store *store, const char *prefix) {
    TRY(change(store));
    forget_unsynced(fragile_of(store), prefix);
    fragile_of(store)->journal_len = 0;
    return OK;
}

/* Names alone: the bytes of files that were never synced may still be lost. */
static result fragile_sync_names(struct store *store, const char *prefix) {
    (void)prefix;
    TRY(change(store));
    fragile_of(store)->journal_len = 0;
    return OK;
}

static result fragile_list(struct store *store, const char *prefix, const char *suffix,
                           const char *after, struct store_names *out_names) {
    TRY(power(store));
    return store_list(fragile_of(store)->below, prefix, suffix, after, out_names);
}

static result fragile_space(struct store *store, struct store_space *out_space) {
    TRY(power(store));
    return store_space(fragile_of(store)->below, out_space);
}

static const struct store_methods fragile_methods = {
    .close = fragile_close,
    .put = fragile_put,
    .replace = fragile_replace,
    .get = fragile_get,
    .writer_open = fragile_writer_open,
    .writer_append = fragile_writer_append,
    .writer_close = fragile_writer_close,
    .writer_abandon = fragile_writer_abandon,
    .size = fragile_size,
    .open_range = fragile_open_range,
    .publish = fragile_publish,
    .publish_all = fragile_publish_all,
    .remove = fragile_remove,
    .remove_all = fragile_remove_all,
    .sync = fragile_sync,
    .sync_names = fragile_sync_names,
    .list = fragile_list,
    .space = fragile_space,
};

/* ------------------------------------------------------------------ the crash */

enum loss { LOSE_NOTHING, LOSE_BYTES, LOSE_NAMES, LOSE_BOTH, LOSSES };

static void lose_bytes(struct fragile_store *fragile) {
    for (size_t i = 0; i < fragile->unsynced_len; i++) {
        uint64_t size;
        if (store_size(fragile->below, fragile->unsynced[i], &size) == OK)
            assert_int_equal(store_put(fragile->below, fragile->unsynced[i], view_of("", 0)), OK);
    }
}

static void lose_names(struct fragile_store *fragile) {
    for (size_t i = fragile->journal_len; i-- > 0;) {
        const struct rename *entry = &fragile->journal[i];
        if (!entry->replaced)
            assert_int_equal(store_publish(fragile->below, entry->to, entry->from), OK);
    }
}

/* ------------------------------------------------------------------ the story */

/* What the clients were told before the power went. */
struct told {
    bool prepared, committed, grown, forwarded, revoked, repaired, removed;
};

struct story {
    struct draft first, second, repair;
    struct bytes forward, revocation, removal;
};

static void story_make(struct story *story, struct fixture *f) {
    draft_make(&story->first, &f->alice, "study", true, 3);
    draft_make(&story->second, &f->alice, "study", false, 2);
    story->repair = story->first;
    story->repair.creates = false;
    story->repair.object_count = 1;
    make_forward(&story->first, &f->bob, 1000, &story->forward);
    make_revocation(&story->first, &f->bob, 2000, &story->revocation);
    make_removal(&story->first, fixture_now_ms, &story->removal);
}

static void story_free(struct story *story) {
    draft_free(&story->first);
    draft_free(&story->second);
    bytes_free(&story->forward);
    bytes_free(&story->revocation);
    bytes_free(&story->removal);
}

static result tell(struct fixture *f, const struct story *story, struct told *told) {
    const struct image_id *image = &story->first.image;
    const struct storage_caller *alice = &f->alice.caller;
    TRY(ask_stage(f, &f->alice, &story->first));
    told->prepared = true;
    TRY(ask_commit(f, &f->alice, &story->first));
    told->committed = true;
    TRY(forward_put(f->storage, alice, image, "bob", bytes_view(&story->forward)));
    told->forwarded = true;
    TRY(ask_put(f, &f->alice, &story->second));
    told->grown = true;
    TRY(forward_revoke(f->storage, alice, image, "bob", bytes_view(&story->revocation)));
    told->revoked = true;
    TRY(ask_put(f, &f->alice, &story->repair));
    told->repaired = true;
    TRY(removal_take(f->storage, alice, image, bytes_view(&story->removal)));
    told->removed = true;
    return OK;
}

static bool is_visible(struct fixture *f, const struct draft *draft) {
    AUTO_FORMAT Myelin__ManifestPage *page = objects_of(f, &f->alice, draft);
    size_t seen = 0;
    for (size_t i = 0; page != NULL && i < page->n_manifest; i++)
        for (size_t j = 0; j < draft->object_count; j++)
            seen += view_equal(format_view(page->manifest[i]->body),
                               format_view(draft->objects[j].manifest->body));
    assert_true(seen == 0 || seen == draft->object_count);
    return seen > 0;
}

static bool is_listed(struct fixture *f) {
    AUTO_BYTES struct bytes wire = {0};
    AUTO_FORMAT Myelin__ImagePage *page = NULL;
    assert_int_equal(listing_images(f->storage, &f->alice.caller, "", &wire), OK);
    assert_int_equal(format_parse_image_page(bytes_view(&wire), &page), OK);
    return page->n_image == 1;
}

static void check_forward(struct fixture *f, const struct story *story, const struct told *told) {
    result got = ask_symbol_for(f, &f->bob, &story->first, &f->bob);
    if (told->revoked)
        assert_int_equal(got, DENIED);
    else if (told->forwarded && !told->grown)
        assert_int_equal(got, OK);
    else
        assert_true(got == OK || got == DENIED);
}

/* What must hold after any crash; leaves the image complete, so that it ends the story too. */
static void check_world(struct fixture *f, const struct story *story, const struct told *told) {
    result image = ask_image(f, &f->alice, &story->first);
    bool removed = image == OK && !is_visible(f, &story->first);
    if (told->removed)
        assert_true(removed);
    if (removed) {
        assert_true(told->repaired);
        assert_false(is_listed(f));
        assert_int_equal(ask_stage(f, &f->alice, &story->first), CONFLICT);
        return;
    }
    bool visible = is_visible(f, &story->first), grown = is_visible(f, &story->second);
    assert_int_equal(image, visible ? OK : NOT_FOUND);
    assert_true(visible || !told->committed);
    assert_true(grown || !told->grown);
    assert_int_equal(is_listed(f), visible);
    if (told->prepared && !visible)
        assert_int_equal(ask_commit(f, &f->alice, &story->first), OK);
    else if (!visible)
        return;
    assert_whole(f, &story->first);
    check_forward(f, story, told);
    if (grown)
        assert_whole(f, &story->second);
}

/* Tells the story until the power goes at change number `limit`; false where it came to its end. */
static bool live_and_crash(struct fixture *f, const struct story *story, unsigned limit,
                           enum loss loss) {
    struct fragile_store *fragile = calloc(1, sizeof *fragile);
    struct storage_options options = fixture_options(f);
    struct told told = {0};
    assert_non_null(fragile);
    fragile->base.methods = &fragile_methods;
    fragile->limit = limit;
    storage_close(f->storage);
    f->storage = NULL;
    assert_int_equal(file_remove_tree(f->folder), OK);
    store_close(f->store);
    assert_int_equal(store_open(f->folder, &f->store), OK);
    fragile->below = f->store;
    bool ended = false;
    if (storage_open(&fragile->base, &options, &f->storage) == OK)
        ended = tell(f, story, &told) == OK;
    storage_close(f->storage);
    if (loss == LOSE_BYTES || loss == LOSE_BOTH)
        lose_bytes(fragile);
    if (loss == LOSE_NAMES || loss == LOSE_BOTH)
        lose_names(fragile);
    store_close(&fragile->base);
    assert_int_equal(storage_open(f->store, &options, &f->storage), OK);
    check_world(f, story, &told);
    fixture_restart(f); /* recovering twice is recovering once */
    return !ended;
}

static void tell_until_the_end(struct fixture *f, enum loss loss) {
    struct story story = {0};
    unsigned limit = 0;
    story_make(&story, f);
    while (live_and_crash(f, &story, limit, loss))
        limit++;
    assert_in_range(limit, 80, 1000);
    story_free(&story);
}

static void test_a_killed_process(void **state) {
    tell_until_the_end(*state, LOSE_NOTHING);
}

static void test_power_loss_takes_bytes(void **state) {
    tell_until_the_end(*state, LOSE_BYTES);
}

static void test_power_loss_takes_names(void **state) {
    tell_until_the_end(*state, LOSE_NAMES);
}

static void test_power_loss_takes_both(void **state) {
    tell_until_the_end(*state, LOSE_BOTH);
}

/* ------------------------------------------------------------------ a disk that comes back */

/* A committed put that could not be published at once shows nothing half: it is finished as soon
 * as anybody looks, or by the sweep. */
static void test_a_decided_put_is_finished_later(void **state) {
    struct fixture *f = *state;
    struct storage_options options = fixture_options(f);
    AUTO_DRAFT struct draft draft = {0};
    draft_make(&draft, &f->alice, "study", true, 3);
    unsigned tried = 0;
    for (unsigned more = 1; more < 20; more++) {
        struct fragile_store *fragile = calloc(1, sizeof *fragile);
        assert_non_null(fragile);
        fragile->base.methods = &fragile_methods;
        fragile->below = f->store;
        fragile->limit = 1000;
        storage_close(f->storage);
        assert_int_equal(storage_open(&fragile->base, &options, &f->storage), OK);
        assert_int_equal(ask_stage(f, &f->alice, &draft), OK);
        fragile->limit = fragile->changes + more; /* the decision, and some of the publishing */
        result committed = ask_commit(f, &f->alice, &draft);
        assert_true(committed == OK || committed == IO);
        if (committed == IO) {
            tried++;
            assert_int_equal(ask_image(f, &f->alice, &draft), IO);
        }
        fragile->limit = 1000;
        if (committed == IO) {
            if (more % 2 == 0)
                storage_sweep(f->storage);
            assert_whole(f, &draft);
            assert_int_equal(ask_commit(f, &f->alice, &draft), OK);
        }
        assert_int_equal(ask_remove(f, &draft, draft.created_ms), OK);
        storage_close(f->storage);
        store_close(&fragile->base);
        assert_int_equal(store_delete_all(f->store, "removed"), OK);
        assert_int_equal(storage_open(f->store, &options, &f->storage), OK);
    }
    assert_in_range(tried, 8, 18);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_a_killed_process),
        TEST(test_power_loss_takes_bytes),
        TEST(test_power_loss_takes_names),
        TEST(test_power_loss_takes_both),
        TEST(test_a_decided_put_is_finished_later),
    };
    return cmocka_run_group_tests_name("storage crashes", tests, NULL, NULL);
}
