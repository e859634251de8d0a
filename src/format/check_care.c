/* The rules of what key servers deal to each other when shares are refreshed, replaced or reshared.
 */
#include "format/check.h"
#include "format/kind.h"

static result check_index(const char *field, uint32_t index) {
    return check_number(field, index, 1, FORMAT_SERVERS_MAX);
}

static result check_ballot(const char *field, uint64_t ballot, uint64_t least) {
    return check_number(field, ballot, least, INT64_MAX);
}

static result check_dealings(const char *field, size_t count, Myelin__Signed *const dealings[],
                             size_t least) {
    return check_signed_list(field, count, dealings, least, FORMAT_SERVERS_MAX,
                             FORMAT_LIMIT_DEALING);
}

/* Those who deal for a replacement: none for a refresh. */
static result check_dealers(size_t count, const uint32_t dealers[], uint32_t lost) {
    TRY(check_count("dealers", count, lost == 0 ? 0 : 1, lost == 0 ? 0 : FORMAT_SERVERS_MAX));
    for (size_t i = 0; i < count; i++) {
        TRY(check_number("dealers", dealers[i], i == 0 ? 1 : dealers[i - 1] + 1,
                         FORMAT_SERVERS_MAX));
        if (dealers[i] == lost)
            return FAIL(PROTOCOL, "dealers: %u lost its share", lost);
    }
    return OK;
}

static result check_among(uint32_t dealer, size_t count, const uint32_t dealers[]) {
    for (size_t i = 0; i < count; i++)
        if (dealers[i] == dealer)
            return OK;
    return FAIL(PROTOCOL, "dealers: without %u, who deals", dealer);
}

/* A resharing's new t and holders, a refresh's and a replacement's absence of them. */
static result check_target(uint32_t t, const char *field, ProtobufCBinaryData holders,
                           uint32_t lost, uint64_t ballot) {
    if (t == 0)
        return check_bytes(field, holders, 0);
    TRY(check_number("t", t, 1, FORMAT_SERVERS_MAX));
    TRY(check_number("lost", lost, 0, 0));
    TRY(check_ballot("ballot", ballot, 1));
    return check_holders(field, holders, t, false);
}

result format_check_dealing(const void *message) {
    const Myelin__Dealing *m = message;
    TRY(check_name("user", m->user));
    TRY(check_bytes("generation", m->generation, FORMAT_HASH_BYTES));
    TRY(check_index("dealer", m->dealer));
    TRY(check_number("lost", m->lost, 0, FORMAT_SERVERS_MAX));
    TRY(check_dealers(m->n_dealers, m->dealers, m->lost));
    if (m->lost != 0)
        TRY(check_among(m->dealer, m->n_dealers, m->dealers));
    TRY(check_between("commitments", m->commitments, 0, FORMAT_DEALING_COMMITMENTS_MAX));
    TRY(check_target(m->t, "receivers", m->receivers, m->lost, m->ballot));
    TRY(check_ballot("ballot", m->ballot, 0));
    TRY(check_count("box", m->n_box, m->t == 0 ? 1 : m->receivers.len,
                    m->t == 0 ? FORMAT_SERVERS_MAX : m->receivers.len));
    return check_each("box", m->box, m->n_box, FORMAT_SUBSHARE_BOX_BYTES);
}

result format_check_acceptance(const void *message) {
    const Myelin__Acceptance *m = message;
    TRY(check_name("server", m->server));
    TRY(check_name("user", m->user));
    TRY(check_ballot("ballot", m->ballot, 1));
    return check_bytes("generation", m->generation, FORMAT_HASH_BYTES);
}

result format_check_blinded(const void *message) {
    const Myelin__Blinded *m = message;
    TRY(check_name("user", m->user));
    TRY(check_bytes("generation", m->generation, FORMAT_HASH_BYTES));
    TRY(check_index("helper", m->helper));
    TRY(check_index("lost", m->lost));
    TRY(check_bytes("dealings", m->dealings, FORMAT_HASH_BYTES));
    return check_bytes("box", m->box, FORMAT_SUBSHARE_BOX_BYTES);
}

/* A ballot for a refresh, with t and holders for a resharing; a lost index and the dealers for a
 * replacement; nothing where only the state is asked for. */
result format_check_care_request(const void *message) {
    const Myelin__CareRequest *m = message;
    TRY(check_name("user", m->user));
    TRY(check_ballot("ballot", m->ballot, 0));
    TRY(check_number("lost", m->lost, 0, m->ballot == 0 ? FORMAT_SERVERS_MAX : 0));
    TRY(check_target(m->t, "holders", m->holders, m->lost, m->ballot));
    return check_dealers(m->n_dealers, m->dealers, m->lost);
}

result format_check_care_state(const void *message) {
    const Myelin__CareState *m = message;
    bool accepted = m->accepted != 0;
    TRY(check_between("certificate", m->certificate, 1, FORMAT_CERTIFICATE_MAX));
    TRY(check_time("enrolled_ms", m->enrolled_ms));
    TRY(check_number("epoch", m->epoch, 0, INT64_MAX));
    TRY(check_commitments(m->n_commitment1, m->commitment1, m->n_commitment2, m->commitment2));
    TRY(check_ballot("promised", m->promised, 0));
    TRY(check_number("accepted", m->accepted, 0, m->promised));
    TRY(check_bytes("next", m->next, accepted ? FORMAT_HASH_BYTES : 0));
    TRY(check_signed_list("next_dealing", m->n_next_dealing, m->next_dealing, accepted ? 1 : 0,
                          accepted ? FORMAT_SERVERS_MAX : 0, FORMAT_LIMIT_DEALING));
    TRY(check_holders("holders", m->holders, m->n_commitment1, true));
    if (m->dealing == NULL)
        return OK;
    return check_signed("dealing", m->dealing, FORMAT_LIMIT_DEALING);
}

static result check_base(const char *field, const Myelin__CareBase *m) {
    if (m == NULL)
        return OK;
    result checked = check_between("certificate", m->certificate, 1, FORMAT_CERTIFICATE_MAX);
    if (checked == OK)
        checked = check_time("enrolled_ms", m->enrolled_ms);
    if (checked == OK)
        checked = check_number("epoch", m->epoch, 0, INT64_MAX - 1);
    if (checked == OK)
        checked =
            check_commitments(m->n_commitment1, m->commitment1, m->n_commitment2, m->commitment2);
    if (checked == OK)
        checked = check_holders("holders", m->holders, m->n_commitment1, true);
    return checked == OK ? OK : error_at(checked, "%s", field);
}

result format_check_care_offer(const void *message) {
    const Myelin__CareOffer *m = message;
    TRY(check_name("user", m->user));
    TRY(check_ballot("ballot", m->ballot, 0));
    TRY(check_bytes("generation", m->generation, FORMAT_HASH_BYTES));
    TRY(check_base("from", m->from));
    return check_dealings("dealing", m->n_dealing, m->dealing, 1);
}

result format_check_care_complaint(const void *message) {
    const Myelin__CareComplaint *m = message;
    TRY(check_count("server", m->n_server, 0, FORMAT_SERVERS_MAX));
    for (size_t i = 0; i < m->n_server; i++)
        TRY(check_index("server", m->server[i]));
    return OK;
}

result format_check_care_finish(const void *message) {
    const Myelin__CareFinish *m = message;
    TRY(check_name("user", m->user));
    TRY(check_bytes("generation", m->generation, FORMAT_HASH_BYTES));
    TRY(check_base("made", m->made));
    return check_signed_list("acceptance", m->n_acceptance, m->acceptance, 1, FORMAT_SERVERS_MAX,
                             FORMAT_LIMIT_ACCEPTANCE);
}

result format_check_care_restore(const void *message) {
    const Myelin__CareRestore *m = message;
    TRY(check_name("user", m->user));
    TRY(check_between("certificate", m->certificate, 1, FORMAT_CERTIFICATE_MAX));
    TRY(check_time("enrolled_ms", m->enrolled_ms));
    TRY(check_number("epoch", m->epoch, 0, INT64_MAX - 1));
    TRY(check_commitments(m->n_commitment1, m->commitment1, m->n_commitment2, m->commitment2));
    TRY(check_holders("holders", m->holders, m->n_commitment1, true));
    TRY(check_dealings("dealing", m->n_dealing, m->dealing, 1));
    return check_signed_list("blinded", m->n_blinded, m->blinded, 1, FORMAT_SERVERS_MAX,
                             FORMAT_LIMIT_BLINDED);
}
