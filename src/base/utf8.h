/*
 * UTF-8 (RFC 3629), one character at a time.
 */
#ifndef MYELIN_BASE_UTF8_H
#define MYELIN_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The character that `text` starts with, and its length in bytes; false where it is no UTF-8: an
 * overlong form, a surrogate, over U+10FFFF, cut off. Reads no further than the terminating zero,
 * which is a character too. */
bool utf8_read(const unsigned char *text, uint32_t *out_character, size_t *out_len);

#endif
