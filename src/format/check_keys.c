/* The rules of messages to and from key servers, and of the files on a disk. */
#include <string.h>

#include "format/check.h"
#include "format/kind.h"

static result check_index(uint32_t index) {
    return check_number("index", index, 1, FORMAT_SERVERS_MAX);
}

result format_check_enroll_share(const void *message) {
    const Myelin__EnrollShare *m = message;
    TRY(check_name("user", m->user));
    TRY(check_index(m->index));
    TRY(check_bytes("s1", m->s1, FORMAT_SCALAR_BYTES));
    TRY(check_bytes("s2", m->s2, FORMAT_SCALAR_BYTES));
    TRY(check_commitments(m->n_commitment1, m->commitment1, m->n_commitment2, m->commitment2));
    TRY(check_holders("holders", m->holders, m->n_commitment1, true));
    return check_bytes("proof", m->proof, FORMAT_POSSESSION_BYTES);
}

result format_check_user_answer(const void *message) {
    const Myelin__UserAnswer *m = message;
    TRY(check_between("certificate", m->certificate, 1, FORMAT_CERTIFICATE_MAX));
    TRY(check_time("enrolled_ms", m->enrolled_ms));
    TRY(check_number("epoch", m->epoch, 0, INT64_MAX));
    TRY(check_holders("holders", m->holders, m->n_commitment1, true));
    if (m->n_commitment1 == 0 && m->n_commitment2 == 0)
        return OK; /* it holds no share */
    return check_commitments(m->n_commitment1, m->commitment1, m->n_commitment2, m->commitment2);
}

result format_check_user_page(const void *message) {
    const Myelin__UserPage *m = message;
    TRY(check_count("user", m->n_user, m->more ? 1 : 0, FORMAT_PAGE_ENTRIES_MAX));
    for (size_t i = 0; i < m->n_user; i++)
        TRY(check_name("user", m->user[i]));
    return OK;
}

result format_check_open_request(const void *message) {
    const Myelin__OpenRequest *m = message;
    TRY(check_name("owner", m->owner));
    TRY(check_bytes("tau", m->tau, FORMAT_TAU_BYTES));
    TRY(check_optional("generation", m->generation, FORMAT_HASH_BYTES));
    return check_number("u", m->u, 0, FORMAT_SERVERS_MAX);
}

/* Of which shares an answer is. */
static result check_used(ProtobufCBinaryData generation, ProtobufCBinaryData also, uint32_t t,
                         ProtobufCBinaryData holders) {
    TRY(check_optional("generation", generation, FORMAT_HASH_BYTES));
    TRY(check_optional("also", also, FORMAT_HASH_BYTES));
    TRY(check_number("t", t, 0, FORMAT_SERVERS_MAX));
    return check_holders("holders", holders, t, true);
}

/* Of one envelope: all have the answer's b and equally many coefficients, no server twice. */
static result check_served(const Myelin__OpenAnswer *m) {
    for (size_t i = 0; i < m->n_symbol; i++) {
        const Myelin__ServedSymbol *served = m->symbol[i];
        TRY(check_name("symbol: server", served->server));
        TRY(check_symbol("symbol", served->symbol));
        TRY(check_optional("symbol: signature", served->signature, FORMAT_SIGNATURE_BYTES));
        if (served->symbol->b != m->b)
            return FAIL(PROTOCOL, "symbol: %s: b is %u, expected %u", served->server,
                        served->symbol->b, m->b);
        if (served->symbol->n_coefficient != m->symbol[0]->symbol->n_coefficient)
            return FAIL(PROTOCOL, "symbol: %s: %zu coefficients, expected %zu", served->server,
                        served->symbol->n_coefficient, m->symbol[0]->symbol->n_coefficient);
        for (size_t j = 0; j < i; j++)
            if (strcmp(served->server, m->symbol[j]->server) == 0)
                return FAIL(PROTOCOL, "symbol: %s stands there twice", served->server);
    }
    return OK;
}

/* A server that has none to give is its client's to judge. */
static result check_answer_head(const Myelin__Signed *head) {
    return head == NULL ? OK : check_signed("head", head, FORMAT_LIMIT_HEAD);
}

result format_check_open_answer(const void *message) {
    const Myelin__OpenAnswer *m = message;
    TRY(check_index(m->index));
    TRY(check_number("b", m->b, 0, 1));
    TRY(check_bytes("beta", m->beta, FORMAT_TAU_BYTES));
    TRY(check_bytes("partial", m->partial, FORMAT_TAU_BYTES));
    TRY(check_count("symbol", m->n_symbol, 1, FORMAT_SERVERS_MAX));
    TRY(check_served(m));
    TRY(check_optional("proof", m->proof, FORMAT_PARTIAL_PROOF_BYTES));
    TRY(check_used(m->generation, m->also, m->t, m->holders));
    TRY(check_answer_head(m->head));
    if (m->b == 1)
        return check_signed("forward", m->forward, FORMAT_LIMIT_FORWARD);
    if (m->forward != NULL)
        return FAIL(PROTOCOL, "forward: present with b = 0");
    return OK;
}

result format_check_rekey_request(const void *message) {
    const Myelin__RekeyRequest *m = message;
    TRY(check_name("recipient", m->recipient));
    TRY(check_bytes("tau", m->tau, FORMAT_TAU_BYTES));
    TRY(check_bytes("p", m->p, FORMAT_TAU_BYTES));
    TRY(check_optional("generation", m->generation, FORMAT_HASH_BYTES));
    return check_bytes("q", m->q, FORMAT_TAU_BYTES);
}

result format_check_rekey_answer(const void *message) {
    const Myelin__RekeyAnswer *m = message;
    TRY(check_index(m->index));
    TRY(check_used(m->generation, m->also, m->t, m->holders));
    TRY(check_answer_head(m->head));
    TRY(check_bytes("p", m->p, FORMAT_TAU_BYTES));
    return check_bytes("q", m->q, FORMAT_TAU_BYTES);
}

result format_check_recover_request(const void *message) {
    const Myelin__RecoverRequest *m = message;
    TRY(check_name("recipient", m->recipient));
    return check_bytes("tau", m->tau, FORMAT_TAU_BYTES);
}

result format_check_recover_answer(const void *message) {
    const Myelin__RecoverAnswer *m = message;
    TRY(check_index(m->index));
    TRY(check_answer_head(m->head));
    return check_bytes("box", m->box, FORMAT_FIRST_SHARE_BOX_BYTES);
}

result format_check_audit_entry(const void *message) {
    const Myelin__AuditEntry *m = message;
    TRY(check_number("sequence", m->sequence, 1, INT64_MAX));
    TRY(check_bytes("previous", m->previous, FORMAT_HASH_BYTES));
    TRY(check_between("body", m->body, 1, FORMAT_LIMIT_AUDIT_BODY));
    return check_bytes("hash", m->hash, FORMAT_HASH_BYTES);
}

result format_check_audit_page(const void *message) {
    const Myelin__AuditPage *m = message;
    TRY(check_count("entry", m->n_entry, m->more ? 1 : 0, FORMAT_PAGE_ENTRIES_MAX));
    for (size_t i = 0; i < m->n_entry; i++) {
        result checked = format_check_audit_entry(m->entry[i]);
        if (checked != OK)
            return error_at(checked, "entry[%zu]", i);
        if (i > 0 && m->entry[i]->sequence <= m->entry[i - 1]->sequence)
            return FAIL(PROTOCOL, "entry[%zu]: sequence: not above the one before", i);
    }
    return OK;
}

static result check_optional_name(const char *field, const char *name) {
    return name[0] == '\0' ? OK : check_name(field, name);
}

result format_check_audit_body(const void *message) {
    const Myelin__AuditBody *m = message;
    TRY(check_time("time_ms", m->time_ms));
    TRY(check_name("user", m->user));
    TRY(check_text("action", m->action, 1, FORMAT_NAME_MAX));
    TRY(check_optional_name("owner", m->owner));
    TRY(check_optional("image", m->image, FORMAT_HASH_BYTES));
    TRY(check_optional_name("recipient", m->recipient));
    return check_text("outcome", m->outcome, 1, FORMAT_NAME_MAX);
}

result format_check_head(const void *message) {
    const Myelin__Head *m = message;
    TRY(check_bytes("system", m->system, FORMAT_ID_BYTES));
    TRY(check_name("server", m->server));
    TRY(check_number("sequence", m->sequence, 0, INT64_MAX));
    TRY(check_bytes("hash", m->hash, FORMAT_HASH_BYTES));
    return check_time("time_ms", m->time_ms);
}

result format_check_head_file(const void *message) {
    const Myelin__HeadFile *m = message;
    return check_signed_list("head", m->n_head, m->head, 0, FORMAT_SERVERS_MAX, FORMAT_LIMIT_HEAD);
}

result format_check_keystore_secrets(const void *message) {
    const Myelin__KeystoreSecrets *m = message;
    TRY(check_bytes("a3", m->a3, FORMAT_SCALAR_BYTES));
    TRY(check_bytes("identity_seed", m->identity_seed, SIGN_SEED_BYTES));
    TRY(check_optional("a1", m->a1, FORMAT_SCALAR_BYTES));
    return check_bytes("a2", m->a2, m->a1.len);
}

result format_check_keystore(const void *message) {
    const Myelin__Keystore *m = message;
    bool requests = m->certificate.len == 0;
    TRY(check_number("format", m->format, 1, 1));
    TRY(check_name("user", m->user));
    TRY(check_between("certificate", m->certificate, 0, FORMAT_CERTIFICATE_MAX));
    TRY(check_bytes("system_id", m->system_id, FORMAT_ID_BYTES));
    TRY(check_bytes("ca_key", m->ca_key, FORMAT_IDENTITY_BYTES));
    TRY(check_number("ops_limit", m->ops_limit, FORMAT_KEYSTORE_OPS_MIN, FORMAT_KEYSTORE_OPS_MAX));
    TRY(check_number("memory_limit", m->memory_limit, FORMAT_KEYSTORE_MEMORY_MIN,
                     FORMAT_KEYSTORE_MEMORY_MAX));
    TRY(check_bytes("salt", m->salt, FORMAT_KEYSTORE_SALT_BYTES));
    TRY(check_bytes("nonce", m->nonce, FORMAT_BOX_NONCE_BYTES));
    return check_bytes("box", m->box,
                       requests ? FORMAT_KEYSTORE_REQUEST_BOX_BYTES : FORMAT_KEYSTORE_BOX_BYTES);
}

/* The next generation is there in full or not at all. */
static result check_ballots(const Myelin__ShareFile *m) {
    bool accepted = m->accepted != 0;
    TRY(check_number("epoch", m->epoch, 0, INT64_MAX));
    TRY(check_number("promised", m->promised, 0, INT64_MAX));
    TRY(check_number("accepted", m->accepted, 0, m->promised));
    TRY(check_between("next", m->next, accepted ? 1 : 0, accepted ? FORMAT_LIMIT_NEXT_SHARE : 0));
    return check_signed_list("next_dealing", m->n_next_dealing, m->next_dealing, accepted ? 1 : 0,
                             accepted ? FORMAT_SERVERS_MAX : 0, FORMAT_LIMIT_DEALING);
}

result format_check_share_file(const void *message) {
    const Myelin__ShareFile *m = message;
    TRY(check_number("format", m->format, 1, 1));
    TRY(check_name("user", m->user));
    TRY(check_index(m->index));
    TRY(check_between("certificate", m->certificate, 1, FORMAT_CERTIFICATE_MAX));
    TRY(check_commitments(m->n_commitment1, m->commitment1, m->n_commitment2, m->commitment2));
    TRY(check_time("enrolled_ms", m->enrolled_ms));
    TRY(check_holders("holders", m->holders, m->n_commitment1, true));
    TRY(check_bytes("nonce", m->nonce, FORMAT_BOX_NONCE_BYTES));
    TRY(check_ballots(m));
    return check_bytes("box", m->box, FORMAT_SHARE_BOX_BYTES);
}
