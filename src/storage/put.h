/*
 * Puts: objects, and with the first of them the envelope, become part of an image all at once.
 *
 *     begin     the put is known here: in memory, for nothing needs to survive yet
 *     upload    an object's slices stream into staging, hashed one by one
 *     prepare   what came is compared with what the owner signed; all of it is made durable, then
 *               the put's record `prepared`: from here on a restart keeps it
 *     commit    PUT.put with the owner's signature is made durable in staging: the put is decided.
 *               Then every part is moved to its image, the record last. A crash anywhere in between
 *               is rolled forward at the next start.
 *     abort     staging is removed
 *
 * `whole` is begin, the uploads and prepare of small objects in one request: the same functions,
 * one after the other.
 *
 * The same put again, where it is here already and whole or damaged, is a repair: its objects are
 * replaced by what the owner signed then. So whoever may read the image can repair it.
 *
 * Common errors: NOT_FOUND where no such put is under way, DENIED where it is another caller's,
 * CONFLICT where its state forbids it, IO where the disk is full or broken (the put is removed
 * then), NO_MEMORY.
 */
#ifndef MYELIN_STORAGE_PUT_H
#define MYELIN_STORAGE_PUT_H

#include "storage/put_record.h"
#include "storage/storage.h"

/* POST .../puts/{put}: BeginPut. CONFLICT where the image, or an object, is there already from
 * another put; NOT_FOUND where the image is not, and the put does not create it; DENIED where it is
 * another owner's. */
MUST_CHECK result put_begin(struct storage *storage, const struct storage_caller *caller,
                            const struct image_id *image, const struct short_id *put,
                            struct view body);

/* PUT .../objects/{object}?slot=S&slice=BYTES: one object's slices as they come. An upload is used
 * by one thread at a time and ends with finish or abandon, which free it. */
struct upload;
struct upload_options {
    struct short_id object;
    uint64_t slot;           /* INVALID above FORMAT_SERVERS_MAX */
    uint64_t slice_bytes;    /* of every slice but the last; INVALID outside 1..FORMAT_SLICE_MAX */
    uint64_t expected_bytes; /* 0: not known */
};
MUST_CHECK result upload_open(struct storage *storage, const struct storage_caller *caller,
                              const struct image_id *image, const struct short_id *put,
                              const struct upload_options *options, struct upload **out_upload);
/* After a failure only upload_abandon may follow. */
MUST_CHECK result upload_append(struct upload *upload, struct view part);
/* The memory that it keeps between two parts. */
size_t upload_memory(const struct upload *upload);
/* A Receipt in Signed, appended. Frees the upload in any case. */
MUST_CHECK result upload_finish(struct upload *upload, struct bytes *out_receipt);
void upload_abandon(struct upload *upload); /* NULL is fine */

/* POST .../prepare: PreparePut. CONFLICT "put ID is prepared" where another put of the image is;
 * PROTOCOL or INTEGRITY where uploads, manifests, envelope and symbol do not fit together. */
MUST_CHECK result put_prepare(struct storage *storage, const struct storage_caller *caller,
                              const struct image_id *image, const struct short_id *put,
                              struct view body);

/* POST .../whole?slot=S&slice=BYTES: WholePut. A WholeAnswer, appended, once the put is prepared;
 * the same again where it is prepared already. Fails as put_begin, upload_open, upload_append,
 * upload_finish and put_prepare, and leaves the put as the one that failed does: one that another
 * prepared put stands in the way of need only be prepared once more. */
struct whole_options {
    uint64_t slot, slice_bytes; /* as of an upload */
};
MUST_CHECK result put_whole(struct storage *storage, const struct storage_caller *caller,
                            const struct image_id *image, const struct short_id *put,
                            const struct whole_options *options, struct view body,
                            struct bytes *out_answer);

/* POST .../commit: Commit in Signed; whoever brings it, for the owner's signature decides. Again is
 * OK. */
MUST_CHECK result put_commit(struct storage *storage, const struct storage_caller *caller,
                             const struct image_id *image, const struct short_id *put,
                             struct view body);

/* GET .../puts/{put}: the Commit in Signed, as it came. NOT_FOUND where there is none here. */
MUST_CHECK result put_read_commit(struct storage *storage, const struct storage_caller *caller,
                                  const struct image_id *image, const struct short_id *put,
                                  struct bytes *out_commit);

/* DELETE .../puts/{put}. */
MUST_CHECK result put_abort(struct storage *storage, const struct storage_caller *caller,
                            const struct image_id *image, const struct short_id *put);

/* ------------------------------------------------------------------ for src/storage */

/* Publishes what PUT.put in staging decided, as often as needed. Under the image's write lock, or
 * before anything is served. */
MUST_CHECK result put_publish(struct storage *storage, const struct short_id *put,
                              const struct put_record *record);

/* Decides a prepared put and publishes it, in one change of the store. STORE_NOTHING with OK: it is
 * too large for that. STORE_DECIDED, with a failure: put_publish is to be tried again. Under the
 * image's write lock. */
MUST_CHECK result put_publish_at_once(struct storage *storage, const struct short_id *put,
                                      const struct put_record *record,
                                      enum store_extent *out_extent);

/* Finishes a decided put of the image, where there is one. Under the image's write lock. */
MUST_CHECK result put_finish_decided(struct storage *storage, const struct image_id *image);

/* At the start, for everything in staging. */
MUST_CHECK result put_recover(struct storage *storage);

#endif
