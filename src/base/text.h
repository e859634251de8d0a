/*
 * Words from outside on their way to a terminal or a log: nothing in them may act on either.
 */
#ifndef MYELIN_BASE_TEXT_H
#define MYELIN_BASE_TEXT_H

#include <stddef.h>

/* The most that one character becomes, without the terminating zero. */
enum { TEXT_SHOWN_MAX = 10 };

/* Writes the character or byte that `*text` starts with, which is not its end, as it may be shown,
 * and moves `*text` past it: control characters (C0, DEL, C1), characters that direct the writing
 * or are invisible, and bytes that are no UTF-8 become \x1b, \u202e and so on. Gives the number of
 * characters written; `out` is ended by a zero. */
size_t text_show_one(const char **text, char out[TEXT_SHOWN_MAX + 1]);

/* All of `text`, as far as whole characters fit in `size` bytes with the zero. */
void text_show(const char *text, char *out, size_t size);

#endif
