/* Messages and records: what is valid passes unchanged, and every rule refuses its breach. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/secret.h"
#include "format/hash.h"
#include "format/kind.h"
#include "format/layout.h"
#include "format_samples.h"

/* The encoding without any check. */
static struct bytes encode(const void *message) {
    struct bytes wire = {0};
    size_t len = format_packed_bytes(message);
    assert_int_equal(bytes_reserve(&wire, len + 1), OK);
    format_pack_to(message, wire.data);
    wire.len = len;
    return wire;
}

static const ProtobufCMessageDescriptor *descriptor_of(const void *message) {
    return ((const ProtobufCMessage *)message)->descriptor;
}

static void assert_error_says(const char *text) {
    if (strstr(error_text(), text) == NULL)
        fail_msg("'%s' does not say '%s'", error_text(), text);
}

static void expect_accepted(const void *message) {
    AUTO_BYTES struct bytes wire = {0};
    AUTO_BYTES struct bytes again = {0};
    AUTO_FORMAT ProtobufCMessage *parsed = NULL;
    if (format_pack(message, &wire) != OK)
        fail_msg("refused: %s", error_text());
    if (format_parse(descriptor_of(message), bytes_view(&wire), &parsed) != OK)
        fail_msg("refused: %s", error_text());
    assert_int_equal(format_pack(parsed, &again), OK);
    assert_true(view_equal(bytes_view(&wire), bytes_view(&again)));
}

/* Refused when it is read, as PROTOCOL, and when it is written, as INVALID; both say why. */
static void expect_refused(const void *message, const char *text) {
    AUTO_BYTES struct bytes wire = encode(message);
    AUTO_BYTES struct bytes out = {0};
    AUTO_FORMAT ProtobufCMessage *parsed = NULL;
    assert_int_equal(format_parse(descriptor_of(message), bytes_view(&wire), &parsed), PROTOCOL);
    assert_null(parsed);
    assert_error_says(text);
    assert_int_equal(format_pack(message, &out), INVALID);
    assert_error_says(text);
    assert_int_equal(out.len, 0);
}

/* A fresh sample, broken by a statement on `m`, is refused with that text. */
#define REFUSES(type, sample, breach, text)                                                        \
    do {                                                                                           \
        type m = sample;                                                                           \
        breach;                                                                                    \
        expect_refused(&m, text);                                                                  \
    } while (0)
#define ACCEPTS(type, sample, change)                                                              \
    do {                                                                                           \
        type m = sample;                                                                           \
        change;                                                                                    \
        expect_accepted(&m);                                                                       \
    } while (0)

static char long_name[] = "a123456789012345678901234567890123456789012345678901234567890123";
static char bad_name[] = "Alice", no_name[] = "", dotted[] = ".alice";
static const uint64_t year_10000 = 253402300800000;

static ProtobufCBinaryData zeros(size_t len) {
    static uint8_t bytes[20000];
    return (ProtobufCBinaryData){len, bytes};
}

/* ------------------------------------------------------------------ every kind */

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

/* ------------------------------------------------------------------ rules */

static void names_follow_the_rule(void **state) {
    (void)state;
    assert_true(format_is_name("a"));
    assert_true(format_is_name("0.b_c-d"));
    assert_true(format_is_name(long_name + 1)); /* 63 */
    assert_false(format_is_name(long_name));    /* 64 */
    static const char *const bad[] = {"",   "-a",  ".",   "_a",  "A",
                                      "aB", "a b", "a/b", "a\n", "\xc3\xa9"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(format_is_name(bad[i]));
}

static void addresses_follow_the_rule(void **state) {
    (void)state;
    static const char *const good[] = {"127.0.0.1:1", "storage.example.org:65535", "[::1]:4001",
                                       "localhost:80"};
    static const char *const bad[] = {"",      "host",     "host:",     "host:0",      ":80",
                                      "a b:1", "host:065", "h:65536",   "h:1x",        "[::1]",
                                      "[]:1",  "[g::]:1",  "[::1]4001", "http://a:80", "h:123456"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(format_is_address(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (format_is_address(bad[i]))
            fail_msg("accepted: '%s'", bad[i]);
    char longest[FORMAT_ADDRESS_MAX + 2];
    memset(longest, 'h', sizeof longest);
    memcpy(longest + FORMAT_ADDRESS_MAX - 6, ":65535", 7);
    assert_true(format_is_address(longest));
    memcpy(longest + FORMAT_ADDRESS_MAX - 5, ":65535", 7);
    assert_false(format_is_address(longest));
}

static void object_names_stay_in_their_folder(void **state) {
    (void)state;
    static const char *const good[] = {"a",          "...",          "a/b c/d.dcm",     ".hidden",
                                       "\xc3\xa4\n", "\xe2\x82\xac", "\xf0\x9f\xa7\xa0"};
    static const char *const bad[] = {"",
                                      "/",
                                      "/a",
                                      "a/",
                                      "a//b",
                                      ".",
                                      "..",
                                      "../a",
                                      "a/../b",
                                      "a/.",
                                      "a/..",
                                      "\xff",
                                      "\xc3",
                                      "\xc0\xaf",
                                      "\xe0\x80\xaf",
                                      "\xed\xa0\x80",
                                      "\xf4\x90\x80\x80",
                                      "\x80"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!format_is_object_name(good[i]))
            fail_msg("refused: '%s'", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (format_is_object_name(bad[i]))
            fail_msg("accepted: '%s'", bad[i]);
    char longest[FORMAT_OBJECT_NAME_MAX + 2];
    memset(longest, 'n', sizeof longest);
    longest[FORMAT_OBJECT_NAME_MAX] = '\0';
    assert_true(format_is_object_name(longest));
    longest[FORMAT_OBJECT_NAME_MAX] = 'n';
    longest[FORMAT_OBJECT_NAME_MAX + 1] = '\0';
    assert_false(format_is_object_name(longest));
}

#define SYSTEM(breach, text) REFUSES(Myelin__System, sample_system(), breach, text)
static void system_rules(void **state) {
    (void)state;
    static char bad_address[] = "nowhere", other_suite[] = "BN254", storage_1[] = "storage-1";
    SYSTEM(m.format = 2, "system: format: 2");
    SYSTEM(m.id.len = 15, "id: 15 bytes");
    SYSTEM(m.version = 0, "version");
    SYSTEM(m.suite = other_suite, "suite: 'BN254'");
    SYSTEM(m.k = 0, "k: 0");
    SYSTEM(m.k = 3, "k: 3 is not between 1 and 2");
    SYSTEM(m.t = 0, "t: 0");
    SYSTEM(m.t = 3, "t: 3 is not between 1 and 2");
    SYSTEM(m.n_storage = 0, "storage: 0 of them");
    SYSTEM(m.n_key = 0, "key: 0 of them");
    SYSTEM(m.storage[1]->name = bad_name, "storage[1]: name: 'Alice'");
    SYSTEM(m.key[0]->address = bad_address, "key[0]: address: 'nowhere'");
    SYSTEM(m.key[0]->identity.len = 31, "key[0]: identity: 31 bytes");
    SYSTEM(m.key[1]->name = storage_1, "server storage-1 stands there twice");
    SYSTEM(m.key[1]->identity = m.storage[0]->identity,
           "servers storage-1 and key-2 have one identity key");
    SYSTEM(m.ca_certificate.len = 0, "ca_certificate");
    SYSTEM(m.ca_certificate = zeros(FORMAT_CERTIFICATE_MAX + 1), "ca_certificate: 8193 bytes");
    SYSTEM(m.created_ms = year_10000, "created_ms");
}

static void system_has_at_most_255_servers(void **state) {
    (void)state;
    static Myelin__Server servers[256];
    static Myelin__Server *pointers[256];
    static char names[256][16], address[] = "h:1";
    static uint8_t identities[256][32];
    for (int i = 0; i < 256; i++) {
        myelin__server__init(&servers[i]);
        snprintf(names[i], sizeof names[i], "s-%d", i);
        memset(identities[i], 0x77, 32);
        identities[i][0] = (uint8_t)i;
        servers[i].name = names[i];
        servers[i].address = address;
        servers[i].identity = (ProtobufCBinaryData){32, identities[i]};
        pointers[i] = &servers[i];
    }
    ACCEPTS(Myelin__System, sample_system(), (m.storage = pointers, m.n_storage = 255));
    SYSTEM((m.storage = pointers, m.n_storage = 256), "storage: 256 of them");
}

#define ENVELOPE(breach, text) REFUSES(Myelin__Envelope, sample_envelope(), breach, text)
static void envelope_rules(void **state) {
    (void)state;
    ENVELOPE(m.format = 0, "envelope: format");
    ENVELOPE(m.owner = bad_name, "owner: 'Alice'");
    ENVELOPE(m.owner = no_name, "owner");
    ENVELOPE(m.owner = long_name, "owner");
    ENVELOPE(m.tau.len = 95, "tau: 95 bytes, expected 96");
    ENVELOPE(m.k = 0, "k: 0");
    ENVELOPE(m.k = 4, "k: 4");
    ENVELOPE((m.n_servers = 0, m.n_symbol_hash = 0), "servers: 0");
    ENVELOPE(m.servers[1] = m.servers[0], "servers: storage-1 stands there twice");
    ENVELOPE(m.servers[2] = dotted, "servers[2]: '.alice'");
    ENVELOPE(m.n_symbol_hash = 2, "symbol_hash: 2 of them");
    ENVELOPE(m.symbol_hash[1].len = 31, "symbol_hash[1]: 31 bytes");
    ENVELOPE(m.key_commitment.len = 0, "key_commitment: 0 bytes");
    ENVELOPE(m.owner_label.len = 0, "owner_label: 0 bytes");
    ENVELOPE(m.owner_label = zeros(FORMAT_LABEL_MAX + 1), "owner_label");
    ENVELOPE(m.sealed_id.len = 0, "sealed_id: 0 bytes");
    ENVELOPE(m.sealed_id = zeros(FORMAT_LABEL_MAX + 1), "sealed_id");
    ENVELOPE(m.put.len = 17, "put: 17 bytes");
    ENVELOPE(m.created_ms = year_10000, "created_ms");
}

#define MANIFEST(breach, text) REFUSES(Myelin__Manifest, sample_manifest(), breach, text)
static void manifest_rules(void **state) {
    (void)state;
    MANIFEST(m.format = 2, "manifest: format");
    MANIFEST(m.owner = bad_name, "owner");
    MANIFEST(m.tau.len = 97, "tau: 97 bytes");
    MANIFEST(m.object.len = 15, "object: 15 bytes");
    MANIFEST(m.put.len = 0, "put: 0 bytes");
    MANIFEST(m.salt.len = 31, "salt: 31 bytes");
    MANIFEST(m.sealed_meta.len = 0, "sealed_meta: 0 bytes");
    MANIFEST(m.sealed_meta = zeros(FORMAT_SEALED_META_MAX + 1), "sealed_meta");
    MANIFEST(m.k = 0, "k: 0");
    MANIFEST(m.k = 4, "k: 4");
    MANIFEST(m.n_servers = 0, "servers: 0");
    MANIFEST(m.servers[1] = m.servers[0], "servers: storage-1 stands there twice");
    MANIFEST(m.n_symbol_root = 2, "symbol_root: 2 of them");
    MANIFEST(m.symbol_root[2].len = 0, "symbol_root[2]: 0 bytes");
    MANIFEST(m.n_row = 2, "row: 2 of them");
    MANIFEST(m.row[0].len = 1, "row[0]: 1 bytes, expected 2");
    MANIFEST(m.row[0] = zeros(2), "row[0]: all zeros");
    MANIFEST(m.created_ms = UINT64_MAX, "created_ms");
}

static void manifest_sizes_must_agree(void **state) {
    (void)state;
    MANIFEST(m.segment_bytes = 4095, "segment_bytes: 4095");
    MANIFEST(m.segment_bytes = (16 << 20) + 1, "segment_bytes");
    MANIFEST(m.segments = 0, "segments: 0");
    MANIFEST(m.segments = FORMAT_SEGMENTS_MAX + 1, "segments");
    MANIFEST(m.segments = UINT64_MAX, "segments");
    MANIFEST(m.segments = 2, "sealed_bytes");
    MANIFEST(m.segments = 4, "sealed_bytes");
    MANIFEST(m.sealed_bytes = 2 * 4112 + 16, "sealed_bytes"); /* an empty last segment */
    MANIFEST(m.sealed_bytes = 3 * 4112 + 1, "sealed_bytes");
    MANIFEST(m.sealed_bytes = UINT64_MAX, "sealed_bytes");
    MANIFEST((m.segment_bytes = 16 << 20, m.segments = 65537,
              m.sealed_bytes = 65536 * UINT64_C(16777232) + 17),
             "sealed_bytes"); /* more than 1 TiB */
    ACCEPTS(Myelin__Manifest, sample_manifest(), m.sealed_bytes = 2 * 4112 + 17);
    ACCEPTS(Myelin__Manifest, sample_manifest(), m.sealed_bytes = 3 * 4112);
    ACCEPTS(Myelin__Manifest, sample_manifest(), (m.segments = 1, m.sealed_bytes = 16));
    MANIFEST((m.segments = 1, m.sealed_bytes = 15), "sealed_bytes");
}

static void small_records_rules(void **state) {
    (void)state;
#define COMMIT(breach, text) REFUSES(Myelin__Commit, sample_commit(), breach, text)
    COMMIT(m.owner = bad_name, "commit: owner");
    COMMIT(m.tau.len = 0, "tau");
    COMMIT(m.put.len = 15, "put");
    COMMIT(m.contents.len = 31, "contents");
#define REVOCATION(breach, text) REFUSES(Myelin__Revocation, sample_revocation(), breach, text)
    REVOCATION(m.owner = bad_name, "revocation: owner");
    REVOCATION(m.recipient = bad_name, "recipient: 'Alice'");
    REVOCATION(m.recipient = sample_alice, "recipient: alice is the owner");
    REVOCATION(m.tau.len = 1, "tau");
    REVOCATION(m.serial_ms = year_10000, "serial_ms");
#define REMOVAL(breach, text) REFUSES(Myelin__Removal, sample_removal(), breach, text)
    REMOVAL(m.owner = no_name, "removal: owner");
    REMOVAL(m.tau.len = 1, "tau");
    REMOVAL(m.serial_ms = year_10000, "serial_ms");
#define RECEIPT(breach, text) REFUSES(Myelin__Receipt, sample_receipt(), breach, text)
    RECEIPT(m.server = bad_name, "receipt: server");
    RECEIPT(m.put.len = 15, "put");
    RECEIPT(m.object.len = 15, "object");
    RECEIPT(m.slot = 255, "slot: 255");
    RECEIPT(m.symbol_bytes = 0, "symbol_bytes: 0");
    RECEIPT(m.symbol_bytes = (UINT64_C(1) << 40) + 1, "symbol_bytes");
    RECEIPT(m.symbol_root.len = 33, "symbol_root");
#define DRAW(breach, text) REFUSES(Myelin__Draw, sample_draw(), breach, text)
    DRAW(m.server = bad_name, "draw: server");
    DRAW(m.tau.len = 95, "tau");
    DRAW(m.put.len = 15, "put");
    DRAW(m.slot = 255, "slot: 255");
    DRAW(m.draw = 0, "draw: 0");
    DRAW(m.draw = FORMAT_DRAWS_MAX + 1, "draw: 65537");
    DRAW(m.request.len = 31, "request");
    DRAW(m.n_row = 0, "row");
    DRAW(m.row[1].len = 1, "row");
    DRAW(m.row[0].len = 0, "row");
    DRAW(m.n_coefficient = 1, "coefficient");
    DRAW(m.coefficient[1].len = 31, "coefficient");
    DRAW(m.symbol_hash.len = 31, "symbol_hash");
    DRAW(m.n_coefficient = 0, "symbol_hash");
    ACCEPTS(Myelin__Draw, sample_draw(), m.n_coefficient = 0; m.symbol_hash.len = 0);
}

static void forward_and_request_rules(void **state) {
    (void)state;
#define FORWARD(breach, text) REFUSES(Myelin__Forward, sample_forward(), breach, text)
    FORWARD(m.owner = bad_name, "forward: owner");
    FORWARD(m.recipient = no_name, "recipient");
    FORWARD(m.recipient = sample_alice, "recipient: alice is the owner");
    FORWARD(m.tau.len = 95, "tau");
    FORWARD(m.rk1.len = 48, "rk1: 48 bytes");
    FORWARD(m.rk2.len = 0, "rk2: 0 bytes");
    FORWARD(m.serial_ms = year_10000, "serial_ms");
    FORWARD(m.label.len = 0, "label: 0 bytes");
    FORWARD(m.label = zeros(FORMAT_LABEL_MAX + 1), "label");
#define REQUEST(breach, text)                                                                      \
    REFUSES(Myelin__CertificateRequest, sample_certificate_request(), breach, text)
    REQUEST(m.user = bad_name, "certificate_request: user");
    REQUEST(m.system_id.len = 15, "system_id");
    REQUEST(m.identity.len = 31, "identity");
    REQUEST(m.pk1.len = 96, "pk1");
    REQUEST(m.pk2.len = 48, "pk2");
    REQUEST(m.possession.len = 0, "possession");
#define META(breach, text) REFUSES(Myelin__ObjectMeta, sample_object_meta(), breach, text)
    META(m.name = no_name, "object_meta: name");
    META(memcpy(m.name, "../a", 5), "name");
    META(m.size = UINT64_MAX, "size");
    META(m.codec = 3, "codec: 3");
    META(m.sha256.len = 20, "sha256: 20 bytes");
}

static void put_rules(void **state) {
    (void)state;
    static ProtobufCBinaryData many[FORMAT_OBJECTS_MAX + 1];
    static uint8_t ids[FORMAT_OBJECTS_MAX + 1][16];
    for (uint32_t i = 0; i <= FORMAT_OBJECTS_MAX; i++) {
        store_be32(ids[i], i * 2654435761u);
        many[i] = (ProtobufCBinaryData){16, ids[i]};
    }
#define BEGIN(breach, text) REFUSES(Myelin__BeginPut, sample_begin_put(), breach, text)
    BEGIN(m.tau.len = 95, "begin_put: tau");
    BEGIN((m.creates = 0, m.n_object = 0), "object: 0 of them");
    ACCEPTS(Myelin__BeginPut, sample_begin_put(), m.n_object = 0);
    ACCEPTS(Myelin__BeginPut, sample_begin_put(), (m.object = many, m.n_object = 4096));
    BEGIN((m.object = many, m.n_object = FORMAT_OBJECTS_MAX + 1), "object: 4097 of them");
    BEGIN(m.object[1].len = 15, "object[1]: 15 bytes");
    BEGIN(m.object[1] = m.object[0], "object: one stands there twice");
#define DRAWN_BY(breach, text) REFUSES(Myelin__DrawRequest, sample_draw_request(), breach, text)
    DRAWN_BY(m.tau.len = 95, "draw_request: tau");
    DRAWN_BY(m.slot = 255, "slot: 255");
    DRAWN_BY(m.k = 0, "k: 0");
    DRAWN_BY(m.k = 256, "k: 256");
    DRAWN_BY(m.k = 2, "held: 2 is out of order, or no block of 2");
    DRAWN_BY(m.held.len = 0, "held: 0 bytes");
    DRAWN_BY(m.held.len = 4, "held: 4 bytes");
    DRAWN_BY(m.held.data[1] = 1, "held: 1 is out of order");
    DRAWN_BY(m.draw = 0, "draw: 0");
    DRAWN_BY(m.rows = 0, "rows: 0");
    DRAWN_BY(m.rows = FORMAT_DRAWN_ROWS_MAX + 1, "rows: 65");
    DRAWN_BY(m.n_ciphertext = 1, "ciphertext: 1 of them");
    DRAWN_BY(m.ciphertext[1]->alpha.len = 47, "ciphertext: alpha: 47 bytes");
    DRAWN_BY(m.ciphertext[1]->gamma.len = 577, "ciphertext: gamma: 577 bytes");
    ACCEPTS(Myelin__DrawRequest, sample_draw_request(), m.n_ciphertext = 0);
#define PREPARE(breach, text) REFUSES(Myelin__PreparePut, sample_prepare_put(), breach, text)
    PREPARE(m.tau.len = 0, "prepare_put: tau");
    PREPARE(m.envelope = NULL, "envelope: missing");
    PREPARE(m.symbol->b = 1, "symbol: b: 1");
    PREPARE(m.symbol->alpha.len = 47, "symbol: alpha: 47 bytes");
    PREPARE(m.envelope->signature.len = 63, "envelope: signature: 63 bytes");
    PREPARE((m.envelope = NULL, m.symbol = NULL, m.n_manifest = 0), "manifest: 0 of them");
    ACCEPTS(Myelin__PreparePut, sample_prepare_put(), m.n_manifest = 0);
    ACCEPTS(Myelin__PreparePut, sample_prepare_put(), m.symbol = NULL); /* the server made it */
    ACCEPTS(Myelin__PreparePut, sample_prepare_put(), (m.envelope = NULL, m.symbol = NULL));
    static Myelin__Signed empty = MYELIN__SIGNED__INIT;
    PREPARE(m.manifest[1] = &empty, "1: manifest: body: 0 bytes");
}

static void symbol_rules(void **state) {
    (void)state;
#define SYMBOL(breach, text) REFUSES(Myelin__Symbol, *sample_symbol(), breach, text)
    SYMBOL(m.slot = 255, "symbol: slot: 255");
    SYMBOL(m.b = 2, "b: 2");
    SYMBOL(m.alpha.len = 49, "alpha: 49 bytes");
    SYMBOL(m.beta.len = 95, "beta: 95 bytes");
    SYMBOL(m.gamma.len = 575, "gamma: 575 bytes");
    SYMBOL(m.n_coefficient = 0, "coefficient: 0 of them");
    SYMBOL(m.coefficient[1].len = 31, "coefficient[1]: 31 bytes");
#define ANSWER(breach, text) REFUSES(Myelin__SymbolAnswer, sample_symbol_answer(), breach, text)
    ANSWER(m.symbol = NULL, "symbol_answer: symbol: missing");
    ANSWER(m.forward = NULL, "forward: missing");
    ANSWER(m.symbol->b = 0, "forward: present with an original symbol");
    ANSWER(m.symbol->gamma.len = 0, "symbol: gamma");
    ANSWER(m.forward->body.len = 0, "forward: body");
    ACCEPTS(Myelin__SymbolAnswer, sample_symbol_answer(), (m.symbol->b = 0, m.forward = NULL));
    REFUSES(Myelin__Signed, *sample_signed(), m.body.len = 0, "signed: body");
    REFUSES(Myelin__Signed, *sample_signed(), m.signature.len = 65, "signed: signature: 65");
}

static void storage_answer_rules(void **state) {
    (void)state;
#define IMAGE(breach, text) REFUSES(Myelin__ImageAnswer, sample_image_answer(), breach, text)
    IMAGE(m.envelope = NULL, "image_answer: envelope: one of");
    IMAGE(m.removal = m.envelope, "one of envelope and removal");
    IMAGE(m.envelope->signature.len = 0, "envelope: signature");
    IMAGE((m.removal = m.envelope, m.envelope = NULL, m.removal->signature.len = 1),
          "removal: signature");
    IMAGE(m.objects = UINT64_MAX, "objects");
    IMAGE(m.symbol_bytes = UINT64_MAX, "symbol_bytes");
#define IMAGES(breach, text) REFUSES(Myelin__ImagePage, sample_image_page(), breach, text)
    IMAGES(m.n_image = 0, "image_page: image: 0 of them"); /* yet says that there are more */
    IMAGES(m.image[0]->envelope = NULL, "image[0]: envelope: missing");
    IMAGES(m.image[0]->objects = UINT64_MAX, "image[0]: objects");
    IMAGES(m.image[0]->sealed_bytes = UINT64_MAX, "image[0]: sealed_bytes");
    IMAGES(m.image[0]->recipient[0] = bad_name, "image[0]: recipient: 'Alice'");
#define MANIFESTS(breach, text) REFUSES(Myelin__ManifestPage, sample_manifest_page(), breach, text)
    MANIFESTS(m.manifest[0]->signature.len = 1, "manifest_page: 0: manifest: signature");
    MANIFESTS((m.n_manifest = 0, m.more = 1), "manifest: 0 of them");
#define INBOX(breach, text) REFUSES(Myelin__InboxPage, sample_inbox_page(), breach, text)
    INBOX(m.entry[0]->forward = NULL, "inbox_page: entry[0]: forward: missing");
    INBOX(m.entry[0]->objects = UINT64_MAX, "entry[0]: objects");
    INBOX(m.entry[0]->sealed_bytes = UINT64_MAX, "entry[0]: sealed_bytes");
    INBOX((m.n_entry = 0, m.more = 1), "entry: 0 of them");
    static char endless[300], control[] = "a\033[2J";
    memset(endless, 'x', sizeof endless - 1);
#define CHECK(breach, text) REFUSES(Myelin__CheckAnswer, sample_check_answer(), breach, text)
    CHECK(m.object[1]->object.len = 1, "check_answer: object[1]: object");
    CHECK(m.object[0]->good = 1, "object[0]: fault: present with a good object");
    CHECK(m.object[0]->fault = no_name, "object[0]: fault: 0 characters");
    CHECK(m.object[0]->fault = endless, "object[0]: fault: 299 characters");
    CHECK(m.object[0]->fault = control, "object[0]: fault: character 1 is not printable");
}

static void key_message_rules(void **state) {
    (void)state;
#define ENROLL(breach, text) REFUSES(Myelin__EnrollShare, sample_enroll_share(), breach, text)
    ENROLL(m.user = bad_name, "enroll_share: user");
    ENROLL(m.index = 0, "index: 0");
    ENROLL(m.index = 256, "index: 256");
    ENROLL(m.s1.len = 31, "s1: 31 bytes");
    ENROLL(m.s2.len = 33, "s2: 33 bytes");
    ENROLL(m.n_commitment2 = 1, "commitment2: 1 of them, expected 2");
    ENROLL(m.n_commitment1 = m.n_commitment2 = 0, "commitment1: 0 of them");
    ENROLL(m.commitment1[1].len = 96, "commitment1[1]: 96 bytes");
    ENROLL(m.commitment2[0].len = 48, "commitment2[0]: 48 bytes");
    ENROLL(m.proof.len = 64, "proof: 64 bytes");
#define USER(breach, text) REFUSES(Myelin__UserAnswer, sample_user_answer(), breach, text)
    USER(m.certificate.len = 0, "user_answer: certificate: 0 bytes");
    USER(m.certificate = zeros(FORMAT_CERTIFICATE_MAX + 1), "certificate");
    USER(m.n_commitment1 = 1, "commitment2: 2 of them");
    USER(m.enrolled_ms = year_10000, "enrolled_ms");
    REFUSES(Myelin__UserPage, sample_user_page(), m.user[1] = bad_name, "user_page: user");
    REFUSES(Myelin__UserPage, sample_user_page(), (m.n_user = 0, m.more = 1), "user: 0 of them");
#define OPEN_REQUEST(breach, text) REFUSES(Myelin__OpenRequest, sample_open_request(), breach, text)
    OPEN_REQUEST(m.owner = bad_name, "open_request: owner");
    OPEN_REQUEST(m.tau.len = 0, "tau");
    OPEN_REQUEST(m.u = 256, "u: 256");
#define REKEY(breach, text) REFUSES(Myelin__RekeyRequest, sample_rekey_request(), breach, text)
    REKEY(m.recipient = bad_name, "rekey_request: recipient");
    REKEY(m.tau.len = 1, "tau");
    REKEY(m.p.len = 48, "p: 48 bytes");
    REKEY(m.q.len = 0, "q: 0 bytes");
#define PART(breach, text) REFUSES(Myelin__RekeyAnswer, sample_rekey_answer(), breach, text)
    PART(m.index = 0, "rekey_answer: index");
    PART(m.p.len = 95, "p: 95 bytes");
    PART(m.q.len = 97, "q: 97 bytes");
#define RECOVER(breach, text)                                                                      \
    REFUSES(Myelin__RecoverRequest, sample_recover_request(), breach, text)
    RECOVER(m.recipient = bad_name, "recover_request: recipient");
    RECOVER(m.tau.len = 95, "tau: 95 bytes");
#define FIRST_SHARE(breach, text)                                                                  \
    REFUSES(Myelin__RecoverAnswer, sample_recover_answer(), breach, text)
    FIRST_SHARE(m.index = 256, "recover_answer: index");
    FIRST_SHARE(m.box.len = 79, "box: 79 bytes");
}

static void open_answer_rules(void **state) {
    (void)state;
    static Myelin__Symbol other;
#define OPENED(breach, text) REFUSES(Myelin__OpenAnswer, sample_open_answer(), breach, text)
    OPENED(m.index = 0, "open_answer: index");
    OPENED(m.b = 2, "b: 2");
    OPENED(m.beta.len = 48, "beta");
    OPENED(m.partial.len = 48, "partial");
    OPENED(m.n_symbol = 0, "symbol: 0 of them");
    OPENED(m.symbol[1]->server = bad_name, "symbol: server: 'Alice'");
    OPENED(m.symbol[1]->server = m.symbol[0]->server, "symbol: storage-1 stands there twice");
    OPENED(m.symbol[1]->symbol = NULL, "symbol: missing");
    OPENED((m.b = 0, m.forward = NULL), "storage-1: b is 1, expected 0");
    OPENED((other = *m.symbol[1]->symbol, other.n_coefficient = 1, m.symbol[1]->symbol = &other),
           "storage-2: 1 coefficients, expected 2");
    OPENED(m.proof.len = 63, "proof: 63 bytes");
    OPENED(m.forward = NULL, "forward: missing");
    OPENED((m.b = 0, m.symbol[0]->symbol->b = 0), "forward: present with b = 0");
    ACCEPTS(Myelin__OpenAnswer, sample_open_answer(), m.proof.len = 0);
}

static void audit_rules(void **state) {
    (void)state;
    static char bell[] = "op\aen";
#define ENTRY(breach, text) REFUSES(Myelin__AuditEntry, *sample_audit_entry(), breach, text)
    ENTRY(m.sequence = 0, "audit_entry: sequence: 0");
    ENTRY(m.previous.len = 31, "previous");
    ENTRY(m.body.len = 0, "body: 0 bytes");
    ENTRY(m.body = zeros(FORMAT_LIMIT_AUDIT_BODY + 1), "body");
    ENTRY(m.hash.len = 0, "hash");
#define AUDIT(breach, text) REFUSES(Myelin__AuditPage, sample_audit_page(), breach, text)
    AUDIT(m.entry[1]->hash.len = 1, "audit_page: entry[1]: hash");
    AUDIT(m.entry[1]->sequence = 7, "entry[1]: sequence: not above");
    AUDIT((m.n_entry = 0, m.more = 1), "entry: 0 of them");
#define BODY(breach, text) REFUSES(Myelin__AuditBody, sample_audit_body(), breach, text)
    BODY(m.time_ms = year_10000, "audit_body: time_ms");
    BODY(m.user = no_name, "user");
    BODY(m.action = no_name, "action: 0 characters");
    BODY(m.action = bell, "action: character 2");
    BODY(m.owner = bad_name, "owner");
    BODY(m.image.len = 31, "image: 31 bytes");
    BODY(m.recipient = bad_name, "recipient");
    BODY(m.outcome = no_name, "outcome: 0 characters");
    ACCEPTS(Myelin__AuditBody, sample_audit_body(), (m.image.len = 0, m.owner = no_name));
}

static void file_rules(void **state) {
    (void)state;
    REFUSES(Myelin__KeystoreSecrets, sample_keystore_secrets(), m.a3.len = 31, "a3: 31 bytes");
    REFUSES(Myelin__KeystoreSecrets, sample_keystore_secrets(), m.identity_seed.len = 0,
            "identity_seed: 0 bytes");
#define KEYSTORE(breach, text) REFUSES(Myelin__Keystore, sample_keystore(), breach, text)
    KEYSTORE(m.format = 2, "keystore: format: 2");
    KEYSTORE(m.user = bad_name, "user");
    KEYSTORE(m.certificate.len = 0, "certificate");
    KEYSTORE(m.system_id.len = 1, "system_id");
    KEYSTORE(m.ca_key.len = 1, "ca_key");
    KEYSTORE(m.ops_limit = 0, "ops_limit: 0");
    KEYSTORE(m.ops_limit = 11, "ops_limit: 11");
    KEYSTORE(m.memory_limit = 1024, "memory_limit: 1024");
    KEYSTORE(m.memory_limit = UINT64_MAX, "memory_limit");
    KEYSTORE(m.memory_limit = (256 << 20) + 1, "memory_limit");
    KEYSTORE(m.salt.len = 15, "salt: 15 bytes");
    KEYSTORE(m.nonce.len = 12, "nonce: 12 bytes");
    KEYSTORE(m.box.len = 83, "box: 83 bytes");
#define SHARE(breach, text) REFUSES(Myelin__ShareFile, sample_share_file(), breach, text)
    SHARE(m.format = 0, "share_file: format");
    SHARE(m.user = bad_name, "user");
    SHARE(m.index = 0, "index");
    SHARE(m.certificate.len = 0, "certificate");
    SHARE(m.n_commitment2 = 1, "commitment2");
    SHARE(m.enrolled_ms = year_10000, "enrolled_ms");
    SHARE(m.nonce.len = 0, "nonce");
    SHARE(m.box.len = 64, "box: 64 bytes");
}

static void share_care_is_checked(void **state) {
    (void)state;
#define DEALING(breach, text) REFUSES(Myelin__Dealing, sample_dealing(), breach, text)
    DEALING(m.user = bad_name, "dealing: user");
    DEALING(m.generation.len = 31, "generation: 31 bytes");
    DEALING(m.dealer = 0, "dealer");
    DEALING(m.dealer = 256, "dealer");
    DEALING(m.lost = 256, "lost");
    DEALING(m.n_box = 0, "box");
    DEALING(m.box[1].len = 111, "box");
#define ACCEPTANCE(breach, text) REFUSES(Myelin__Acceptance, sample_acceptance(), breach, text)
    ACCEPTANCE(m.server = bad_name, "acceptance: server");
    ACCEPTANCE(m.ballot = 0, "ballot");
    ACCEPTANCE(m.ballot = UINT64_MAX, "ballot");
    ACCEPTANCE(m.generation.len = 0, "generation");
#define BLINDED(breach, text) REFUSES(Myelin__Blinded, sample_blinded(), breach, text)
    BLINDED(m.helper = 0, "blinded: helper");
    BLINDED(m.lost = 0, "lost");
    BLINDED(m.dealings.len = 0, "dealings");
    BLINDED(m.box.len = 64, "box: 64 bytes");
#define ASKED(breach, text) REFUSES(Myelin__CareRequest, sample_care_request(), breach, text)
    ASKED(m.ballot = 0, "care_request: ballot");
    ASKED(m.lost = 1, "lost");
#define STATE(breach, text) REFUSES(Myelin__CareState, sample_care_state(), breach, text)
    STATE(m.accepted = 10, "care_state: accepted");
    STATE(m.next.len = 0, "next");
    STATE(m.n_next_dealing = 0, "next_dealing");
    STATE(m.accepted = 0, "next");
    STATE(m.dealing = NULL, "dealing: missing");
    STATE(m.n_commitment1 = 1, "commitment");
    ACCEPTS(Myelin__CareState, sample_care_state(),
            (m.accepted = 0, m.next.len = 0, m.n_next_dealing = 0));
#define OFFER(breach, text) REFUSES(Myelin__CareOffer, sample_care_offer(), breach, text)
    OFFER(m.generation.len = 33, "care_offer: generation");
    OFFER(m.n_dealing = 0, "dealing");
#define COMPLAINT(breach, text)                                                                    \
    REFUSES(Myelin__CareComplaint, sample_care_complaint(), breach, text)
    COMPLAINT(m.server[0] = 0, "care_complaint: server");
#define FINISH(breach, text) REFUSES(Myelin__CareFinish, sample_care_finish(), breach, text)
    FINISH(m.n_acceptance = 0, "care_finish: acceptance");
#define RESTORE(breach, text) REFUSES(Myelin__CareRestore, sample_care_restore(), breach, text)
    RESTORE(m.certificate.len = 0, "care_restore: certificate");
    RESTORE(m.n_blinded = 0, "blinded");
    RESTORE(m.epoch = UINT64_MAX, "epoch");
#define NEXT(breach, text) REFUSES(Myelin__ShareFile, sample_share_file_next(), breach, text)
    NEXT(m.accepted = 10, "share_file: accepted");
    NEXT(m.accepted = 0, "next");
    NEXT(m.next.len = 0, "next");
    NEXT(m.n_next_dealing = 0, "next_dealing");
    NEXT(m.epoch = UINT64_MAX, "epoch");
}

/* ------------------------------------------------------------------ signatures */

static void records_open_under_their_key_only(void **state) {
    (void)state;
    struct sign_key key, other;
    AUTO_FORMAT Myelin__Signed *record = NULL;
    AUTO_FORMAT Myelin__Removal *removal = NULL;
    AUTO_FORMAT Myelin__Commit *commit = NULL;
    Myelin__Removal m = sample_removal();
    sign_key_random(&key);
    sign_key_random(&other);
    assert_int_equal(format_sign(&key, &m, &record), OK);
    assert_int_equal(format_open_removal(record, key.public_key, &removal), OK);
    assert_string_equal(removal->owner, "alice");
    format_free_at(&removal);
    assert_int_equal(format_open_removal(record, other.public_key, &removal), INTEGRITY);
    assert_null(removal);
    /* another kind of record with this body would be another domain */
    assert_int_equal(format_open_commit(record, key.public_key, &commit), INTEGRITY);
    assert_int_equal(format_open_removal(NULL, key.public_key, &removal), PROTOCOL);
}

/* Each domain is the one that the schema names. */
static void domains_are_as_documented(void **state) {
    (void)state;
    struct sign_key key;
    sign_key_random(&key);
    Myelin__System system = sample_system();
    Myelin__Envelope envelope = sample_envelope();
    Myelin__Manifest manifest = sample_manifest();
    Myelin__Commit commit = sample_commit();
    Myelin__Forward forward = sample_forward();
    Myelin__Revocation revocation = sample_revocation();
    Myelin__Removal removal = sample_removal();
    Myelin__Receipt receipt = sample_receipt();
    Myelin__Draw draw = sample_draw();
    Myelin__CertificateRequest request = sample_certificate_request();
    const struct {
        const void *message;
        const char *domain;
    } cases[] = {
        {&system, "myelin system v1"},     {&envelope, "myelin envelope v1"},
        {&manifest, "myelin manifest v1"}, {&commit, "myelin commit v1"},
        {&forward, "myelin forward v1"},   {&revocation, "myelin revocation v1"},
        {&removal, "myelin removal v1"},   {&receipt, "myelin receipt v1"},
        {&draw, "myelin draw v1"},         {&request, "myelin request v1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        AUTO_FORMAT Myelin__Signed *record = NULL;
        assert_int_equal(format_sign(&key, cases[i].message, &record), OK);
        assert_int_equal(sign_verify(key.public_key, cases[i].domain, format_view(record->body),
                                     record->signature.data),
                         OK);
    }
}

static void altered_records_do_not_open(void **state) {
    (void)state;
    struct sign_key key;
    AUTO_FORMAT Myelin__Signed *record = NULL;
    AUTO_BYTES struct bytes wire = {0};
    Myelin__Forward m = sample_forward();
    sign_key_random(&key);
    assert_int_equal(format_sign(&key, &m, &record), OK);
    assert_int_equal(format_pack(record, &wire), OK);
    for (size_t i = 0; i < wire.len; i++) {
        AUTO_FORMAT Myelin__Signed *flipped = NULL;
        AUTO_FORMAT Myelin__Forward *opened = NULL;
        wire.data[i] ^= 0x10;
        result read = format_parse_signed(bytes_view(&wire), &flipped);
        if (read == OK)
            read = format_open_forward(flipped, key.public_key, &opened);
        assert_true(read == PROTOCOL || read == INTEGRITY);
        assert_null(opened);
        wire.data[i] ^= 0x10;
        AUTO_FORMAT Myelin__Signed *cut = NULL;
        assert_int_equal(format_parse_signed(view_of(wire.data, i), &cut), PROTOCOL);
    }
}

static void breaches_are_not_signed(void **state) {
    (void)state;
    struct sign_key key;
    AUTO_FORMAT Myelin__Signed *record = NULL;
    sign_key_random(&key);
    Myelin__Removal m = sample_removal();
    m.owner = bad_name;
    assert_int_equal(format_sign(&key, &m, &record), INVALID);
    assert_null(record);
    Myelin__OpenRequest no_record = sample_open_request();
    assert_int_equal(format_sign(&key, &no_record, &record), INTERNAL);
}

static void requests_open_under_their_own_key(void **state) {
    (void)state;
    struct sign_key key, other;
    AUTO_FORMAT Myelin__Signed *record = NULL;
    AUTO_FORMAT Myelin__Signed *forged = NULL;
    AUTO_FORMAT Myelin__CertificateRequest *request = NULL;
    Myelin__CertificateRequest m = sample_certificate_request();
    sign_key_random(&key);
    sign_key_random(&other);
    m.identity = (ProtobufCBinaryData){32, key.public_key};
    assert_int_equal(format_sign(&key, &m, &record), OK);
    assert_int_equal(format_open_certificate_request(record, &request), OK);
    format_free_at(&request);
    assert_int_equal(format_sign(&other, &m, &forged), OK);
    assert_int_equal(format_open_certificate_request(forged, &request), INTEGRITY);
    assert_null(request);
}

/* ------------------------------------------------------------------ hashes and layout */

static void hashes_are_as_documented(void **state) {
    (void)state;
    uint8_t got[32], expected[32], bytes[4096];
    ProtobufCBinaryData tau = sample_bytes(1, 96);
    memcpy(bytes, "myelin image v1", 16);
    memcpy(bytes + 16, tau.data, 96);
    digest_sha256(view_of(bytes, 112), expected);
    format_image_id(tau.data, got);
    assert_memory_equal(got, expected, 32);

    const Myelin__Symbol *symbol = sample_symbol();
    memcpy(bytes, symbol->alpha.data, 48);
    memcpy(bytes + 48, symbol->gamma.data, 576);
    memcpy(bytes + 624, symbol->coefficient[0].data, 32);
    memcpy(bytes + 656, symbol->coefficient[1].data, 32);
    digest_sha256(view_of(bytes, 688), expected);
    format_symbol_hash(symbol, got);
    assert_memory_equal(got, expected, 32);

    ProtobufCBinaryData hashes = sample_bytes(9, 96);
    memcpy(bytes, "myelin slices v1", 17);
    memcpy(bytes + 17, hashes.data, 96);
    digest_sha256(view_of(bytes, 113), expected);
    assert_int_equal(format_slice_table_root(format_view(hashes), got), OK);
    assert_memory_equal(got, expected, 32);
    struct format_slice_table table;
    format_slice_table_start(&table);
    for (int i = 0; i < 3; i++)
        format_slice_table_add(&table, hashes.data + (32 * i));
    format_slice_table_finish(&table, got);
    assert_memory_equal(got, expected, 32);
    assert_int_equal(format_slice_table_root(view_of(bytes, 33), got), PROTOCOL);

    format_audit_hash(view_of(bytes, 32), view_of(bytes + 32, 20), got);
    digest_sha256(view_of(bytes, 52), expected);
    assert_memory_equal(got, expected, 32);
}

static void commit_contents_ignore_order(void **state) {
    (void)state;
    Myelin__Signed a = MYELIN__SIGNED__INIT, b = a, envelope = a;
    a.body = sample_bytes(1, 20);
    b.body = sample_bytes(2, 20);
    envelope.body = sample_bytes(3, 20);
    Myelin__Signed *forth[] = {&a, &b}, *back[] = {&b, &a};
    uint8_t first[32], second[32], expected[32], all[96], low[32], high[32];
    assert_int_equal(format_commit_contents(&envelope, forth, 2, first), OK);
    assert_int_equal(format_commit_contents(&envelope, back, 2, second), OK);
    assert_memory_equal(first, second, 32);
    format_record_hash(&envelope, all);
    format_record_hash(&a, low);
    format_record_hash(&b, high);
    bool in_order = memcmp(low, high, 32) < 0;
    memcpy(all + 32, in_order ? low : high, 32);
    memcpy(all + 64, in_order ? high : low, 32);
    digest_sha256(view_of(all, 96), expected);
    assert_memory_equal(first, expected, 32);
    assert_int_equal(format_commit_contents(NULL, forth, 2, second), OK);
    digest_sha256(view_of(all + 32, 64), expected);
    assert_memory_equal(second, expected, 32);
    assert_int_equal(format_commit_contents(&envelope, NULL, 0, second), OK);
    digest_sha256(view_of(all, 32), expected);
    assert_memory_equal(second, expected, 32);
}

static void layouts_add_up(void **state) {
    (void)state;
    static const uint64_t sizes[] = {0, 1, 4095, 4096, 4097, 8192, 100000, 4096 * 50};
    static const uint32_t ks[] = {1, 2, 3, 7, 255};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t j = 0; j < sizeof ks / sizeof *ks; j++) {
            struct format_layout plan, read, taken;
            assert_int_equal(format_layout_plan(sizes[i], 4096, ks[j], &plan), OK);
            assert_int_equal(format_layout(plan.sealed_bytes, 4096, plan.segments, ks[j], &read),
                             OK);
            assert_memory_equal(&plan, &read, sizeof plan);
            Myelin__Manifest m = sample_manifest();
            m.sealed_bytes = plan.sealed_bytes;
            m.segments = plan.segments;
            m.k = ks[j];
            format_layout_of(&m, &taken);
            assert_memory_equal(&plan, &taken, sizeof plan);
            uint64_t sealed = 0, symbol = 0;
            for (uint64_t s = 0; s < plan.segments; s++) {
                uint32_t len = format_sealed_len(&plan, s);
                assert_int_equal(format_slice_len(&plan, s), (len + ks[j] - 1) / ks[j]);
                assert_int_equal(format_slice_offset(&plan, s), symbol);
                sealed += len;
                symbol += format_slice_len(&plan, s);
            }
            assert_int_equal(sealed, sizes[i] + 16 * plan.segments);
            assert_int_equal(sealed, plan.sealed_bytes);
            assert_int_equal(symbol, plan.symbol_bytes);
        }
}

static void layouts_are_bounded(void **state) {
    (void)state;
    struct format_layout layout;
    assert_int_equal(format_layout_plan(1, 4095, 1, &layout), INVALID);
    assert_int_equal(format_layout_plan(1, 4096, 0, &layout), INVALID);
    assert_int_equal(format_layout_plan(1, 4096, 256, &layout), INVALID);
    assert_int_equal(format_layout_plan(UINT64_C(4096) << 20, 4096, 1, &layout), OK);
    assert_int_equal(format_layout_plan((UINT64_C(4096) << 20) + 1, 4096, 1, &layout), INVALID);
    assert_int_equal(format_layout_plan(UINT64_C(1) << 40, 16 << 20, 1, &layout), INVALID);
    assert_int_equal(format_layout_plan(UINT64_MAX, 16 << 20, 1, &layout), INVALID);
    assert_int_equal(format_layout(16, 4096, 1, 0, &layout), PROTOCOL);
    assert_int_equal(format_slot_of(sample_servers(), SAMPLE_N, "storage-3"), 2);
    assert_int_equal(format_slot_of(sample_servers(), SAMPLE_N, "storage-4"), -1);
}

static int start(void **state) {
    (void)state;
    return secret_start() == OK ? 0 : -1;
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
        cmocka_unit_test(names_follow_the_rule),
        cmocka_unit_test(addresses_follow_the_rule),
        cmocka_unit_test(object_names_stay_in_their_folder),
        cmocka_unit_test(system_rules),
        cmocka_unit_test(system_has_at_most_255_servers),
        cmocka_unit_test(envelope_rules),
        cmocka_unit_test(manifest_rules),
        cmocka_unit_test(manifest_sizes_must_agree),
        cmocka_unit_test(small_records_rules),
        cmocka_unit_test(forward_and_request_rules),
        cmocka_unit_test(put_rules),
        cmocka_unit_test(symbol_rules),
        cmocka_unit_test(storage_answer_rules),
        cmocka_unit_test(key_message_rules),
        cmocka_unit_test(open_answer_rules),
        cmocka_unit_test(audit_rules),
        cmocka_unit_test(file_rules),
        cmocka_unit_test(share_care_is_checked),
        cmocka_unit_test(records_open_under_their_key_only),
        cmocka_unit_test(domains_are_as_documented),
        cmocka_unit_test(altered_records_do_not_open),
        cmocka_unit_test(breaches_are_not_signed),
        cmocka_unit_test(requests_open_under_their_own_key),
        cmocka_unit_test(hashes_are_as_documented),
        cmocka_unit_test(commit_contents_ignore_order),
        cmocka_unit_test(layouts_add_up),
        cmocka_unit_test(layouts_are_bounded),
    };
    return cmocka_run_group_tests_name("format", tests, start, NULL);
}
