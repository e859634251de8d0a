/*
 * Which key servers hold shares of one generation: a set of share indices. In messages and files a
 * byte each, ascending; empty there for all key servers of the system description, as what was
 * written before sets could differ has it.
 */
#ifndef MYELIN_FORMAT_HOLDERS_H
#define MYELIN_FORMAT_HOLDERS_H

#include "format/format.h"

struct holders {
    size_t count;
    uint8_t index[FORMAT_SERVERS_MAX]; /* 1 to 255, ascending */
};

/* 1 to m, which is at most 255. */
void holders_all(unsigned m, struct holders *out);

/* From a field that has been checked; an empty one means 1 to m. */
void holders_of(ProtobufCBinaryData field, unsigned m, struct holders *out);

/* Its bytes; they lie in `holders`. */
struct view holders_view(const struct holders *holders);

bool holders_has(const struct holders *holders, uint32_t index);
bool holders_equal(const struct holders *a, const struct holders *b);

/* Where an index stands; `count` where it does not. */
size_t holders_position(const struct holders *holders, uint32_t index);

/* Puts an index in, or takes it out; nothing happens where it is there, or is not. */
void holders_add(struct holders *holders, uint32_t index);
void holders_remove(struct holders *holders, uint32_t index);

/* As numbers. */
void holders_list(const struct holders *holders, uint32_t out[FORMAT_SERVERS_MAX]);

#endif
