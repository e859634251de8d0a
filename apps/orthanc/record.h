/*
 * One line of the map's journal, and the head of a spooled file: what an Orthanc attachment, named
 * by its uuid, is to Myelin.
 *
 *   text   op (1), flags (1), size (8), then uuid, owner, image, name, sop: each its length (2) and
 *          that many bytes. Integers are big-endian; nothing follows.
 */
#ifndef ORTHANC_RECORD_H
#define ORTHANC_RECORD_H

#include <stdbool.h>

#include "base/bytes.h"

enum {
    RECORD_UUID_BYTES = 36,
    RECORD_OWNER_MAX = 63,
    RECORD_IMAGE_MAX = 1024,
    RECORD_NAME_MAX = 1024,
    RECORD_SOP_MAX = 64,
    RECORD_TEXT_MAX = 4096,
};

enum record_op {
    RECORD_ADD = 1,   /* the uuid stands for this object */
    RECORD_STORED,    /* ... which enough storage servers have */
    RECORD_INDEXED,   /* ... and Orthanc's index refers to */
    RECORD_REMOVE,    /* the uuid stands for nothing any more */
    RECORD_DEAD,      /* the image holds `size` objects that no uuid stands for */
    RECORD_GONE,      /* the image is removed from the storage servers */
    RECORD_FORWARD,   /* the image is to be forwarded to the user `name` */
    RECORD_FORWARDED, /* ... or is, or will not be */
    RECORD_DELETE,    /* the image's object `name` is dead, and to be deleted from the servers */
    RECORD_DELETED    /* ... or is */
};

enum record_flags {
    RECORD_IS_STORED = 1,
    RECORD_IS_INDEXED = 2,
    RECORD_IS_DUPLICATE = 4, /* Orthanc has that instance already: it may remove the uuid at once */
    RECORD_IS_SPOOLED = 8,   /* its bytes are in the spool, or were */
};

/* Texts end with a zero. */
struct record {
    enum record_op op;
    unsigned flags;
    uint64_t size; /* bytes of the attachment */
    char uuid[RECORD_UUID_BYTES + 1];
    char owner[RECORD_OWNER_MAX + 1]; /* "": the gateway's own user */
    char image[RECORD_IMAGE_MAX + 1];
    char name[RECORD_NAME_MAX + 1]; /* the object's */
    char sop[RECORD_SOP_MAX + 1];   /* SOPInstanceUID; "": none, or it is no UID */
};

/* A uuid as Orthanc makes them: lower-case hexadecimal digits and hyphens, so safe as a file name.
 */
bool record_is_uuid(const char *uuid);

MUST_CHECK result record_pack(const struct record *record, struct bytes *out_text);

/* INTEGRITY where it breaks a rule. */
MUST_CHECK result record_parse(struct view text, struct record *out_record);

#endif
