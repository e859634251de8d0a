/*
 * A passphrase from the file that MYELIN_PASSPHRASE_FILE names (its first line), or from the
 * terminal without echo.
 */
#ifndef MYELIN_SYSTEM_PASSPHRASE_H
#define MYELIN_SYSTEM_PASSPHRASE_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/secret.h"

enum { PASSPHRASE_MAX = 1024 }; /* bytes */

/* In secret memory: AUTO_SECRET struct passphrase *passphrase = NULL; */
struct passphrase {
    size_t len;
    char text[PASSPHRASE_MAX];
};

/* From bytes that the caller has. INVALID where empty or longer than PASSPHRASE_MAX; NO_MEMORY. */
MUST_CHECK result passphrase_from(struct view text, struct passphrase **out_passphrase);

/* The first line of the file that MYELIN_PASSPHRASE_FILE names, without its line end ("\n" or
 * "\r\n"); where that is not set, what is typed at /dev/tty after "Passphrase for <user>: ", twice
 * where `is_new`. INVALID where empty, too long, or typed differently; NOT_FOUND or IO where the
 * file cannot be read, or there is no terminal to ask at. */
MUST_CHECK result passphrase_ask(const char *user, bool is_new, struct passphrase **out_passphrase);

/* The passphrase that is to replace that one: likewise, from the file that
 * MYELIN_NEW_PASSPHRASE_FILE names, or typed twice. */
MUST_CHECK result passphrase_ask_next(const char *user, struct passphrase **out_passphrase);

#endif
