/*
 * libmyelin: images sealed at one's own edge, spread over storage servers that nobody has to trust,
 * opened through t of m key servers, and forwarded without moving them.
 *
 *     myelin_start();
 *     struct myelin_session *session = NULL;
 *     int code = myelin_open("/etc/system.myelin", "alice", pass, pass_len, &session);
 *     if (code == MYELIN_OK)
 *         code = myelin_get(session, "1.2.840.113619.2.55", NULL, "/tmp/study");
 *     if (code != MYELIN_OK)
 *         fprintf(stderr, "%s\n", myelin_error_text());
 *     myelin_close(session);
 *
 * Errors: every function that returns an int gives MYELIN_OK or one of the codes below, and
 * myelin_error_text() says what and where for a human. Outputs are untouched on failure.
 *
 * Threads: a session and what is held of it serve many threads at once, but for opening and
 * closing. Callbacks come on the calling thread, except progress and reading, and must not call
 * into the session. What a callback is handed is valid until it returns.
 *
 * Strings are C strings; IDs and names may hold any bytes but zero, and those that come from other
 * users may hold anything a terminal acts on.
 */
#ifndef MYELIN_H
#define MYELIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum myelin_code {
    MYELIN_OK = 0,
    MYELIN_INVALID = 1,   /* the caller's own argument or input */
    MYELIN_NO_MEMORY = 2, /* an allocation, or a bound on memory */
    MYELIN_IO = 3,        /* the local disk */
    MYELIN_TIMEOUT = 4,   /* a server did not answer in time */
    MYELIN_PROTOCOL = 5,  /* a server's answer breaks the protocol */
    MYELIN_DENIED = 6,    /* passphrase, certificate, or the servers' refusal */
    MYELIN_INTEGRITY = 7, /* bytes are not what was signed */
    MYELIN_QUORUM = 8,    /* too few servers; each is named with its reason */
    MYELIN_NOT_FOUND = 9, /* nobody has it */
    MYELIN_CONFLICT = 10, /* it exists already, or another writer was first */
    MYELIN_CRYPTO = 11,   /* an operation of the scheme that has no answer */
    MYELIN_INTERNAL = 12, /* a defect, or the call was cancelled */
};

/* "0.1.0" */
const char *myelin_version(void);

/* This thread's last error, for a human; valid until the thread's next call. */
const char *myelin_error_text(void);

/* To be called once before all else. Starts the cryptographic libraries and forbids core dumps and
 * tracing of this process, which will hold keys. INTERNAL. */
int myelin_start(void);

/* ------------------------------------------------------------------ sessions */

struct myelin_session;

/* Opens the keystore of `user` (in MYELIN_HOME, else ~/.myelin) with the passphrase, and the system
 * description at `system`, a folder or a file. The passphrase is copied, used and wiped. Nobody is
 * connected to yet. `out_session` is the caller's, to be closed with myelin_close.
 * NOT_FOUND, DENIED (wrong passphrase; another manager's system), INTEGRITY, INVALID, IO,
 * NO_MEMORY. */
int myelin_open(const char *system, const char *user, const void *passphrase, size_t passphrase_len,
                struct myelin_session **out_session);

/* Ends connections, wipes keys, frees. NULL is fine. */
void myelin_close(struct myelin_session *session);

/* `step` is a word such as "open", "fetch", "send"; `done` of `total` bytes or servers. From any
 * thread, one call at a time. Before the first call that it shall show. */
typedef void (*myelin_progress)(void *context, const char *step, uint64_t done, uint64_t total);
void myelin_set_progress(struct myelin_session *session, myelin_progress progress, void *context);

/* Ends the running call, and every later one, with INTERNAL and "interrupted"; the call cleans up
 * first. From any thread, not from a signal handler. */
void myelin_cancel(struct myelin_session *session);

/* Lines that the user should read although a call went well, "storage-3: connection refused": hands
 * out and forgets all there are. */
typedef void (*myelin_line)(void *context, const char *line);
void myelin_take_warnings(struct myelin_session *session, myelin_line take, void *context);

/* ------------------------------------------------------------------ enrolling */

/* Makes `user` a user of the system in the folder `system`, which holds the manager's CA too: keys,
 * certificate, a share at each key server, and a keystore under the passphrase. a1 and a2 exist
 * only during this call. An enrolment that was broken off is completed by calling again.
 * CONFLICT where the name is taken; DENIED without the manager's CA; QUORUM; INVALID, IO,
 * NO_MEMORY. `warn` may be NULL. */
int myelin_enroll(const char *system, const char *user, const void *passphrase,
                  size_t passphrase_len, myelin_line warn, void *context);

/* ------------------------------------------------------------------ images */

/* Compresses, seals, encodes and disperses files. A folder stands for the files below it. `id`
 * NULL: DICOM files make one image a study, its StudyInstanceUID the ID. `codec` is "auto", "none",
 * "zstd", "jpegls", or NULL for auto. `done` (may be NULL) is told each image's ID once enough
 * servers have it on disk.
 * INVALID (no ID, empty file, two objects of one name), IO, CONFLICT (an object of that name is
 * there already), QUORUM. A failed image is as it was before. */
int myelin_put(struct myelin_session *session, const char *id, const char *codec,
               const char *const paths[], size_t path_count, myelin_line done, void *context);

/* The same with decentralised dispersal: each block goes to `copies` storage servers (0: the
 * default), which draw their own coefficients and encode by themselves. Also INVALID for copies
 * that cannot be: fewer than n - k + 1, or more than n. */
int myelin_put_blocks(struct myelin_session *session, const char *id, const char *codec,
                      unsigned copies, const char *const paths[], size_t path_count,
                      myelin_line done, void *context);

/* Fetches the user's own image (`from` NULL) or one that `from` forwarded to him into `folder`,
 * which is made where missing. No file is replaced, none is written through a link in it, and a
 * failed call leaves none behind. DENIED also where another's image has names that a listing hides.
 * NOT_FOUND, DENIED, CONFLICT, QUORUM, INTEGRITY, IO. */
int myelin_get(struct myelin_session *session, const char *id, const char *from,
               const char *folder);

/* Lets others read an image: one small message to each storage server, whatever the image's size.
 * NOT_FOUND (image or recipient), INVALID, QUORUM, INTEGRITY. */
int myelin_forward(struct myelin_session *session, const char *id, const char *const recipients[],
                   size_t recipient_count);

/* Takes a forward back. NOT_FOUND, INVALID, QUORUM. */
int myelin_revoke(struct myelin_session *session, const char *id, const char *recipient);

/* Removes an image from all storage servers. NOT_FOUND, QUORUM. */
int myelin_remove(struct myelin_session *session, const char *id);

/* Deletes objects of an own image, which stays, from all storage servers, by their names, which
 * nothing in the image can have again. Names that it has no object of are passed over; those that
 * were deleted before are told to servers that missed it. NOT_FOUND where there is no such image;
 * QUORUM where too few servers could be told: to be called again. */
int myelin_delete(struct myelin_session *session, const char *id, const char *const names[],
                  size_t count);

/* ------------------------------------------------------------------ listing */

struct myelin_image {
    const char *id;
    const char *owner;
    uint64_t time_ms; /* since 1970: made (list), forwarded (inbox) */
    uint64_t objects;
    uint64_t sealed_bytes;         /* as stored, before coding */
    const char *const *recipients; /* of an own image */
    size_t recipient_count;
};
typedef void (*myelin_image_found)(void *context, const struct myelin_image *image);

/* The user's own images, by ID. QUORUM, NO_MEMORY. */
int myelin_list(struct myelin_session *session, myelin_image_found found, void *context);

/* What was forwarded to the user, by owner and ID. QUORUM, NO_MEMORY. */
int myelin_inbox(struct myelin_session *session, myelin_image_found found, void *context);

struct myelin_object {
    const char *name;
    uint64_t size; /* bytes of the original */
    uint64_t sealed_bytes;
    const char *codec;
};
typedef void (*myelin_object_found)(void *context, const struct myelin_object *object);

/* An image's objects, by name; `from` as in myelin_get. NOT_FOUND, DENIED, QUORUM, INTEGRITY. */
int myelin_show(struct myelin_session *session, const char *id, const char *from,
                myelin_object_found found, void *context);

/* ------------------------------------------------------------------ holding an image open */

/* For programs that add and read objects one by one, from memory: the key servers are asked once a
 * hold, not once an object. The content key stays in locked memory until the hold is released. */
struct myelin_held;

/* The image `id`: the user's own (`from` NULL), which need not exist yet, or one that `from`
 * forwarded to him. Asks no server. To be released with myelin_release before the session is
 * closed. INVALID, NO_MEMORY. */
int myelin_hold(struct myelin_session *session, const char *id, const char *from,
                struct myelin_held **out_held);

/* NULL is fine; no other call of this hold may be running. */
void myelin_release(struct myelin_held *held);

/* Forgets what is known of the image, which may be outdated after its removal or revocation. */
void myelin_hold_forget(struct myelin_held *held);

/* The longest note, in bytes. */
#define MYELIN_NOTE_MAX 8192

/* An object in memory. The note is sealed with its description, which readers get with the list: a
 * DICOM header there spares them the pixels. */
struct myelin_blob {
    const char *name;
    const void *data;
    size_t size; /* at least 1 */
    const void *note;
    size_t note_size; /* 0: none */
};

/* Adds objects to an own image, all of them or none; the image is made where it is not there. Done
 * means what it means for myelin_put, and so do `codec` and the errors; INVALID also for a
 * forwarded image. Additions to one image, by whomever, take turns: many blobs in one call are much
 * cheaper than many calls. */
int myelin_hold_put(struct myelin_held *held, const char *codec, const struct myelin_blob blobs[],
                    size_t count);

struct myelin_blob_listed {
    const char *name;
    uint64_t size; /* of the original */
    const void *note;
    size_t note_size;
};
typedef void (*myelin_blob_found)(void *context, const struct myelin_blob_listed *blob);

/* Every object as the servers list them now, in no particular order. Errors of myelin_show. */
int myelin_hold_list(struct myelin_held *held, myelin_blob_found found, void *context);

/* Takes the whole object names[index], which has proved to be what its owner put. From any thread,
 * several at once. Gives MYELIN_OK, or a code that ends the reading. */
typedef int (*myelin_blob_take)(void *context, size_t index, const void *data, size_t size);

/* Fetches objects in one stream, about in the order given. NOT_FOUND where the image has none of a
 * name; else the errors of myelin_get but for CONFLICT. Some may have been taken when it fails. */
int myelin_hold_read(struct myelin_held *held, const char *const names[], size_t count,
                     myelin_blob_take take, void *context);

/* ------------------------------------------------------------------ the system */

struct myelin_server {
    const char *name;    /* "storage-2" */
    const char *address; /* "host:port" */
    int is_key_server;
    int is_well;
    uint64_t time_ms;    /* to its answer */
    const char *trouble; /* where it is not well */
};
typedef void (*myelin_server_found)(void *context, const struct myelin_server *server);

/* Every server, whether it answers or not. QUORUM where too few do. */
int myelin_status(struct myelin_session *session, myelin_server_found found, void *context);

/* How many storage servers there are, and enough of them to read an image; key servers likewise. */
struct myelin_shape {
    unsigned storage, storage_needed, key, key_needed;
};
void myelin_get_shape(const struct myelin_session *session, struct myelin_shape *out_shape);

/* The name of everyone who is enrolled. QUORUM, NO_MEMORY. */
int myelin_users(struct myelin_session *session, myelin_line found, void *context);

/* One line of a key server's access log. Texts may hold anything. */
struct myelin_access {
    const char *server;
    uint64_t sequence;
    uint64_t time_ms; /* since 1970 */
    const char *user;
    const char *action; /* "open", "rekey", "revoke", ... */
    const char *owner;
    const char *id; /* the image's, where the user can know it; else NULL */
    const char *recipient;
    const char *outcome;
};
typedef void (*myelin_access_found)(void *context, const struct myelin_access *access);

/* Who opened what: the entries that the user made or whose image he owns, by time; of one image
 * where `id` is not NULL. NOT_FOUND, QUORUM; INTEGRITY where a log does not hold together. */
int myelin_audit(struct myelin_session *session, const char *id, const char *from,
                 myelin_access_found found, void *context);

/* A key for what a program keeps on its own disk, derived from the user's secrets: the same for the
 * same purpose as long as the keystore is the same. `out_key` has 32 bytes, in locked memory if
 * the caller is careful. */
int myelin_local_key(struct myelin_session *session, const char *purpose, void *out_key);

/* ------------------------------------------------------------------ checking */

struct myelin_finding {
    const char *id;
    const char *object; /* its id in hexadecimal; NULL: all else of the image */
    const char *server; /* "storage-2" */
    const char *state;  /* "good", "lost", "stale", "bad", "unreachable" */
    const char *detail;
};
typedef void (*myelin_finding_made)(void *context, const struct myelin_finding *finding);

/* Checks every slice of an image, or of all the user's images (`id` NULL), at every storage server
 * against what the owner signed. INTEGRITY where something is lost or bad, QUORUM where servers did
 * not answer, NOT_FOUND. */
int myelin_verify(struct myelin_session *session, const char *id, myelin_finding_made found,
                  void *context);

struct myelin_mended {
    const char *id;
    const char *object; /* as above */
    const char *server; /* whose store it is */
    unsigned slot;
    const char *outcome; /* "rebuilt", "copied", "dropped", "failed" */
    const char *detail;  /* why it failed; else "" */
};
typedef void (*myelin_mended_made)(void *context, const struct myelin_mended *mended);

/* Verifies an image, or all of the user's, has the servers at which something is not good mend it,
 * and verifies those images again. OK where all is good now; INTEGRITY where something stays lost
 * or bad, QUORUM where too few good symbols are left, or reachable, to make it from; NOT_FOUND. */
int myelin_repair(struct myelin_session *session, const char *id, myelin_mended_made mended,
                  void *context);

#ifdef __cplusplus
}
#endif

#endif
