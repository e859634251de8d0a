/*
 * What the client's own files share: client.c (setting up, the calls), transfer_options.c
 * and transfer.c (one request as libcurl runs it, its clock), calls.c (many on one thread),
 * client_error.c (what went wrong, in words).
 */
#ifndef MYELIN_NET_CLIENT_PRIVATE_H
#define MYELIN_NET_CLIENT_PRIVATE_H

#include <curl/curl.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "net/address.h"
#include "net/client.h"

enum { CLIENT_TEXT_MAX = 400, CLIENT_LABEL_MAX = 400, CLIENT_URL_MAX = 2400 };

/* Of one client at a time: two attempts to connect, and the resolver's. */
enum { CLIENT_SOCKETS_MAX = 8 };

struct client_shape {
    bool is_set;
    bool pulls, pushes, has_body;
    char method[8];
};

struct http_client {
    char name[TLS_NAME_MAX + 1];
    char label[CLIENT_LABEL_MAX];  /* "storage-2 (127.0.0.1:4001)" */
    char origin[CLIENT_LABEL_MAX]; /* "https://storage-2:4001" */
    char pin[64];                  /* as CURLOPT_PINNEDPUBLICKEY wants it */
    const struct tls_identity *identity;
    uint32_t connect_timeout_ms;
    uint32_t answer_timeout_ms;
    uint32_t stall_timeout_ms;
    uint32_t busy_timeout_ms;
    struct curl_slist *connect_to;
    CURL *easy;
    struct client_shape shape; /* of the request that `easy` was last set up for */
    CURLM *multi;
    struct client_watch {
        struct client_socket {
            curl_socket_t fd;
            short events; /* poll's */
        } socket[CLIENT_SOCKETS_MAX];
        unsigned count;
        int64_t timer_ms; /* when libcurl wants to be called; -1: not */
    } watch;              /* what libcurl waits for while calls.c drives it */
    atomic_bool is_cancelled;
    struct http_traffic traffic;
    atomic_uint_fast64_t system_version;
    atomic_uint_fast64_t marked_version; /* the last one of which a mark was said, and the mark */
    atomic_uint_fast64_t system_mark;
};

/* One request. The first part is what the caller sets. */
struct transfer {
    struct http_client *client;
    const char *method;
    const char *path;
    struct view body; /* of a call */
    const char *content_type;
    http_pull pull;  /* of an upload */
    uint64_t length; /* of an upload, or of the answer to a download */
    http_push push;  /* of a download */
    uint64_t offset;
    void *context; /* of pull or push */
    size_t answer_limit;
    struct bytes answer;

    struct curl_slist *headers;
    char curl_text[CURL_ERROR_SIZE];
    /* The first failure on this side, which ended the transfer. */
    result failure;
    char failure_text[ERROR_TEXT_BYTES];
    /* What a server that refuses says. */
    char refusal[CLIENT_TEXT_MAX + 1];
    size_t refusal_len;
    bool is_connected;
    bool is_answering;    /* a byte of the answer, other than a 100, has come */
    bool is_body_checked; /* of a download: status and range are right */
    bool is_pull_done;
    uint64_t pulled;
    uint64_t pushed;
    int64_t paused_ms;    /* inside callbacks, which the clock leaves out */
    int64_t progress_ms;  /* the clock when something last moved */
    int64_t answering_ms; /* the clock when `is_answering` became true */
    uint64_t moved;       /* a number that changes whenever something moves */
};

/* Runs a request that is set up to its end: OK with an answer of a status below 400. */
MUST_CHECK result transfer_run(struct transfer *transfer);
void transfer_free(struct transfer *transfer);

/* The parts of that, for calls.c. Begins an attempt: set up and with libcurl. */
MUST_CHECK result transfer_begin(struct transfer *transfer);
/* True where anything moved since the last look. A server's "100 Continue" moves nothing. */
bool transfer_note_progress(struct transfer *transfer);
/* TIMEOUT where it was cancelled or is over a bound of time. */
MUST_CHECK result transfer_check_time(struct transfer *transfer);
/* The longest that may pass until the next look at the time. */
int transfer_wait_ms(const struct transfer *transfer);
/* libcurl's last word, once it has none running. */
CURLcode transfer_final_code(CURLM *multi);
/* Ends the attempt, and says what it came to. */
MUST_CHECK result transfer_end(struct transfer *transfer, CURLcode code);
/* After an attempt: when a server that is busy wants to be asked again; 0: it is not. */
int64_t transfer_busy_ms(const struct transfer *transfer, result outcome);
/* For the next attempt. */
void transfer_start_anew(struct transfer *transfer);

/* Gives libcurl the request: transfer_options.c. INVALID, NO_MEMORY, INTERNAL. */
MUST_CHECK result transfer_set_up(struct transfer *transfer);

/* Has libcurl say what it waits for. */
MUST_CHECK result client_watch_start(struct http_client *client);

/* libcurl's callbacks; the last argument is the transfer unless another type stands here. */
int transfer_on_connected(void *transfer, char *a, char *b, int c, int d);
int transfer_on_socket(void *client, curl_socket_t fd, curlsocktype purpose);
int transfer_on_traffic(CURL *easy, curl_infotype kind, char *data, size_t size, void *traffic);
size_t transfer_on_header(char *line, size_t size, size_t count, void *transfer);
size_t transfer_on_pull(char *out, size_t size, size_t count, void *transfer);
size_t transfer_on_body(char *data, size_t size, size_t count, void *transfer);

/* Keeps the first failure, with this thread's error text; libcurl then ends the transfer. */
void transfer_fail(struct transfer *transfer, result code);

/* What a CURLcode other than CURLE_OK means. */
result client_error(struct transfer *transfer, CURLcode code);

#endif
