#include "reader_cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct slot **bucket_of(struct cache *cache, const char *uuid) {
    uint32_t hash = 0;
    for (const char *c = uuid; *c != '\0'; c++)
        hash = hash * 31 + (uint8_t)*c;
    return &cache->slots[hash % CACHE_BUCKETS];
}

struct slot *cache_find(struct cache *cache, const char *uuid) {
    struct slot *slot = *bucket_of(cache, uuid);
    while (slot != NULL && strcmp(slot->uuid, uuid) != 0)
        slot = slot->hash_next;
    return slot;
}

struct slot *cache_make(struct cache *cache, const char *uuid, const void *fetch) {
    struct slot *slot = calloc(1, sizeof *slot);
    if (slot == NULL)
        return NULL;
    snprintf(slot->uuid, sizeof slot->uuid, "%s", uuid);
    slot->fetch = fetch;
    slot->hash_next = *bucket_of(cache, uuid);
    *bucket_of(cache, uuid) = slot;
    return slot;
}

static void unlink_age(struct cache *cache, struct slot *slot) {
    if (slot->older != NULL)
        slot->older->newer = slot->newer;
    else if (cache->oldest == slot)
        cache->oldest = slot->newer;
    if (slot->newer != NULL)
        slot->newer->older = slot->older;
    else if (cache->newest == slot)
        cache->newest = slot->older;
    slot->older = slot->newer = NULL;
}

static void slot_free(struct slot *slot) {
    if (slot->slab != NULL)
        slab_give(slot->slab, slot->data, slot->len);
    free(slot);
}

void cache_drop(struct cache *cache, struct slot *slot) {
    if (slot->state == SLOT_COMING) {
        slot->is_dropped = true;
        return;
    }
    struct slot **link = bucket_of(cache, slot->uuid);
    while (*link != NULL && *link != slot)
        link = &(*link)->hash_next;
    if (*link == slot)
        *link = slot->hash_next;
    if (slot->state == SLOT_THERE) {
        unlink_age(cache, slot);
        cache->bytes -= slot->len;
    }
    slot->is_dropped = true;
    if (slot->waiting == 0)
        slot_free(slot);
}

void cache_leave(struct slot *slot) {
    slot->waiting--;
    if (slot->waiting == 0 && slot->is_dropped && slot->state != SLOT_COMING)
        slot_free(slot);
}

static void make_room(struct cache *cache) {
    while (cache->bytes > cache->limit && cache->oldest != NULL)
        cache_drop(cache, cache->oldest);
}

void cache_arrive(struct cache *cache, struct slot *slot, struct slab *slab, uint8_t *data,
                  size_t len) {
    slab_take(slab);
    slot->slab = slab;
    slot->data = data;
    slot->len = len;
    slot->state = SLOT_THERE;
    slot->older = cache->newest;
    if (cache->newest != NULL)
        cache->newest->newer = slot;
    else
        cache->oldest = slot;
    cache->newest = slot;
    cache->bytes += len;
    slot->waiting++;      /* so that making room leaves it to those who wait */
    if (slot->is_dropped) /* while it was on its way */
        cache_drop(cache, slot);
    make_room(cache);
    cache_leave(slot);
}

void cache_fail(struct cache *cache, struct slot *slot, result code) {
    slot->state = SLOT_FAILED;
    slot->code = code;
    snprintf(slot->text, sizeof slot->text, "%s", error_text());
    cache_drop(cache, slot);
}

void cache_drop_all(struct cache *cache) {
    for (size_t i = 0; i < CACHE_BUCKETS; i++)
        while (cache->slots[i] != NULL)
            cache_drop(cache, cache->slots[i]);
}
