#include "flow/pages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/hash.h"

void pages_after_image(const uint8_t tau[FORMAT_TAU_BYTES], char out_after[PAGES_KEY]) {
    uint8_t id[DIGEST_BYTES];
    format_image_id(tau, id);
    hex_encode(view_of(id, sizeof id), out_after);
}

void pages_drop(struct pages *pages) {
    for (size_t i = 0; i < pages->count; i++)
        format_free(pages->page[i]);
    free(pages->page);
    *pages = (struct pages){0};
}

void pages_free(struct pages_all *all) {
    for (unsigned i = 0; i < all->servers; i++)
        pages_drop(&all->of[i]);
    free(all->of);
    free(all->answers);
    *all = (struct pages_all){0};
}

static result keep(struct pages *pages, void *page) {
    void **grown = realloc(pages->page, (pages->count + 1) * sizeof *grown);
    if (grown == NULL) {
        format_free(page);
        return FAIL(NO_MEMORY, "out of memory");
    }
    pages->page = grown;
    pages->page[pages->count++] = page;
    return OK;
}

static result fetch_page(struct http_client *client, const char *list, pages_parse parse,
                         struct pages *pages, bool *more, char after[PAGES_KEY]) {
    char path[512];
    char before[PAGES_KEY];
    memcpy(before, after, PAGES_KEY);
    if (before[0] == '\0')
        snprintf(path, sizeof path, "%s", list);
    else
        snprintf(path, sizeof path, "%s%cafter=%s", list, strchr(list, '?') == NULL ? '?' : '&',
                 before);
    AUTO_BYTES struct bytes wire = {0};
    TRY(http_call(client, "GET", path, (struct view){0}, NULL, FORMAT_LIMIT_PAGE, &wire));
    void *page = NULL;
    after[0] = '\0';
    result parsed = parse(bytes_view(&wire), &page, more, after);
    if (parsed != OK)
        return error_at(parsed, "%s", http_client_name(client));
    TRY(keep(pages, page));
    if (*more && (after[0] == '\0' || strcmp(after, before) == 0))
        return FAIL(PROTOCOL, "%s: a page that leads nowhere", http_client_name(client));
    return OK;
}

result pages_fetch(struct session *session, struct http_client *client, const char *path,
                   pages_parse parse, struct pages *out_pages) {
    AUTO_SERVER_PAGES struct pages pages = {0};
    char after[PAGES_KEY] = "";
    bool more = true;
    while (more) {
        TRY(session_check_cancel(session));
        if (pages.count == PAGES_MAX)
            return FAIL(PROTOCOL, "%s: more than %d pages", http_client_name(client), PAGES_MAX);
        TRY(fetch_page(client, path, parse, &pages, &more, after));
    }
    *out_pages = pages;
    pages = (struct pages){0};
    return OK;
}

struct asking {
    const char *path;
    pages_parse parse;
    struct pages *of;
};

static result ask_pages(void *context, struct session *session, unsigned server,
                        struct http_client *client) {
    const struct asking *asking = context;
    return pages_fetch(session, client, asking->path, asking->parse, &asking->of[server]);
}

unsigned pages_needed(const struct session *session) {
    return session_server_count(session, SESSION_STORAGE) - (session->n - session->k);
}

result pages_ask(struct session *session, enum session_role role, const bool is_asked[],
                 const char *path, pages_parse parse, unsigned enough, struct pages_all *out_all) {
    unsigned servers = session_server_count(session, role);
    AUTO_PAGES struct pages_all all = {0};
    all.of = calloc(servers, sizeof *all.of);
    all.answers = calloc(servers, sizeof *all.answers);
    if (all.of == NULL || all.answers == NULL)
        return FAIL(NO_MEMORY, "out of memory");
    all.servers = servers;
    struct asking asking = {.path = path, .parse = parse, .of = all.of};
    TRY(session_ask_some(session, role, is_asked, ask_pages, &asking, enough, all.answers,
                         &all.ok));
    for (unsigned i = 0; i < servers; i++)
        if (all.answers[i].code != OK)
            pages_drop(&all.of[i]);
    *out_all = all;
    all = (struct pages_all){0};
    return OK;
}
