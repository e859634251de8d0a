/*
 * The one error convention.
 *
 * Every function that can fail returns a `result`, which the compiler makes its caller look at.
 * The words for the user (what, where, what to do) travel beside it, in one bounded text per
 * thread, set where the failure is found and widened on the way up:
 *
 *     if (len != G1_BYTES)
 *         return FAIL(PROTOCOL, "%s: %zu bytes, expected %d", field, len, G1_BYTES);
 *     TRY(file_read(path, LIMIT, &bytes));
 *
 * Outputs stand last in a parameter list, are named `out_...`, and hold nothing that needs freeing
 * when the function failed.
 */
#ifndef MYELIN_BASE_RESULT_H
#define MYELIN_BASE_RESULT_H

#include <stddef.h>

typedef enum {
    OK = 0,
    INVALID,   /* the caller's own argument or input: a usage error */
    NO_MEMORY, /* an allocation or a bound on memory */
    IO,        /* the local disk or terminal */
    TIMEOUT,   /* a peer did not answer in time */
    PROTOCOL,  /* a peer's message does not parse or breaks the protocol */
    DENIED,    /* not allowed: certificate, passphrase, or a server's refusal */
    INTEGRITY, /* bytes are not what was signed */
    QUORUM,    /* too few servers */
    NOT_FOUND, /* nobody has it */
    CONFLICT,  /* it exists already, or another writer was first */
    CRYPTO,    /* an operation of the scheme that has no answer, such as a singular matrix */
    INTERNAL,  /* a defect of this program or of a library under it */
    RESULT_COUNT
} result;

#define MUST_CHECK __attribute__((warn_unused_result))

/* Sets this thread's error text and gives `code` back. */
#define FAIL(code, ...) error_set((code), __VA_ARGS__)

/* Returns from the calling function unless `expression` is OK. */
#define TRY(expression)                                                                            \
    do {                                                                                           \
        result try_result_ = (expression);                                                         \
        if (try_result_ != OK)                                                                     \
            return try_result_;                                                                    \
    } while (0)

/* The longest error text, its terminating zero included. */
enum { ERROR_TEXT_BYTES = 512 };

result error_set(result code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "<text>: " before this thread's error text: where a failure happened. Gives `code` back. */
result error_at(result code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* This thread's error text; what a terminal acts on was escaped when it was set (text.h). Valid
 * until the thread's next error_ call. To hand an error to another thread, copy it and error_set
 * there.
 */
const char *error_text(void);

/* One table: a result's name in messages ("not found"), exit code and HTTP status, and back. */
const char *result_name(result code);
int result_exit_code(result code);
unsigned result_http_status(result code);
result result_from_http_status(unsigned status);

#endif
