/*
 * The access log's chain: how an entry is framed and hashed, and how a segment is read back.
 *
 *     segment = "MYELINAL", then records;  record = length (4 bytes, big-endian), AuditEntry
 *     hash    = SHA-256(previous hash || body);  the first entry's previous hash is 32 zero bytes
 */
#ifndef MYELIN_AUDIT_CHAIN_H
#define MYELIN_AUDIT_CHAIN_H

#include <stdbool.h>
#include <stdio.h>

#include "base/digest.h"
#include "format/format.h"

enum { CHAIN_MAGIC_BYTES = 8, CHAIN_FRAME_BYTES = 4 };
extern const char chain_magic[CHAIN_MAGIC_BYTES + 1];

/* Where a chain stands: its last entry. All zero for an empty one. */
struct chain_head {
    uint64_t sequence;
    uint8_t hash[DIGEST_BYTES];
};

/* Chains `body` after `head` and appends the record to `out_record`. Nothing changes on failure:
 * INVALID as format_pack, NO_MEMORY. */
MUST_CHECK result chain_append(struct chain_head *head, const Myelin__AuditBody *body,
                               struct bytes *out_record);

enum chain_found {
    CHAIN_RECORD,  /* a good one */
    CHAIN_END,     /* nothing more */
    CHAIN_TORN,    /* the file ends within a record, or in zeros: a crash */
    CHAIN_DAMAGED, /* anything else; error_text() says what */
};

/* Reads the next record of a segment, which must continue `head`, and moves `head` to it. With
 * `after_damage` (the first record of a segment that follows a damaged one) it need only have a
 * higher sequence: what it continued may be what was damaged. `out_body` is set for CHAIN_RECORD
 * only (AUTO_FORMAT), as is the record's length, `out_bytes`. IO, NO_MEMORY. */
MUST_CHECK result chain_read(FILE *segment, bool after_damage, struct chain_head *head,
                             enum chain_found *out_found, Myelin__AuditBody **out_body,
                             uint64_t *out_bytes);

/* An entry from a record's bytes after its length, its hash checked against its own previous.
 * INTEGRITY, NO_MEMORY. */
MUST_CHECK result chain_parse(struct view wire, Myelin__AuditEntry **out_entry,
                              Myelin__AuditBody **out_body);

#endif
