/* Forwards and revocations: of those that others have, the newest. */
#include <stdio.h>
#include <string.h>

#include "storage/forward.h"
#include "storage/mend_private.h"

static result adopt_entry(struct mending *m, const Myelin__ForwardEntry *entry) {
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

/* Whom the entry is for. */
static result recipient_of(const Myelin__ForwardEntry *entry, char out_name[FORMAT_NAME_MAX + 1]) {
    AUTO_FORMAT Myelin__Forward *forward = NULL;
    AUTO_FORMAT Myelin__Revocation *revocation = NULL;
    if (entry->forward != NULL)
        TRY(format_parse_forward(format_view(entry->forward->body), &forward));
    else
        TRY(format_parse_revocation(format_view(entry->revocation->body), &revocation));
    const char *name = forward != NULL ? forward->recipient : revocation->recipient;
    memcpy(out_name, name, strlen(name) + 1);
    return OK;
}

static result adopt_from(struct mending *m, unsigned server) {
    char last[FORMAT_NAME_MAX + 1] = "";
    for (bool more = true; more;) {
        AUTO_BYTES struct bytes wire = {0};
        AUTO_FORMAT Myelin__ForwardPage *page = NULL;
        char path[MEND_PATH_BYTES];
        TRY(mend_go_on(m));
        snprintf(path, sizeof path, "/v1/images/%s/forwards%s%s", m->image->hex,
                 last[0] != '\0' ? "?after=" : "", last);
        TRY(peers_call(m->group, server, "GET", path, 0, FORMAT_LIMIT_PAGE, &wire));
        TRY(format_parse_forward_page(bytes_view(&wire), &page));
        for (size_t i = 0; i < page->n_entry; i++) {
            char name[FORMAT_NAME_MAX + 1];
            TRY(recipient_of(page->entry[i], name));
            if (strcmp(name, last) <= 0)
                return FAIL(PROTOCOL, "forwards out of order");
            TRY(adopt_entry(m, page->entry[i]));
            memcpy(last, name, sizeof last);
        }
        more = page->more;
    }
    return OK;
}

/* The index by recipient misses no active forward. */
static result mark_recipient(struct mending *m, const char *user) {
    struct place mark = place_recipient_mark(user, m->image);
    uint64_t bytes;
    if (store_size(m->storage->store, mark.key, &bytes) == OK)
        return OK;
    TRY(store_put(m->storage->store, mark.key, view_of("", 0)));
    return store_sync_names(m->storage->store, place_recipient_marks(user).key);
}

/* Forwards that are damaged here and that nobody else had are told. */
static result check_forwards(struct mending *m) {
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    AUTO_NAMES struct store_names users = {0};
    TRY(image_lock_read(m->storage, m->image, &lock));
    TRY(store_list(m->storage->store, place_image(m->image).key, PLACE_FORWARD_SUFFIX, "", &users));
    for (size_t i = 0; i < users.count; i++) {
        AUTO_FORMAT Myelin__Signed *record = NULL;
        bool is_revocation;
        if (!format_is_name(users.names[i]))
            continue;
        result got = forward_record(m->storage, m->image, users.names[i], &record, &is_revocation);
        if (got == INTEGRITY)
            TRY(mend_note(m, NULL, m->slot_count > 0 ? m->slots[0] : 0, MEND_FAILED, got));
        else if (got == OK && !is_revocation)
            TRY(mark_recipient(m, users.names[i]));
    }
    return OK;
}

result mend_forwards(struct mending *m) {
    struct mend_asking asking = {0};
    TRY(mend_ask_differing(m, &asking, false, adopt_from));
    return check_forwards(m);
}
