#include "flow/failure.h"

#include <string.h>

void failure_keep(struct failure *failure, result code) {
    if (failure->code != OK || code == OK)
        return;
    failure->code = code;
    strncpy(failure->text, error_text(), sizeof failure->text - 1);
}

result failure_raise(const struct failure *failure) {
    return failure->code == OK ? OK : FAIL(failure->code, "%s", failure->text);
}
