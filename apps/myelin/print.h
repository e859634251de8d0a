/*
 * What others named goes to a terminal with nothing in it that a terminal acts on.
 */
#ifndef MYELIN_CLI_PRINT_H
#define MYELIN_CLI_PRINT_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

#include "base/result.h"

/* Text with control characters, characters that change the direction of writing, and bytes that are
 * no UTF-8 written as \x1b, \u202e and so on. */
void print_safe(FILE *out, const char *text);

/* The same, filled up with spaces to `width` columns of a table (bytes, roughly). */
void print_column(FILE *out, const char *text, int width);

/* "2026-03-01 12:30:05Z" */
enum { PRINT_TIME = 32 };
void print_time(uint64_t time_ms, char out[PRINT_TIME]);

/* "12.3 MB" */
enum { PRINT_SIZE = 32 };
void print_size(uint64_t bytes, char out[PRINT_SIZE]);

/* A JSON string of bytes from anywhere: what is no UTF-8 becomes U+FFFD. NULL where there is no
 * memory, which json_object_set_new and the like pass on. */
json_t *print_json_text(const char *text);

/* Writes the value on stdout, in ASCII, and frees it. NO_MEMORY where it is NULL, IO. */
MUST_CHECK result print_json(json_t *value);

#endif
