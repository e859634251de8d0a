/*
 * Secrets live in locked, guarded, never-dumped memory and are wiped when freed.
 */
#ifndef MYELIN_BASE_SECRET_H
#define MYELIN_BASE_SECRET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/result.h"

/* Starts libsodium and forbids core dumps and tracing of this process; every program's first call.
 */
MUST_CHECK result secret_start(void);

/* A zeroed, locked block of `size` bytes. NO_MEMORY. */
MUST_CHECK result secret_new(size_t size, void **out_block);

/* Wipes and frees; NULL is fine. */
void secret_free(void *block);

/* For __attribute__((cleanup)): wipes and frees what the pointer variable points to. */
void secret_free_at(void *pointer_to_pointer);
#define AUTO_SECRET __attribute__((cleanup(secret_free_at)))

/* Wipes memory on the stack or inside a larger object; the compiler may not drop it. */
void secret_wipe(void *memory, size_t size);

/* Constant-time comparison. */
bool secret_equal(const void *a, const void *b, size_t size);

/* Bytes from the kernel's generator. */
void secret_random(void *out, size_t size);

#endif
