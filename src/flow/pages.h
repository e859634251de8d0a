/*
 * Lists that servers answer page by page, from one server or from all of a role at once.
 */
#ifndef MYELIN_FLOW_PAGES_H
#define MYELIN_FLOW_PAGES_H

#include "flow/session.h"

/* The most pages that are taken from one server: about a gigabyte, were all of them full. */
enum { PAGES_MAX = 256, PAGES_KEY = 72 /* characters that say where the next page starts */ };

/* Parses one page (AUTO_FORMAT) and says whether there is more, and after what: `out_after` comes
 * empty, and only matters where there is more. */
typedef result (*pages_parse)(struct view wire, void **out_page, bool *out_more,
                              char out_after[PAGES_KEY]);

/* `out_after` for a list of images: the name that servers have for the image of this tau. */
void pages_after_image(const uint8_t tau[FORMAT_TAU_BYTES], char out_after[PAGES_KEY]);

/* One server's pages. */
struct pages {
    void **page;
    size_t count;
};
#define AUTO_SERVER_PAGES __attribute__((cleanup(pages_drop)))
void pages_drop(struct pages *pages);

/* Fetches `path` (with its query, if any) from one server. Errors of http_call and `parse`;
 * PROTOCOL where the pages do not end; INTERNAL where cancelled, NO_MEMORY. */
MUST_CHECK result pages_fetch(struct session *session, struct http_client *client, const char *path,
                              pages_parse parse, struct pages *out_pages);

/* How many storage servers must have answered for a list of images to be complete: all but n - k of
 * them. Each image that can be read has then been named by k of its holders, or by the image's last
 * ones where more are away. */
unsigned pages_needed(const struct session *session);

/* What all servers gave: `of` and `answers` by server. */
struct pages_all {
    unsigned servers, ok;
    struct pages *of;
    struct session_answer *answers;
};

#define AUTO_PAGES __attribute__((cleanup(pages_free)))
void pages_free(struct pages_all *all);

/* The same from every server of `role` that `is_asked` names, by server (NULL: all); waits as
 * session_ask with `enough`. Servers that did not
 * give all of their pages have none. INTERNAL, NO_MEMORY. */
MUST_CHECK result pages_ask(struct session *session, enum session_role role, const bool is_asked[],
                            const char *path, pages_parse parse, unsigned enough,
                            struct pages_all *out_all);

#endif
