/* One slot's slices of one object: read, compared, and where they are not what was signed made anew
 * beside what is there. Slices that are good are kept; no more is fetched than is missing. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stdio.h>

#include "base/file.h"
#include "base/log.h"
#include "format/hash.h"
#include "storage/mend_private.h"

struct repairing {
    struct mending *m;
    const struct mend_object *object;
    uint32_t slot;
    struct format_layout layout;
    const uint8_t *root; /* signed */

    int fd;              /* of what is here; -1 */
    struct bytes hashes; /* of the slices here, as they are */
    struct bytes table;  /* as the file has it */
    bool has_table;      /* and it is the signed one */
    uint64_t there;      /* so many slices can be read */

    struct mend_fetch *fetch; /* NULL until something is missing */
    uint64_t first, count;    /* the window that was fetched */
    const uint8_t *window;
    struct bytes slice;
    struct store_writer *writer;
    struct place staged;
};

static void repairing_clean_up(struct repairing *r) {
    file_close_at(&r->fd);
    bytes_free(&r->hashes);
    bytes_free(&r->table);
    bytes_free(&r->slice);
    mend_fetch_free(r->fetch);
    store_writer_abandon(r->writer);
}

/* ------------------------------------------------------------------ what is here */

static bool read_exactly(int fd, uint64_t offset, size_t len, struct bytes *out) {
    out->len = 0;
    if (bytes_reserve(out, len) != OK)
        return false;
    while (out->len < len) {
        ssize_t got = pread(fd, out->data + out->len, len - out->len, (off_t)(offset + out->len));
        if (got <= 0)
            return false;
        out->len += (size_t)got;
    }
    return true;
}

static const uint8_t *hash_at(const struct bytes *hashes, uint64_t number) {
    return hashes->data + number * DIGEST_BYTES;
}

static result open_here(struct repairing *r) {
    struct place place = place_of_slices(r->m->image, &r->object->id, r->slot);
    uint64_t bytes, offset;
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    TRY(image_lock_read(r->m->storage, r->m->image, &lock));
    result got = store_size(r->m->storage->store, place.key, &bytes);
    if (got == OK)
        got = store_open_range(r->m->storage->store, place.key, 0, bytes, &r->fd, &offset);
    if (got != OK)
        r->fd = -1;
    return got == NOT_FOUND || got == INTEGRITY ? OK : got;
}

static result read_here(struct repairing *r) {
    static const uint8_t unread[DIGEST_BYTES];
    uint8_t hash[DIGEST_BYTES], root[DIGEST_BYTES];
    TRY(bytes_reserve(&r->hashes, (size_t)r->layout.segments * DIGEST_BYTES));
    (void)posix_fadvise(r->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    for (uint64_t i = 0; i < r->layout.segments; i++) {
        size_t len = format_slice_len(&r->layout, i);
        TRY(mend_go_on(r->m));
        mend_pace(r->m, len);
        bool is_read =
            r->fd >= 0 && read_exactly(r->fd, format_slice_offset(&r->layout, i), len, &r->slice);
        if (is_read)
            digest_sha256(bytes_view(&r->slice), hash);
        r->there += is_read;
        r->m->report->bytes_checked += is_read ? len : 0;
        TRY(bytes_append(&r->hashes, view_of(is_read ? hash : unread, DIGEST_BYTES)));
    }
    r->has_table = r->fd >= 0 &&
                   read_exactly(r->fd, r->layout.symbol_bytes,
                                (size_t)r->layout.segments * DIGEST_BYTES, &r->table) &&
                   format_slice_table_root(bytes_view(&r->table), root) == OK &&
                   memcmp(root, r->root, sizeof root) == 0;
    return OK;
}

/* Nothing more and nothing less than what is signed. */
static bool is_whole(const struct repairing *r) {
    off_t end = r->fd < 0 ? -1 : lseek(r->fd, 0, SEEK_END);
    return r->has_table && view_equal(bytes_view(&r->table), bytes_view(&r->hashes)) &&
           end == (off_t)(r->layout.symbol_bytes + r->layout.segments * DIGEST_BYTES);
}

/* All slices good, and only what stands behind them wrong. */
static bool slices_are_good(const struct repairing *r) {
    uint8_t root[DIGEST_BYTES];
    return r->there == r->layout.segments &&
           format_slice_table_root(bytes_view(&r->hashes), root) == OK &&
           memcmp(root, r->root, sizeof root) == 0;
}

/* ------------------------------------------------------------------ what is made */

/* Without a signed table, one slice cannot be told good by itself: then all or none are. */
static bool is_good(const struct repairing *r, uint64_t number, bool all_good) {
    if (all_good)
        return true;
    return r->has_table &&
           memcmp(hash_at(&r->table, number), hash_at(&r->hashes, number), DIGEST_BYTES) == 0;
}

static result fetch_slice(struct repairing *r, uint64_t number) {
    if (r->fetch == NULL)
        TRY(mend_fetch_new(r->m, r->object, r->slot, &r->fetch));
    if (r->window == NULL || number >= r->first + r->count) {
        uint64_t most = mend_fetch_window(r->fetch), count = 1;
        while (count < most && number + count < r->layout.segments &&
               !is_good(r, number + count, false))
            count++;
        TRY(mend_fetch_slices(r->fetch, number, count, &r->window));
        r->first = number;
        r->count = count;
    }
    const uint8_t *at = r->window + (format_slice_offset(&r->layout, number) -
                                     format_slice_offset(&r->layout, r->first));
    r->slice.len = 0;
    r->m->report->bytes_written += format_slice_len(&r->layout, number);
    return bytes_append(&r->slice, view_of(at, format_slice_len(&r->layout, number)));
}

static result write_slice(struct repairing *r, uint64_t number, bool all_good,
                          struct format_slice_table *table, struct bytes *hashes) {
    uint8_t hash[DIGEST_BYTES];
    size_t len = format_slice_len(&r->layout, number);
    TRY(mend_go_on(r->m));
    if (!is_good(r, number, all_good))
        TRY(fetch_slice(r, number));
    else if (!read_exactly(r->fd, format_slice_offset(&r->layout, number), len, &r->slice))
        return FAIL(IO, "slice %llu cannot be read again", (unsigned long long)number);
    digest_sha256(bytes_view(&r->slice), hash);
    format_slice_table_add(table, hash);
    TRY(bytes_append(hashes, view_of(hash, sizeof hash)));
    return store_writer_append(r->writer, bytes_view(&r->slice));
}

static result write_slices(struct repairing *r, bool all_good, struct bytes *hashes) {
    struct format_slice_table table;
    uint8_t root[DIGEST_BYTES];
    result written = OK;
    TRY(bytes_reserve(hashes, (size_t)r->layout.segments * DIGEST_BYTES));
    format_slice_table_start(&table);
    for (uint64_t i = 0; written == OK && i < r->layout.segments; i++)
        written = write_slice(r, i, all_good, &table, hashes);
    if (written != OK) {
        format_slice_table_abandon(&table);
        return written;
    }
    format_slice_table_finish(&table, root);
    if (memcmp(root, r->root, sizeof root) != 0)
        return FAIL(INTEGRITY,
                    "what the others' slices make is not what the owner signed for slot %u: his "
                    "manifest contradicts itself",
                    r->slot);
    return OK;
}

static result write_staged(struct repairing *r, bool all_good) {
    AUTO_BYTES struct bytes hashes = {0};
    struct store *store = r->m->storage->store;
    TRY(storage_check_space(r->m->storage, r->layout.symbol_bytes));
    TRY(store_writer_open(store, r->staged.key, &r->writer));
    TRY(write_slices(r, all_good, &hashes));
    TRY(store_writer_append(r->writer, bytes_view(&hashes)));
    struct store_writer *writer = r->writer;
    r->writer = NULL;
    TRY(store_writer_close(writer));
    return store_sync(store, place_mending(r->m->image).key);
}

static result remake(struct repairing *r) {
    TRY(write_staged(r, slices_are_good(r)));
    return mend_publish_slices(r->m, r->staged.key, &r->object->id, r->slot);
}

/* Its manifest is here, and a file of the right length. */
static bool seems_there(const struct repairing *r) {
    struct place place = place_of_slices(r->m->image, &r->object->id, r->slot);
    uint64_t bytes;
    return r->object->is_here && store_size(r->m->storage->store, place.key, &bytes) == OK &&
           bytes == r->layout.symbol_bytes + r->layout.segments * DIGEST_BYTES;
}

static result mend_it(struct repairing *r, bool *out_was_good) {
    TRY(open_here(r));
    TRY(read_here(r));
    *out_was_good = is_whole(r);
    return *out_was_good ? OK : remake(r);
}

result mend_object_slot(struct mending *m, const struct mend_object *object, uint32_t slot) {
    __attribute__((cleanup(repairing_clean_up))) struct repairing r = {
        .m = m,
        .object = object,
        .slot = slot,
        .root = object->manifest->symbol_root[slot].data,
        .fd = -1,
    };
    char name[2 * FORMAT_ID_BYTES + 8];
    bool was_good = false;
    format_layout_of(object->manifest, &r.layout);
    snprintf(name, sizeof name, "%s.%u", object->id.hex, slot);
    r.staged = place_of_mending(m->image, name);
    if (m->options->is_quick && seems_there(&r))
        return mend_note(m, &object->id, slot, MEND_GOOD, OK);
    result mended = mend_it(&r, &was_good);
    TRY(mend_go_on(m));
    if (mended != OK)
        return mend_note(m, &object->id, slot, MEND_FAILED, mended);
    if (was_good)
        return mend_note(m, &object->id, slot, MEND_GOOD, OK);
    bool was_copied = r.fetch != NULL && mend_fetch_was_copied(r.fetch);
    return mend_note(m, &object->id, slot, was_copied ? MEND_COPIED : MEND_REBUILT, OK);
}
