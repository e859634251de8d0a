#include "flow/list.h"

#include <stdlib.h>
#include <string.h>

#include "flow/image.h"
#include "flow/pages.h"

void list_free(struct list *list) {
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i].id);
        for (size_t r = 0; r < list->items[i].recipient_count; r++)
            free(list->items[i].recipients[r]);
        free(list->items[i].recipients);
    }
    free(list->items);
    *list = (struct list){0};
}

static result read_last(const Myelin__Signed *record, char out_after[PAGES_KEY]) {
    AUTO_FORMAT Myelin__Envelope *envelope = NULL;
    TRY(format_parse_envelope(format_view(record->body), &envelope));
    pages_after_image(envelope->tau.data, out_after);
    return OK;
}

static result parse_page(struct view wire, void **out_page, bool *out_more,
                         char out_after[PAGES_KEY]) {
    AUTO_FORMAT Myelin__ImagePage *page = NULL;
    TRY(format_parse_image_page(wire, &page));
    if (page->more && page->n_image > 0)
        TRY(read_last(page->image[page->n_image - 1]->envelope, out_after));
    *out_more = page->more;
    *out_page = page;
    page = NULL;
    return OK;
}

/* ------------------------------------------------------------------ what the servers say */

/* One server's word on one image. */
struct word {
    unsigned server;
    const Myelin__ImageEntry *entry;
    Myelin__Envelope *envelope; /* not verified yet */
};

struct words {
    struct word *of;
    size_t count, capacity;
};

static void words_free(struct words *words) {
    for (size_t i = 0; i < words->count; i++)
        format_free(words->of[i].envelope);
    free(words->of);
}

static result words_add(struct words *words, unsigned server, const Myelin__ImageEntry *entry) {
    if (words->count == words->capacity) {
        size_t capacity = words->capacity == 0 ? 64 : 2 * words->capacity;
        struct word *grown = realloc(words->of, capacity * sizeof *grown);
        if (grown == NULL)
            return FAIL(NO_MEMORY, "out of memory");
        words->of = grown;
        words->capacity = capacity;
    }
    struct word *word = &words->of[words->count];
    *word = (struct word){.server = server, .entry = entry};
    TRY(format_parse_envelope(format_view(entry->envelope->body), &word->envelope));
    words->count++;
    return OK;
}

static result words_collect(struct session *session, const struct pages_all *all,
                            struct words *words) {
    for (unsigned server = 0; server < all->servers; server++)
        for (size_t p = 0; p < all->of[server].count; p++) {
            const Myelin__ImagePage *page = all->of[server].page[p];
            for (size_t i = 0; i < page->n_image; i++) {
                result added = words_add(words, server, page->image[i]);
                if (added == NO_MEMORY)
                    return added;
                if (added != OK)
                    session_warn(session, "%s: an envelope in its list: %s",
                                 session_server(session, SESSION_STORAGE, server)->name,
                                 error_text());
            }
        }
    return OK;
}

/* By tau; the newest envelope of an image first. */
static int by_image(const void *a, const void *b) {
    const Myelin__Envelope *left = ((const struct word *)a)->envelope;
    const Myelin__Envelope *right = ((const struct word *)b)->envelope;
    int order = memcmp(left->tau.data, right->tau.data, FORMAT_TAU_BYTES);
    if (order != 0)
        return order;
    return (left->created_ms < right->created_ms) - (left->created_ms > right->created_ms);
}

/* ------------------------------------------------------------------ one image */

static unsigned count_recipient(const struct word words[], size_t count, const char *name) {
    unsigned times = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t r = 0; r < words[i].entry->n_recipient; r++)
            if (strcmp(words[i].entry->recipient[r], name) == 0) {
                times++;
                break;
            }
    return times;
}

static bool has_recipient(const struct list_item *item, const char *name) {
    for (size_t i = 0; i < item->recipient_count; i++)
        if (strcmp(item->recipients[i], name) == 0)
            return true;
    return false;
}

static result add_recipient(struct list_item *item, const char *name) {
    char **grown = realloc(item->recipients, (item->recipient_count + 1) * sizeof *grown);
    if (grown == NULL)
        return FAIL(NO_MEMORY, "out of memory");
    item->recipients = grown;
    grown[item->recipient_count] = strdup(name);
    if (grown[item->recipient_count] == NULL)
        return FAIL(NO_MEMORY, "out of memory");
    item->recipient_count++;
    return OK;
}

static result fill_recipients(const struct session *session, const struct word words[],
                              size_t count, struct list_item *item) {
    for (size_t i = 0; i < count; i++)
        for (size_t r = 0; r < words[i].entry->n_recipient; r++) {
            const char *name = words[i].entry->recipient[r];
            if (!has_recipient(item, name) && count_recipient(words, count, name) >= session->k)
                TRY(add_recipient(item, name));
        }
    return OK;
}

/* Whether an image that fewer than k servers list is there at all: others may know that it was
 * removed. */
static result is_there(struct session *session, const char *id, bool *out_is_there) {
    AUTO_IMAGE struct image image = {0};
    TRY(image_own(session, id, &image));
    result loaded = image_load(session, id, &image);
    *out_is_there = loaded == OK;
    return loaded == NOT_FOUND ? OK : loaded;
}

/* The first of an image's words whose envelope the user signed; NULL where there is none. */
static const struct word *first_signed(struct session *session, const struct word words[],
                                       size_t count) {
    for (size_t i = 0; i < count; i++) {
        AUTO_FORMAT Myelin__Envelope *envelope = NULL;
        if (format_open_envelope(words[i].entry->envelope, session->signing->public_key,
                                 &envelope) == OK &&
            strcmp(envelope->owner, session->user) == 0)
            return &words[i];
        session_warn(session, "%s: an envelope in its list was not signed by %s",
                     session_server(session, SESSION_STORAGE, words[i].server)->name,
                     session->user);
    }
    return NULL;
}

static result read_item(struct session *session, const struct word words[], size_t count,
                        struct list_item *item) {
    const struct word *newest = first_signed(session, words, count);
    if (newest == NULL)
        return OK;
    const Myelin__Envelope *envelope = newest->envelope;
    AUTO_BYTES struct bytes id = {0};
    TRY(image_label_open(session, envelope->tau.data, format_view(envelope->owner_label), &id));
    bool there = true;
    if (count < session->k)
        TRY(is_there(session, (const char *)id.data, &there));
    if (!there)
        return OK;
    memcpy(item->tau, envelope->tau.data, sizeof item->tau);
    item->created_ms = envelope->created_ms;
    for (size_t i = 0; i < count; i++) {
        if (words[i].entry->objects > item->objects)
            item->objects = words[i].entry->objects;
        if (words[i].entry->sealed_bytes > item->sealed_bytes)
            item->sealed_bytes = words[i].entry->sealed_bytes;
    }
    TRY(fill_recipients(session, words, count, item));
    item->id = (char *)id.data;
    id = (struct bytes){0};
    return OK;
}

static int by_id(const void *a, const void *b) {
    return strcmp(((const struct list_item *)a)->id, ((const struct list_item *)b)->id);
}

static result merge(struct session *session, const struct words *words, struct list *list) {
    list->items = calloc(words->count + 1, sizeof *list->items);
    if (list->items == NULL)
        return FAIL(NO_MEMORY, "out of memory");
    for (size_t first = 0, end; first < words->count; first = end) {
        const uint8_t *tau = words->of[first].envelope->tau.data;
        for (end = first + 1; end < words->count; end++)
            if (memcmp(words->of[end].envelope->tau.data, tau, FORMAT_TAU_BYTES) != 0)
                break;
        TRY(session_check_cancel(session));
        struct list_item *item = &list->items[list->count++];
        TRY(read_item(session, &words->of[first], end - first, item));
        if (item->id == NULL)
            list->count--;
    }
    qsort(list->items, list->count, sizeof *list->items, by_id);
    return OK;
}

result flow_list(struct session *session, struct list *out_list) {
    AUTO_PAGES struct pages_all all = {0};
    unsigned needed = pages_needed(session);
    TRY(pages_ask(session, SESSION_STORAGE, NULL, "/v1/images", parse_page, needed, &all));
    if (all.ok < needed)
        return session_fail_quorum(session, SESSION_STORAGE, "listing images", all.answers, needed);
    session_warn_failed(session, SESSION_STORAGE, all.answers, OK);
    __attribute__((cleanup(words_free))) struct words words = {0};
    TRY(words_collect(session, &all, &words));
    if (words.count > 0)
        qsort(words.of, words.count, sizeof *words.of, by_image);
    AUTO_LIST struct list list = {0};
    TRY(merge(session, &words, &list));
    *out_list = list;
    list = (struct list){0};
    return OK;
}
