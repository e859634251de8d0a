/*
 * The bounds of every message and record. A receiver refuses what is larger before it parses; a
 * sender is refused by format_pack and format_sign.
 */
#ifndef MYELIN_FORMAT_LIMITS_H
#define MYELIN_FORMAT_LIMITS_H

/* Fixed sizes in bytes. */
enum {
    FORMAT_TAU_BYTES = 96,   /* tau, beta, rk1, rk2, P, Q, D: G2 */
    FORMAT_ALPHA_BYTES = 48, /* G1 */
    FORMAT_GAMMA_BYTES = 576,
    FORMAT_SCALAR_BYTES = 32,
    FORMAT_HASH_BYTES = 32,
    FORMAT_IDENTITY_BYTES = 32,
    FORMAT_SIGNATURE_BYTES = 64,
    FORMAT_ID_BYTES = 16, /* object, put and system ids */
    FORMAT_SALT_BYTES = 32,
    FORMAT_TAG_BYTES = 16,           /* what sealing adds to a segment */
    FORMAT_PARTIAL_PROOF_BYTES = 64, /* of a partial: OpenAnswer */
    FORMAT_POSSESSION_BYTES = 96,    /* of a1 and a2: EnrollShare */
    FORMAT_KEYSTORE_SALT_BYTES = 16, /* Argon2id */
    FORMAT_BOX_NONCE_BYTES = 24,     /* XChaCha20-Poly1305 */
    FORMAT_BOX_TAG_BYTES = 16,
    FORMAT_KEYSTORE_BOX_BYTES = 2 * (2 + 32) + FORMAT_BOX_TAG_BYTES, /* KeystoreSecrets, sealed */
    FORMAT_KEYSTORE_REQUEST_BOX_BYTES = FORMAT_KEYSTORE_BOX_BYTES + 2 * (2 + 32), /* a1, a2 too */
    FORMAT_SHARE_BOX_BYTES = 2 * 32 + FORMAT_BOX_TAG_BYTES, /* s1, s2, sealed */
    FORMAT_FIRST_SHARE_BOX_BYTES = 32 + 48,                 /* s1, in a sealed box: RecoverAnswer */
};

/* Of a dealing, see src/scheme/share_dealing.h. */
enum {
    FORMAT_SUBSHARE_BOX_BYTES = 2 * 32 + 48, /* in a sealed box */
    FORMAT_DEALING_COMMITMENTS_MAX = 254 * (48 + 96),
};

/* Counts and lengths. Text lengths are without the terminating zero. */
enum {
    FORMAT_SERVERS_MAX = 255, /* N, n, k, m, t */
    FORMAT_SEATS_MAX = 512,   /* of storage servers, those that were left included */
    FORMAT_WEIGHT_MAX = 10000,
    FORMAT_WEIGHT_DEFAULT = 100,
    FORMAT_NAME_MAX = 63,          /* [a-z0-9][a-z0-9._-]* : users and servers */
    FORMAT_ADDRESS_MAX = 261,      /* "host:port" or "[v6]:port" */
    FORMAT_IMAGE_ID_MAX = 1024,    /* an image's ID, in the clear */
    FORMAT_LABEL_MAX = 1024 + 128, /* the ID, sealed in some way */
    FORMAT_OBJECT_NAME_MAX = 1024, /* an object's name, in the clear */
    FORMAT_NOTE_MAX = 8 << 10,     /* beside an object, in the clear */
    FORMAT_SEALED_META_MAX = FORMAT_OBJECT_NAME_MAX + FORMAT_NOTE_MAX + 256,
    FORMAT_CERTIFICATE_MAX = 8 << 10, /* DER */
    FORMAT_OBJECTS_MAX = 4096,        /* objects in a put */
    FORMAT_WHOLE_OBJECTS_MAX = 256,   /* in one that comes in one request */
    FORMAT_DELETIONS_MAX = 256,       /* objects that are deleted in one request */
    FORMAT_PAGE_ENTRIES_MAX = 4096,   /* entries in a page */
    FORMAT_RECIPIENTS_MAX = 4096,     /* active forwards of an image */
    FORMAT_CHECKED_MAX = 65536,       /* objects in a CheckAnswer */
    FORMAT_REMOVALS_MAX = 16,         /* of an image that are told to a peer */
    FORMAT_FAULT_MAX = 200,           /* characters that explain a fault */
    FORMAT_DRAWS_MAX = 1 << 16,       /* of one server for one put */
    FORMAT_DRAWN_ROWS_MAX = 64,       /* in one draw */
    FORMAT_SEGMENT_BYTES_MIN = 4 << 10,
    FORMAT_SEGMENT_BYTES_MAX = 16 << 20,
    FORMAT_SEGMENTS_MAX = 1 << 20, /* so a slice table is at most 32 MiB */
    FORMAT_SLICE_MAX = FORMAT_SEGMENT_BYTES_MAX + FORMAT_TAG_BYTES,
};
#define FORMAT_SEALED_BYTES_MAX (UINT64_C(1) << 40)

/* A ballot of share care: milliseconds since 1970, then so many bits by chance. */
enum { FORMAT_BALLOT_RANDOM_BITS = 20 };

/* The coefficients of an envelope's slots, back to back. */
enum { FORMAT_COEFFICIENTS_MAX = FORMAT_SERVERS_MAX * FORMAT_SERVERS_MAX * FORMAT_SCALAR_BYTES };

/* Argon2id's parameters in a keystore: a hostile file can take this much and no more. */
enum {
    FORMAT_KEYSTORE_OPS_MIN = 1,
    FORMAT_KEYSTORE_OPS_MAX = 10,
    FORMAT_KEYSTORE_MEMORY_MIN = 8 << 20,
    FORMAT_KEYSTORE_MEMORY_MAX = 256 << 20,
};

/* The longest encoding of each message, in bytes: what to bound an HTTP body with. */
enum {
    FORMAT_LIMIT_SYSTEM = 512 << 10,
    FORMAT_LIMIT_ENVELOPE = 64 << 10,
    FORMAT_LIMIT_MANIFEST = 128 << 10,
    FORMAT_LIMIT_COMMIT = 4 << 10,
    FORMAT_LIMIT_FORWARD = 4 << 10,
    FORMAT_LIMIT_REVOCATION = 4 << 10,
    FORMAT_LIMIT_REMOVAL = 4 << 10,
    FORMAT_LIMIT_DELETION = 1 << 10,
    FORMAT_LIMIT_RECEIPT = 4 << 10,
    FORMAT_LIMIT_DRAW = 32 << 10,
    FORMAT_LIMIT_DEALING = 72 << 10,
    FORMAT_LIMIT_ACCEPTANCE = 1 << 10,
    FORMAT_LIMIT_BLINDED = 1 << 10,
    FORMAT_LIMIT_HEAD = 256,
    FORMAT_LIMIT_OBJECT_META = 10 << 10,

    /* Any record above in a Signed, and a small one (commit to receipt) in a Signed. */
    FORMAT_LIMIT_SIGNED = FORMAT_LIMIT_SYSTEM + 128,
    FORMAT_LIMIT_SIGNED_SMALL = FORMAT_LIMIT_COMMIT + 128,

    FORMAT_LIMIT_SYMBOL = 16 << 10,
    FORMAT_LIMIT_BEGIN_PUT = 128 << 10,
    FORMAT_LIMIT_DRAW_REQUEST = 256 << 10,
    FORMAT_LIMIT_PREPARE_PUT = 32 << 20,
    FORMAT_LIMIT_WHOLE_PUT = 1 << 20, /* larger puts go step by step */
    FORMAT_LIMIT_WHOLE_ANSWER = 80 << 10,
    FORMAT_LIMIT_DELETE_OBJECTS = FORMAT_DELETIONS_MAX * (FORMAT_LIMIT_DELETION + 128),
    FORMAT_LIMIT_IMAGE_ANSWER = 80 << 10,
    FORMAT_LIMIT_SYMBOL_ANSWER = 32 << 10,
    FORMAT_LIMIT_CHECK_ANSWER = 4 << 20,
    FORMAT_LIMIT_IMAGE_STATE = 512 << 10,
    FORMAT_LIMIT_REPAIR_ANSWER = 32 << 20,
    FORMAT_LIMIT_PAGE = 4 << 20, /* each kind of page */

    FORMAT_LIMIT_ENROLL_SHARE = 64 << 10,
    FORMAT_LIMIT_USER_ANSWER = 64 << 10,
    FORMAT_LIMIT_OPEN_REQUEST = 1 << 10,
    FORMAT_LIMIT_OPEN_ANSWER = 4 << 20,
    FORMAT_LIMIT_REKEY_REQUEST = 1 << 10,
    FORMAT_LIMIT_REKEY_ANSWER = 1 << 10,
    FORMAT_LIMIT_RECOVER_REQUEST = 1 << 10,
    FORMAT_LIMIT_RECOVER_ANSWER = 1 << 10,
    FORMAT_LIMIT_AUDIT_ENTRY = 2 << 10,
    FORMAT_LIMIT_AUDIT_BODY = 1 << 10,

    FORMAT_LIMIT_CARE_REQUEST = 1 << 10,
    FORMAT_LIMIT_CARE_STATE = 20 << 20, /* with 255 dealings */
    FORMAT_LIMIT_CARE_OFFER = 20 << 20,
    FORMAT_LIMIT_CARE_COMPLAINT = 2 << 10,
    FORMAT_LIMIT_CARE_FINISH = 256 << 10,
    FORMAT_LIMIT_CARE_RESTORE = 20 << 20,

    FORMAT_LIMIT_CERTIFICATE_REQUEST = 1 << 10,
    FORMAT_LIMIT_KEYSTORE_SECRETS = 256,
    FORMAT_LIMIT_KEYSTORE = 16 << 10,
    FORMAT_LIMIT_HEAD_FILE = 128 << 10,
    FORMAT_LIMIT_SHARE_FILE = 20 << 20, /* during a refresh; else some kilobytes */
    FORMAT_LIMIT_NEXT_SHARE = 64 << 10,
};

/* Whoever fills a page stops at FORMAT_PAGE_ENTRIES_MAX entries, or once it holds this many bytes:
 * the largest entry then still fits below FORMAT_LIMIT_PAGE. */
enum { FORMAT_PAGE_BYTES_TARGET = 1 << 20 };

#endif
