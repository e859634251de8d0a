/* The rules of messages to and from storage servers. */
#include "format/check.h"
#include "format/kind.h"

result format_check_signed(const void *message) {
    const Myelin__Signed *m = message;
    TRY(check_between("body", m->body, 1, FORMAT_LIMIT_SYSTEM));
    return check_bytes("signature", m->signature, FORMAT_SIGNATURE_BYTES);
}

result format_check_symbol(const void *message) {
    const Myelin__Symbol *m = message;
    TRY(check_number("slot", m->slot, 0, FORMAT_SERVERS_MAX - 1));
    TRY(check_number("b", m->b, 0, 1));
    TRY(check_bytes("alpha", m->alpha, FORMAT_ALPHA_BYTES));
    TRY(check_bytes("beta", m->beta, FORMAT_TAU_BYTES));
    TRY(check_bytes("gamma", m->gamma, FORMAT_GAMMA_BYTES));
    TRY(check_count("coefficient", m->n_coefficient, 1, FORMAT_SERVERS_MAX));
    return check_each("coefficient", m->coefficient, m->n_coefficient, FORMAT_SCALAR_BYTES);
}

result format_check_begin_put(const void *message) {
    const Myelin__BeginPut *m = message;
    TRY(check_bytes("tau", m->tau, FORMAT_TAU_BYTES));
    TRY(check_count("object", m->n_object, m->creates ? 0 : 1, FORMAT_OBJECTS_MAX));
    return check_distinct("object", m->object, m->n_object, FORMAT_ID_BYTES);
}

static result check_held(const Myelin__DrawRequest *m) {
    TRY(check_between("held", m->held, 1, m->k));
    for (size_t i = 0; i < m->held.len; i++)
        if (m->held.data[i] >= m->k || (i > 0 && m->held.data[i] <= m->held.data[i - 1]))
            return FAIL(PROTOCOL, "held: %u is out of order, or no block of %u", m->held.data[i],
                        m->k);
    return OK;
}

result format_check_draw_request(const void *message) {
    const Myelin__DrawRequest *m = message;
    TRY(check_bytes("tau", m->tau, FORMAT_TAU_BYTES));
    TRY(check_number("slot", m->slot, 0, FORMAT_SERVERS_MAX - 1));
    TRY(check_number("k", m->k, 1, FORMAT_SERVERS_MAX));
    TRY(check_held(m));
    TRY(check_number("draw", m->draw, 1, FORMAT_DRAWS_MAX));
    TRY(check_number("rows", m->rows, 1, FORMAT_DRAWN_ROWS_MAX));
    if (m->n_ciphertext > 0)
        TRY(check_count("ciphertext", m->n_ciphertext, m->held.len, m->held.len));
    for (size_t i = 0; i < m->n_ciphertext; i++) {
        TRY(check_bytes("ciphertext: alpha", m->ciphertext[i]->alpha, FORMAT_ALPHA_BYTES));
        TRY(check_bytes("ciphertext: gamma", m->ciphertext[i]->gamma, FORMAT_GAMMA_BYTES));
    }
    return OK;
}

static result check_records(const char *field, Myelin__Signed *const records[], size_t count,
                            size_t limit) {
    for (size_t i = 0; i < count; i++) {
        result checked = check_signed(field, records[i], limit);
        if (checked != OK)
            return error_at(checked, "%zu", i);
    }
    return OK;
}

result format_check_prepare_put(const void *message) {
    const Myelin__PreparePut *m = message;
    TRY(check_bytes("tau", m->tau, FORMAT_TAU_BYTES));
    if (m->envelope == NULL && m->symbol != NULL)
        return FAIL(PROTOCOL, "envelope: missing beside its symbol");
    if (m->envelope != NULL)
        TRY(check_signed("envelope", m->envelope, FORMAT_LIMIT_ENVELOPE));
    if (m->symbol != NULL) {
        TRY(check_symbol("symbol", m->symbol));
        TRY(check_number("symbol: b", m->symbol->b, 0, 0));
    }
    if (m->envelope == NULL && m->coefficients.len > 0)
        return FAIL(PROTOCOL, "envelope: missing beside its coefficients");
    TRY(check_between("coefficients", m->coefficients, 0, FORMAT_COEFFICIENTS_MAX));
    TRY(check_count("manifest", m->n_manifest, m->envelope ? 0 : 1, FORMAT_OBJECTS_MAX));
    return check_records("manifest", m->manifest, m->n_manifest, FORMAT_LIMIT_MANIFEST);
}

result format_check_whole_put(const void *message) {
    const Myelin__WholePut *m = message;
    TRY(check_between("begin", m->begin, 1, FORMAT_LIMIT_BEGIN_PUT));
    TRY(check_between("prepare", m->prepare, 1, FORMAT_LIMIT_WHOLE_PUT));
    TRY(check_count("object", m->n_object, 1, FORMAT_WHOLE_OBJECTS_MAX));
    for (size_t i = 0; i < m->n_object; i++) {
        TRY(check_bytes("object: object", m->object[i]->object, FORMAT_ID_BYTES));
        TRY(check_between("object: slices", m->object[i]->slices, 1, FORMAT_LIMIT_WHOLE_PUT));
    }
    return OK;
}

result format_check_whole_answer(const void *message) {
    const Myelin__WholeAnswer *m = message;
    TRY(check_count("receipt", m->n_receipt, 1, FORMAT_WHOLE_OBJECTS_MAX));
    for (size_t i = 0; i < m->n_receipt; i++)
        TRY(check_between("receipt", m->receipt[i], 1, FORMAT_LIMIT_SIGNED_SMALL));
    return OK;
}

result format_check_delete_objects(const void *message) {
    const Myelin__DeleteObjects *m = message;
    return check_signed_list("deletion", m->n_deletion, m->deletion, 1, FORMAT_DELETIONS_MAX,
                             FORMAT_LIMIT_DELETION);
}

/* Sums over an image: more than one object's bound, and still far from overflow. */
static result check_total(const char *field, uint64_t value) {
    return check_number(field, value, 0, INT64_MAX);
}

result format_check_image_answer(const void *message) {
    const Myelin__ImageAnswer *m = message;
    if ((m->envelope != NULL) == (m->removal != NULL))
        return FAIL(PROTOCOL, "envelope: one of envelope and removal is expected");
    if (m->envelope != NULL)
        TRY(check_signed("envelope", m->envelope, FORMAT_LIMIT_ENVELOPE));
    else
        TRY(check_signed("removal", m->removal, FORMAT_LIMIT_REMOVAL));
    TRY(check_total("objects", m->objects));
    return check_total("symbol_bytes", m->symbol_bytes);
}

static result check_image_entry(const Myelin__ImageEntry *m) {
    TRY(check_signed("envelope", m->envelope, FORMAT_LIMIT_ENVELOPE));
    TRY(check_total("objects", m->objects));
    TRY(check_total("sealed_bytes", m->sealed_bytes));
    TRY(check_count("recipient", m->n_recipient, 0, FORMAT_RECIPIENTS_MAX));
    for (size_t i = 0; i < m->n_recipient; i++)
        TRY(check_name("recipient", m->recipient[i]));
    return OK;
}

result format_check_image_page(const void *message) {
    const Myelin__ImagePage *m = message;
    TRY(check_count("image", m->n_image, m->more ? 1 : 0, FORMAT_PAGE_ENTRIES_MAX));
    for (size_t i = 0; i < m->n_image; i++) {
        result checked = check_image_entry(m->image[i]);
        if (checked != OK)
            return error_at(checked, "image[%zu]", i);
    }
    return OK;
}

result format_check_manifest_page(const void *message) {
    const Myelin__ManifestPage *m = message;
    TRY(check_signed_list("deletion", m->n_deletion, m->deletion, 0, FORMAT_PAGE_ENTRIES_MAX,
                          FORMAT_LIMIT_DELETION));
    TRY(check_count("manifest", m->n_manifest, m->more && m->n_deletion == 0 ? 1 : 0,
                    FORMAT_PAGE_ENTRIES_MAX));
    TRY(check_count("unreadable", m->n_unreadable, 0, FORMAT_PAGE_ENTRIES_MAX));
    TRY(check_each("unreadable", m->unreadable, m->n_unreadable, FORMAT_ID_BYTES));
    return check_records("manifest", m->manifest, m->n_manifest, FORMAT_LIMIT_MANIFEST);
}

static result check_inbox_entry(const Myelin__InboxEntry *m) {
    TRY(check_signed("forward", m->forward, FORMAT_LIMIT_FORWARD));
    TRY(check_total("objects", m->objects));
    return check_total("sealed_bytes", m->sealed_bytes);
}

result format_check_inbox_page(const void *message) {
    const Myelin__InboxPage *m = message;
    TRY(check_count("entry", m->n_entry, m->more ? 1 : 0, FORMAT_PAGE_ENTRIES_MAX));
    for (size_t i = 0; i < m->n_entry; i++) {
        result checked = check_inbox_entry(m->entry[i]);
        if (checked != OK)
            return error_at(checked, "entry[%zu]", i);
    }
    return OK;
}

result format_check_symbol_answer(const void *message) {
    const Myelin__SymbolAnswer *m = message;
    TRY(check_symbol("symbol", m->symbol));
    TRY(check_optional("signature", m->signature, FORMAT_SIGNATURE_BYTES));
    if (m->symbol->b == 1)
        return check_signed("forward", m->forward, FORMAT_LIMIT_FORWARD);
    if (m->forward != NULL)
        return FAIL(PROTOCOL, "forward: present with an original symbol");
    return OK;
}

static result check_checked_object(const Myelin__CheckedObject *m) {
    TRY(check_bytes("object", m->object, FORMAT_ID_BYTES));
    if (m->good && m->fault[0] != '\0')
        return FAIL(PROTOCOL, "fault: present with a good object");
    return check_text("fault", m->fault, m->good ? 0 : 1, FORMAT_FAULT_MAX);
}

result format_check_check_answer(const void *message) {
    const Myelin__CheckAnswer *m = message;
    TRY(check_count("object", m->n_object, 0, FORMAT_CHECKED_MAX));
    for (size_t i = 0; i < m->n_object; i++) {
        result checked = check_checked_object(m->object[i]);
        if (checked != OK)
            return error_at(checked, "object[%zu]", i);
    }
    return OK;
}
