#include "flow/serial.h"

#include <stdio.h>
#include <string.h>

#include "flow/pages.h"

/* One entry as its owner signed it. */
struct signed_entry {
    char recipient[FORMAT_NAME_MAX + 1];
    uint64_t serial_ms;
};

static bool is_of(const char *owner, ProtobufCBinaryData tau, const struct session *session,
                  const struct image *image) {
    return strcmp(owner, session->user) == 0 &&
           view_equal(format_view(tau), view_of(image->tau_bytes, FORMAT_TAU_BYTES));
}

/* INTEGRITY where it is not the user's own about this image. */
static result open_entry(const struct session *session, const struct image *image,
                         const Myelin__ForwardEntry *entry, struct signed_entry *out_entry) {
    const uint8_t *identity = session->signing->public_key;
    AUTO_FORMAT Myelin__Forward *forward = NULL;
    AUTO_FORMAT Myelin__Revocation *revocation = NULL;
    bool is_own;
    if (entry->forward != NULL) {
        TRY(format_open_forward(entry->forward, identity, &forward));
        is_own = is_of(forward->owner, forward->tau, session, image);
        snprintf(out_entry->recipient, sizeof out_entry->recipient, "%s", forward->recipient);
        out_entry->serial_ms = forward->serial_ms;
    } else {
        TRY(format_open_revocation(entry->revocation, identity, &revocation));
        is_own = is_of(revocation->owner, revocation->tau, session, image);
        snprintf(out_entry->recipient, sizeof out_entry->recipient, "%s", revocation->recipient);
        out_entry->serial_ms = revocation->serial_ms;
    }
    return is_own ? OK : FAIL(INTEGRITY, "about another image");
}

/* The recipient of a page's last entry, which the list goes on after. */
static result name_last(const Myelin__ForwardEntry *entry, char out_after[PAGES_KEY]) {
    AUTO_FORMAT Myelin__Forward *forward = NULL;
    AUTO_FORMAT Myelin__Revocation *revocation = NULL;
    if (entry->forward != NULL)
        TRY(format_parse_forward(format_view(entry->forward->body), &forward));
    else
        TRY(format_parse_revocation(format_view(entry->revocation->body), &revocation));
    snprintf(out_after, PAGES_KEY, "%s",
             forward != NULL ? forward->recipient : revocation->recipient);
    return OK;
}

static result parse_page(struct view wire, void **out_page, bool *out_more,
                         char out_after[PAGES_KEY]) {
    AUTO_FORMAT Myelin__ForwardPage *page = NULL;
    TRY(format_parse_forward_page(wire, &page));
    *out_more = page->more && page->n_entry > 0;
    if (*out_more)
        TRY(name_last(page->entry[page->n_entry - 1], out_after));
    *out_page = page;
    page = NULL;
    return OK;
}

static uint64_t highest(const struct session *session, const struct image *image,
                        const char *recipient, const struct pages *pages) {
    uint64_t serial_ms = 0;
    for (size_t i = 0; i < pages->count; i++) {
        const Myelin__ForwardPage *page = pages->page[i];
        for (size_t j = 0; j < page->n_entry; j++) {
            struct signed_entry entry;
            if (open_entry(session, image, page->entry[j], &entry) == OK &&
                strcmp(entry.recipient, recipient) == 0 && entry.serial_ms > serial_ms)
                serial_ms = entry.serial_ms;
        }
    }
    return serial_ms;
}

/* All that storage servers have of the image's forwards. */
static result ask_entries(struct session *session, const struct image *image,
                          struct pages_all *all) {
    char path[48 + IMAGE_HEX];
    snprintf(path, sizeof path, "/v1/images/%s/forwards", image->hex);
    return pages_ask(session, SESSION_STORAGE, NULL, path, parse_page, 0, all);
}

result serial_learn(struct session *session, const struct image *image, const char *recipient,
                    const struct session_answer answers[], uint64_t *serial_ms, bool *out_raised) {
    bool is_refused = false;
    *out_raised = false;
    for (unsigned i = 0; i < session_server_count(session, SESSION_STORAGE); i++)
        is_refused |= answers[i].code == CONFLICT;
    if (!is_refused)
        return OK;
    AUTO_PAGES struct pages_all all = {0};
    TRY(ask_entries(session, image, &all));
    for (unsigned i = 0; i < all.servers; i++) {
        uint64_t there_ms = highest(session, image, recipient, &all.of[i]);
        if (there_ms < *serial_ms)
            continue;
        *serial_ms = there_ms + 1;
        *out_raised = true;
    }
    return OK;
}

result serial_was_signed(struct session *session, const struct image *image, const char *recipient,
                         bool *out_was) {
    AUTO_PAGES struct pages_all all = {0};
    unsigned answered = 0;
    TRY(ask_entries(session, image, &all));
    *out_was = false;
    for (unsigned i = 0; i < all.servers; i++) {
        answered += all.answers[i].code == OK || all.answers[i].code == NOT_FOUND;
        *out_was = *out_was || highest(session, image, recipient, &all.of[i]) > 0;
    }
    *out_was = *out_was || answered < pages_needed(session);
    return OK;
}
