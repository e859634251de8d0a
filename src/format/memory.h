/*
 * Where parsed messages live: memory that is counted while a message is unpacked, so that a small
 * hostile message cannot take much of it, and wiped when it is freed. Inside src/format only.
 */
#ifndef MYELIN_FORMAT_MEMORY_H
#define MYELIN_FORMAT_MEMORY_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

/* What one unpacking may take in all. */
struct format_budget {
    size_t left;
    bool is_secret;  /* blocks come from secret_new */
    bool is_refused; /* the process's budget (base/budget.h) had no room */
};

/* An allocator for protobuf-c that draws on `budget`, which must stay while it is used. Blocks know
 * their size and kind, so any such allocator frees the blocks of any other. */
ProtobufCAllocator format_allocator(struct format_budget *budget);

#endif
