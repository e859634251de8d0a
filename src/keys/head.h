/*
 * The head of the access log as this server's signed word: with every answer that an entry was
 * written for, and to whoever asks. Clients keep the newest; a log that is cut, or replaced by a
 * backup, then contradicts what its own server signed.
 */
#ifndef MYELIN_KEYS_HEAD_H
#define MYELIN_KEYS_HEAD_H

#include "keys/service.h"

/* The log's last entry on disk, signed. Freed with AUTO_FORMAT. INTERNAL, NO_MEMORY. */
MUST_CHECK result head_sign(const struct key_service *service, Myelin__Signed **out_head);

/* Appends to an answer that is packed already the fields of `tail`, a message of the same kind with
 * nothing but its head, which is its last field: encodings put together are the encoding of both.
 * NO_MEMORY. */
MUST_CHECK result head_append(const void *tail, struct bytes *answer);

#endif
