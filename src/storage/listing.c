#include "storage/listing.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "storage/forward.h"
#include "storage/image.h"
#include "storage/put_record.h"
#include "storage/storage_state.h"

/* Entries that were made one by one; `free_entry` frees one. */
struct page {
    void **entries;
    size_t count;
    size_t bytes;
    bool more;
    void (*free_entry)(void *entry);
};

static void page_clean_up(struct page *page) {
    for (size_t i = 0; i < page->count; i++)
        page->free_entry(page->entries[i]);
    free(page->entries);
}
#define AUTO_PAGE __attribute__((cleanup(page_clean_up)))

static result page_init(struct page *page, size_t names) {
    size_t room = names < FORMAT_PAGE_ENTRIES_MAX ? names : FORMAT_PAGE_ENTRIES_MAX;
    page->entries = calloc(room + 1, sizeof(void *));
    return page->entries != NULL ? OK : FAIL(NO_MEMORY, "no memory for a page");
}

/* `entry` is a message that the page takes over. */
static void page_add(struct page *page, void *entry) {
    page->entries[page->count++] = entry;
    page->bytes += format_packed_bytes(entry) + 8;
}

static bool page_is_full(struct page *page) {
    page->more = page->count >= FORMAT_PAGE_ENTRIES_MAX || page->bytes >= FORMAT_PAGE_BYTES_TARGET;
    return page->more;
}

static result check_after_image(const char *after) {
    struct image_id id;
    return *after == '\0' ? OK : image_id_parse(after, &id);
}

/* What concerns one image alone leaves the page as it is. */
static result pass_over(const char *image, result code) {
    if (code == INTEGRITY)
        log_event(LOG_ERROR, "damaged", "image=%s %s", image, error_text());
    return code == INTEGRITY || code == NOT_FOUND || code == DENIED ? OK : code;
}

/* Makes the entry of one image, NULL where it has none. */
typedef result (*make_entry)(struct storage *storage, const struct storage_caller *caller,
                             const struct image_id *image, void **out_entry);

static result fill(struct storage *storage, const struct storage_caller *caller,
                   const struct store_names *names, make_entry make, struct page *page) {
    TRY(page_init(page, names->count));
    for (size_t i = 0; i < names->count; i++) {
        struct image_id image;
        void *entry = NULL;
        if (image_id_parse(names->names[i], &image) != OK)
            continue;
        if (page_is_full(page))
            return OK;
        AUTO_IMAGE_LOCK struct image_lock lock = {0};
        TRY(image_lock_read(storage, &image, &lock));
        TRY(pass_over(image.hex, make(storage, caller, &image, &entry)));
        if (entry != NULL)
            page_add(page, entry);
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
    AUTO_PAGE struct page page = {.free_entry = free_image_entry};
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
    AUTO_PAGE struct page page = {.free_entry = free_inbox_entry};
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

/* ------------------------------------------------------------------ objects */

/* Objects that are known and cannot be listed. */
struct unreadable {
    struct short_id *objects;
    ProtobufCBinaryData *bytes;
    size_t count;
};

static void unreadable_free(struct unreadable *unreadable) {
    free(unreadable->objects);
    free(unreadable->bytes);
}

static result unreadable_init(struct unreadable *unreadable) {
    unreadable->objects = calloc(FORMAT_PAGE_ENTRIES_MAX, sizeof *unreadable->objects);
    unreadable->bytes = calloc(FORMAT_PAGE_ENTRIES_MAX, sizeof *unreadable->bytes);
    return unreadable->objects != NULL && unreadable->bytes != NULL
               ? OK
               : FAIL(NO_MEMORY, "no memory for a page");
}

/* Where there are more than can be said, readers know enough. */
static void unreadable_add(struct unreadable *unreadable, const struct short_id *object) {
    if (unreadable->count == FORMAT_PAGE_ENTRIES_MAX)
        return;
    struct short_id *place = &unreadable->objects[unreadable->count];
    *place = *object;
    unreadable->bytes[unreadable->count++] =
        format_bytes(view_of(place->bytes, sizeof place->bytes));
}

static int compare_names(const void *key, const void *entry) {
    return strcmp(key, entry);
}

/* Objects of the image's puts without a manifest among `names`, which are all that there are. */
static result add_lost(struct storage *storage, const struct image_id *image,
                       const struct store_names *names, struct unreadable *unreadable) {
    AUTO_NAMES struct store_names puts = {0};
    TRY(store_list(storage->store, place_image(image).key, PLACE_PUT_SUFFIX, "", &puts));
    for (size_t i = 0; i < puts.count; i++) {
        struct short_id put;
        AUTO_PUT_RECORD struct put_record record = {0};
        if (short_id_parse("a put", puts.names[i], &put) != OK)
            continue;
        TRY(pass_over(image->hex,
                      put_record_get(storage->store, place_of_put(image, &put).key, &record)));
        for (size_t o = 0; o < record.object_count; o++)
            if (names->count == 0 || bsearch(record.objects[o].hex, names->names, names->count,
                                             sizeof *names->names, compare_names) == NULL)
                unreadable_add(unreadable, &record.objects[o]);
    }
    return OK;
}

result listing_objects(struct storage *storage, const struct storage_caller *caller,
                       const struct image_id *image, const char *after, struct bytes *out_page) {
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    AUTO_NAMES struct store_names names = {0};
    AUTO_PAGE struct page page = {.free_entry = format_free};
    __attribute__((cleanup(unreadable_free))) struct unreadable unreadable = {0};
    struct image_owner owner;
    struct short_id object;
    if (*after != '\0')
        TRY(short_id_parse("an object", after, &object));
    TRY(image_lock_read(storage, image, &lock));
    TRY(image_authorise(storage, caller, image, IMAGE_OWNER | IMAGE_RECIPIENT | IMAGE_PEER,
                        &owner));
    TRY(store_list(storage->store, place_image(image).key, PLACE_MANIFEST_SUFFIX, after, &names));
    TRY(page_init(&page, names.count));
    TRY(unreadable_init(&unreadable));
    if (*after == '\0')
        TRY(add_lost(storage, image, &names, &unreadable));
    for (size_t i = 0; i < names.count && !page_is_full(&page); i++) {
        Myelin__Signed *manifest = NULL;
        if (short_id_parse("an object", names.names[i], &object) != OK)
            continue;
        TRY(pass_over(image->hex, image_manifest(storage, image, &object, &manifest, NULL)));
        if (manifest != NULL)
            page_add(&page, manifest);
        else
            unreadable_add(&unreadable, &object);
    }
    Myelin__ManifestPage message = MYELIN__MANIFEST_PAGE__INIT;
    message.manifest = (Myelin__Signed **)page.entries;
    message.n_manifest = page.count;
    message.more = page.more;
    message.n_unreadable = unreadable.count;
    message.unreadable = unreadable.bytes;
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
    AUTO_PAGE struct page page = {.free_entry = free_forward_entry};
    struct image_owner owner;
    if (*after != '\0' && !format_is_name(after))
        return FAIL(INVALID, "?after= is not a user's name");
    TRY(image_lock_read(storage, image, &lock));
    TRY(image_authorise(storage, caller, image, IMAGE_OWNER | IMAGE_PEER, &owner));
    TRY(store_list(storage->store, place_image(image).key, PLACE_FORWARD_SUFFIX, after, &users));
    TRY(page_init(&page, users.count));
    for (size_t i = 0; i < users.count && !page_is_full(&page); i++) {
        void *entry = NULL;
        if (!format_is_name(users.names[i]))
            continue;
        TRY(pass_over(image->hex, make_forward_entry(storage, image, users.names[i], &entry)));
        if (entry != NULL)
            page_add(&page, entry);
    }
    Myelin__ForwardPage message = MYELIN__FORWARD_PAGE__INIT;
    message.entry = (Myelin__ForwardEntry **)page.entries;
    message.n_entry = page.count;
    message.more = page.more;
    return format_pack(&message, out_page);
}
