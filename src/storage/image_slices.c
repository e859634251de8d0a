/*
 * What readers get of an object: its slices, and their hashes.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "format/hash.h"
#include "storage/deletion.h"
#include "storage/image.h"
#include "storage/storage_state.h"

/* A slot's slices of an object that `caller` may read: slices and table are one value, whose whole
 * length must be there. */
struct served {
    struct format_layout layout;
    uint8_t root[DIGEST_BYTES]; /* as signed */
    struct image_range range;
};

static result open_slot(struct storage *storage, const struct image_id *image,
                        const struct short_id *object, const Myelin__Manifest *manifest,
                        uint32_t slot, struct served *out_served) {
    if (slot >= manifest->n_servers)
        return FAIL(NOT_FOUND, "object %s has no slot %u", object->hex, slot);
    struct image_range *range = &out_served->range;
    format_layout_of(manifest, &out_served->layout);
    memcpy(out_served->root, manifest->symbol_root[slot].data, DIGEST_BYTES);
    range->length = out_served->layout.symbol_bytes + out_served->layout.segments * DIGEST_BYTES;
    return store_open_range(storage->store, place_of_slices(image, object, slot).key, 0,
                            range->length, &range->fd, &range->offset);
}

static result may_read(struct storage *storage, const struct storage_caller *caller,
                       const struct image_id *image) {
    struct image_owner owner;
    return image_authorise(storage, caller, image, IMAGE_OWNER | IMAGE_RECIPIENT | IMAGE_PEER,
                           &owner);
}

/* Why there is nothing to serve of an object. */
static result fail_lost(struct storage *storage, const struct image_id *image,
                        const struct short_id *object, bool has_manifest) {
    if (deletion_is_here(storage, image, object))
        return FAIL(NOT_FOUND, "%s: object %s was deleted by its owner", storage->server,
                    object->hex);
    return has_manifest ? FAIL(NOT_FOUND, "%s has lost the slices of object %s, or never had them",
                               storage->server, object->hex)
                        : FAIL(NOT_FOUND, "%s has no object %s", storage->server, object->hex);
}

/* For who may read. */
static result open_served(struct storage *storage, const struct image_id *image,
                          const struct short_id *object, uint32_t slot, struct served *out_served) {
    AUTO_FORMAT Myelin__Manifest *manifest = NULL;
    struct slot_choice choice;
    result got = image_manifest(storage, image, object, NULL, &manifest);
    if (got == NOT_FOUND)
        return fail_lost(storage, image, object, false);
    TRY(got);
    slots_choose(storage, manifest->servers, manifest->n_servers, format_view(manifest->tau), slot,
                 &choice);
    got = NOT_FOUND;
    for (unsigned i = 0; i < choice.count && got == NOT_FOUND; i++)
        got = open_slot(storage, image, object, manifest, choice.slots[i], out_served);
    return got == NOT_FOUND ? fail_lost(storage, image, object, true) : got;
}

result image_open_symbol(struct storage *storage, const struct storage_caller *caller,
                         const struct image_id *image, const struct short_id *object, uint32_t slot,
                         struct image_range *out_range) {
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    struct served served;
    TRY(image_lock_read(storage, image, &lock));
    TRY(may_read(storage, caller, image));
    TRY(open_served(storage, image, object, slot, &served));
    *out_range = served.range;
    out_range->length = served.layout.symbol_bytes;
    return OK;
}

/* Appends `len` bytes from `offset` on. */
static result read_at(int fd, uint64_t offset, struct bytes *out, size_t len) {
    size_t start = out->len;
    TRY(bytes_reserve(out, start + len));
    while (out->len < start + len) {
        size_t done = out->len - start;
        ssize_t got = pread(fd, out->data + out->len, len - done, (off_t)(offset + done));
        if (got <= 0)
            return FAIL(IO, "reading slices failed");
        out->len += (size_t)got;
    }
    return OK;
}

result image_hashes(struct storage *storage, const struct storage_caller *caller,
                    const struct image_id *image, const struct short_id *object, uint32_t slot,
                    struct bytes *out_hashes) {
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    struct served served;
    uint8_t root[DIGEST_BYTES];
    TRY(image_lock_read(storage, image, &lock));
    TRY(may_read(storage, caller, image));
    TRY(open_served(storage, image, object, slot, &served));
    AUTO_FD int fd = served.range.fd;
    AUTO_BYTES struct bytes table = {0};
    TRY(read_at(fd, served.range.offset + served.layout.symbol_bytes, &table,
                served.layout.segments * DIGEST_BYTES));
    TRY(format_slice_table_root(bytes_view(&table), root));
    if (memcmp(root, served.root, sizeof root) != 0)
        return FAIL(INTEGRITY, "%s: the slice table of object %s is damaged", storage->server,
                    object->hex);
    bytes_free(out_hashes);
    *out_hashes = table;
    table = (struct bytes){0};
    return OK;
}

/* ------------------------------------------------------------------ several at once */

result image_wanted_parse(const char *text, struct image_wanted out_wanted[IMAGE_WANTED_MAX],
                          size_t *out_count) {
    size_t count = 0;
    for (const char *next = text;; next++) {
        char name[2 * FORMAT_ID_BYTES + 8];
        size_t len = strcspn(next, ",");
        bool fits = count < IMAGE_WANTED_MAX && len < sizeof name;
        snprintf(name, sizeof name, "%.*s", fits ? (int)len : 0, next);
        if (!fits || !place_parse_slices(name, &out_wanted[count].object, &out_wanted[count].slot))
            return FAIL(INVALID, "?of= is OBJECT.SLOT, up to %d of them with commas between",
                        IMAGE_WANTED_MAX);
        count++;
        next += len;
        if (*next == '\0')
            break;
    }
    *out_count = count;
    return OK;
}

/* One of those that are still `left`. They are about as long as each other. */
static result append_symbol(struct storage *storage, const struct image_id *image,
                            const struct image_wanted *wanted, size_t left, struct bytes *slices) {
    struct served served;
    TRY(open_served(storage, image, &wanted->object, wanted->slot, &served));
    AUTO_FD int fd = served.range.fd;
    size_t room = IMAGE_SYMBOLS_BYTES - slices->len;
    if (served.layout.symbol_bytes > room)
        return FAIL(INVALID, "slices of more than %d bytes at once", IMAGE_SYMBOLS_BYTES);
    size_t all = (size_t)served.layout.symbol_bytes * left;
    TRY(bytes_reserve(slices, slices->len + (all < room ? all : room)));
    return read_at(fd, served.range.offset, slices, (size_t)served.layout.symbol_bytes);
}

result image_symbols(struct storage *storage, const struct storage_caller *caller,
                     const struct image_id *image, const struct image_wanted wanted[], size_t count,
                     struct bytes *out_slices) {
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    AUTO_BYTES struct bytes slices = {0};
    TRY(image_lock_read(storage, image, &lock));
    TRY(may_read(storage, caller, image));
    for (size_t i = 0; i < count; i++)
        TRY(append_symbol(storage, image, &wanted[i], count - i, &slices));
    bytes_free(out_slices);
    *out_slices = slices;
    slices = (struct bytes){0};
    return OK;
}
