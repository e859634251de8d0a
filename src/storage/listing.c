#include "storage/listing.h"

#include <stdlib.h>
#include <string.h>

#include "storage/forward.h"
#include "storage/image.h"
#include "storage/listing_page.h"
#include "storage/storage_state.h"

static result check_after_image(const char *after) {
    struct image_id id;
    return *after == '\0' ? OK : image_id_parse(after, &id);
}

/* Makes the entry of one image, NULL where it has none. */
typedef result (*make_entry)(struct storage *storage, const struct storage_caller *caller,
                             const struct image_id *image, void **out_entry);

static result fill(struct storage *storage, const struct storage_caller *caller,
                   const struct store_names *names, make_entry make, struct listing_page *page) {
    TRY(listing_page_init(page, names->count));
    for (size_t i = 0; i < names->count; i++) {
        struct image_id image;
        void *entry = NULL;
        if (image_id_parse(names->names[i], &image) != OK)
            continue;
        if (listing_page_is_full(page))
            return OK;
        AUTO_IMAGE_LOCK struct image_lock lock = {0};
        TRY(image_lock_read(storage, &image, &lock));
        TRY(listing_pass_over(image.hex, make(storage, caller, &image, &entry)));
        if (entry != NULL)
            listing_page_add(page, entry);
    }
    return OK;
}

/* ------------------------------------------------------------------ own images */

static void free_image_entry(void *pointer) {
    Myelin__ImageEntry *entry = pointer;
    if (entry == NULL)
        return;
    for (size_t i = 0; i < entry->n_recipient; i++)
        free(entry->recipient[i]);
    free(entry->recipient);
    format_free(entry->envelope);
    free(entry);
}

static void free_image_entry_at(Myelin__ImageEntry **entry) {
    free_image_entry(*entry);
}

static result add_recipients(struct storage *storage, const struct image_id *image,
                             Myelin__ImageEntry *entry) {
    AUTO_NAMES struct store_names users = {0};
    TRY(store_list(storage->store, place_image(image).key, PLACE_FORWARD_SUFFIX, "", &users));
    entry->recipient = calloc(users.count + 1, sizeof(char *));
    if (entry->recipient == NULL)
        return FAIL(NO_MEMORY, "no memory for %zu names", users.count);
    for (size_t i = 0; i < users.count && entry->n_recipient < FORMAT_RECIPIENTS_MAX; i++) {
        bool active = false;
        if (!format_is_name(users.names[i]))
            continue;
        result looked = forward_is_active(storage, image, users.names[i], &active);
        if (looked != OK && looked != INTEGRITY)
            return looked;
        if (!active)
            continue;
        char *name = strdup(users.names[i]);
        if (name == NULL)
            return FAIL(NO_MEMORY, "no memory for a name");
        entry->recipient[entry->n_recipient++] = name;
    }
    return OK;
}

static result make_image_entry(struct storage *storage, const struct storage_caller *caller,
                               const struct image_id *image, void **out_entry) {
    struct image_owner owner;
    struct image_totals totals;
    TRY(image_authorise(storage, caller, image, IMAGE_OWNER, &owner));
    __attribute__((cleanup(free_image_entry_at))) Myelin__ImageEntry *entry = malloc(sizeof *entry);
    if (entry == NULL)
        return FAIL(NO_MEMORY, "no memory for an entry");
    myelin__image_entry__init(entry);
    TRY(image_envelope(storage, image, &entry->envelope, NULL));
    TRY(image_totals(storage, image, &totals));
    TRY(add_recipients(storage, image, entry));
    entry->objects = totals.objects;
    entry->sealed_bytes = totals.sealed_bytes;
    *out_entry = entry;
    entry = NULL;
    return OK;
}

result listing_images(struct storage *storage, const struct storage_caller *caller,
                      const char *after, struct bytes *out_page) {
    AUTO_NAMES struct store_names names = {0};
    AUTO_PAGE struct listing_page page = {.free_entry = free_image_entry};
    if (caller->role != STORAGE_ROLE_USER)
        return FAIL(DENIED, "only users own images");
    TRY(check_after_image(after));
    TRY(store_list(storage->store, place_owner_marks(caller->name).key, "", after, &names));
    TRY(fill(storage, caller, &names, make_image_entry, &page));
    Myelin__ImagePage message = MYELIN__IMAGE_PAGE__INIT;
    message.image = (Myelin__ImageEntry **)page.entries;
    message.n_image = page.count;
    message.more = page.more;
    return format_pack(&message, out_page);
}

/* ------------------------------------------------------------------ forwarded images */

static void free_inbox_entry(void *pointer) {
    Myelin__InboxEntry *entry = pointer;
    if (entry == NULL)
        return;
    format_free(entry->forward);
    free(entry);
}

static void free_inbox_entry_at(Myelin__InboxEntry **entry) {
    free_inbox_entry(*entry);
}

static result make_inbox_entry(struct storage *storage, const struct storage_caller *caller,
                               const struct image_id *image, void **out_entry) {
    struct image_owner owner;
    struct image_totals totals;
    TRY(image_authorise(storage, caller, image, IMAGE_RECIPIENT, &owner));
    __attribute__((cleanup(free_inbox_entry_at))) Myelin__InboxEntry *entry = malloc(sizeof *entry);
    if (entry == NULL)
        return FAIL(NO_MEMORY, "no memory for an entry");
    myelin__inbox_entry__init(entry);
    TRY(forward_get(storage, image, caller->name, &entry->forward));
    TRY(image_totals(storage, image, &totals));
    entry->objects = totals.objects;
    entry->sealed_bytes = totals.sealed_bytes;
    *out_entry = entry;
    entry = NULL;
    return OK;
}

result listing_inbox(struct storage *storage, const struct storage_caller *caller,
                     const char *after, struct bytes *out_page) {
    AUTO_NAMES struct store_names names = {0};
    AUTO_PAGE struct listing_page page = {.free_entry = free_inbox_entry};
    if (caller->role != STORAGE_ROLE_USER)
        return FAIL(DENIED, "only users have an inbox");
    TRY(check_after_image(after));
    TRY(store_list(storage->store, place_recipient_marks(caller->name).key, "", after, &names));
    TRY(fill(storage, caller, &names, make_inbox_entry, &page));
    Myelin__InboxPage message = MYELIN__INBOX_PAGE__INIT;
    message.entry = (Myelin__InboxEntry **)page.entries;
    message.n_entry = page.count;
    message.more = page.more;
    return format_pack(&message, out_page);
}

/* ------------------------------------------------------------------ forwards of an image */

static void free_forward_entry(void *pointer) {
    Myelin__ForwardEntry *entry = pointer;
    if (entry == NULL)
        return;
    format_free(entry->forward);
    format_free(entry->revocation);
    free(entry);
}

static void free_forward_entry_at(Myelin__ForwardEntry **entry) {
    free_forward_entry(*entry);
}

static result make_forward_entry(struct storage *storage, const struct image_id *image,
                                 const char *user, void **out_entry) {
    AUTO_FORMAT Myelin__Signed *record = NULL;
    bool is_revocation;
    TRY(forward_record(storage, image, user, &record, &is_revocation));
    __attribute__((cleanup(free_forward_entry_at))) Myelin__ForwardEntry *entry =
        malloc(sizeof *entry);
    if (entry == NULL)
        return FAIL(NO_MEMORY, "no memory for an entry");
    myelin__forward_entry__init(entry);
    *(is_revocation ? &entry->revocation : &entry->forward) = record;
    record = NULL;
    *out_entry = entry;
    entry = NULL;
    return OK;
}

result listing_forwards(struct storage *storage, const struct storage_caller *caller,
                        const struct image_id *image, const char *after, struct bytes *out_page) {
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    AUTO_NAMES struct store_names users = {0};
    AUTO_PAGE struct listing_page page = {.free_entry = free_forward_entry};
    struct image_owner owner;
    if (*after != '\0' && !format_is_name(after))
        return FAIL(INVALID, "?after= is not a user's name");
    TRY(image_lock_read(storage, image, &lock));
    TRY(image_authorise(storage, caller, image, IMAGE_OWNER | IMAGE_PEER, &owner));
    TRY(store_list(storage->store, place_image(image).key, PLACE_FORWARD_SUFFIX, after, &users));
    TRY(listing_page_init(&page, users.count));
    for (size_t i = 0; i < users.count && !listing_page_is_full(&page); i++) {
        void *entry = NULL;
        if (!format_is_name(users.names[i]))
            continue;
        TRY(listing_pass_over(image->hex,
                              make_forward_entry(storage, image, users.names[i], &entry)));
        if (entry != NULL)
            listing_page_add(&page, entry);
    }
    Myelin__ForwardPage message = MYELIN__FORWARD_PAGE__INIT;
    message.entry = (Myelin__ForwardEntry **)page.entries;
    message.n_entry = page.count;
    message.more = page.more;
    return format_pack(&message, out_page);
}
