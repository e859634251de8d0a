/* Many callers at once: puts to one image exclude each other and lose nothing, readers never see
 * half of one. For the thread sanitizer too. */
#include "storage_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

enum { WRITERS = 4, PUTS = 6, READERS = 2 };

struct crowd {
    struct fixture *fixture;
    struct draft first;
    struct draft drafts[WRITERS][PUTS];
    atomic_uint writing;
    atomic_uint faults;
};

struct member {
    struct crowd *crowd;
    unsigned number;
};

/* As a client does it: give way and try again. */
static result put_in_the_end(struct fixture *f, const struct draft *draft) {
    result got = ask_begin(f, &f->alice, draft);
    for (size_t i = 0; got == OK && i < draft->object_count; i++)
        got = ask_upload(f, &f->alice, draft, i);
    if (got != OK)
        return got;
    do {
        got = ask_prepare(f, &f->alice, draft);
        if (got == CONFLICT)
            usleep(200);
    } while (got == CONFLICT);
    return got == OK ? ask_commit(f, &f->alice, draft) : got;
}

static void *write_puts(void *context) {
    const struct member *member = context;
    for (size_t i = 0; i < PUTS; i++)
        if (put_in_the_end(member->crowd->fixture, &member->crowd->drafts[member->number][i]) != OK)
            atomic_fetch_add(&member->crowd->faults, 1);
    atomic_fetch_sub(&member->crowd->writing, 1);
    return NULL;
}

/* Every put has two objects, so an odd number of them is half a put. */
static void *read_pages(void *context) {
    const struct member *member = context;
    struct crowd *crowd = member->crowd;
    struct fixture *f = crowd->fixture;
    while (atomic_load(&crowd->writing) > 0) {
        AUTO_BYTES struct bytes wire = {0};
        AUTO_FORMAT Myelin__ManifestPage *page = NULL;
        if (listing_objects(f->storage, &f->alice.caller, &crowd->first.image, "", &wire) != OK ||
            format_parse_manifest_page(bytes_view(&wire), &page) != OK || page->n_manifest % 2 != 0)
            atomic_fetch_add(&crowd->faults, 1);
        if (ask_slices(f, &f->alice, &crowd->first, 1) != OK)
            atomic_fetch_add(&crowd->faults, 1);
        if (member->number == 0)
            storage_sweep(f->storage);
        result asked = ask_forward(f, &crowd->first, &f->bob, 1000);
        if (asked != OK && asked != CONFLICT)
            atomic_fetch_add(&crowd->faults, 1);
    }
    return NULL;
}

static void test_a_crowd(void **state) {
    struct fixture *f = *state;
    struct crowd *crowd = calloc(1, sizeof *crowd);
    pthread_t threads[WRITERS + READERS];
    struct member members[WRITERS + READERS];
    assert_non_null(crowd);
    crowd->fixture = f;
    crowd->writing = WRITERS;
    draft_make(&crowd->first, &f->alice, "study", true, 2);
    assert_int_equal(ask_put(f, &f->alice, &crowd->first), OK);
    for (size_t i = 0; i < WRITERS; i++)
        for (size_t j = 0; j < PUTS; j++)
            draft_make(&crowd->drafts[i][j], &f->alice, "study", false, 2);
    for (unsigned i = 0; i < WRITERS + READERS; i++) {
        members[i] = (struct member){crowd, i < WRITERS ? i : i - WRITERS};
        assert_int_equal(
            pthread_create(&threads[i], NULL, i < WRITERS ? write_puts : read_pages, &members[i]),
            0);
    }
    for (unsigned i = 0; i < WRITERS + READERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(crowd->faults, 0);
    for (size_t i = 0; i < WRITERS; i++)
        for (size_t j = 0; j < PUTS; j++) {
            for (size_t o = 0; o < 2; o++)
                assert_int_equal(ask_slices(f, &f->alice, &crowd->drafts[i][j], o), OK);
            draft_free(&crowd->drafts[i][j]);
        }
    assert_whole(f, &crowd->first);
    draft_free(&crowd->first);
    free(crowd);
}

/* The same put from two connections at once, its abort, its removal: no use of what is gone. */
static void *abort_it(void *context) {
    const struct member *member = context;
    struct fixture *f = member->crowd->fixture;
    for (int i = 0; i < 200; i++)
        (void)!put_abort(f->storage, &f->alice.caller, &member->crowd->first.image,
                         &member->crowd->first.put);
    return NULL;
}

static void *stage_it(void *context) {
    const struct member *member = context;
    struct fixture *f = member->crowd->fixture;
    for (int i = 0; i < 50; i++) {
        result got = ask_stage(f, &f->alice, &member->crowd->first);
        if (got != OK && got != CONFLICT && got != NOT_FOUND && got != PROTOCOL)
            atomic_fetch_add(&member->crowd->faults, 1);
    }
    return NULL;
}

static void test_aborts_in_between(void **state) {
    struct fixture *f = *state;
    struct crowd *crowd = calloc(1, sizeof *crowd);
    pthread_t threads[3];
    assert_non_null(crowd);
    crowd->fixture = f;
    draft_make(&crowd->first, &f->alice, "study", true, 2);
    struct member member = {crowd, 0};
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, i < 2 ? stage_it : abort_it, &member),
                         0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(crowd->faults, 0);
    result aborted =
        put_abort(f->storage, &f->alice.caller, &crowd->first.image, &crowd->first.put);
    assert_true(aborted == OK || aborted == NOT_FOUND);
    assert_int_equal(ask_put(f, &f->alice, &crowd->first), OK);
    assert_whole(f, &crowd->first);
    draft_free(&crowd->first);
    free(crowd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_a_crowd),
        TEST(test_aborts_in_between),
    };
    return cmocka_run_group_tests_name("storage threads", tests, NULL, NULL);
}
