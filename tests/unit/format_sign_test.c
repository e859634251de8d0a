/* Signed records: they open under their key only, in their domain only, and unaltered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "format_checks.h"
#include "format_samples_keys.h"
#include "format_samples_records.h"

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
    Myelin__Deletion deletion = sample_deletion();
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
        {&deletion, "myelin deletion v1"},
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
    static char bad_name[] = "Alice";
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_open_under_their_key_only),
        cmocka_unit_test(domains_are_as_documented),
        cmocka_unit_test(altered_records_do_not_open),
        cmocka_unit_test(breaches_are_not_signed),
        cmocka_unit_test(requests_open_under_their_own_key),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
