/* The rules of signed records. */
#include <string.h>

#include "format/check.h"
#include "format/kind.h"
#include "format/layout.h"

/* Whose image, and which. */
static result check_owned(const char *owner, ProtobufCBinaryData tau) {
    TRY(check_name("owner", owner));
    return check_bytes("tau", tau, FORMAT_TAU_BYTES);
}

result format_check_envelope(const void *message) {
    const Myelin__Envelope *m = message;
    TRY(check_number("format", m->format, 1, 1));
    TRY(check_owned(m->owner, m->tau));
    TRY(check_count("servers", m->n_servers, 1, FORMAT_SERVERS_MAX));
    TRY(check_number("k", m->k, 1, m->n_servers));
    TRY(check_names("servers", m->servers, m->n_servers));
    TRY(check_count("symbol_hash", m->n_symbol_hash, m->n_servers, m->n_servers));
    TRY(check_each("symbol_hash", m->symbol_hash, m->n_symbol_hash, FORMAT_HASH_BYTES));
    TRY(check_bytes("key_commitment", m->key_commitment, FORMAT_HASH_BYTES));
    TRY(check_between("owner_label", m->owner_label, 1, FORMAT_LABEL_MAX));
    TRY(check_between("sealed_id", m->sealed_id, 1, FORMAT_LABEL_MAX));
    TRY(check_bytes("put", m->put, FORMAT_ID_BYTES));
    TRY(check_optional("coefficients_hash", m->coefficients_hash, FORMAT_HASH_BYTES));
    return check_time("created_ms", m->created_ms);
}

static result check_rows(const Myelin__Manifest *m) {
    static const uint8_t zeros[FORMAT_SERVERS_MAX];
    TRY(check_count("row", m->n_row, m->n_servers, m->n_servers));
    TRY(check_each("row", m->row, m->n_row, m->k));
    for (size_t slot = 0; slot < m->n_row; slot++)
        if (memcmp(m->row[slot].data, zeros, m->k) == 0)
            return FAIL(PROTOCOL, "row[%zu]: all zeros", slot);
    return OK;
}

result format_check_manifest(const void *message) {
    const Myelin__Manifest *m = message;
    struct format_layout layout;
    TRY(check_number("format", m->format, 1, 1));
    TRY(check_owned(m->owner, m->tau));
    TRY(check_bytes("object", m->object, FORMAT_ID_BYTES));
    TRY(check_bytes("put", m->put, FORMAT_ID_BYTES));
    TRY(check_bytes("salt", m->salt, FORMAT_SALT_BYTES));
    TRY(check_between("sealed_meta", m->sealed_meta, 1, FORMAT_SEALED_META_MAX));
    TRY(check_count("servers", m->n_servers, 1, FORMAT_SERVERS_MAX));
    TRY(check_number("k", m->k, 1, m->n_servers));
    TRY(format_layout(m->sealed_bytes, m->segment_bytes, m->segments, m->k, &layout));
    TRY(check_names("servers", m->servers, m->n_servers));
    TRY(check_count("symbol_root", m->n_symbol_root, m->n_servers, m->n_servers));
    TRY(check_each("symbol_root", m->symbol_root, m->n_symbol_root, FORMAT_HASH_BYTES));
    TRY(check_rows(m));
    return check_time("created_ms", m->created_ms);
}

result format_check_commit(const void *message) {
    const Myelin__Commit *m = message;
    TRY(check_owned(m->owner, m->tau));
    TRY(check_bytes("put", m->put, FORMAT_ID_BYTES));
    return check_bytes("contents", m->contents, FORMAT_HASH_BYTES);
}

/* Between whom. */
static result check_pair(const char *owner, const char *recipient) {
    TRY(check_name("recipient", recipient));
    if (strcmp(owner, recipient) == 0)
        return FAIL(PROTOCOL, "recipient: %s is the owner", owner);
    return OK;
}

result format_check_forward(const void *message) {
    const Myelin__Forward *m = message;
    TRY(check_owned(m->owner, m->tau));
    TRY(check_pair(m->owner, m->recipient));
    TRY(check_bytes("rk1", m->rk1, FORMAT_TAU_BYTES));
    TRY(check_bytes("rk2", m->rk2, FORMAT_TAU_BYTES));
    TRY(check_time("serial_ms", m->serial_ms));
    return check_between("label", m->label, 1, FORMAT_LABEL_MAX);
}

result format_check_revocation(const void *message) {
    const Myelin__Revocation *m = message;
    TRY(check_owned(m->owner, m->tau));
    TRY(check_pair(m->owner, m->recipient));
    return check_time("serial_ms", m->serial_ms);
}

result format_check_removal(const void *message) {
    const Myelin__Removal *m = message;
    TRY(check_owned(m->owner, m->tau));
    return check_time("serial_ms", m->serial_ms);
}

result format_check_deletion(const void *message) {
    const Myelin__Deletion *m = message;
    TRY(check_owned(m->owner, m->tau));
    TRY(check_bytes("object", m->object, FORMAT_ID_BYTES));
    TRY(check_bytes("made", m->made, FORMAT_ID_BYTES));
    return check_time("serial_ms", m->serial_ms);
}

result format_check_receipt(const void *message) {
    const Myelin__Receipt *m = message;
    TRY(check_name("server", m->server));
    TRY(check_bytes("put", m->put, FORMAT_ID_BYTES));
    TRY(check_bytes("object", m->object, FORMAT_ID_BYTES));
    TRY(check_number("slot", m->slot, 0, FORMAT_SERVERS_MAX - 1));
    TRY(check_number("symbol_bytes", m->symbol_bytes, 1, FORMAT_SEALED_BYTES_MAX));
    return check_bytes("symbol_root", m->symbol_root, FORMAT_HASH_BYTES);
}

/* Rows and coefficients are of the same k blocks. */
static result check_drawn(const Myelin__Draw *m) {
    TRY(check_count("row", m->n_row, 1, FORMAT_DRAWN_ROWS_MAX));
    TRY(check_between("row", m->row[0], 1, FORMAT_SERVERS_MAX));
    TRY(check_each("row", m->row, m->n_row, m->row[0].len));
    if (m->n_coefficient == 0)
        return check_bytes("symbol_hash", m->symbol_hash, 0);
    TRY(check_count("coefficient", m->n_coefficient, m->row[0].len, m->row[0].len));
    TRY(check_each("coefficient", m->coefficient, m->n_coefficient, FORMAT_SCALAR_BYTES));
    return check_bytes("symbol_hash", m->symbol_hash, FORMAT_HASH_BYTES);
}

result format_check_draw(const void *message) {
    const Myelin__Draw *m = message;
    TRY(check_name("server", m->server));
    TRY(check_bytes("tau", m->tau, FORMAT_TAU_BYTES));
    TRY(check_bytes("put", m->put, FORMAT_ID_BYTES));
    TRY(check_number("slot", m->slot, 0, FORMAT_SERVERS_MAX - 1));
    TRY(check_number("draw", m->draw, 1, FORMAT_DRAWS_MAX));
    TRY(check_bytes("request", m->request, FORMAT_HASH_BYTES));
    return check_drawn(m);
}

result format_check_certificate_request(const void *message) {
    const Myelin__CertificateRequest *m = message;
    TRY(check_name("user", m->user));
    TRY(check_bytes("system_id", m->system_id, FORMAT_ID_BYTES));
    TRY(check_bytes("identity", m->identity, FORMAT_IDENTITY_BYTES));
    TRY(check_bytes("pk1", m->pk1, FORMAT_ALPHA_BYTES));
    TRY(check_bytes("pk2", m->pk2, FORMAT_TAU_BYTES));
    return check_bytes("possession", m->possession, FORMAT_POSSESSION_BYTES);
}

result format_check_object_meta(const void *message) {
    const Myelin__ObjectMeta *m = message;
    if (!format_is_object_name(m->name))
        return FAIL(PROTOCOL, "name: not a relative path of 1 to %d bytes of UTF-8 without . or ..",
                    FORMAT_OBJECT_NAME_MAX);
    TRY(check_number("size", m->size, 0, INT64_MAX));
    TRY(check_number("codec", m->codec, 0, 4));
    if (m->codec == 3) /* the command line's word for a choice (src/codec/codec.h) */
        return FAIL(PROTOCOL, "codec: 3 is none");
    TRY(check_bytes("sha256", m->sha256, FORMAT_HASH_BYTES));
    return check_between("note", m->note, 0, FORMAT_NOTE_MAX);
}
