#include "files.h"

#include <unistd.h>

#include "base/file.h"
#include "system/x509.h"

enum { REQUEST_MAX = 4 << 10, CERTIFICATE_MAX = 64 << 10 };

result files_check_new(const char *path) {
    return access(path, F_OK) == 0 ? FAIL(CONFLICT, "%s is there already", path) : OK;
}

static result read_bounded(const char *path, size_t limit, struct bytes *out) {
    result read = file_read(path, limit, out);
    return read == INVALID ? error_set(INTEGRITY, "%s", error_text()) : read;
}

result files_read_request(const char *path, struct bytes *out_request) {
    return read_bounded(path, REQUEST_MAX, out_request);
}

result files_read_certificate(const char *path, struct bytes *out_der) {
    AUTO_BYTES struct bytes pem = {0};
    TRY(read_bounded(path, CERTIFICATE_MAX, &pem));
    return x509_pem_to_der(bytes_view(&pem), out_der) == OK
               ? OK
               : FAIL(INTEGRITY, "%s: not a certificate in PEM", path);
}

result files_write_certificate(const char *path, struct view der, bool replaces) {
    AUTO_BYTES struct bytes pem = {0};
    TRY(x509_pem_from_der(der, &pem));
    return replaces ? file_write_atomic(path, bytes_view(&pem), 0644)
                    : file_create_atomic(path, bytes_view(&pem), 0644);
}
