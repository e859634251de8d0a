/*
 * The inside of put: the objects that go into an image together, between begin and commit, and the
 * steps that they take.
 *
 *     put_batch_begin     every server agrees to the put, or says why not
 *     put_batch_choose    everybody's coefficients: the owner's choice, or drawn by each server
 *     put_batch_stream    put_read -> put_code -> put_send, all objects, all at once
 *     put_batch_publish   prepare, then commit
 *     put_batch_abort     instead, where any of them failed
 *
 * Small objects that go together in one request to each server (`is_small`) take fewer steps:
 *
 *     put_batch_choose
 *     put_batch_code      put_code, one object after the other, into memory
 *     put_batch_publish   whole: begin, uploads and prepare at once; then commit
 */
#ifndef MYELIN_FLOW_PUT_BATCH_H
#define MYELIN_FLOW_PUT_BATCH_H

#include <stdatomic.h>

#include "code/code.h"
#include "codec/codec.h"
#include "flow/image.h"
#include "flow/object.h"
#include "flow/put_assign.h"
#include "flow/put_envelope.h"
#include "flow/put_paths.h"
#include "flow/put_slots.h"
#include "flow/put_window.h"
#include "seal/seal.h"

enum { PUT_HEX = 2 * FORMAT_ID_BYTES + 1 };

struct put_object {
    const struct put_file *file;
    uint8_t id[FORMAT_ID_BYTES];
    uint8_t context[OBJECT_CONTEXT_BYTES];
    uint8_t salt[SEAL_SALT_BYTES];
    uint32_t segment_bytes;
    bool is_whole; /* it fits in one segment, and one worker reads, compresses and codes it */

    /* Set with the first segment: the symbol's length, or HTTP_LENGTH_UNKNOWN. */
    uint64_t symbol_bytes;

    /* Set with the last segment, before any slot gets it. */
    enum codec_kind codec;
    uint8_t sha256[DIGEST_BYTES]; /* of the file */
    uint64_t sealed_bytes, segments;
    uint8_t (*roots)[DIGEST_BYTES]; /* by slot */
};

struct put_batch {
    struct session *session;
    const struct image *image;
    struct put_slots *slots;
    char *const *servers;                   /* by slot */
    struct put_envelope *envelope;          /* NULL where the image is there already */
    const struct put_envelope_parts *parts; /* `blocks`: what it will be made of */
    const struct content_key_secret *content_key;
    enum codec_kind codec;
    uint8_t put[FORMAT_ID_BYTES];
    char hex[PUT_HEX]; /* of it */
    uint64_t created_ms;
    bool is_small;       /* objects and all go to each server in one request */
    bool was_sent;       /* a server may know of the put */
    bool has_begun;      /* some servers have agreed to the put, and none has proved that it cannot
                            be */
    bool may_be_decided; /* a commit was sent: no server may forget the put any more */

    uint8_t *rows; /* n x k */
    struct code_map encoder;
    struct put_assignment *assignment; /* `blocks`: who gets which; NULL: `symbols` */
    struct put_draw_name {
        uint32_t draw, row;
    } * draws;              /* by slot: which of its rows counts */
    uint32_t segment_bytes; /* the longest of the objects' */
    struct put_object *objects;
    size_t count;
    uint8_t (*root_memory)[DIGEST_BYTES]; /* the objects' */

    unsigned threads;          /* 0 with is_small */
    struct put_window *window; /* NULL with is_small */
    struct put_segment *coded; /* with is_small: each object's; their pieces and hashes are owned */
    struct format_slice_table tables[FORMAT_SERVERS_MAX]; /* of the object that passes in order */
    atomic_uint_least64_t *bytes_done;                    /* of all files of this flow */
    uint64_t bytes_total;
};

#define AUTO_PUT_BATCH __attribute__((cleanup(put_batch_clean_up)))
void put_batch_clean_up(struct put_batch *batch);

/* What a batch is made from; all borrowed. */
struct put_plan {
    struct session *session;
    const struct image *image;
    struct put_slots *slots;
    char *const *servers;
    struct put_envelope *envelope; /* made; or, with `parts`, empty, to be made */
    const struct put_envelope_parts *parts;
    const struct content_key_secret *content_key;
    unsigned copies; /* of each block; 0: `symbols` */
    enum codec_kind codec;
    const uint8_t *put;
    const struct put_file *files;
    size_t count;
    atomic_uint_least64_t *bytes_done;
    uint64_t bytes_total;
};

/* What put_batch_choose makes an envelope of. */
struct put_envelope_parts {
    const char *id; /* the image's */
    struct envelope_draft *draft;
};

/* Ids, salts and segment sizes of the objects, the window, who gets which block. INVALID where
 * there are too few copies for that. */
MUST_CHECK result put_batch_init(const struct put_plan *plan, struct put_batch *out_batch);

/* How many files at most go into one batch: what begin and prepare can carry. */
size_t put_batch_files_max(unsigned n, unsigned k);

/* CONFLICT where a server proves that the image, or an object of that name, is there already;
 * QUORUM. */
MUST_CHECK result put_batch_begin(struct put_batch *batch);

/* CONFLICT where an answer is CONFLICT and its server shows the owner's own record of what would be
 * there twice: nobody is believed without. Of one server, and of all. */
MUST_CHECK result put_batch_prove_conflict(const struct put_batch *batch, unsigned slot,
                                           const struct put_answer *answer);
MUST_CHECK result put_batch_prove_conflicts(const struct put_batch *batch,
                                            const struct put_answer answers[]);

/* The rows of the code; with `blocks` also the envelope, and servers that do not answer, or lie,
 * take no further part. QUORUM, CRYPTO. */
MUST_CHECK result put_batch_choose(struct put_batch *batch);

/* IO, QUORUM, INTERNAL where cancelled. */
MUST_CHECK result put_batch_stream(struct put_batch *batch);

/* Instead, with is_small: nothing is sent yet. IO, NO_MEMORY, INTERNAL. */
MUST_CHECK result put_batch_code(struct put_batch *batch);

/* CONFLICT where another put of the image was first, and as put_batch_begin where that was not
 * asked; QUORUM. */
MUST_CHECK result put_batch_publish(struct put_batch *batch);

/* Tells every server to forget the put; keeps this thread's error text. */
void put_batch_abort(struct put_batch *batch);

/* The threads of put_batch_stream. Each ends by itself once the window has an end or a failure. */
void put_read(struct put_batch *batch);
void put_code(struct put_batch *batch);
/* The same of one object that is whole, on the caller's thread. `segment` has an object's number
 * and buffers: `plain` of k blocks, room for the tag included, n pieces, hashes. */
MUST_CHECK result put_code_object(struct put_batch *batch, struct put_segment *segment);
MUST_CHECK result put_send(struct put_batch *batch, unsigned slot);

/* A coded segment's hashes into the slots' tables, and those into the object's roots with its last
 * one; in order. */
void put_batch_pass(struct put_batch *batch, const struct put_segment *segment);

/* BeginPut, appended. */
MUST_CHECK result put_batch_pack_begin(const struct put_batch *batch, struct bytes *out_wire);

/* ".../objects/{object}..." with what the server needs to know of the pieces. */
void put_object_path(const struct put_batch *batch, unsigned slot, const struct put_object *object,
                     char out[PUT_PATH_BYTES]);

/* A slice's length as requests name it: that of all of an object's segments but the last. */
size_t put_object_slice_bytes(const struct put_batch *batch, const struct put_object *object);

/* Whether a Receipt in Signed says that the slot has `symbol_bytes` of the object, and the very
 * bytes that were sent. INTEGRITY, PROTOCOL, naming the server. */
MUST_CHECK result put_receipt_check(const struct put_batch *batch, unsigned slot,
                                    const struct put_object *object, uint64_t symbol_bytes,
                                    struct view answer);

/* The request of put_batch_publish that takes the place of begin, uploads and prepare: PreparePut,
 * packed, with the objects' slices. */
MUST_CHECK result put_whole_request(const struct put_batch *batch, unsigned slot,
                                    struct view prepare, struct put_request *out_request);
/* Of its answer: put_receipt_check for each object. */
MUST_CHECK result put_whole_check(const struct put_batch *batch, unsigned slot, struct view wire);
/* The same question to a server that does not know such requests, step by step. */
MUST_CHECK result put_whole_by_steps(struct put_batch *batch, unsigned slot,
                                     struct http_client *client, struct view prepare);
void put_whole_free(struct put_batch *batch);

/* ".../puts/{put}" with a suffix. */
void put_batch_path(const struct put_batch *batch, const char *suffix, char out[PUT_PATH_BYTES]);

#endif
