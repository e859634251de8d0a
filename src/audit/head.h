/*
 * Heads of access logs: what a key server signed of its log, and a file of the newest of each.
 */
#ifndef MYELIN_AUDIT_HEAD_H
#define MYELIN_AUDIT_HEAD_H

#include "audit/chain.h"

struct head {
    char server[FORMAT_NAME_MAX + 1];
    uint8_t system[FORMAT_ID_BYTES];
    struct chain_head at;
    uint64_t time_ms;
    Myelin__Signed *record; /* as signed */
};

/* Of as many servers; zeroed memory is none. */
struct heads {
    struct head *of;
    size_t count;
};

#define AUTO_HEADS __attribute__((cleanup(heads_free)))
void heads_free(struct heads *heads);

/* Keeps the head, unless one of its server with as high a sequence is there. NO_MEMORY. */
MUST_CHECK result heads_keep(struct heads *heads, const Myelin__Signed *record);

/* Forgets what a server showed; false where there is nothing. */
bool heads_drop(struct heads *heads, const char *server);

/* NULL where there is none. */
const struct head *heads_find(const struct heads *heads, const char *server);

/* From a file's bytes. Signatures are for the caller to verify. PROTOCOL, NO_MEMORY. */
MUST_CHECK result heads_parse(struct view file, struct heads *out_heads);

/* Appends the file's bytes. NO_MEMORY. */
MUST_CHECK result heads_pack(const struct heads *heads, struct bytes *out_file);

/* The same of a file. NOT_FOUND; INTEGRITY where it is no file of heads; IO. */
MUST_CHECK result heads_read(const char *path, struct heads *out_heads);

#endif
