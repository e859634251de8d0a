/*
 * A whole system in one folder, on loopback, for `myelin up DIR`.
 *
 *   DIR/system.myelin                               the signed description
 *   DIR/manager/{ca.crt.pem,ca.key.pem,issued/}     the manager
 *   DIR/config/storage-J/{certificate.pem,key.pem}  a storage server's credentials
 *   DIR/config/key-J/{certificate.pem,key.pem,seal.key}
 *   DIR/storage-J/  DIR/key-J/                      their stores
 *   DIR/run/                                        pid files
 */
#ifndef MYELIN_SYSTEM_LOCAL_H
#define MYELIN_SYSTEM_LOCAL_H

#include "base/result.h"
#include "system/ca.h"
#include "system/description.h"

enum { LOCAL_SEAL_KEY_BYTES = 32 }; /* of seal.key: raw bytes, mode 0600 */

/* The folders of DIR; `name` is a server's. INVALID where the path is too long. */
MUST_CHECK result local_manager_path(const char *dir, char *out_path, size_t size);
MUST_CHECK result local_config_path(const char *dir, const char *name, char *out_path, size_t size);
MUST_CHECK result local_store_path(const char *dir, const char *name, char *out_path, size_t size);
MUST_CHECK result local_run_path(const char *dir, char *out_path, size_t size);

/*
 * Makes a new system of n storage servers, k needed, and m key servers, t needed. Free loopback
 * ports are chosen and written into the description. The stores' folders may exist already, with
 * anything in them. The description is written last: where a creation was interrupted, the next one
 * starts over.
 *
 * CONFLICT   DIR has a system already, or a manager's key without its description
 * INVALID    n, k, m or t out of bounds
 * IO, NO_MEMORY
 */
MUST_CHECK result local_create(const char *dir, unsigned n, unsigned k, unsigned m, unsigned t);

/* The same with an address for each server, storage servers first, commas between them, as
 * "10.0.0.1:4000,10.0.0.2:4000"; NULL: free loopback ports. INVALID where they are not that many,
 * or one is none. */
MUST_CHECK result local_create_at(const char *dir, unsigned n, unsigned k, unsigned m, unsigned t,
                                  const char *addresses);

/* The same of what a shape says. `slots` of an image (n) may be fewer than storage servers. */
struct local_shape {
    unsigned storage, slots, k, key, t;
    const char *addresses;
};
MUST_CHECK result local_create_shape(const char *dir, const struct local_shape *shape);

/* A server more in the system's folder: credentials that the manager certifies, and a store for one
 * that runs here. `address` NULL: a free loopback port. With `identity` (32 bytes) the server has
 * made its key itself, elsewhere: only its certificate is written. What was made for the same name
 * before is taken again, so that a broken-off change can be done again. `out_address` has room for
 * FORMAT_ADDRESS_MAX characters. CONFLICT where the name was given to another key; INVALID, IO. */
struct local_server {
    const char *name;
    bool is_key;
    const char *address;
    const uint8_t *identity;
};
MUST_CHECK result local_add_server(const char *dir, const struct ca *ca,
                                   const struct local_server *server,
                                   char out_address[FORMAT_ADDRESS_MAX + 1],
                                   uint8_t out_identity[FORMAT_IDENTITY_BYTES]);

#endif
