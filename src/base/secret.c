#include "base/secret.h"

#include <sodium.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/sanitizer.h"

result secret_start(void) {
    if (sodium_init() < 0)
        return FAIL(INTERNAL, "libsodium does not start");
    struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) != 0)
        return FAIL(INTERNAL, "core dumps cannot be forbidden");
#ifndef UNDER_SANITIZER /* the leak sanitizer traces its own process */
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return FAIL(INTERNAL, "tracing of this process cannot be forbidden");
#endif
    return OK;
}

result secret_new(size_t size, void **out_block) {
    *out_block = sodium_malloc(size);
    if (*out_block == NULL)
        return FAIL(NO_MEMORY, "no locked memory for %zu bytes; see 'ulimit -l'", size);
    sodium_memzero(*out_block, size);
    return OK;
}

void secret_free(void *block) {
    sodium_free(block);
}

void secret_free_at(void *pointer_to_pointer) {
    sodium_free(*(void **)pointer_to_pointer);
}

void secret_wipe(void *memory, size_t size) {
    sodium_memzero(memory, size);
}

bool secret_equal(const void *a, const void *b, size_t size) {
    return sodium_memcmp(a, b, size) == 0;
}

void secret_random(void *out, size_t size) {
    randombytes_buf(out, size);
}
