/*
 * The map's file: sealed records, only ever appended to, replaced whole when most of it is history.
 *
 *   file     "MYELINMP", 16 random bytes (the file's id), the sealed text "map" by which a wrong
 *            key shows, then records
 *   record   length (4), then a sealed text (seal/seal.h) under the map's key; associated data: the
 *            file's id and the record's number, so that none can be moved, left out or taken from
 *            another file
 *
 * What a crash leaves behind the last whole record is cut off: it was never acknowledged. Records
 * before a damaged one are kept, and the damaged file beside the new one, as map.damaged.
 *
 * Threads: safe from many.
 */
#ifndef ORTHANC_JOURNAL_H
#define ORTHANC_JOURNAL_H

#include "record.h"

enum { JOURNAL_KEY_BYTES = 32 };

struct journal;

/* What is done with each record at the start. */
typedef result (*journal_replay)(void *context, const struct record *record);

struct journal_found {
    uint64_t records;
    uint64_t cut_bytes; /* behind the last whole record */
    bool is_damaged;    /* it is more than a crash can leave: a file map.damaged was kept */
};

/* Opens or makes `path`; the key is copied. DENIED where it is another key's; IO, NO_MEMORY; what
 * `replay` fails with. */
MUST_CHECK result journal_open(const char *path, const uint8_t key[JOURNAL_KEY_BYTES],
                               journal_replay replay, void *context,
                               struct journal_found *out_found, struct journal **out_journal);
void journal_close(struct journal *journal);

/* Writes a record: it survives this process, and after journal_sync the machine. IO: the record is
 * not there, or, after a sync failed, nothing is taken any more. */
MUST_CHECK result journal_append(struct journal *journal, const struct record *record);

/* Returns once all that was appended before is on disk; callers that come together share one fsync.
 * IO. */
MUST_CHECK result journal_sync(struct journal *journal);

/* The same begins on a thread that the journal keeps, and nobody waits: a journal_sync that follows
 * finds it done, or waits for what is left of it. */
void journal_begin_sync(struct journal *journal);

/* How many records the file holds. */
uint64_t journal_records(struct journal *journal);

/* Starts a new file of what `write` appends to it (with the function it is given), and replaces the
 * old one. No record may be appended meanwhile by others. IO: the old one stays. */
typedef result (*journal_writer)(void *context, struct journal *journal);
MUST_CHECK result journal_rewrite(struct journal *journal, journal_writer write, void *context);

#endif
