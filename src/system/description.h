/*
 * The system description: which servers there are, with which identity keys, and how many of them
 * it takes; signed by the manager's CA key and versioned. One file, DIR/system.myelin, which every
 * program is given a copy of.
 */
#ifndef MYELIN_SYSTEM_DESCRIPTION_H
#define MYELIN_SYSTEM_DESCRIPTION_H

#include "format/format.h"

struct ca;

enum { SYSTEM_ID_HEX = 2 * FORMAT_ID_BYTES + 1 }; /* characters, with the terminating zero */

struct description {
    /* The parsed record: storage[0..n_storage-1] and key[0..n_key-1] with name, address and
     * identity.data (32 bytes); k, t, version. The share index of key[i] is i + 1. */
    Myelin__System *system;
    Myelin__Signed *record;                /* as signed */
    char id[SYSTEM_ID_HEX];                /* system->id in hexadecimal: O= of every certificate */
    uint8_t ca_key[FORMAT_IDENTITY_BYTES]; /* of the CA certificate in it; signed the record */
    uint64_t mark; /* by which two of one version are told apart: of the record's SHA-256; not 0 */
};

#define AUTO_DESCRIPTION __attribute__((cleanup(description_free)))
void description_free(struct description *description);

/* Who a user or server trusts, as his keystore or credentials say. */
struct description_trust {
    uint8_t ca_key[FORMAT_IDENTITY_BYTES];
    uint8_t system_id[FORMAT_ID_BYTES];
};

/* Signs `system` with the manager's key; its id and CA certificate are set from `ca`, all else is
 * the caller's. INVALID, naming the field, where it breaks a rule; NO_MEMORY. */
MUST_CHECK result description_create(const struct ca *ca, const Myelin__System *system,
                                     struct description *out_description);

/* The file that `path` means: itself, or system.myelin in it where it is a folder. INVALID where it
 * is too long. */
MUST_CHECK result description_path(const char *path, char *out_path, size_t size);

/* Replaces or makes the file at `path` (a folder or a file), atomically. IO, INVALID. */
MUST_CHECK result description_write(const struct description *description, const char *path);

/*
 * Reads and verifies: the record's signature by the key of the CA certificate inside it, that
 * certificate, and all of the record's rules.
 *
 * NOT_FOUND  no such file; the text says what to run
 * INTEGRITY  truncated, altered, or signed by another key; the text names the file
 * DENIED     `trust` is not NULL and another manager's key signed it, or it is another system
 * IO
 */
MUST_CHECK result description_load(const char *path, const struct description_trust *trust,
                                   struct description *out_description);

/* The same of bytes that a peer sent or that are in memory already; `source` names them. */
MUST_CHECK result description_parse(const char *source, struct view wire,
                                    const struct description_trust *trust,
                                    struct description *out_description);

/* The check of `trust` alone, for a description that was loaded without it. DENIED. */
MUST_CHECK result description_check_trust(const struct description *description,
                                          const struct description_trust *trust);

/* Remembers the highest version seen of this system, and which one it was, in a file of `folder` (a
 * user's MYELIN_HOME, a server's store), which is made where missing. INTEGRITY where the
 * description is older than one seen before, or another of that number: the manager signed two;
 * IO. A damaged file counts as none, with a warning in the log. */
MUST_CHECK result description_check_version(const struct description *description,
                                            const char *folder);

/* The newest description at hand: that at `path`, or the one that description_keep put into
 * `folder` where that is no older; it must also pass description_check_version of that folder. A
 * damaged or foreign file in `folder` counts as none, with a warning in the log. Errors of
 * description_load (for `path`) and description_check_version. */
MUST_CHECK result description_load_newest(const char *path, const char *folder,
                                          const struct description_trust *trust,
                                          struct description *out_description);

/* Puts a description into `folder`, as <system id>.system, unless a newer one lies there. IO. */
MUST_CHECK result description_keep(const struct description *description, const char *folder);

/* Whether `next` may take the place of `description` while images and shares are as they are: the
 * same system and CA key (DENIED), a higher version (CONFLICT: "version 3 is no newer than
 * version 3"; INTEGRITY where it is another version 3), the same k and n, and no key server in
 * another's place, for a share index is for ever (INVALID). */
MUST_CHECK result description_check_next(const struct description *description,
                                         const struct description *next);

/* n: the slots of an image. */
unsigned description_slots(const struct description *description);

/* All storage servers that may have slots: system->storage in its order, then those of `previous`
 * that went since. Their number; the servers are the description's own. */
unsigned description_storage(const struct description *description,
                             const Myelin__Server *out_servers[FORMAT_SERVERS_MAX]);

/* One of these by its name; NULL where there is none. */
const Myelin__Server *description_storage_server(const struct description *description,
                                                 const char *name);

/* Whether one of these has that name and key. */
bool description_has_storage(const struct description *description, const char *name,
                             const uint8_t identity[FORMAT_IDENTITY_BYTES]);

/* The server's index in system->storage or system->key; -1 where there is none of that name. */
int description_find_storage(const struct description *description, const char *name);
int description_find_key(const struct description *description, const char *name);

/* Whether the system has a key server of that name and key. A certificate outlives the description
 * that had its server. */
bool description_has_key(const struct description *description, const char *name,
                         const uint8_t identity[FORMAT_IDENTITY_BYTES]);

#endif
