/* Every message: the first byte says which, the rest is its encoding. What is accepted has no other
 * encoding, and may be sent again. */
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "format/kind.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const ProtobufCMessageDescriptor *const descriptors[] = {
    &myelin__signed__descriptor,
    &myelin__system__descriptor,
    &myelin__envelope__descriptor,
    &myelin__manifest__descriptor,
    &myelin__object_meta__descriptor,
    &myelin__commit__descriptor,
    &myelin__forward__descriptor,
    &myelin__revocation__descriptor,
    &myelin__removal__descriptor,
    &myelin__receipt__descriptor,
    &myelin__symbol__descriptor,
    &myelin__begin_put__descriptor,
    &myelin__prepare_put__descriptor,
    &myelin__image_answer__descriptor,
    &myelin__image_page__descriptor,
    &myelin__manifest_page__descriptor,
    &myelin__inbox_page__descriptor,
    &myelin__symbol_answer__descriptor,
    &myelin__check_answer__descriptor,
    &myelin__enroll_share__descriptor,
    &myelin__user_answer__descriptor,
    &myelin__user_page__descriptor,
    &myelin__open_request__descriptor,
    &myelin__open_answer__descriptor,
    &myelin__rekey_request__descriptor,
    &myelin__rekey_answer__descriptor,
    &myelin__audit_page__descriptor,
    &myelin__audit_entry__descriptor,
    &myelin__audit_body__descriptor,
    &myelin__certificate_request__descriptor,
    &myelin__share_file__descriptor,
    &myelin__keystore_secrets__descriptor,
    &myelin__draw__descriptor,
    &myelin__draw_request__descriptor,
    &myelin__recover_request__descriptor,
    &myelin__recover_answer__descriptor,
    &myelin__dealing__descriptor,
    &myelin__acceptance__descriptor,
    &myelin__blinded__descriptor,
    &myelin__care_request__descriptor,
    &myelin__care_state__descriptor,
    &myelin__care_offer__descriptor,
    &myelin__care_complaint__descriptor,
    &myelin__care_finish__descriptor,
    &myelin__care_restore__descriptor,
    &myelin__head__descriptor,
    &myelin__head_file__descriptor,
    &myelin__forward_page__descriptor,
    &myelin__image_state__descriptor,
    &myelin__index_page__descriptor,
    &myelin__repair_answer__descriptor,
    &myelin__whole_put__descriptor,
    &myelin__whole_answer__descriptor,
    &myelin__deletion__descriptor,
    &myelin__delete_objects__descriptor,
};

static void check_accepted(const ProtobufCMessage *message, struct view wire) {
    AUTO_BYTES struct bytes again = {0};
    const struct format_kind *kind;
    if (format_kind_of(message->descriptor, &kind) != OK || format_pack(message, &again) != OK)
        abort();
    if (again.len != wire.len || (kind->is_strict && !view_equal(bytes_view(&again), wire)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static bool started;
    AUTO_FORMAT ProtobufCMessage *message = NULL;
    if (!started && secret_start() != OK)
        abort();
    started = true;
    if (size == 0)
        return 0;
    struct view wire = view_of(data + 1, size - 1);
    size_t kind = data[0] % (sizeof descriptors / sizeof *descriptors);
    result parsed = format_parse(descriptors[kind], wire, &message);
    if (parsed == OK)
        check_accepted(message, wire);
    else if (message != NULL || (parsed != PROTOCOL && parsed != NO_MEMORY))
        abort();
    return 0;
}
