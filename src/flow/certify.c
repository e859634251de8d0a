#include "flow/certify.h"

#include <string.h>

#include "flow/enrol_manager.h"

static result open_request(const struct ca *ca, struct view request, struct ca_asked *out_asked) {
    result opened = ca_request_open(ca, request, out_asked);
    if (opened == PROTOCOL || opened == INTEGRITY)
        return error_at(INTEGRITY, "this is no request, or it was altered");
    return opened;
}

static result answer(const struct ca *ca, const struct ca_asked *asked, bool again,
                     struct bytes *out_certificate) {
    result issued = ca_issue_user(ca, &asked->request, 0, out_certificate);
    if (issued != CONFLICT)
        return issued;
    if (!again)
        return FAIL(CONFLICT,
                    "the name %s is taken: it was given to other keys; --force where their owner "
                    "never enrolled, as his request was lost",
                    asked->user);
    TRY(ca_withdraw(ca, asked->user));
    return ca_issue_user(ca, &asked->request, 0, out_certificate);
}

result flow_certify(const char *system, struct view request, bool again,
                    struct certify_answer *out_answer, struct bytes *out_certificate) {
    AUTO_ENROL_MANAGER struct enrol_manager manager = {0};
    struct ca_asked asked;
    TRY(enrol_manager_open(system, "anybody", &manager));
    TRY(open_request(manager.ca, request, &asked));
    memcpy(out_answer->name, asked.user, sizeof out_answer->name);
    ca_request_fingerprint(&asked.request, out_answer->fingerprint);
    return out_certificate != NULL ? answer(manager.ca, &asked, again, out_certificate) : OK;
}

result flow_certify_renewal(const char *system, const char *name, struct bytes *out_certificate) {
    AUTO_ENROL_MANAGER struct enrol_manager manager = {0};
    AUTO_BYTES struct bytes certificate = {0};
    enum tls_role role;
    TRY(enrol_manager_open(system, name, &manager));
    bool serves = description_find_storage(&manager.description, name) >= 0 ||
                  description_find_key(&manager.description, name) >= 0;
    TRY(ca_renew(manager.ca, name, 0, &role, &certificate));
    if (role != TLS_ROLE_USER && !serves)
        return FAIL(NOT_FOUND, "the system has no server %s any more", name);
    return bytes_append(out_certificate, bytes_view(&certificate));
}
