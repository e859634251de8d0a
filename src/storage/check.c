#include "storage/check.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "format/hash.h"
#include "storage/deletion.h"
#include "storage/image.h"
#include "storage/put_record.h"
#include "storage/storage_state.h"

enum { READ_BYTES = 1 << 20 };

static char fault_lost[] = "lost";
static char fault_hash[] = "hash differs";
static char fault_short[] = "short";

/* ------------------------------------------------------------------ which objects there should be
 */

struct object_list {
    struct short_id *ids;
    size_t count, capacity;
};

static void object_list_clean_up(struct object_list *list) {
    free(list->ids);
}

static result add_object(struct object_list *list, const struct short_id *id) {
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 64 : 2 * list->capacity;
        struct short_id *grown = reallocarray(list->ids, capacity, sizeof *grown);
        if (grown == NULL)
            return FAIL(NO_MEMORY, "no memory for %zu objects", capacity);
        list->ids = grown;
        list->capacity = capacity;
    }
    list->ids[list->count++] = *id;
    return OK;
}

static result add_names(struct storage *storage, const struct image_id *image, const char *suffix,
                        struct object_list *list) {
    AUTO_NAMES struct store_names names = {0};
    TRY(store_list(storage->store, place_image(image).key, suffix, "", &names));
    for (size_t i = 0; i < names.count; i++) {
        struct short_id object;
        uint32_t slot;
        if (place_parse_slices(names.names[i], &object, &slot) ||
            short_id_parse("an object", names.names[i], &object) == OK)
            TRY(add_object(list, &object));
    }
    return OK;
}

/* The records of puts know objects of which nothing else is left. */
static result add_recorded(struct storage *storage, const struct image_id *image,
                           struct object_list *list) {
    AUTO_NAMES struct store_names names = {0};
    TRY(store_list(storage->store, place_image(image).key, PLACE_PUT_SUFFIX, "", &names));
    for (size_t i = 0; i < names.count; i++) {
        struct short_id put;
        AUTO_PUT_RECORD struct put_record record = {0};
        if (short_id_parse("a put", names.names[i], &put) != OK ||
            put_record_get(storage->store, place_of_put(image, &put).key, &record) != OK)
            continue;
        for (size_t j = 0; j < record.object_count; j++)
            TRY(add_object(list, &record.objects[j]));
    }
    return OK;
}

static int compare_ids(const void *a, const void *b) {
    return memcmp(((const struct short_id *)a)->bytes, ((const struct short_id *)b)->bytes,
                  FORMAT_ID_BYTES);
}

static result list_objects(struct storage *storage, const struct image_id *image,
                           struct object_list *list) {
    AUTO_NAMES struct store_names deleted = {0};
    TRY(deletion_list(storage, image, &deleted));
    TRY(add_recorded(storage, image, list));
    TRY(add_names(storage, image, PLACE_MANIFEST_SUFFIX, list));
    TRY(add_names(storage, image, PLACE_SLICES_SUFFIX, list));
    if (list->count == 0)
        return OK;
    qsort(list->ids, list->count, sizeof *list->ids, compare_ids);
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++)
        if ((kept == 0 || compare_ids(&list->ids[i], &list->ids[kept - 1]) != 0) &&
            !deletion_list_has(&deleted, &list->ids[i]))
            list->ids[kept++] = list->ids[i];
    list->count = kept < FORMAT_CHECKED_MAX ? kept : FORMAT_CHECKED_MAX;
    return OK;
}

/* ------------------------------------------------------------------ one object */

struct slices {
    int fd;
    struct format_layout layout;
    uint8_t root[DIGEST_BYTES];
};

static void slices_clean_up(struct slices *slices) {
    file_close_at(&slices->fd);
}

/* The slices of the first likely slot that there is a file for. */
static result open_likely(struct storage *storage, const struct image_id *image,
                          const struct short_id *object, const Myelin__Manifest *manifest,
                          uint32_t slot, struct slices *slices) {
    struct slot_choice choice;
    uint64_t offset;
    result got = NOT_FOUND;
    slots_choose(storage, manifest->servers, manifest->n_servers, format_view(manifest->tau), slot,
                 &choice);
    format_layout_of(manifest, &slices->layout);
    for (unsigned i = 0; i < choice.count && got == NOT_FOUND; i++) {
        if (choice.slots[i] >= manifest->n_servers)
            continue;
        memcpy(slices->root, manifest->symbol_root[choice.slots[i]].data, DIGEST_BYTES);
        got =
            store_open_range(storage->store, place_of_slices(image, object, choice.slots[i]).key, 0,
                             slices->layout.symbol_bytes + slices->layout.segments * DIGEST_BYTES,
                             &slices->fd, &offset);
    }
    return got;
}

/* Opens what is to be read, under the image's lock, so that what follows is of one version.
 * `out_fault` where there is nothing to read. */
static result open_slices(struct storage *storage, const struct image_id *image,
                          const struct image_owner *owner, const struct short_id *object,
                          uint32_t slot, struct slices *slices, char **out_fault) {
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    AUTO_FORMAT Myelin__Signed *record = NULL;
    AUTO_FORMAT Myelin__Manifest *manifest = NULL;
    TRY(image_lock_read(storage, image, &lock));
    result got = image_manifest(storage, image, object, &record, NULL);
    if (got == OK && owner->verifies)
        got = format_open_manifest(record, owner->identity, &manifest);
    else if (got == OK)
        got = format_parse_manifest(format_view(record->body), &manifest);
    if (got == OK) {
        got = open_likely(storage, image, object, manifest, slot, slices);
        *out_fault = got == INTEGRITY ? fault_short : NULL;
    } else {
        *out_fault = fault_hash;
    }
    if (got == NOT_FOUND)
        *out_fault = fault_lost;
    return got == OK || got == NOT_FOUND || got == INTEGRITY || got == PROTOCOL ? OK : got;
}

/* Reads forward in a file, in large steps. */
struct reader {
    int fd;
    uint64_t position;
    uint8_t *buffer;
    size_t len, used;
};

/* Hashes the next `len` bytes; false where the disk does not give them. */
static bool hash_next(struct reader *reader, uint64_t len, uint8_t out_hash[DIGEST_BYTES]) {
    struct digest digest;
    digest_start(&digest);
    while (len > 0) {
        if (reader->used == reader->len) {
            ssize_t got = pread(reader->fd, reader->buffer, READ_BYTES, (off_t)reader->position);
            if (got <= 0) {
                digest_abandon(&digest);
                return false;
            }
            reader->position += (uint64_t)got;
            reader->len = (size_t)got;
            reader->used = 0;
        }
        size_t there = reader->len - reader->used;
        size_t part = there < len ? there : (size_t)len;
        digest_update(&digest, view_of(reader->buffer + reader->used, part));
        reader->used += part;
        len -= part;
    }
    digest_finish(&digest, out_hash);
    return true;
}

static bool table_is_good(const struct slices *slices, uint8_t *table) {
    size_t len = slices->layout.segments * DIGEST_BYTES, done = 0;
    uint8_t root[DIGEST_BYTES];
    while (done < len) {
        ssize_t got = pread(slices->fd, table + done, len - done,
                            (off_t)(slices->layout.symbol_bytes + done));
        if (got <= 0)
            return false;
        done += (size_t)got;
    }
    return format_slice_table_root(view_of(table, len), root) == OK &&
           memcmp(root, slices->root, sizeof root) == 0;
}

/* NULL where every slice is good. */
static char *check_slices(const struct slices *slices, uint8_t *table, uint8_t *buffer) {
    struct reader reader = {.fd = slices->fd, .buffer = buffer};
    (void)posix_fadvise(slices->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    if (!table_is_good(slices, table))
        return fault_hash;
    for (uint64_t i = 0; i < slices->layout.segments; i++) {
        uint8_t hash[DIGEST_BYTES];
        if (!hash_next(&reader, format_slice_len(&slices->layout, i), hash))
            return fault_lost; /* the disk refuses to read it */
        if (memcmp(hash, table + i * DIGEST_BYTES, DIGEST_BYTES) != 0)
            return fault_hash;
    }
    return NULL;
}

static result check_object(struct storage *storage, const struct image_id *image,
                           const struct image_owner *owner, const struct short_id *object,
                           uint32_t slot, char **out_fault) {
    __attribute__((cleanup(slices_clean_up))) struct slices slices = {.fd = -1};
    AUTO_BYTES struct bytes table = {0}, buffer = {0};
    TRY(open_slices(storage, image, owner, object, slot, &slices, out_fault));
    if (*out_fault != NULL)
        return OK;
    TRY(bytes_reserve(&table, slices.layout.segments * DIGEST_BYTES));
    TRY(bytes_reserve(&buffer, READ_BYTES));
    *out_fault = check_slices(&slices, table.data, buffer.data);
    return OK;
}

/* ------------------------------------------------------------------ the image */

static bool envelope_is_good(struct storage *storage, const struct image_id *image,
                             const struct image_owner *owner, uint32_t slot) {
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    AUTO_FORMAT Myelin__Signed *record = NULL;
    AUTO_FORMAT Myelin__Envelope *envelope = NULL;
    AUTO_FORMAT Myelin__Symbol *symbol = NULL;
    AUTO_BYTES struct bytes coefficients = {0};
    uint8_t hash[DIGEST_BYTES];
    if (!owner->verifies || image_lock_read(storage, image, &lock) != OK ||
        image_envelope(storage, image, &record, NULL) != OK ||
        format_open_envelope(record, owner->identity, &envelope) != OK ||
        image_symbol(storage, image, slot, &symbol) != OK || symbol->slot >= envelope->n_servers ||
        (slot != SLOT_ANY && symbol->slot != slot) ||
        (envelope->coefficients_hash.len > 0 &&
         image_coefficients(storage, image, envelope, &coefficients) != OK))
        return false;
    format_symbol_hash(symbol, hash);
    return view_equal(format_view(envelope->symbol_hash[symbol->slot]), view_of(hash, sizeof hash));
}

struct answer {
    Myelin__CheckedObject *objects;
    Myelin__CheckedObject **pointers;
};

static void answer_clean_up(struct answer *answer) {
    free(answer->objects);
    free(answer->pointers);
}

static result check_objects(struct storage *storage, const struct image_id *image,
                            const struct image_owner *owner, struct object_list *list,
                            uint32_t slot, struct answer *answer) {
    answer->objects = calloc(list->count + 1, sizeof *answer->objects);
    answer->pointers = calloc(list->count + 1, sizeof(Myelin__CheckedObject *));
    if (answer->objects == NULL || answer->pointers == NULL)
        return FAIL(NO_MEMORY, "no memory for %zu objects", list->count);
    for (size_t i = 0; i < list->count; i++) {
        char *fault = NULL;
        TRY(check_object(storage, image, owner, &list->ids[i], slot, &fault));
        Myelin__CheckedObject *object = answer->pointers[i] = &answer->objects[i];
        myelin__checked_object__init(object);
        object->object = format_bytes(view_of(list->ids[i].bytes, FORMAT_ID_BYTES));
        object->good = fault == NULL;
        if (fault != NULL)
            object->fault = fault;
    }
    return OK;
}

result image_check(struct storage *storage, const struct storage_caller *caller,
                   const struct image_id *image, uint32_t slot, struct bytes *out_answer) {
    __attribute__((cleanup(object_list_clean_up))) struct object_list list = {0};
    __attribute__((cleanup(answer_clean_up))) struct answer answer = {0};
    struct image_owner owner;
    {
        AUTO_IMAGE_LOCK struct image_lock lock = {0};
        TRY(image_lock_read(storage, image, &lock));
        TRY(image_authorise(storage, caller, image, IMAGE_OWNER | IMAGE_RECIPIENT | IMAGE_SERVER,
                            &owner));
        TRY(list_objects(storage, image, &list));
    }
    TRY(check_objects(storage, image, &owner, &list, slot, &answer));
    Myelin__CheckAnswer message = MYELIN__CHECK_ANSWER__INIT;
    message.object = answer.pointers;
    message.n_object = list.count;
    message.envelope_good = envelope_is_good(storage, image, &owner, slot);
    return format_pack(&message, out_answer);
}
