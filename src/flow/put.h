/*
 * Put: files become an image's objects on the storage servers.
 *
 *     compress -> seal -> encode -> disperse -> receipts -> signed manifest
 *
 * or, decentralised, with encode at the storage servers after disperse. What is stored, and every
 * way to it, is the same.
 *
 * Segments stream through these steps in parallel; memory does not grow with the files. Nothing is
 * visible to any reader before the last step, and all of it is after (docs/PROTOCOL.md, a put).
 *
 * Every path is looked at before the first byte leaves:
 *   a file     is one object, named as its last path component
 *   a folder   is walked; each regular file below it is an object named as its path inside the
 *              folder ("series 1/slice 7.dcm")
 * Without an ID, DICOM files make one image a study, its StudyInstanceUID the ID. Where the owner
 * has that image already the objects are added to it.
 */
#ifndef MYELIN_FLOW_PUT_H
#define MYELIN_FLOW_PUT_H

#include "base/bytes.h"
#include "codec/codec.h"
#include "format/format.h"
#include "group/g2.h"

struct session;
struct image;
struct content_key_secret;

struct put_options {
    const char *id; /* all files into this image; NULL: each DICOM file into its study's */
    enum codec_kind codec;
    enum put_dispersal {
        PUT_SYMBOLS, /* the owner encodes, and sends each server its slices */
        PUT_BLOCKS,  /* each block goes to `copies` servers, and they encode */
    } dispersal;
    unsigned copies; /* 0: setup_default_copies */
    bool is_alone;   /* no other thread uses the session: an image that fails by an old version of
                        the system description is put again by the new one (session_catch_up) */

    /* Each image's ID as soon as it is safe on enough servers; on the thread of flow_put. */
    void (*done)(void *context, const char *id);
    void *context;
};

/*
 * Puts `paths[0..count-1]`. Done means: k + ceil((n - k) / 2) storage servers or more have it on
 * disk; those that do not are named by the session's warnings.
 *
 * INVALID   no path; copies that cannot be (setup_check_copies, put_assign); a file that is not
 * DICOM and no ID; an empty file; two objects of one name IO        a path that cannot be read, or
 * that changed while it was read CONFLICT  the image has an object of that name already, or another
 * put of the image was first QUORUM    too few storage servers took it, each named with its reason
 * and what opening an existing image brings (flow_open_envelope).
 * On every failure the image it happened in is as it was before; images that `done` was told of
 * stay.
 */
MUST_CHECK result flow_put(struct session *session, const struct put_options *options,
                           const char *const paths[], size_t count);

/* An object from memory; all borrowed. */
struct put_blob {
    const char *name;  /* a safe one (object_name_is_safe) */
    struct view bytes; /* at least one */
    struct view note;  /* at most FORMAT_NOTE_MAX bytes, sealed with the object's description */
};

/* What one put learnt of its image, so that the next asks no server for it: its tau, the envelope's
 * record and the content key. The zero value knows nothing. */
struct put_known {
    struct g2 tau;
    uint8_t tau_bytes[FORMAT_TAU_BYTES];
    struct bytes record;                  /* packed; the owner's signature is checked */
    const struct content_key_secret *key; /* in secret memory that all copies share */
};
#define AUTO_PUT_KNOWN __attribute__((cleanup(put_known_forget)))
void put_known_forget(struct put_known *known);
/* Of an own image whose envelope is `record`. NO_MEMORY. */
MUST_CHECK result put_known_keep(const struct image *image, const Myelin__Signed *record,
                                 const struct content_key_secret *key, struct put_known *out_known);
/* To be forgotten like any; from any thread that may read `known`. NO_MEMORY. */
MUST_CHECK result put_known_copy(const struct put_known *known, struct put_known *out_copy);

/*
 * Puts objects from memory into the image `id`, which is made where it is not there, all of them or
 * none. Uses and renews `known`; what it knew and is no longer so is found out and looked up again.
 * One caller for an image at a time: two puts of one image get in each other's way. Errors of
 * flow_put, and INVALID for a note that is too long.
 */
MUST_CHECK result flow_put_blobs(struct session *session, const char *id, enum codec_kind codec,
                                 const struct put_blob blobs[], size_t count,
                                 struct put_known *known);

#endif
