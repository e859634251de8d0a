/*
 * A key server's seal key: 32 raw bytes in a file that only its owner may read. Whoever copies a
 * store without it has no share.
 */
#ifndef MYELIN_KEYS_SEALING_KEY_H
#define MYELIN_KEYS_SEALING_KEY_H

#include <stdint.h>

#include "base/result.h"

/* Secret memory of SEAL_KEY_BYTES. NOT_FOUND; DENIED where group or others may read or write the
 * file; INVALID where it has another size or is no file; IO, NO_MEMORY. The text names the file. */
MUST_CHECK result sealing_key_load(const char *path, uint8_t **out_key);

#endif
