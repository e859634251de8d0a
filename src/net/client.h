/*
 * An HTTPS client of one server: one connection, kept alive between calls.
 *
 * The server is asked for by its name, which its certificate must carry, and its identity key is
 * pinned; the address is only where to knock. Proxies of the environment are not used.
 *
 * Errors of all calls, texts beginning with the server's name:
 *   TIMEOUT   unreachable, refused, reset, hung, cancelled: "storage-2 (127.0.0.1:4001): connection
 *             refused"
 *   DENIED    the server's certificate: other CA, expired, other name, other identity key
 *   PROTOCOL  the answer is no HTTP, longer than allowed, or of another length than asked for
 *   others    the server's own answer, by result_from_http_status, with the server's text; and
 *             what a callback gave, with its own text
 *
 * Times, in milliseconds, 0 for the default:
 *   connect   3000   TCP and TLS handshake together
 *   answer   10000   from the last byte of the request to the first of the answer
 *   stall     5000   while bytes wait to be sent and the peer takes none, or while an answer has
 *                    begun and none of it comes. Time spent inside a callback does not count: the
 *                    client's clock stands still there. A peer counts as taking bytes as long as
 *                    the kernel's send buffer drains; a peer that is gone without a word is found
 *                    by TCP_USER_TIMEOUT, set to the same time. An answer that comes all the time
 *                    and yet more slowly than 2 KiB a second ends like one that does not come.
 *   busy      8000   a server that answers 503 with a Retry-After is asked again then, if that is
 *                    within this time and no part of a streamed body has been sent yet
 */
#ifndef MYELIN_NET_CLIENT_H
#define MYELIN_NET_CLIENT_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/result.h"
#include "net/tls.h"

struct http_client_options {
    const char *name;                       /* the server's */
    const char *address;                    /* "host:port", "[::1]:port" */
    uint8_t server_identity[TLS_KEY_BYTES]; /* its Ed25519 public key */
    const struct tls_identity *identity;    /* the caller's; must outlive the client */
    uint32_t connect_timeout_ms;
    uint32_t answer_timeout_ms;
    uint32_t stall_timeout_ms;
    uint32_t busy_timeout_ms;
};

/* For one thread at a time; only http_client_cancel may come from another. */
struct http_client;

/* Does not connect yet. `name` and `address` are copied. INVALID (also for a name that reads as an
 * IP address), NO_MEMORY. */
MUST_CHECK result http_client_new(const struct http_client_options *options,
                                  struct http_client **out_client);
void http_client_free(struct http_client *client);
void http_client_free_at(struct http_client **client);
#define AUTO_HTTP_CLIENT __attribute__((cleanup(http_client_free_at)))

const char *http_client_name(const struct http_client *client);

/* The answer timeout of the calls that follow, for one that is known to take long; 0: default. */
void http_client_set_answer_timeout(struct http_client *client, uint32_t answer_timeout_ms);

/* From any thread: the running call, if any, ends within about 100 ms with TIMEOUT, and so does
 * every later one until http_client_resume. It cannot interrupt a callback: what a callback waits
 * for is its owner's to release. */
void http_client_cancel(struct http_client *client);
void http_client_resume(struct http_client *client);

/* One request with a small body and answer. `path` is a percent-encoded target with its query.
 * `content_type` may be NULL where the body is empty. The answer's body, at most `answer_limit`
 * bytes, is appended to `out_answer`, which may be NULL where none is wanted.
 * A request on a kept connection that the server closed without a byte of answer is sent again. */
MUST_CHECK result http_call(struct http_client *client, const char *method, const char *path,
                            struct view body, const char *content_type, size_t answer_limit,
                            struct bytes *out_answer);

/*
 * The same without waiting, so that one thread asks many servers at once:
 *
 *     http_call_start   the request leaves as far as the connection takes it
 *     http_calls_wait   moves all that are given on, again and again
 *     http_call_end     once http_call_is_done; what http_call gives
 *
 * The client is in use from the first to the last, by this thread alone; no other call may run on
 * it. `method`, `body` and `content_type` are borrowed until then.
 */
struct http_started;

/* NO_MEMORY. What else goes wrong http_call_end says. */
MUST_CHECK result http_call_start(struct http_client *client, const char *method, const char *path,
                                  struct view body, const char *content_type, size_t answer_limit,
                                  struct http_started **out_call);
bool http_call_is_done(const struct http_started *call);

enum { HTTP_CALLS_MAX = 256 };

/* Returns once something has moved, or after `timeout_ms`; what is done already is passed over.
 * At most HTTP_CALLS_MAX. */
void http_calls_wait(struct http_started *const calls[], size_t count, unsigned timeout_ms);

/* Frees it. One that is not done is given up: TIMEOUT. */
MUST_CHECK result http_call_end(struct http_started *call, struct bytes *out_answer);

/* Puts up to `capacity` bytes at `out`; *out_len of 0 ends the body. May block. What it fails with
 * ends the call. */
typedef result (*http_pull)(void *context, uint8_t *out, size_t capacity, size_t *out_len);

#define HTTP_LENGTH_UNKNOWN UINT64_MAX

/* PUT with a streamed body of `length` bytes (HTTP_LENGTH_UNKNOWN: chunked). INVALID where `pull`
 * gives more or fewer. `out_answer` as in http_call. */
MUST_CHECK result http_upload(struct http_client *client, const char *path, uint64_t length,
                              http_pull pull, void *context, size_t answer_limit,
                              struct bytes *out_answer);

/* Takes the next part of the body. May block. What it fails with ends the call. */
typedef result (*http_push)(void *context, struct view part);

/* GET of exactly `length` bytes from `offset` on (a Range request); 0 bytes ask nothing. */
MUST_CHECK result http_download(struct http_client *client, const char *path, uint64_t offset,
                                uint64_t length, http_push push, void *context);

/* The highest version of the system description that the server's answers named (server.h,
 * SERVER_VERSION_HEADER); 0: none did. A server's word and no more: what it means is the caller's
 * to find out. From any thread. */
uint64_t http_client_system_version(const struct http_client *client);

/* Whether the server's last answers named that version with another mark than this one: it works by
 * another description of the same number. From any thread. */
bool http_client_system_differs(const struct http_client *client, uint64_t version, uint64_t mark);

/* Bytes since the client was made: requests and answers with their headers, as HTTP has them,
 * before TLS (which adds 22 bytes per 16 KiB and the handshake). */
struct http_traffic {
    uint64_t sent;
    uint64_t received;
};
struct http_traffic http_client_traffic(const struct http_client *client);

#endif
