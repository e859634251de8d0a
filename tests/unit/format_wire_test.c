/* Messages of every kind: what is valid passes unchanged, and has one encoding. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "format_checks.h"
#include "format_samples_care.h"
#include "format_samples_records.h"

typedef void (*visit)(const void *message);

static void visit_records(visit each) {
    Myelin__System system = sample_system();
    each(&system);
    Myelin__Envelope envelope = sample_envelope();
    each(&envelope);
    Myelin__Manifest manifest = sample_manifest();
    each(&manifest);
    Myelin__Commit commit = sample_commit();
    each(&commit);
    Myelin__Forward forward = sample_forward();
    each(&forward);
    Myelin__Revocation revocation = sample_revocation();
    each(&revocation);
    Myelin__Removal removal = sample_removal();
    each(&removal);
    Myelin__Deletion deletion = sample_deletion();
    each(&deletion);
    Myelin__Receipt receipt = sample_receipt();
    each(&receipt);
    Myelin__Draw draw = sample_draw();
    each(&draw);
    Myelin__Dealing dealing = sample_dealing();
    each(&dealing);
    Myelin__Acceptance acceptance = sample_acceptance();
    each(&acceptance);
    Myelin__Blinded blinded = sample_blinded();
    each(&blinded);
    Myelin__Head head = sample_head();
    each(&head);
    Myelin__CertificateRequest request = sample_certificate_request();
    each(&request);
}

static void visit_files(visit each) {
    each(sample_signed());
    Myelin__ObjectMeta meta = sample_object_meta();
    each(&meta);
    each(sample_audit_entry());
    Myelin__AuditBody body = sample_audit_body();
    each(&body);
    Myelin__KeystoreSecrets secrets = sample_keystore_secrets();
    each(&secrets);
    Myelin__HeadFile heads = sample_head_file();
    each(&heads);
    Myelin__Keystore keystore = sample_keystore();
    each(&keystore);
    Myelin__ShareFile share = sample_share_file();
    each(&share);
    Myelin__ShareFile share_file_next = sample_share_file_next();
    each(&share_file_next);
}

static void visit_messages(visit each) {
    each(sample_symbol());
    Myelin__BeginPut begin = sample_begin_put();
    each(&begin);
    Myelin__DrawRequest draw = sample_draw_request();
    each(&draw);
    Myelin__PreparePut prepare = sample_prepare_put();
    each(&prepare);
    Myelin__WholePut whole = sample_whole_put();
    each(&whole);
    Myelin__WholeAnswer receipts = sample_whole_answer();
    each(&receipts);
    Myelin__DeleteObjects deletions = sample_delete_objects();
    each(&deletions);
    Myelin__ImageAnswer image = sample_image_answer();
    each(&image);
    Myelin__ImagePage images = sample_image_page();
    each(&images);
    Myelin__ManifestPage manifests = sample_manifest_page();
    each(&manifests);
    Myelin__InboxPage inbox = sample_inbox_page();
    each(&inbox);
    Myelin__SymbolAnswer symbol = sample_symbol_answer();
    each(&symbol);
    Myelin__CheckAnswer check = sample_check_answer();
    each(&check);
    Myelin__ForwardPage forwards = sample_forward_page();
    each(&forwards);
    Myelin__ImageState image_state = sample_image_state();
    each(&image_state);
    Myelin__IndexPage index = sample_index_page();
    each(&index);
    Myelin__RepairAnswer repair = sample_repair_answer();
    each(&repair);
    Myelin__EnrollShare enroll = sample_enroll_share();
    each(&enroll);
    Myelin__UserAnswer user = sample_user_answer();
    each(&user);
    Myelin__UserPage users = sample_user_page();
    each(&users);
    Myelin__OpenRequest open = sample_open_request();
    each(&open);
    Myelin__OpenAnswer opened = sample_open_answer();
    each(&opened);
    Myelin__RekeyRequest rekey = sample_rekey_request();
    each(&rekey);
    Myelin__RekeyAnswer part = sample_rekey_answer();
    each(&part);
    Myelin__CareRequest care_request = sample_care_request();
    each(&care_request);
    Myelin__CareRequest care_request_lost = sample_care_request_lost();
    each(&care_request_lost);
    Myelin__CareState care_state = sample_care_state();
    each(&care_state);
    Myelin__CareOffer care_offer = sample_care_offer();
    each(&care_offer);
    Myelin__CareComplaint care_complaint = sample_care_complaint();
    each(&care_complaint);
    Myelin__CareFinish care_finish = sample_care_finish();
    each(&care_finish);
    Myelin__CareRestore care_restore = sample_care_restore();
    each(&care_restore);
    Myelin__RecoverRequest recover = sample_recover_request();
    each(&recover);
    Myelin__RecoverAnswer recovered = sample_recover_answer();
    each(&recovered);
    Myelin__AuditPage audit = sample_audit_page();
    each(&audit);
}

static void visit_all(visit each) {
    visit_records(each);
    visit_files(each);
    visit_messages(each);
}

static void valid_messages_pass_unchanged(void **state) {
    (void)state;
    visit_all(expect_accepted);
}

/* Every prefix is refused, the empty one included, unless it happens to be a whole message itself:
 * then it reads back as exactly those bytes. */
static void try_prefixes(const void *message) {
    AUTO_BYTES struct bytes wire = encode(message);
    for (size_t len = 0; len < wire.len; len++) {
        AUTO_FORMAT ProtobufCMessage *parsed = NULL;
        result read = format_parse(descriptor_of(message), view_of(wire.data, len), &parsed);
        if (read == OK) {
            AUTO_BYTES struct bytes again = encode(parsed);
            assert_true(view_equal(bytes_view(&again), view_of(wire.data, len)));
        } else {
            assert_int_equal(read, PROTOCOL);
            assert_null(parsed);
            assert_true(strlen(error_text()) > 5);
        }
    }
}

static void truncation_is_refused_or_exact(void **state) {
    (void)state;
    visit_all(try_prefixes);
}

/* A flipped bit is refused, or gives another message that reads back as those bytes. */
static void try_flips(const void *message) {
    AUTO_BYTES struct bytes wire = encode(message);
    for (size_t i = 0; i < wire.len; i++)
        for (int bit = 0; bit < 8; bit++) {
            AUTO_FORMAT ProtobufCMessage *parsed = NULL;
            wire.data[i] ^= (uint8_t)(1 << bit);
            if (format_parse(descriptor_of(message), bytes_view(&wire), &parsed) == OK) {
                AUTO_BYTES struct bytes again = encode(parsed);
                assert_int_equal(again.len, wire.len);
            } else {
                assert_null(parsed);
            }
            wire.data[i] ^= (uint8_t)(1 << bit);
        }
}

static void flipped_bits_are_refused_or_exact(void **state) {
    (void)state;
    visit_records(try_flips);
    visit_messages(try_flips);
    Myelin__Keystore keystore = sample_keystore();
    try_flips(&keystore);
    Myelin__ShareFile share = sample_share_file();
    try_flips(&share);
}

static const struct format_kind *kind_of(const void *message) {
    const struct format_kind *kind = NULL;
    assert_int_equal(format_kind_of(descriptor_of(message), &kind), OK);
    return kind;
}

/* An unknown field is dropped from messages and refused in records and files. */
static void try_unknown_field(const void *message) {
    AUTO_BYTES struct bytes wire = encode(message);
    AUTO_FORMAT ProtobufCMessage *parsed = NULL;
    static const uint8_t field_1000[] = {0xc0, 0x3e, 0x07};
    assert_int_equal(bytes_append(&wire, view_of(field_1000, sizeof field_1000)), OK);
    result read = format_parse(descriptor_of(message), bytes_view(&wire), &parsed);
    assert_int_equal(read, kind_of(message)->is_strict ? PROTOCOL : OK);
    if (read != OK)
        assert_error_says("unknown field 1000");
}

static void unknown_fields_are_refused_in_records(void **state) {
    (void)state;
    visit_all(try_unknown_field);
}

static void too_long_is_refused_before_parsing(void **state) {
    (void)state;
    AUTO_BYTES struct bytes wire = {0};
    AUTO_FORMAT Myelin__Commit *commit = NULL;
    assert_int_equal(bytes_reserve(&wire, FORMAT_LIMIT_COMMIT + 1), OK);
    memset(wire.data, 0, wire.capacity);
    wire.len = FORMAT_LIMIT_COMMIT + 1;
    assert_int_equal(format_parse_commit(bytes_view(&wire), &commit), PROTOCOL);
    assert_error_says("commit: 4097 bytes, at most 4096");
}

/* Two fields of one number, a number in more bytes than it needs, a default written out, a zero
 * byte inside a text: all say the same as the one encoding, and none of them is accepted. */
static void one_message_has_one_encoding(void **state) {
    (void)state;
    Myelin__Removal m = sample_removal();
    const struct {
        const char *what;
        uint8_t tail[8];
        size_t len;
    } tails[] = {
        {"owner twice", {0x0a, 5, 'a', 'l', 'i', 'c', 'e'}, 7},
        {"serial twice", {0x18, 0x80, 0x01}, 3},
        {"long zero", {0x18, 0x80, 0x80, 0x00}, 4},
        {"zero in a text", {0x0a, 3, 'b', 0, 'b'}, 5},
    };
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        AUTO_BYTES struct bytes wire = encode(&m);
        AUTO_FORMAT Myelin__Removal *parsed = NULL;
        assert_int_equal(bytes_append(&wire, view_of(tails[i].tail, tails[i].len)), OK);
        if (format_parse_removal(bytes_view(&wire), &parsed) != PROTOCOL)
            fail_msg("accepted: %s", tails[i].what);
        assert_error_says("removal: not encoded in the one way");
    }
    Myelin__OpenRequest request = sample_open_request();
    request.u = 0;
    AUTO_BYTES struct bytes wire = encode(&request);
    AUTO_FORMAT Myelin__OpenRequest *opened = NULL;
    static const uint8_t explicit_zero[] = {0x18, 0x00};
    assert_int_equal(bytes_append(&wire, view_of(explicit_zero, 2)), OK);
    assert_int_equal(format_parse_open_request(bytes_view(&wire), &opened), PROTOCOL);
}

/* A record whose fields stand in another order has the same length, and is still another record. */
static void order_of_fields_matters_in_records(void **state) {
    (void)state;
    Myelin__Removal m = sample_removal();
    AUTO_BYTES struct bytes wire = encode(&m);
    AUTO_BYTES struct bytes turned = {0};
    AUTO_FORMAT Myelin__Removal *parsed = NULL;
    const size_t owner = 2 + strlen(m.owner);
    assert_int_equal(bytes_append(&turned, view_of(wire.data + owner, wire.len - owner)), OK);
    assert_int_equal(bytes_append(&turned, view_of(wire.data, owner)), OK);
    assert_int_equal(format_parse_removal(bytes_view(&turned), &parsed), PROTOCOL);
}

/* A few bytes that unpack to a lot of memory end in an error, not in the memory. */
static void small_messages_do_not_become_large(void **state) {
    (void)state;
    AUTO_BYTES struct bytes wire = {0};
    AUTO_FORMAT Myelin__ImagePage *page = NULL;
    static const uint8_t empty_entry[] = {0x0a, 0x00};
    for (size_t i = 0; i < FORMAT_LIMIT_PAGE / 2; i++)
        assert_int_equal(bytes_append(&wire, view_of(empty_entry, 2)), OK);
    assert_int_equal(format_parse_image_page(bytes_view(&wire), &page), PROTOCOL);
    assert_error_says("do not parse");
    assert_null(page);
}

/* The largest page of tiny entries that is allowed does fit. */
static void full_pages_parse(void **state) {
    (void)state;
    static char *users[FORMAT_PAGE_ENTRIES_MAX + 1];
    static char name[] = "u";
    for (size_t i = 0; i <= FORMAT_PAGE_ENTRIES_MAX; i++)
        users[i] = name;
    Myelin__UserPage m = MYELIN__USER_PAGE__INIT;
    m.user = users;
    m.n_user = FORMAT_PAGE_ENTRIES_MAX;
    expect_accepted(&m);
    m.n_user++;
    expect_refused(&m, "user: 4097 of them");
    m.n_user = 0;
    expect_accepted(&m);
}

/* 255 servers, k = 128: the largest records are within their limits. */
static void largest_records_fit(void **state) {
    (void)state;
    static char names[255][FORMAT_NAME_MAX + 1];
    static char *servers[255];
    static ProtobufCBinaryData hashes[255], rows[255];
    static uint8_t row[128] = {1}, hash[32];
    for (int i = 0; i < 255; i++) {
        memset(names[i], 'a', FORMAT_NAME_MAX);
        snprintf(names[i] + 60, 4, "%03d", i);
        servers[i] = names[i];
        hashes[i] = (ProtobufCBinaryData){32, hash};
        rows[i] = (ProtobufCBinaryData){128, row};
    }
    Myelin__Manifest m = sample_manifest();
    m.servers = servers;
    m.symbol_root = hashes;
    m.row = rows;
    m.n_servers = m.n_symbol_root = m.n_row = 255;
    m.k = 128;
    m.sealed_meta = zeros(FORMAT_SEALED_META_MAX);
    expect_accepted(&m);
    Myelin__Envelope e = sample_envelope();
    e.servers = servers;
    e.symbol_hash = hashes;
    e.n_servers = e.n_symbol_hash = 255;
    e.owner_label = e.sealed_id = zeros(FORMAT_LABEL_MAX);
    expect_accepted(&e);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_messages_pass_unchanged),
        cmocka_unit_test(truncation_is_refused_or_exact),
        cmocka_unit_test(flipped_bits_are_refused_or_exact),
        cmocka_unit_test(unknown_fields_are_refused_in_records),
        cmocka_unit_test(too_long_is_refused_before_parsing),
        cmocka_unit_test(one_message_has_one_encoding),
        cmocka_unit_test(order_of_fields_matters_in_records),
        cmocka_unit_test(small_messages_do_not_become_large),
        cmocka_unit_test(full_pages_parse),
        cmocka_unit_test(largest_records_fit),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
