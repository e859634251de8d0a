#include "format/statement.h"

#include <string.h>

static const char domain[] = "myelin symbol v1";

static result encode(const struct format_statement *statement, struct bytes *out_message) {
    TRY(bytes_append(out_message, view_of(statement->server, strlen(statement->server) + 1)));
    TRY(bytes_append(out_message, view_of(statement->user, strlen(statement->user) + 1)));
    TRY(bytes_append(out_message, view_of(statement->image, DIGEST_BYTES)));
    return format_pack(statement->symbol, out_message);
}

result format_statement_sign(const struct sign_key *key, const struct format_statement *statement,
                             uint8_t out_signature[SIGN_BYTES]) {
    AUTO_BYTES struct bytes message = {0};
    TRY(encode(statement, &message));
    return sign_message(key, domain, bytes_view(&message), out_signature);
}

result format_statement_verify(const uint8_t identity[SIGN_PUBLIC_BYTES],
                               const struct format_statement *statement, struct view signature) {
    AUTO_BYTES struct bytes message = {0};
    if (signature.len != SIGN_BYTES)
        return FAIL(INTEGRITY, "%s has not signed the symbol", statement->server);
    TRY(encode(statement, &message));
    if (sign_verify(identity, domain, bytes_view(&message), signature.data) != OK)
        return FAIL(INTEGRITY, "the signature of the symbol is not by %s", statement->server);
    return OK;
}
