/* Forwards and revocations: of those that others have, the newest. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/forward.h"
#include "storage/marks.h"
#include "storage/mend_private.h"
#include "system/placement.h"

/* The owner's word on one recipient: whom it is for, and how new it is. */
struct word {
    char recipient[FORMAT_NAME_MAX + 1];
    uint64_t serial_ms;
};

static result word_parse(const Myelin__Signed *record, bool is_revocation, struct word *out_word) {
    AUTO_FORMAT Myelin__Forward *forward = NULL;
    AUTO_FORMAT Myelin__Revocation *revocation = NULL;
    if (is_revocation)
        TRY(format_parse_revocation(format_view(record->body), &revocation));
    else
        TRY(format_parse_forward(format_view(record->body), &forward));
    const char *name = forward != NULL ? forward->recipient : revocation->recipient;
    memcpy(out_word->recipient, name, strlen(name) + 1);
    out_word->serial_ms = forward != NULL ? forward->serial_ms : revocation->serial_ms;
    return OK;
}

static result entry_parse(const Myelin__ForwardEntry *entry, struct word *out_word) {
    bool is_revocation = entry->forward == NULL;
    return word_parse(is_revocation ? entry->revocation : entry->forward, is_revocation, out_word);
}

static result adopt_entry(struct mending *m, void *context, const Myelin__ForwardEntry *entry,
                          const struct word *word) {
    (void)context, (void)word;
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    bool taken;
    image_lock_write(m->storage, m->image, &lock);
    TRY(mend_check_standing(m));
    TRY(forward_adopt(m->storage, m->image, &m->owner,
                      entry->forward != NULL ? entry->forward : entry->revocation,
                      entry->forward == NULL, &taken));
    m->report->mended += taken;
    return OK;
}

/* Calls `take` with each of a server's entries, in the order of recipients. */
static result each_entry(struct mending *m, unsigned server,
                         result (*take)(struct mending *m, void *context,
                                        const Myelin__ForwardEntry *entry, const struct word *word),
                         void *context) {
    struct word last = {.recipient = ""};
    for (bool more = true; more;) {
        AUTO_BYTES struct bytes wire = {0};
        AUTO_FORMAT Myelin__ForwardPage *page = NULL;
        TRY(mend_ask_page(m, server, "forwards", last.recipient, &wire));
        TRY(format_parse_forward_page(bytes_view(&wire), &page));
        for (size_t i = 0; i < page->n_entry; i++) {
            struct word word;
            TRY(entry_parse(page->entry[i], &word));
            if (strcmp(word.recipient, last.recipient) <= 0)
                return FAIL(PROTOCOL, "forwards out of order");
            TRY(take(m, context, page->entry[i], &word));
            last = word;
        }
        more = page->more;
    }
    return OK;
}

static result adopt_from(struct mending *m, unsigned server) {
    return each_entry(m, server, adopt_entry, NULL);
}

/* Forwards that are damaged here and that nobody else had are told. */
static result check_forwards(struct mending *m) {
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    AUTO_NAMES struct store_names users = {0};
    TRY(image_lock_read(m->storage, m->image, &lock));
    TRY(store_list(m->storage->store, place_image(m->image).key, PLACE_FORWARD_SUFFIX, "", &users));
    unsigned missing = 0;
    for (size_t i = 0; i < users.count; i++) {
        AUTO_FORMAT Myelin__Signed *record = NULL;
        bool is_revocation;
        if (!format_is_name(users.names[i]))
            continue;
        result got = forward_record(m->storage, m->image, users.names[i], &record, &is_revocation);
        if (got == INTEGRITY)
            TRY(mend_note(m, NULL, m->slot_count > 0 ? m->slots[0] : 0, MEND_FAILED, got));
        else if (got == OK && !is_revocation)
            TRY(marks_recipient(m->storage, m->image, users.names[i], &missing));
    }
    return OK;
}

result mend_forwards(struct mending *m) {
    struct mend_asking asking = {0};
    TRY(mend_ask_differing(m, &asking, false, adopt_from));
    return check_forwards(m);
}

/* ------------------------------------------------------------------ before all of it goes */

/* The words that are here, and whether another server has each of them, or a newer one. */
struct words {
    struct word *of;
    bool *is_there;
    size_t count;
};

static void words_free(struct words *words) {
    free(words->of);
    free(words->is_there);
}

/* Damaged ones are nobody's loss. */
static result own_words(struct mending *m, struct words *words) {
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    AUTO_NAMES struct store_names users = {0};
    TRY(image_lock_read(m->storage, m->image, &lock));
    TRY(store_list(m->storage->store, place_image(m->image).key, PLACE_FORWARD_SUFFIX, "", &users));
    words->of = calloc(users.count + 1, sizeof *words->of);
    words->is_there = calloc(users.count + 1, sizeof *words->is_there);
    if (words->of == NULL || words->is_there == NULL)
        return FAIL(NO_MEMORY, "no memory for %zu forwards", users.count);
    for (size_t i = 0; i < users.count; i++) {
        AUTO_FORMAT Myelin__Signed *record = NULL;
        bool is_revocation;
        words->count +=
            format_is_name(users.names[i]) &&
            forward_record(m->storage, m->image, users.names[i], &record, &is_revocation) == OK &&
            word_parse(record, is_revocation, &words->of[words->count]) == OK;
    }
    return OK;
}

static result note_word(struct mending *m, void *context, const Myelin__ForwardEntry *entry,
                        const struct word *word) {
    (void)m, (void)entry;
    struct words *words = context;
    for (size_t i = 0; i < words->count; i++)
        words->is_there[i] |= strcmp(words->of[i].recipient, word->recipient) == 0 &&
                              words->of[i].serial_ms <= word->serial_ms;
    return OK;
}

result mend_check_forwards_kept(struct mending *m) {
    __attribute__((cleanup(words_free))) struct words words = {0};
    const char *names[FORMAT_SERVERS_MAX];
    unsigned n = placement_slots_by_id(&m->group->description, m->image->bytes, names);
    bool may_answer = false;
    TRY(own_words(m, &words));
    for (unsigned slot = 0; slot < n; slot++) {
        int server = storage_fleet_find(m->group->fleet, names[slot]);
        if (server < 0 || server == m->group->self)
            continue;
        result asked = each_entry(m, (unsigned)server, note_word, &words);
        may_answer |= asked != DENIED && asked != NOT_FOUND;
    }
    for (size_t i = 0; i < words.count && may_answer; i++)
        if (!words.is_there[i])
            return FAIL(NOT_FOUND, "no holder of image %s has its forward or revocation for %s yet",
                        m->image->hex, words.of[i].recipient);
    return OK;
}
