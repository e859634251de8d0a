#include "base/secret.h"

#include <pthread.h>
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

/* ------------------------------------------------------------------ kept blocks */

enum { KEPT_BLOCKS = 32, KEPT_BYTES_MAX = 512 };

/* Small blocks, those in use as well, for a block does not know its size. */
static struct kept {
    void *block; /* NULL: the entry is empty */
    size_t size;
    bool is_used;
} kept[KEPT_BLOCKS];
static pthread_mutex_t kept_lock = PTHREAD_MUTEX_INITIALIZER;

/* A wiped block of this size; NULL where none is kept. */
static void *take_kept(size_t size) {
    void *block = NULL;
    pthread_mutex_lock(&kept_lock);
    for (size_t i = 0; block == NULL && i < KEPT_BLOCKS; i++) {
        if (kept[i].block == NULL || kept[i].is_used || kept[i].size != size)
            continue;
        kept[i].is_used = true;
        block = kept[i].block;
    }
    pthread_mutex_unlock(&kept_lock);
    return block;
}

/* Has it kept once it is freed; without room, it will not be. What is in nobody's use gives way. */
static void enter(void *block, size_t size) {
    struct kept *entry = NULL;
    void *displaced = NULL;
    pthread_mutex_lock(&kept_lock);
    for (size_t i = 0; i < KEPT_BLOCKS && (entry == NULL || entry->block != NULL); i++)
        if (kept[i].block == NULL || !kept[i].is_used)
            entry = &kept[i];
    if (entry != NULL) {
        displaced = entry->block;
        *entry = (struct kept){block, size, true};
    }
    pthread_mutex_unlock(&kept_lock);
    sodium_free(displaced);
}

/* Wipes it; false where it is to be freed. */
static bool give_back(void *block) {
    bool is_kept = false;
    pthread_mutex_lock(&kept_lock);
    for (size_t i = 0; !is_kept && i < KEPT_BLOCKS; i++) {
        if (kept[i].block != block)
            continue;
        if (!kept[i].is_used)
            sodium_misuse(); /* freed twice */
        sodium_memzero(block, kept[i].size);
        kept[i].is_used = false;
        is_kept = true;
    }
    pthread_mutex_unlock(&kept_lock);
    return is_kept;
}

/* ------------------------------------------------------------------ blocks */

result secret_new(size_t size, void **out_block) {
    bool is_small = size <= KEPT_BYTES_MAX;
    *out_block = is_small ? take_kept(size) : NULL;
    if (*out_block != NULL)
        return OK;
    *out_block = sodium_malloc(size);
    if (*out_block == NULL)
        return FAIL(NO_MEMORY, "no locked memory for %zu bytes; see 'ulimit -l'", size);
    sodium_memzero(*out_block, size);
    if (is_small)
        enter(*out_block, size);
    return OK;
}

void secret_free(void *block) {
    if (block != NULL && !give_back(block))
        sodium_free(block);
}

void secret_free_at(void *pointer_to_pointer) {
    secret_free(*(void **)pointer_to_pointer);
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
