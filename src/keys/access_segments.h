/*
 * The access log's files: verified at the start, the last one open for appending, a next one begun
 * when that has grown enough.
 */
#ifndef MYELIN_KEYS_ACCESS_SEGMENTS_H
#define MYELIN_KEYS_ACCESS_SEGMENTS_H

#include <limits.h>
#include <stdatomic.h>

#include "audit/chain.h"
#include "keys/access_index.h"

/* The segments before the last one, which nobody writes to. */
struct access_older {
    uint32_t *numbers; /* ascending */
    size_t count;
};

struct access_segments {
    char folder[PATH_MAX];
    int fd;                    /* of the last segment, for appending; -1 where not open */
    uint32_t last;             /* its number */
    uint64_t end;              /* its length at the start */
    bool damaged;              /* some segment is */
    struct chain_head before;  /* the last entry before those verified: zero, or archived */
    struct access_older older; /* still to be verified */
};

/* Verifies the segments in `folder`, fills the index and opens the last one; makes the first, or
 * one after a damaged last. Where the last one begins with an anchor it alone is verified, and
 * those before it are left for access_segments_verify_older. What a crash left at the end is cut
 * off, and kept in a file beside it. `segments`, zeroed but for fd = -1, and `index` are to be
 * closed and freed on failure too. IO, NO_MEMORY. */
MUST_CHECK result access_segments_open(const char *folder, struct access_segments *segments,
                                       struct access_index *index, struct chain_head *out_head);

/* Verifies what access_segments_open left, into an index of its own, and that the segment after
 * them continues them. `out_before` is what the first of them continues, `out_damaged` whether
 * anything is damaged. From any thread, once. INTERNAL where `stop` became true; IO, NO_MEMORY. */
MUST_CHECK result access_segments_verify_older(const struct access_segments *segments,
                                               const atomic_bool *stop, struct access_index *index,
                                               struct chain_head *out_before, bool *out_damaged);

/* Makes the segment after the last one, which ends with `head`; it is used from
 * access_segments_switch on. On failure nothing is there, or `out_unknown` says that nobody knows:
 * then nothing may be appended to the last one until the log is opened again, since the next
 * segment would say that it continues `head`. IO, INVALID; CONFLICT where there is such a file. */
MUST_CHECK result access_segments_next(const struct access_segments *segments,
                                       const struct chain_head *head, int *out_fd,
                                       bool *out_unknown);
void access_segments_switch(struct access_segments *segments, int fd);

/* Reads the record at `place` and checks its hash. NOT_FOUND where its segment is gone; INTEGRITY,
 * IO, NO_MEMORY. */
MUST_CHECK result access_segments_read(const struct access_segments *segments,
                                       struct access_place place, struct bytes *out_wire);

void access_segments_close(struct access_segments *segments);

#endif
