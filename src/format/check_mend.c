/* The rules of messages by which storage servers mend their stores. */
#include "format/check.h"
#include "format/kind.h"

static result check_forward_entry(const Myelin__ForwardEntry *m) {
    if ((m->forward != NULL) == (m->revocation != NULL))
        return FAIL(PROTOCOL, "forward: one of forward and revocation is expected");
    return m->forward != NULL ? check_signed("forward", m->forward, FORMAT_LIMIT_FORWARD)
                              : check_signed("revocation", m->revocation, FORMAT_LIMIT_REVOCATION);
}

result format_check_forward_page(const void *message) {
    const Myelin__ForwardPage *m = message;
    TRY(check_count("entry", m->n_entry, m->more ? 1 : 0, FORMAT_PAGE_ENTRIES_MAX));
    for (size_t i = 0; i < m->n_entry; i++) {
        result checked = check_forward_entry(m->entry[i]);
        if (checked != OK)
            return error_at(checked, "entry[%zu]", i);
    }
    return OK;
}

result format_check_image_state(const void *message) {
    const Myelin__ImageState *m = message;
    if (m->envelope != NULL)
        TRY(check_signed("envelope", m->envelope, FORMAT_LIMIT_ENVELOPE));
    TRY(check_signed_list("removal", m->n_removal, m->removal, 0, FORMAT_REMOVALS_MAX,
                          FORMAT_LIMIT_REMOVAL));
    TRY(check_count("certificate", m->n_certificate, 0, FORMAT_REMOVALS_MAX + 1));
    for (size_t i = 0; i < m->n_certificate; i++)
        TRY(check_between("certificate", m->certificate[i], 1, FORMAT_CERTIFICATE_MAX));
    if (m->claim[0] != '\0')
        TRY(check_name("claim", m->claim));
    TRY(check_bytes("digest", m->digest, FORMAT_HASH_BYTES));
    TRY(check_count("slot", m->n_slot, 0, FORMAT_SERVERS_MAX));
    for (size_t i = 0; i < m->n_slot; i++)
        TRY(check_number("slot", m->slot[i], 0, FORMAT_SERVERS_MAX - 1));
    return OK;
}

result format_check_index_page(const void *message) {
    const Myelin__IndexPage *m = message;
    TRY(check_count("entry", m->n_entry, m->more ? 1 : 0, FORMAT_PAGE_ENTRIES_MAX));
    for (size_t i = 0; i < m->n_entry; i++) {
        TRY(check_bytes("image", m->entry[i]->image, FORMAT_HASH_BYTES));
        TRY(check_bytes("digest", m->entry[i]->digest, FORMAT_HASH_BYTES));
    }
    return OK;
}

static result check_repaired_part(const Myelin__RepairedPart *m) {
    const bool has_failed = m->outcome == 3;
    TRY(check_optional("object", m->object, FORMAT_ID_BYTES));
    TRY(check_number("slot", m->slot, 0, FORMAT_SERVERS_MAX - 1));
    TRY(check_number("outcome", m->outcome, 0, 4));
    TRY(check_number("code", m->code, has_failed ? 400 : 0, has_failed ? 599 : 0));
    return check_text("fault", m->fault, has_failed ? 1 : 0, has_failed ? FORMAT_FAULT_MAX : 0);
}

result format_check_repair_answer(const void *message) {
    const Myelin__RepairAnswer *m = message;
    TRY(check_count("part", m->n_part, 0, FORMAT_CHECKED_MAX));
    for (size_t i = 0; i < m->n_part; i++) {
        result checked = check_repaired_part(m->part[i]);
        if (checked != OK)
            return error_at(checked, "part[%zu]", i);
    }
    TRY(check_number("bytes_read", m->bytes_read, 0, INT64_MAX));
    TRY(check_number("bytes_written", m->bytes_written, 0, INT64_MAX));
    return check_optional("after", m->after, FORMAT_ID_BYTES);
}
