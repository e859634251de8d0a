/*
 * Lists that servers answer page by page, from all servers of a role at once.
 */
#ifndef MYELIN_FLOW_PAGES_H
#define MYELIN_FLOW_PAGES_H

#include "flow/session.h"

/* The most pages that are taken from one server: about a gigabyte, were all of them full. */
enum { PAGES_MAX = 256, PAGES_KEY = 72 /* characters that say where the next page starts */ };

/* Parses one page (AUTO_FORMAT) and says whether there is more, and after what. */
typedef result (*pages_parse)(struct view wire, void **out_page, bool *out_more,
                              char out_after[PAGES_KEY]);

/* One server's pages. */
struct pages {
    void **page;
    size_t count;
};

/* What all servers gave: `of` and `answers` by server. */
struct pages_all {
    unsigned servers, ok;
    struct pages *of;
    struct session_answer *answers;
};

#define AUTO_PAGES __attribute__((cleanup(pages_free)))
void pages_free(struct pages_all *all);

/* Fetches `path` (with its query, if any) from every server of `role`; waits as session_ask with
 * `enough`. Servers that did not give all of their pages have none. INTERNAL, NO_MEMORY. */
MUST_CHECK result pages_ask(struct session *session, enum session_role role, const char *path,
                            pages_parse parse, unsigned enough, struct pages_all *out_all);

#endif
