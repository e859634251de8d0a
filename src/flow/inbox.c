#include "flow/inbox.h"

#include <stdlib.h>
#include <string.h>

#include "flow/pages.h"

/* A server takes forwards that their owners signed and no others; each that is none costs a look-up
 * of its owner. So many are borne with, as of users who have new identity keys. */
enum { WRONG_MAX = 32 };

void inbox_free(struct inbox *inbox) {
    for (size_t i = 0; i < inbox->count; i++)
        free(inbox->items[i].id);
    free(inbox->items);
    *inbox = (struct inbox){0};
}

static result read_last(const Myelin__Signed *record, char out_after[PAGES_KEY]) {
    AUTO_FORMAT Myelin__Forward *forward = NULL;
    TRY(format_parse_forward(format_view(record->body), &forward));
    pages_after_image(forward->tau.data, out_after);
    return OK;
}

static result parse_page(struct view wire, void **out_page, bool *out_more,
                         char out_after[PAGES_KEY]) {
    AUTO_FORMAT Myelin__InboxPage *page = NULL;
    TRY(format_parse_inbox_page(wire, &page));
    if (page->more && page->n_entry > 0)
        TRY(read_last(page->entry[page->n_entry - 1]->forward, out_after));
    *out_more = page->more;
    *out_page = page;
    page = NULL;
    return OK;
}

/* The ID in a forward's label: INTEGRITY where it is not the user's to read or no ID. */
static result read_label(struct session *session, const Myelin__Forward *forward, char **out_id) {
    AUTO_BYTES struct bytes label = {0};
    TRY(sign_box_open(session->signing, format_view(forward->label), &label));
    if (label.len == 0 || label.len > FORMAT_IMAGE_ID_MAX ||
        memchr(label.data, 0, label.len) != NULL)
        return FAIL(INTEGRITY, "its label holds no ID");
    *out_id = strndup((const char *)label.data, label.len);
    return *out_id != NULL ? OK : FAIL(NO_MEMORY, "out of memory");
}

static struct inbox_item *find_item(const struct inbox *inbox, const Myelin__Forward *forward) {
    for (size_t i = 0; i < inbox->count; i++)
        if (memcmp(inbox->items[i].tau, forward->tau.data, FORMAT_TAU_BYTES) == 0)
            return &inbox->items[i];
    return NULL;
}

static result add_item(struct inbox *inbox, struct inbox_item **out_item) {
    struct inbox_item *grown = realloc(inbox->items, (inbox->count + 1) * sizeof *grown);
    if (grown == NULL)
        return FAIL(NO_MEMORY, "out of memory");
    inbox->items = grown;
    *out_item = &grown[inbox->count];
    **out_item = (struct inbox_item){0};
    return OK;
}

/* Verifies a forward before anything of it is believed. */
static result open_forward(struct session *session, const Myelin__Signed *record,
                           const struct session_user **out_owner, Myelin__Forward **out_forward) {
    AUTO_FORMAT Myelin__Forward *claimed = NULL;
    TRY(format_parse_forward(format_view(record->body), &claimed));
    TRY(session_find_user(session, claimed->owner, out_owner));
    AUTO_FORMAT Myelin__Forward *forward = NULL;
    TRY(format_open_forward(record, (*out_owner)->identity, &forward));
    if (strcmp(forward->recipient, session->user) != 0)
        return FAIL(INTEGRITY, "it is for %s", forward->recipient);
    *out_forward = forward;
    forward = NULL;
    return OK;
}

static result merge_entry(struct session *session, const Myelin__InboxEntry *entry,
                          struct inbox *inbox, unsigned *wrong) {
    AUTO_FORMAT Myelin__Forward *forward = NULL;
    const struct session_user *owner = NULL;
    result opened = open_forward(session, entry->forward, &owner, &forward);
    *wrong += opened == INTEGRITY || opened == NOT_FOUND || opened == PROTOCOL;
    TRY(opened);
    struct inbox_item *item = find_item(inbox, forward);
    if (item == NULL) {
        char *id = NULL;
        TRY(read_label(session, forward, &id));
        result added = add_item(inbox, &item);
        if (added != OK) {
            free(id);
            return added;
        }
        inbox->count++;
        item->id = id;
        item->owner = owner;
        memcpy(item->tau, forward->tau.data, sizeof item->tau);
    }
    item->servers++;
    if (forward->serial_ms > item->serial_ms)
        item->serial_ms = forward->serial_ms;
    if (entry->objects > item->objects)
        item->objects = entry->objects;
    if (entry->sealed_bytes > item->sealed_bytes)
        item->sealed_bytes = entry->sealed_bytes;
    return OK;
}

/* A quick look at whom a forward claims to be from. */
static bool is_from(const Myelin__InboxEntry *entry, const char *from) {
    if (from == NULL)
        return true;
    AUTO_FORMAT Myelin__Forward *forward = NULL;
    return format_parse_forward(format_view(entry->forward->body), &forward) == OK &&
           strcmp(forward->owner, from) == 0;
}

static result merge_page(struct session *session, const char *server, const Myelin__InboxPage *page,
                         const char *from, struct inbox *inbox, unsigned *wrong) {
    for (size_t i = 0; i < page->n_entry && *wrong < WRONG_MAX; i++) {
        if (!is_from(page->entry[i], from))
            continue;
        result merged = merge_entry(session, page->entry[i], inbox, wrong);
        if (merged == NO_MEMORY || session_is_cancelled(session))
            return merged;
        if (merged != OK)
            session_warn(session, "%s: a forward in the inbox: %s", server, error_text());
        if (*wrong == WRONG_MAX)
            session_warn(session,
                         "%s: %d forwards in the inbox are none: the rest of it is left out",
                         server, WRONG_MAX);
    }
    return OK;
}

static int by_owner_and_id(const void *a, const void *b) {
    const struct inbox_item *left = a, *right = b;
    int order = strcmp(left->owner->name, right->owner->name);
    return order != 0 ? order : strcmp(left->id, right->id);
}

static void drop_unreadable(struct inbox *inbox, unsigned silent, unsigned needed) {
    size_t kept = 0;
    for (size_t i = 0; i < inbox->count; i++) {
        if (inbox->items[i].servers + silent >= needed)
            inbox->items[kept++] = inbox->items[i];
        else
            free(inbox->items[i].id);
    }
    inbox->count = kept;
}

result inbox_collect(struct session *session, const char *from, struct inbox *out_inbox) {
    AUTO_PAGES struct pages_all all = {0};
    unsigned needed = pages_needed(session);
    TRY(pages_ask(session, SESSION_STORAGE, NULL, "/v1/inbox", parse_page, needed, &all));
    if (all.ok < needed)
        return session_fail_quorum(session, SESSION_STORAGE, "reading the inbox", all.answers,
                                   needed);
    session_warn_failed(session, SESSION_STORAGE, all.answers, OK);
    AUTO_INBOX struct inbox inbox = {0};
    for (unsigned i = 0; i < all.servers; i++) {
        unsigned wrong = 0;
        for (size_t p = 0; p < all.of[i].count; p++)
            TRY(merge_page(session, session_server(session, SESSION_STORAGE, i)->name,
                           all.of[i].page[p], from, &inbox, &wrong));
    }
    drop_unreadable(&inbox, all.servers - all.ok, session->k);
    if (inbox.count > 0)
        qsort(inbox.items, inbox.count, sizeof *inbox.items, by_owner_and_id);
    *out_inbox = inbox;
    inbox = (struct inbox){0};
    return OK;
}
