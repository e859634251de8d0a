/* Shares at rest: one user's damage is his alone, and nothing but the right seal key opens any. */
#include "keys_files.h"

#include "keys/name_list.h"
#include "keys/sealing_key.h"
#include "keys/share_store.h"

enum { T = 2, M = 3, J = 2, NOW = 1700000000 };

static const uint8_t seal_key[SEAL_KEY_BYTES] = {1, 2, 3};
static const uint8_t other_seal_key[SEAL_KEY_BYTES] = {1, 2, 4};

/* A share as it comes in a message, with all that the message points to. */
struct offer {
    Myelin__EnrollShare message;
    char user[FORMAT_NAME_MAX + 1];
    uint8_t s1[SCALAR_BYTES], s2[SCALAR_BYTES], proof[POSSESSION_BYTES];
    uint8_t f1[T][G1_BYTES], f2[T][G2_BYTES];
    ProtobufCBinaryData commitment1[T], commitment2[T];
};

static void offer_make(const char *user, struct offer *out) {
    struct secret_key secret;
    struct public_key public_key;
    struct key_share shares[M];
    AUTO_COMMITMENTS struct share_commitments commitments = {0};
    keygen(&secret, &public_key);
    assert_int_equal(share_keygen(&secret, T, M, shares, &commitments), OK);
    memset(out, 0, sizeof *out);
    myelin__enroll_share__init(&out->message);
    snprintf(out->user, sizeof out->user, "%s", user);
    scalar_to_bytes(&shares[J - 1].s1, out->s1);
    scalar_to_bytes(&shares[J - 1].s2, out->s2);
    for (size_t i = 0; i < T; i++) {
        g1_to_bytes(&commitments.f1[i], out->f1[i]);
        g2_to_bytes(&commitments.f2[i], out->f2[i]);
        out->commitment1[i] = format_bytes(view_of(out->f1[i], G1_BYTES));
        out->commitment2[i] = format_bytes(view_of(out->f2[i], G2_BYTES));
    }
    out->message.user = out->user;
    out->message.index = J;
    out->message.s1 = format_bytes(view_of(out->s1, sizeof out->s1));
    out->message.s2 = format_bytes(view_of(out->s2, sizeof out->s2));
    out->message.n_commitment1 = out->message.n_commitment2 = T;
    out->message.commitment1 = out->commitment1;
    out->message.commitment2 = out->commitment2;
    out->message.proof = format_bytes(view_of(out->proof, sizeof out->proof));
}

static struct share_store *open_store(const char *folder) {
    struct share_store *store = NULL;
    assert_int_equal(share_store_open(folder, seal_key, J, &store), OK);
    return store;
}

static struct view certificate(void) {
    return view_of_string("the certificate");
}

static void put(struct share_store *store, const struct offer *offer, result expected) {
    assert_int_equal(share_store_put(store, &offer->message, certificate(), false, NOW), expected);
}

static void enrol(struct share_store *store, const struct offer *offer) {
    put(store, offer, OK);
    assert_int_equal(share_store_activate(store, offer->user, certificate()), OK);
}

static void assert_holds(struct share_store *store, const struct offer *offer, bool active) {
    AUTO_SHARE struct share_record record = {0};
    uint8_t s1[SCALAR_BYTES], s2[SCALAR_BYTES];
    assert_int_equal(share_store_get(store, offer->user, &record), OK);
    scalar_to_bytes(&record.share->s1, s1);
    scalar_to_bytes(&record.share->s2, s2);
    assert_int_equal(record.share->j, J);
    assert_memory_equal(s1, offer->s1, sizeof s1);
    assert_memory_equal(s2, offer->s2, sizeof s2);
    assert_int_equal(record.file->active, active);
    assert_int_equal(record.file->n_commitment1, T);
    assert_memory_equal(record.file->commitment2[1].data, offer->f2[1], G2_BYTES);
}

static result get(struct share_store *store, const char *user) {
    AUTO_SHARE struct share_record record = {0};
    return share_store_get(store, user, &record);
}

static void test_pending_then_active(void **state) {
    struct offer alice;
    offer_make("alice", &alice);
    struct share_store *store = open_store(*state);
    assert_int_equal(get(store, "alice"), NOT_FOUND);
    assert_int_equal(share_store_activate(store, "alice", certificate()), NOT_FOUND);
    put(store, &alice, OK);
    assert_holds(store, &alice, false);
    assert_int_equal(share_store_count(store), 0);
    assert_int_equal(share_store_activate(store, "alice", certificate()), OK);
    assert_holds(store, &alice, true);
    assert_int_equal(share_store_count(store), 1);
    assert_int_equal(share_store_activate(store, "alice", certificate()), OK);
    share_store_close(store);
    store = open_store(*state);
    assert_holds(store, &alice, true);
    assert_int_equal(share_store_count(store), 1);
    share_store_close(store);
}

static void test_pending_is_replaced_active_is_not(void **state) {
    struct offer first, second;
    offer_make("alice", &first);
    offer_make("alice", &second);
    struct share_store *store = open_store(*state);
    put(store, &first, OK);
    put(store, &second, OK);
    assert_holds(store, &second, false);
    assert_int_equal(share_store_activate(store, "alice", certificate()), OK);
    put(store, &first, CONFLICT);
    put(store, &second, OK);
    assert_holds(store, &second, true);
    share_store_close(store);
}

static void test_certificate_renewal(void **state) {
    struct offer alice;
    struct view renewed = view_of_string("the certificate, valid for longer");
    offer_make("alice", &alice);
    struct share_store *store = open_store(*state);
    put(store, &alice, OK);
    assert_int_equal(share_store_activate(store, "alice", renewed), CONFLICT);
    assert_int_equal(share_store_activate(store, "alice", certificate()), OK);
    assert_int_equal(share_store_put(store, &alice.message, renewed, false, NOW), CONFLICT);
    assert_int_equal(share_store_put(store, &alice.message, renewed, true, NOW), OK);
    AUTO_SHARE struct share_record record = {0};
    assert_int_equal(share_store_get(store, "alice", &record), OK);
    assert_true(record.file->active);
    assert_true(view_equal(format_view(record.file->certificate), renewed));
    share_store_close(store);
}

static void test_wrong_index_and_names(void **state) {
    struct offer alice;
    offer_make("alice", &alice);
    struct share_store *store = open_store(*state);
    alice.message.index = J + 1;
    put(store, &alice, INVALID);
    assert_int_equal(get(store, "../alice"), INVALID);
    assert_int_equal(get(store, ""), INVALID);
    share_store_close(store);
}

static void test_files_are_private(void **state) {
    struct offer alice;
    struct stat status;
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s/shares", (char *)*state);
    offer_make("alice", &alice);
    struct share_store *store = open_store(folder);
    enrol(store, &alice);
    share_store_close(store);
    assert_int_equal(stat(in_folder(folder, "alice.share"), &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(stat(folder, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
}

/* The share itself is nowhere on the disk in the clear. */
static void test_share_is_sealed(void **state) {
    struct offer alice;
    AUTO_BYTES struct bytes contents = {0};
    offer_make("alice", &alice);
    struct share_store *store = open_store(*state);
    enrol(store, &alice);
    share_store_close(store);
    read_whole(in_folder(*state, "alice.share"), &contents);
    assert_null(memmem(contents.data, contents.len, alice.s1, sizeof alice.s1));
    assert_null(memmem(contents.data, contents.len, alice.s2, sizeof alice.s2));
    assert_non_null(memmem(contents.data, contents.len, alice.f1, sizeof alice.f1[0]));
}

static void test_wrong_seal_key(void **state) {
    struct offer alice;
    offer_make("alice", &alice);
    struct share_store *store = open_store(*state);
    enrol(store, &alice);
    share_store_close(store);
    assert_int_equal(share_store_open(*state, other_seal_key, J, &store), OK);
    assert_int_equal(get(store, "alice"), INTEGRITY);
    assert_error_has("share file of alice");
    assert_int_equal(share_store_count(store), 0);
    put(store, &alice, INTEGRITY); /* what cannot be read is not overwritten */
    share_store_close(store);
}

static void test_every_flip_is_seen(void **state) {
    struct offer alice, bob;
    AUTO_BYTES struct bytes whole = {0};
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/alice.share", (char *)*state);
    offer_make("alice", &alice);
    offer_make("bob", &bob);
    struct share_store *store = open_store(*state);
    enrol(store, &alice);
    enrol(store, &bob);
    read_whole(path, &whole);
    for (size_t offset = 0; offset < whole.len; offset++) {
        flip_bit(path, offset, (unsigned)offset % 8);
        assert_int_equal(get(store, "alice"), INTEGRITY);
        assert_error_has("alice");
        flip_bit(path, offset, (unsigned)offset % 8);
    }
    assert_holds(store, &alice, true);
    assert_holds(store, &bob, true);
    share_store_close(store);
}

static void test_every_truncation_is_seen(void **state) {
    struct offer alice;
    AUTO_BYTES struct bytes whole = {0};
    AUTO_SHARE struct share_record record = {0};
    offer_make("alice", &alice);
    struct share_store *store = open_store(*state);
    enrol(store, &alice);
    share_store_close(store);
    read_whole(in_folder(*state, "alice.share"), &whole);
    for (size_t len = 0; len < whole.len; len++)
        assert_int_equal(share_file_open(view_of(whole.data, len), seal_key, "alice", J, &record),
                         INTEGRITY);
    assert_int_equal(share_file_open(bytes_view(&whole), seal_key, "alice", J, &record), OK);
}

/* A whole and well sealed file in another's place is no share of his. */
static void test_swapped_files(void **state) {
    struct offer alice, bob;
    AUTO_BYTES struct bytes contents = {0};
    AUTO_SHARE struct share_record record = {0};
    offer_make("alice", &alice);
    offer_make("bob", &bob);
    struct share_store *store = open_store(*state);
    enrol(store, &alice);
    enrol(store, &bob);
    read_whole(in_folder(*state, "bob.share"), &contents);
    write_whole(in_folder(*state, "alice.share"), bytes_view(&contents));
    assert_int_equal(get(store, "alice"), INTEGRITY);
    assert_error_has("it is the file of bob");
    assert_int_equal(get(store, "bob"), OK);
    assert_int_equal(share_file_open(bytes_view(&contents), seal_key, "bob", J + 1, &record),
                     INTEGRITY);
    share_store_close(store);
}

/* A damaged file does not keep the server from starting; what a crash left behind is cleared. */
static void test_start_over_damage(void **state) {
    struct offer alice, bob;
    offer_make("alice", &alice);
    offer_make("bob", &bob);
    struct share_store *store = open_store(*state);
    enrol(store, &alice);
    enrol(store, &bob);
    share_store_close(store);
    assert_int_equal(truncate(in_folder(*state, "alice.share"), 100), 0);
    write_whole(in_folder(*state, "carol.share.0123456789abcdef.tmp"), view_of_string("x"));
    write_whole(in_folder(*state, "README"), view_of_string("x"));
    store = open_store(*state);
    assert_int_equal(share_store_count(store), 1);
    assert_int_equal(get(store, "alice"), INTEGRITY);
    assert_int_equal(get(store, "bob"), OK);
    assert_false(exists(in_folder(*state, "carol.share.0123456789abcdef.tmp")));
    assert_true(exists(in_folder(*state, "README")));
    share_store_close(store);
}

static void test_page_is_sorted_and_bounded(void **state) {
    static const char *const names[] = {"dora", "alice", "carol", "bob"};
    struct offer offer;
    AUTO_BYTES struct bytes wire = {0};
    AUTO_FORMAT Myelin__UserPage *page = NULL;
    struct share_store *store = open_store(*state);
    offer_make("x", &offer);
    for (size_t i = 0; i < 4; i++) {
        snprintf(offer.user, sizeof offer.user, "%s", names[i]);
        enrol(store, &offer);
    }
    assert_int_equal(share_store_page(store, "alice", 2, &wire), OK);
    assert_int_equal(format_parse_user_page(bytes_view(&wire), &page), OK);
    assert_int_equal(page->n_user, 2);
    assert_string_equal(page->user[0], "bob");
    assert_string_equal(page->user[1], "carol");
    assert_true(page->more);
    wire.len = 0;
    AUTO_FORMAT Myelin__UserPage *last = NULL;
    assert_int_equal(share_store_page(store, "carol", 2, &wire), OK);
    assert_int_equal(format_parse_user_page(bytes_view(&wire), &last), OK);
    assert_int_equal(last->n_user, 1);
    assert_false(last->more);
    share_store_close(store);
}

static void test_seal_key_file(void **state) {
    uint8_t *key = NULL;
    const char *path = in_folder(*state, "seal.key");
    assert_int_equal(sealing_key_load(path, &key), NOT_FOUND);
    write_whole(path, view_of(seal_key, SEAL_KEY_BYTES - 1));
    assert_int_equal(sealing_key_load(path, &key), INVALID);
    write_whole(path, view_of(seal_key, SEAL_KEY_BYTES));
    assert_int_equal(sealing_key_load(path, &key), OK);
    assert_memory_equal(key, seal_key, SEAL_KEY_BYTES);
    secret_free(key);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(sealing_key_load(path, &key), DENIED);
    assert_error_has("chmod 600");
    assert_int_equal(sealing_key_load(*state, &key), INVALID);
}

#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, folder_setup, folder_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_pending_then_active),
        STORE_TEST(test_pending_is_replaced_active_is_not),
        STORE_TEST(test_certificate_renewal),
        STORE_TEST(test_wrong_index_and_names),
        STORE_TEST(test_files_are_private),
        STORE_TEST(test_share_is_sealed),
        STORE_TEST(test_wrong_seal_key),
        STORE_TEST(test_every_flip_is_seen),
        STORE_TEST(test_every_truncation_is_seen),
        STORE_TEST(test_swapped_files),
        STORE_TEST(test_start_over_damage),
        STORE_TEST(test_page_is_sorted_and_bounded),
        STORE_TEST(test_seal_key_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
