/*
 * The storage servers of one put, by slot: their connections, which of them still take part, and
 * why the others do not.
 */
#ifndef MYELIN_FLOW_PUT_SLOTS_H
#define MYELIN_FLOW_PUT_SLOTS_H

#include "flow/failure.h"
#include "flow/session.h"

enum { PUT_PATH_BYTES = 320 };

struct put_slot {
    const char *name;           /* the server's; borrowed */
    unsigned server;            /* of the session's storage servers, where it has a client */
    const uint8_t *identity;    /* its key; NULL where the system no longer has the server */
    struct http_client *client; /* NULL likewise */
    bool is_live;
    struct failure failure; /* why it is not */
};

struct put_slots {
    struct session *session;
    unsigned n, k;
    unsigned quorum; /* k + half of the spare ones */
    struct put_slot slot[FORMAT_SERVERS_MAX];
};

#define AUTO_PUT_SLOTS __attribute__((cleanup(put_slots_give)))
void put_slots_give(struct put_slots *slots);

/* Clients for the servers `names` by slot, which are borrowed. A server that the system does not
 * have any more is not live. NO_MEMORY, INVALID. */
MUST_CHECK result put_slots_take(struct session *session, char *const names[], unsigned n,
                                 unsigned k, struct put_slots *out_slots);

unsigned put_slots_live(const struct put_slots *slots);

/* The slot takes no further part: `code`, with this thread's error text. */
void put_slots_lose(struct put_slots *slots, unsigned slot, result code);

/* A warning for each server that takes no part. */
void put_slots_warn(const struct put_slots *slots);

/* OK while enough servers take part; else QUORUM: "<what>: 4 of the 6 storage servers needed:
 * storage-1: connection refused; ...". */
MUST_CHECK result put_slots_check(const struct put_slots *slots, const char *what);

/* What became of the question to one slot. */
struct put_answer {
    bool was_asked;
    result code;
    char text[ERROR_TEXT_BYTES];
};

/* On a thread of its own. */
typedef result (*put_question)(void *context, unsigned slot, struct http_client *client);

/* A new connection and a question to a server that is 300 ms away: it is far, and not gone. */
enum { PUT_SLOW_GRACE_MS = 1200 };

struct put_patience {
    unsigned enough;   /* good answers after which the others have only ... */
    unsigned grace_ms; /* ... this long, and PUT_SLOW_GRACE_MS where only such are left as gave no
                          answer to the question before this one either */
    unsigned limit_ms; /* for all */
};

/* Asks every slot that `is_asked` names (NULL: every live one) at once. Late ones are cancelled and
 * answer TIMEOUT. The servers' failures are in `answers`, one for each slot. NO_MEMORY. */
MUST_CHECK result put_slots_ask(struct put_slots *slots, const bool is_asked[],
                                put_question question, void *context, struct put_patience patience,
                                struct put_answer answers[]);

/* A question that is one POST of a message. The client is the slot's. */
struct put_request {
    char path[PUT_PATH_BYTES];
    struct view body; /* borrowed for all of the round; or, where it is not empty, ... */
    struct bytes own; /* ... this, which is freed when the answer is there */
    size_t answer_limit;
};

struct put_request_kind {
    result (*make)(void *context, unsigned slot, struct http_client *client,
                   struct put_request *out_request);
    /* `sent` is http_call's result; gives what the slot's answer is to be. */
    result (*take)(void *context, unsigned slot, struct http_client *client, result sent,
                   struct view answer);
    /* NULL, or asked on a thread of its own where `take` gives NOT_FOUND. */
    put_question otherwise;
};

/* The same without a thread for each: all `make` and `take` are on the caller's. */
MUST_CHECK result put_slots_request(struct put_slots *slots, const bool is_asked[],
                                    const struct put_request_kind *kind, void *context,
                                    struct put_patience patience, struct put_answer answers[]);

/* How many of the answers are OK. */
unsigned put_answers_ok(const struct put_slots *slots, const struct put_answer answers[]);

/* Loses every slot that was asked and did not answer OK. */
void put_slots_lose_failed(struct put_slots *slots, const struct put_answer answers[]);

#endif
