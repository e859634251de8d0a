#include "flow/audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flow/audit_heads.h"
#include "flow/image.h"
#include "flow/inbox.h"
#include "flow/list.h"
#include "flow/pages.h"

void audit_free(struct audit *audit) {
    for (size_t i = 0; i < audit->count; i++) {
        format_free(audit->items[i].body);
        free(audit->items[i].id);
    }
    free(audit->items);
    *audit = (struct audit){0};
}

static result parse_page(struct view wire, void **out_page, bool *out_more,
                         char out_after[PAGES_KEY]) {
    Myelin__AuditPage *page = NULL;
    TRY(format_parse_audit_page(wire, &page));
    *out_page = page;
    *out_more = page->more;
    if (page->n_entry > 0)
        snprintf(out_after, PAGES_KEY, "%" PRIu64, page->entry[page->n_entry - 1]->sequence);
    return OK;
}

/* ------------------------------------------------------------------ the chain */

/* Where one server's log stands, as far as the user can see it. */
struct chain {
    uint64_t sequence; /* 0: nothing seen */
    uint8_t hash[DIGEST_BYTES];
};

/* Whether the entry's hash is its own and, where the entry before it was seen, continues that. */
static bool continues(struct chain *chain, const Myelin__AuditEntry *entry) {
    uint8_t hash[DIGEST_BYTES];
    struct digest digest;
    digest_start(&digest);
    digest_update(&digest, format_view(entry->previous));
    digest_update(&digest, format_view(entry->body));
    digest_finish(&digest, hash);
    bool good = view_equal(format_view(entry->hash), view_of(hash, sizeof hash)) &&
                entry->sequence > chain->sequence;
    if (chain->sequence != 0 && entry->sequence == chain->sequence + 1)
        good = good &&
               view_equal(format_view(entry->previous), view_of(chain->hash, sizeof chain->hash));
    chain->sequence = entry->sequence;
    memcpy(chain->hash, hash, sizeof hash);
    return good;
}

static result add_entry(const Myelin__AuditEntry *entry, const char *server, struct audit *audit) {
    struct audit_item *grown = realloc(audit->items, (audit->count + 1) * sizeof *grown);
    if (grown == NULL)
        return FAIL(NO_MEMORY, "out of memory");
    audit->items = grown;
    struct audit_item *item = &grown[audit->count];
    *item = (struct audit_item){.server = server, .sequence = entry->sequence};
    memcpy(item->hash, entry->hash.data, sizeof item->hash);
    TRY(format_parse_audit_body(format_view(entry->body), &item->body));
    audit->count++;
    return OK;
}

static result add_log(struct session *session, const struct pages *pages, const char *server,
                      struct audit *audit) {
    struct chain chain = {0};
    for (size_t p = 0; p < pages->count; p++) {
        const Myelin__AuditPage *page = pages->page[p];
        for (size_t i = 0; i < page->n_entry; i++) {
            result added = continues(&chain, page->entry[i])
                               ? add_entry(page->entry[i], server, audit)
                               : FAIL(INTEGRITY, "its hash does not hold");
            if (added == NO_MEMORY)
                return added;
            if (added == OK)
                continue;
            session_warn(session, "%s: its access log is broken at entry %" PRIu64 ": %s", server,
                         page->entry[i]->sequence, error_text());
            audit->broken++;
            return OK;
        }
    }
    return OK;
}

/* ------------------------------------------------------------------ names for the images */

static void name_items(struct audit *audit, const uint8_t tau[FORMAT_TAU_BYTES], const char *id) {
    uint8_t image[DIGEST_BYTES];
    format_image_id(tau, image);
    for (size_t i = 0; i < audit->count; i++)
        if (audit->items[i].id == NULL &&
            view_equal(format_view(audit->items[i].body->image), view_of(image, sizeof image)))
            audit->items[i].id = strdup(id);
}

/* As many as the storage servers can tell; an audit does without. */
static void name_all(struct session *session, struct audit *audit) {
    AUTO_LIST struct list list = {0};
    if (flow_list(session, &list) == OK)
        for (size_t i = 0; i < list.count; i++)
            name_items(audit, list.items[i].tau, list.items[i].id);
    AUTO_INBOX struct inbox inbox = {0};
    if (inbox_collect(session, NULL, &inbox) == OK)
        for (size_t i = 0; i < inbox.count; i++)
            name_items(audit, inbox.items[i].tau, inbox.items[i].id);
}

/* ------------------------------------------------------------------ all together */

static int by_time(const void *a, const void *b) {
    const struct audit_item *left = a, *right = b;
    if (left->body->time_ms != right->body->time_ms)
        return left->body->time_ms < right->body->time_ms ? -1 : 1;
    int order = strcmp(left->server, right->server);
    if (order != 0)
        return order;
    return (left->sequence > right->sequence) - (left->sequence < right->sequence);
}

static result read_logs(struct session *session, const char *path, struct audit *audit) {
    AUTO_PAGES struct pages_all all = {0};
    struct holders holders;
    unsigned t, ok = 0;
    TRY(pages_ask(session, SESSION_KEY, NULL, path, parse_page, 0, &all));
    session_own_holders(session, &t, &holders);
    for (unsigned i = 0; i < all.servers; i++)
        ok += all.answers[i].code == OK && holders_has(&holders, i + 1);
    if (ok < t)
        return session_fail_quorum_among(session, SESSION_KEY, "reading the access logs",
                                         all.answers, &holders, t);
    session_warn_failed(session, SESSION_KEY, all.answers, OK);
    for (unsigned i = 0; i < all.servers; i++)
        TRY(add_log(session, &all.of[i], session_server(session, SESSION_KEY, i)->name, audit));
    if (audit->count > 0)
        qsort(audit->items, audit->count, sizeof *audit->items, by_time);
    return OK;
}

result flow_audit(struct session *session, const char *id, const char *from,
                  const struct heads *others, struct audit *out_audit) {
    AUTO_IMAGE struct image image = {0};
    char path[64 + IMAGE_HEX] = "/v1/audit";
    if (id != NULL) {
        TRY(image_find(session, id, from, &image));
        snprintf(path, sizeof path, "/v1/audit?image=%s", image.hex);
    }
    AUTO_AUDIT struct audit audit = {0};
    TRY(read_logs(session, path, &audit));
    unsigned changed = 0;
    TRY(audit_check_heads(session, others, &changed));
    audit.broken += changed;
    if (id != NULL && audit.count == 0)
        TRY(image_load(session, id, &image)); /* a removed image still has its past */
    if (id != NULL)
        name_items(&audit, image.tau_bytes, id);
    else
        name_all(session, &audit);
    *out_audit = audit;
    audit = (struct audit){0};
    return OK;
}
