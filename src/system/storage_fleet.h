/*
 * The storage servers, those of the version before that went since included, as another server
 * sees them: kept connections, who failed lately, how often.
 */
#ifndef MYELIN_SYSTEM_STORAGE_FLEET_H
#define MYELIN_SYSTEM_STORAGE_FLEET_H

#include "net/client.h"
#include "system/description.h"

/* A server that gave no answer in this time is given up. */
enum { FLEET_CALL_TIMEOUT_MS = 2000 };

/* Safe from any thread. */
struct storage_fleet;

/* `description` and `identity` must outlive the fleet. Connects to nobody yet. NO_MEMORY. */
MUST_CHECK result storage_fleet_new(const struct description *description,
                                    const struct tls_identity *identity,
                                    struct storage_fleet **out_fleet);

/* `before`, of an older description, stays until `fleet` is freed: calls may be under way there. */
void storage_fleet_succeed(struct storage_fleet *fleet, struct storage_fleet *before);

/* No call may be running. NULL is fine. */
void storage_fleet_free(struct storage_fleet *fleet);

unsigned storage_fleet_size(const struct storage_fleet *fleet);
const char *storage_fleet_name(const struct storage_fleet *fleet, unsigned server);
/* Its identity key: SIGN_PUBLIC_BYTES. */
const uint8_t *storage_fleet_identity(const struct storage_fleet *fleet, unsigned server);

/* All servers, 0 to n - 1, in random order, those that timed out lately at the end. */
void storage_fleet_order(struct storage_fleet *fleet, unsigned out_order[]);

/* GET `path` from one server over a kept connection. Errors as http_call. */
MUST_CHECK result storage_fleet_get(struct storage_fleet *fleet, unsigned server, const char *path,
                                    size_t answer_limit, struct bytes *out_answer);

/* The server's number by its name; -1 where there is none. */
int storage_fleet_find(const struct storage_fleet *fleet, const char *name);

/* A kept or new connection of one server for this thread alone, to be given back with what its last
 * call gave. NO_MEMORY. */
MUST_CHECK result storage_fleet_take(struct storage_fleet *fleet, unsigned server,
                                     struct http_client **out_client);
void storage_fleet_give(struct storage_fleet *fleet, unsigned server, struct http_client *client,
                        result called);

/* Counts a failure of a server: no answer, or one that lies. */
void storage_fleet_blame(struct storage_fleet *fleet, unsigned server);
uint64_t storage_fleet_failures(struct storage_fleet *fleet, unsigned server);

#endif
