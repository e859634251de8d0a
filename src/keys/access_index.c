#include "keys/access_index.h"

#include <stdlib.h>
#include <string.h>

/* FNV-1a. */
static uint32_t tag_of(struct view text) {
    uint32_t tag = 2166136261u;
    for (size_t i = 0; i < text.len; i++)
        tag = (tag ^ text.data[i]) * 16777619u;
    return tag;
}

void access_index_free(struct access_index *index) {
    free(index->entries);
    *index = (struct access_index){0};
}

result access_index_reserve(struct access_index *index) {
    if (index->count < index->capacity)
        return OK;
    size_t capacity = index->capacity == 0 ? 1024 : index->capacity * 2;
    if (capacity > SIZE_MAX / sizeof *index->entries)
        return FAIL(NO_MEMORY, "the access log has too many entries");
    void *grown = realloc(index->entries, capacity * sizeof *index->entries);
    if (grown == NULL)
        return FAIL(NO_MEMORY, "no memory for %zu entries of the access log", capacity);
    index->entries = grown;
    index->capacity = capacity;
    return OK;
}

void access_index_add(struct access_index *index, uint64_t sequence, struct access_place place,
                      const Myelin__AuditBody *body) {
    index->entries[index->count++] = (struct access_index_entry){
        .sequence = sequence,
        .place = place,
        .user = tag_of(view_of_string(body->user)),
        .owner = tag_of(view_of_string(body->owner)),
        .image = tag_of(format_view(body->image)),
    };
}

/* How many entries have a sequence of at most `sequence`. */
static size_t count_until(const struct access_index *index, uint64_t sequence) {
    size_t low = 0, high = index->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (index->entries[middle].sequence <= sequence)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void access_index_cut(struct access_index *index, uint64_t sequence) {
    index->count = count_until(index, sequence);
}

result access_index_prepend(struct access_index *index, struct access_index *older) {
    size_t count = older->count + index->count;
    struct access_index_entry *grown = realloc(older->entries, (count + 1) * sizeof *grown);
    if (grown == NULL)
        return FAIL(NO_MEMORY, "no memory for %zu entries of the access log", count);
    if (index->count > 0)
        memcpy(grown + older->count, index->entries, index->count * sizeof *grown);
    free(index->entries);
    *index = (struct access_index){grown, count, count + 1};
    *older = (struct access_index){0};
    return OK;
}

void access_index_move(struct access_index *index, uint64_t sequence, uint32_t segment,
                       uint64_t back) {
    for (size_t i = count_until(index, sequence); i < index->count; i++) {
        index->entries[i].place.segment = segment;
        index->entries[i].place.offset -= back;
    }
}

bool access_index_place(const struct access_index *index, uint64_t sequence,
                        struct access_place *out_place) {
    size_t count = count_until(index, sequence);
    if (count == 0 || index->entries[count - 1].sequence != sequence)
        return false;
    *out_place = index->entries[count - 1].place;
    return true;
}

size_t access_index_find(const struct access_index *index, const char *name, const uint8_t *image,
                         uint64_t after, uint64_t last, size_t limit,
                         struct access_index_entry out_found[]) {
    uint32_t name_tag = tag_of(view_of_string(name));
    uint32_t image_tag = image == NULL ? 0 : tag_of(view_of(image, FORMAT_HASH_BYTES));
    size_t found = 0;
    for (size_t i = count_until(index, after); i < index->count && found < limit; i++) {
        const struct access_index_entry *entry = &index->entries[i];
        if (entry->sequence > last)
            break;
        if ((entry->user == name_tag || entry->owner == name_tag) &&
            (image == NULL || entry->image == image_tag))
            out_found[found++] = *entry;
    }
    return found;
}
