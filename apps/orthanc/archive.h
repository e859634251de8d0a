/*
 * The plain files of an Orthanc that had no plugin: FOLDER/ab/cd/abcd..., named by uuid, as
 * Orthanc's own storage keeps them. Those that are there are read and removed where the map has no
 * such uuid; and the archive is moved into Myelin, and out of it again, a few attachments a call,
 * so that it can be stopped at any time and resumed.
 *
 * Threads: safe from many.
 */
#ifndef ORTHANC_ARCHIVE_H
#define ORTHANC_ARCHIVE_H

#include "gateway.h"

struct archive_done {
    uint64_t moved;   /* attachments */
    uint64_t skipped; /* accepted from others, which are not the gateway's own to take out */
    bool is_done;     /* there is nothing more to move */
};

/* A plain file. NOT_FOUND where there is none, or no archive; IO, NO_MEMORY. */
MUST_CHECK result archive_read(const struct gateway *gateway, const char *uuid,
                               struct bytes *out_data);

/* NOT_FOUND, IO. */
MUST_CHECK result archive_remove(const struct gateway *gateway, const char *uuid);

/* Moves up to `count` plain files into the spool, from where they are sent; each is removed once
 * the map and the spool have it on disk. INVALID without an archive; CONFLICT where another call is
 * at work; errors of storage_area_adopt. What was moved before an error stays moved. */
MUST_CHECK result archive_move_in(struct gateway *gateway, uint64_t count,
                                  struct archive_done *out_done);

/* Moves up to `count` attachments out, into plain files; each leaves the map once its file is on
 * disk. Errors as above, and of reading. */
MUST_CHECK result archive_move_out(struct gateway *gateway, uint64_t count,
                                   struct archive_done *out_done);

#endif
