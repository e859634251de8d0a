/* Who may do what: every request by every kind of caller, and the life of a forward. */
#include "storage_fixture.h"

/* ------------------------------------------------------------------ the table of rights */

typedef result (*request)(struct fixture *f, const struct person *who, const struct draft *draft);

static result read_object(struct fixture *f, const struct person *who, const struct draft *draft) {
    return ask_slices(f, who, draft, 0);
}

static result read_hashes(struct fixture *f, const struct person *who, const struct draft *draft) {
    AUTO_BYTES struct bytes hashes = {0};
    return image_hashes(f->storage, &who->caller, &draft->image, &draft->objects[0].id, SLOT_ANY,
                        &hashes);
}

static result read_objects(struct fixture *f, const struct person *who, const struct draft *draft) {
    AUTO_BYTES struct bytes page = {0};
    return listing_objects(f->storage, &who->caller, &draft->image, "", &page);
}

static result read_commit(struct fixture *f, const struct person *who, const struct draft *draft) {
    AUTO_BYTES struct bytes commit = {0};
    return put_read_commit(f->storage, &who->caller, &draft->image, &draft->put, &commit);
}

static result check(struct fixture *f, const struct person *who, const struct draft *draft) {
    AUTO_BYTES struct bytes answer = {0};
    return image_check(f->storage, &who->caller, &draft->image, SLOT_ANY, &answer);
}

static result own_symbol(struct fixture *f, const struct person *who, const struct draft *draft) {
    return ask_symbol_for(f, who, draft, who);
}

static result owners_symbol(struct fixture *f, const struct person *who,
                            const struct draft *draft) {
    return ask_symbol_for(f, who, draft, &f->alice);
}

static result recipients_symbol(struct fixture *f, const struct person *who,
                                const struct draft *draft) {
    return ask_symbol_for(f, who, draft, &f->bob);
}

static result strangers_symbol(struct fixture *f, const struct person *who,
                               const struct draft *draft) {
    return ask_symbol_for(f, who, draft, &f->mallory);
}

static result begin_another(struct fixture *f, const struct person *who,
                            const struct draft *draft) {
    struct draft another = *draft;
    another.creates = false;
    another.object_count = 1;
    random_id(&another.put);
    random_id(&another.objects[0].id);
    return ask_begin(f, who, &another);
}

static result read_together(struct fixture *f, const struct person *who,
                            const struct draft *draft) {
    struct image_wanted wanted = {draft->objects[0].id, FIXTURE_SLOT};
    AUTO_BYTES struct bytes slices = {0};
    return image_symbols(f->storage, &who->caller, &draft->image, &wanted, 1, &slices);
}

static result begin_repair(struct fixture *f, const struct person *who, const struct draft *draft) {
    TRY(ask_begin(f, who, draft));
    return put_abort(f->storage, &who->caller, &draft->image, &draft->put);
}

static result forward(struct fixture *f, const struct person *who, const struct draft *draft) {
    AUTO_BYTES struct bytes body = {0};
    make_forward(draft, &f->bob, fixture_now_ms, &body);
    fixture_now_ms++;
    return forward_put(f->storage, &who->caller, &draft->image, "bob", bytes_view(&body));
}

static result revoke_nobody(struct fixture *f, const struct person *who,
                            const struct draft *draft) {
    struct person nobody;
    AUTO_BYTES struct bytes body = {0};
    person_make(&nobody, "nobody", STORAGE_ROLE_USER);
    make_revocation(draft, &nobody, fixture_now_ms++, &body);
    return forward_revoke(f->storage, &who->caller, &draft->image, "nobody", bytes_view(&body));
}

static result remove_it(struct fixture *f, const struct person *who, const struct draft *draft) {
    AUTO_BYTES struct bytes body = {0};
    make_removal(draft, fixture_now_ms, &body);
    return removal_take(f->storage, &who->caller, &draft->image, bytes_view(&body));
}

static result own_page(struct fixture *f, const struct person *who, const struct draft *draft) {
    AUTO_BYTES struct bytes page = {0};
    (void)draft;
    return listing_images(f->storage, &who->caller, "", &page);
}

static result inbox(struct fixture *f, const struct person *who, const struct draft *draft) {
    AUTO_BYTES struct bytes page = {0};
    (void)draft;
    return listing_inbox(f->storage, &who->caller, "", &page);
}

static void test_who_may_do_what(void **state) {
    struct fixture *f = *state;
    const struct person *const people[] = {&f->alice, &f->bob, &f->mallory, &f->key_server,
                                           &f->other_server};
    static const struct {
        const char *name;
        request ask;
        result expected[5]; /* owner, recipient, stranger, key server, another server */
    } table[] = {
        {"image", ask_image, {OK, OK, DENIED, OK, DENIED}},
        {"objects", read_objects, {OK, OK, DENIED, DENIED, DENIED}},
        {"slices", read_object, {OK, OK, DENIED, DENIED, DENIED}},
        {"several", read_together, {OK, OK, DENIED, DENIED, DENIED}},
        {"hashes", read_hashes, {OK, OK, DENIED, DENIED, DENIED}},
        {"check", check, {OK, OK, DENIED, DENIED, DENIED}},
        {"commit", read_commit, {OK, OK, DENIED, DENIED, DENIED}},
        {"own symbol", own_symbol, {OK, OK, DENIED, DENIED, DENIED}},
        {"owner's symbol", owners_symbol, {OK, DENIED, DENIED, OK, DENIED}},
        {"recipient's symbol", recipients_symbol, {DENIED, OK, DENIED, OK, DENIED}},
        {"stranger's symbol", strangers_symbol, {DENIED, DENIED, DENIED, DENIED, DENIED}},
        {"begin", begin_another, {OK, DENIED, DENIED, DENIED, DENIED}},
        {"repair", begin_repair, {OK, OK, DENIED, DENIED, DENIED}},
        {"forward", forward, {OK, DENIED, DENIED, DENIED, DENIED}},
        {"revoke", revoke_nobody, {OK, DENIED, DENIED, DENIED, DENIED}},
        {"own images", own_page, {OK, OK, OK, DENIED, DENIED}},
        {"inbox", inbox, {OK, OK, OK, DENIED, DENIED}},
    };
    AUTO_DRAFT struct draft draft = {0};
    draft_make(&draft, &f->alice, "study", true, 1);
    assert_int_equal(ask_put(f, &f->alice, &draft), OK);
    assert_int_equal(ask_forward(f, &draft, &f->bob, fixture_now_ms++), OK);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        for (size_t j = 0; j < 5; j++) {
            result got = table[i].ask(f, people[j], &draft);
            if (got != table[i].expected[j])
                fail_msg("%s by %s: %s, expected %s", table[i].name, people[j]->name,
                         result_name(got), result_name(table[i].expected[j]));
        }
    /* What is signed by alice does not help anybody who is not alice. */
    assert_int_equal(remove_it(f, &f->bob, &draft), INTEGRITY);
    assert_int_equal(remove_it(f, &f->key_server, &draft), DENIED);
    assert_whole(f, &draft);
}

static void test_nobody_has_what_is_not_there(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft = {0};
    draft_make(&draft, &f->alice, "study", true, 1);
    static const request requests[] = {ask_image,   read_objects, read_object, read_together,
                                       read_hashes, check,        read_commit, own_symbol,
                                       forward,     revoke_nobody};
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        assert_int_equal(requests[i](f, &f->alice, &draft), NOT_FOUND);
        assert_int_equal(requests[i](f, &f->mallory, &draft), NOT_FOUND);
    }
}

static void test_a_put_is_its_callers(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft = {0};
    draft_make(&draft, &f->alice, "study", true, 1);
    assert_int_equal(ask_begin(f, &f->key_server, &draft), DENIED);
    assert_int_equal(ask_begin(f, &f->other_server, &draft), DENIED);
    assert_int_equal(ask_begin(f, &f->alice, &draft), OK);
    assert_int_equal(ask_begin(f, &f->mallory, &draft), CONFLICT);
    assert_int_equal(ask_upload(f, &f->mallory, &draft, 0), DENIED);
    assert_int_equal(ask_prepare(f, &f->mallory, &draft), DENIED);
    assert_int_equal(put_abort(f->storage, &f->mallory.caller, &draft.image, &draft.put), DENIED);
    assert_int_equal(ask_upload(f, &f->alice, &draft, 0), OK);
    assert_int_equal(ask_prepare(f, &f->alice, &draft), OK);
    assert_int_equal(ask_commit(f, &f->alice, &draft), OK);
}

/* A name is not enough: the owner's key must have signed. */
static void test_another_key_under_the_owners_name(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft = {0};
    struct person impostor;
    person_make(&impostor, "alice", STORAGE_ROLE_USER);
    draft_make(&draft, &f->alice, "study", true, 1);
    assert_int_equal(ask_begin(f, &impostor, &draft), OK);
    assert_int_equal(ask_upload(f, &impostor, &draft, 0), OK);
    assert_int_equal(ask_prepare(f, &impostor, &draft), INTEGRITY);
}

/* A recipient may bring a lost envelope back, and stays a recipient: with a commit of his own he
 * gets nowhere, with the owner's the image is the owner's as before. */
static void test_who_repairs_an_envelope_does_not_own_it(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft = {0};
    AUTO_BYTES struct bytes removal = {0};
    draft_make(&draft, &f->alice, "study", true, 1);
    assert_int_equal(ask_put(f, &f->alice, &draft), OK);
    assert_int_equal(ask_forward(f, &draft, &f->bob, fixture_now_ms), OK);

    struct draft repair = draft;
    repair.object_count = 0;
    struct draft takeover = repair;
    takeover.owner = &f->bob;
    takeover.commit = (struct bytes){0};
    draft_make_commit(&takeover);
    assert_int_equal(ask_stage(f, &f->bob, &repair), OK);
    assert_int_equal(ask_commit(f, &f->bob, &takeover), INTEGRITY);
    fixture_restart(f);
    assert_int_equal(ask_commit(f, &f->bob, &takeover), INTEGRITY);
    assert_int_equal(ask_commit(f, &f->bob, &repair), OK);
    bytes_free(&takeover.commit);

    assert_whole(f, &draft);
    make_removal(&takeover, fixture_now_ms + 1, &removal);
    assert_int_equal(removal_take(f->storage, &f->bob.caller, &draft.image, bytes_view(&removal)),
                     DENIED);
    assert_int_equal(ask_slices(f, &f->alice, &draft, 0), OK);
    assert_int_equal(ask_revoke(f, &draft, &f->bob, fixture_now_ms + 1), OK);
    assert_int_equal(ask_image(f, &f->bob, &draft), DENIED);
}

/* Whoever knows tau may remove an image of his own that is not here; what another is putting stays.
 */
static void test_a_removal_ends_nobody_elses_put(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft = {0};
    AUTO_BYTES struct bytes body = {0};
    draft_make(&draft, &f->alice, "study", true, 1);
    struct draft mallorys = draft;
    mallorys.owner = &f->mallory;
    make_removal(&mallorys, fixture_now_ms, &body);
    const struct storage_caller *mallory = &f->mallory.caller;
    assert_int_equal(ask_begin(f, &f->alice, &draft), OK);
    assert_int_equal(removal_take(f->storage, mallory, &draft.image, bytes_view(&body)), OK);
    assert_int_equal(ask_upload(f, &f->alice, &draft, 0), OK);
    assert_int_equal(ask_prepare(f, &f->alice, &draft), OK);
    bytes_free(&body);
    make_removal(&mallorys, fixture_now_ms + 1, &body);
    assert_int_equal(removal_take(f->storage, mallory, &draft.image, bytes_view(&body)), OK);
    assert_int_equal(ask_commit(f, &f->alice, &draft), OK);
    assert_whole(f, &draft);
}

/* ------------------------------------------------------------------ forwards */

static Myelin__SymbolAnswer *symbol_of(struct fixture *f, const struct draft *draft,
                                       const struct person *user) {
    AUTO_BYTES struct bytes wire = {0};
    Myelin__SymbolAnswer *answer = NULL;
    assert_int_equal(forward_symbol(f->storage, &f->key_server.caller, &draft->image, user->name,
                                    SLOT_ANY, &wire),
                     OK);
    assert_int_equal(format_parse_symbol_answer(bytes_view(&wire), &answer), OK);
    return answer;
}

/* beta = rk1, and gamma = gamma * e(alpha, rk2), computed by hand. */
static void test_forwards_re_encrypt(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft = {0};
    AUTO_BYTES struct bytes body = {0};
    AUTO_FORMAT Myelin__Signed *record = NULL;
    AUTO_FORMAT Myelin__Forward *forward_record = NULL;
    draft_make(&draft, &f->alice, "study", true, 0);
    assert_int_equal(ask_put(f, &f->alice, &draft), OK);
    make_forward(&draft, &f->bob, fixture_now_ms, &body);
    assert_int_equal(
        forward_put(f->storage, &f->alice.caller, &draft.image, "bob", bytes_view(&body)), OK);
    assert_int_equal(format_parse_signed(bytes_view(&body), &record), OK);
    assert_int_equal(format_open_forward(record, f->alice.key.public_key, &forward_record), OK);

    AUTO_FORMAT Myelin__SymbolAnswer *original = symbol_of(f, &draft, &f->alice);
    AUTO_FORMAT Myelin__SymbolAnswer *answer = symbol_of(f, &draft, &f->bob);
    struct g1 alpha;
    struct g2 rk2;
    struct gt gamma, expected, factor;
    assert_int_equal(g1_parse("alpha", format_view(draft.symbol->alpha), &alpha), OK);
    assert_int_equal(g2_parse("rk2", format_view(forward_record->rk2), &rk2), OK);
    assert_int_equal(gt_parse("gamma", format_view(draft.symbol->gamma), &expected), OK);
    pairing(&alpha, &rk2, &factor);
    gt_mul(&expected, &factor, &expected);
    assert_int_equal(gt_parse("gamma", format_view(answer->symbol->gamma), &gamma), OK);
    assert_true(gt_equal(&gamma, &expected));
    assert_int_equal(answer->symbol->b, 1);
    assert_int_equal(answer->symbol->slot, FIXTURE_SLOT);
    assert_true(view_equal(format_view(answer->symbol->beta), format_view(forward_record->rk1)));
    assert_true(view_equal(format_view(answer->forward->body), format_view(record->body)));
    assert_int_equal(original->symbol->b, 0);
    assert_null(original->forward);
    assert_true(view_equal(format_view(original->symbol->gamma), format_view(draft.symbol->gamma)));
}

static void test_the_later_word_counts(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft = {0};
    AUTO_BYTES struct bytes body = {0};
    draft_make(&draft, &f->alice, "study", true, 1);
    assert_int_equal(ask_put(f, &f->alice, &draft), OK);
    make_forward(&draft, &f->bob, 1000, &body);
    for (int i = 0; i < 2; i++) /* the very same twice is one */
        assert_int_equal(
            forward_put(f->storage, &f->alice.caller, &draft.image, "bob", bytes_view(&body)), OK);
    assert_int_equal(ask_forward(f, &draft, &f->bob, 1000), CONFLICT);
    assert_int_equal(ask_revoke(f, &draft, &f->bob, 1000), CONFLICT);
    assert_int_equal(ask_slices(f, &f->bob, &draft, 0), OK);
    assert_int_equal(ask_revoke(f, &draft, &f->bob, 1001), OK);
    fixture_restart(f);
    assert_int_equal(ask_slices(f, &f->bob, &draft, 0), DENIED);
    assert_int_equal(ask_symbol_for(f, &f->key_server, &draft, &f->bob), DENIED);
    assert_int_equal(
        forward_put(f->storage, &f->alice.caller, &draft.image, "bob", bytes_view(&body)),
        CONFLICT);
    assert_int_equal(ask_forward(f, &draft, &f->bob, 1001), CONFLICT);
    assert_int_equal(ask_forward(f, &draft, &f->bob, 1002), OK);
    assert_int_equal(ask_slices(f, &f->bob, &draft, 0), OK);
    /* A revocation of what this server never heard of keeps it away. */
    assert_int_equal(ask_revoke(f, &draft, &f->mallory, 5000), OK);
    assert_int_equal(ask_forward(f, &draft, &f->mallory, 4000), CONFLICT);
}

static void test_forwards_are_what_they_say(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft = {0}, other = {0};
    AUTO_BYTES struct bytes body = {0}, elsewhere = {0};
    draft_make(&draft, &f->alice, "study", true, 1);
    draft_make(&other, &f->alice, "other", true, 1);
    assert_int_equal(ask_put(f, &f->alice, &draft), OK);
    make_forward(&draft, &f->bob, 1000, &body);
    make_forward(&other, &f->bob, 1000, &elsewhere);
    const struct storage_caller *alice = &f->alice.caller;
    assert_int_equal(forward_put(f->storage, alice, &draft.image, "mallory", bytes_view(&body)),
                     INVALID);
    assert_int_equal(forward_put(f->storage, alice, &draft.image, "bob", bytes_view(&elsewhere)),
                     INVALID);
    assert_int_equal(forward_put(f->storage, alice, &draft.image, "alice", bytes_view(&body)),
                     INVALID);
    assert_int_equal(forward_put(f->storage, alice, &draft.image, "../x", bytes_view(&body)),
                     INVALID);
    assert_int_equal(forward_revoke(f->storage, alice, &draft.image, "bob", bytes_view(&body)),
                     INTEGRITY); /* a forward is no revocation */
    body.data[body.len - 1] ^= 1;
    assert_int_equal(forward_put(f->storage, alice, &draft.image, "bob", bytes_view(&body)),
                     INTEGRITY);
    assert_int_equal(forward_put(f->storage, alice, &draft.image, "bob", view_of("x", 1)),
                     PROTOCOL);
    assert_int_equal(ask_slices(f, &f->bob, &draft, 0), DENIED);
}

/* rk1 or rk2 outside the group, signed all the same. */
static void test_points_are_checked(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft = {0};
    draft_make(&draft, &f->alice, "study", true, 1);
    assert_int_equal(ask_put(f, &f->alice, &draft), OK);
    uint8_t identity[G2_BYTES] = {0xc0}, junk[G2_BYTES] = {0x80};
    const uint8_t *const bad[] = {identity, junk};
    for (size_t i = 0; i < 4; i++) {
        char owner[] = "alice", to[] = "bob";
        AUTO_BYTES struct bytes body = {0};
        AUTO_FORMAT Myelin__Signed *record = NULL;
        Myelin__Forward message = MYELIN__FORWARD__INIT;
        message.owner = owner;
        message.recipient = to;
        message.tau = format_bytes(view_of(draft.tau, G2_BYTES));
        message.rk1 = format_bytes(view_of(i & 1 ? bad[i / 2] : draft.tau, G2_BYTES));
        message.rk2 = format_bytes(view_of(i & 1 ? draft.tau : bad[i / 2], G2_BYTES));
        message.serial_ms = 1000;
        message.label = format_bytes(view_of("label", 5));
        assert_int_equal(format_sign(&f->alice.key, &message, &record), OK);
        assert_int_equal(format_pack(record, &body), OK);
        assert_int_equal(
            forward_put(f->storage, &f->alice.caller, &draft.image, "bob", bytes_view(&body)),
            PROTOCOL);
    }
    assert_int_equal(ask_image(f, &f->bob, &draft), DENIED);
}

/* ------------------------------------------------------------------ pages */

enum { IMAGES = 5 };

static void test_pages_are_the_callers_own(void **state) {
    struct fixture *f = *state;
    struct draft drafts[IMAGES] = {0};
    for (int i = 0; i < IMAGES; i++) {
        char id[16];
        snprintf(id, sizeof id, "study %d", i);
        draft_make(&drafts[i], i == 4 ? &f->mallory : &f->alice, id, true, 2);
        assert_int_equal(ask_put(f, drafts[i].owner, &drafts[i]), OK);
    }
    assert_int_equal(ask_forward(f, &drafts[0], &f->bob, 1000), OK);
    assert_int_equal(ask_forward(f, &drafts[1], &f->bob, 1000), OK);
    assert_int_equal(ask_forward(f, &drafts[4], &f->bob, 1000), OK);
    assert_int_equal(ask_revoke(f, &drafts[1], &f->bob, 1001), OK);
    assert_int_equal(ask_remove(f, &drafts[3], fixture_now_ms), OK);

    char after[sizeof drafts[0].image.hex] = "";
    size_t seen = 0, recipients = 0;
    AUTO_BYTES struct bytes wire = {0};
    AUTO_FORMAT Myelin__ImagePage *page = NULL;
    assert_int_equal(listing_images(f->storage, &f->alice.caller, after, &wire), OK);
    assert_int_equal(format_parse_image_page(bytes_view(&wire), &page), OK);
    assert_false(page->more);
    for (size_t i = 0; i < page->n_image; i++) {
        AUTO_FORMAT Myelin__Envelope *envelope = NULL;
        struct image_id image;
        assert_int_equal(
            format_open_envelope(page->image[i]->envelope, f->alice.key.public_key, &envelope), OK);
        image_id_of_tau(format_view(envelope->tau), &image);
        assert_true(strcmp(image.hex, after) > 0);
        memcpy(after, image.hex, sizeof after);
        assert_int_equal(page->image[i]->objects, 2);
        assert_int_equal(page->image[i]->sealed_bytes,
                         drafts[0].objects[0].layout.sealed_bytes +
                             drafts[0].objects[1].layout.sealed_bytes);
        recipients += page->image[i]->n_recipient;
        seen++;
    }
    assert_int_equal(seen, 3);
    assert_int_equal(recipients, 1);

    AUTO_BYTES struct bytes rest = {0}, inbox_wire = {0};
    AUTO_FORMAT Myelin__ImagePage *none = NULL;
    AUTO_FORMAT Myelin__InboxPage *inbox_page = NULL;
    assert_int_equal(listing_images(f->storage, &f->alice.caller, after, &rest), OK);
    assert_int_equal(format_parse_image_page(bytes_view(&rest), &none), OK);
    assert_int_equal(none->n_image, 0);
    assert_int_equal(listing_inbox(f->storage, &f->bob.caller, "", &inbox_wire), OK);
    assert_int_equal(format_parse_inbox_page(bytes_view(&inbox_wire), &inbox_page), OK);
    assert_int_equal(inbox_page->n_entry, 2);
    AUTO_BYTES struct bytes bad = {0};
    assert_int_equal(listing_images(f->storage, &f->alice.caller, "../..", &bad), INVALID);
    for (int i = 0; i < IMAGES; i++)
        draft_free(&drafts[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_who_may_do_what),
        TEST(test_nobody_has_what_is_not_there),
        TEST(test_a_put_is_its_callers),
        TEST(test_another_key_under_the_owners_name),
        TEST(test_who_repairs_an_envelope_does_not_own_it),
        TEST(test_a_removal_ends_nobody_elses_put),
        TEST(test_forwards_re_encrypt),
        TEST(test_the_later_word_counts),
        TEST(test_forwards_are_what_they_say),
        TEST(test_points_are_checked),
        TEST(test_pages_are_the_callers_own),
    };
    return cmocka_run_group_tests_name("storage rights", tests, NULL, NULL);
}
