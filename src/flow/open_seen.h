/*
 * Envelope symbols that several key servers pass on are the same bytes: each is parsed, and its
 * points checked, once.
 *
 * Threads: safe from many.
 */
#ifndef MYELIN_FLOW_OPEN_SEEN_H
#define MYELIN_FLOW_OPEN_SEEN_H

#include <pthread.h>

#include "format/format.h"
#include "scheme/codeword.h"

enum { OPEN_SEEN_MAX = FORMAT_SERVERS_MAX };

struct open_seen {
    pthread_mutex_t lock;
    size_t count;
    struct open_seen_symbol *of[OPEN_SEEN_MAX];
};

void open_seen_init(struct open_seen *seen);
void open_seen_free(struct open_seen *seen); /* for __attribute__((cleanup)), too */

/* As format_symbol_open. Those who ask for others wait meanwhile. */
MUST_CHECK result open_seen_parse(struct open_seen *seen, const Myelin__Symbol *symbol, unsigned k,
                                  struct codeword_symbol *out_symbol);

#endif
