/* Addresses: how many connections each may begin, see guard.h. */
#include <netinet/in.h>
#include <string.h>

#include "net/guard_private.h"

/* 127.0.0.1 and ::1, of which read_address keeps the first half. */
static bool is_own(const uint8_t address[GUARD_ADDRESS_BYTES]) {
    static const uint8_t zeros[GUARD_ADDRESS_BYTES];
    static const uint8_t loopback[4] = {127, 0, 0, 1};
    return memcmp(address, zeros, GUARD_ADDRESS_BYTES) == 0 ||
           (memcmp(address, zeros, 8) == 0 && memcmp(address + 8, loopback, 4) == 0);
}

/* FNV-1a, from the seed on. */
static size_t place_of(const struct guard *guard, const uint8_t address[GUARD_ADDRESS_BYTES]) {
    uint64_t hash = guard->bucket_seed;
    for (size_t i = 0; i < GUARD_ADDRESS_BYTES; i++)
        hash = (hash ^ address[i]) * UINT64_C(1099511628211);
    return (size_t)((hash ^ hash >> 32) % (GUARD_BUCKETS / GUARD_NEIGHBOURS)) * GUARD_NEIGHBOURS;
}

static void fill(const struct guard *guard, struct guard_bucket *bucket, int64_t now_ms) {
    double most = guard->limits.address_burst;
    bucket->tokens += (double)(now_ms - bucket->filled_ms) * guard->limits.address_rate / 1000;
    if (bucket->tokens > most || bucket->filled_ms == 0)
        bucket->tokens = most;
    bucket->filled_ms = now_ms;
}

/* The address's bucket; NULL where it has none. */
static struct guard_bucket *find(struct guard *guard, const uint8_t address[GUARD_ADDRESS_BYTES]) {
    struct guard_bucket *bucket = &guard->buckets[place_of(guard, address)];
    for (unsigned i = 0; i < GUARD_NEIGHBOURS; i++, bucket++)
        if (bucket->filled_ms != 0 && memcmp(bucket->address, address, GUARD_ADDRESS_BYTES) == 0)
            return bucket;
    return NULL;
}

/* A full one for an address that had none, in the place of the fullest. */
static struct guard_bucket *make(struct guard *guard, const uint8_t address[GUARD_ADDRESS_BYTES],
                                 int64_t now_ms) {
    struct guard_bucket *first = &guard->buckets[place_of(guard, address)], *fullest = first;
    for (unsigned i = 0; i < GUARD_NEIGHBOURS; i++) {
        fill(guard, &first[i], now_ms);
        if (first[i].tokens > fullest->tokens)
            fullest = &first[i];
    }
    memcpy(fullest->address, address, GUARD_ADDRESS_BYTES);
    fullest->tokens = guard->limits.address_burst;
    return fullest;
}

bool guard_spend_address(struct guard *guard, const uint8_t address[GUARD_ADDRESS_BYTES],
                         int64_t now_ms) {
    if (is_own(address))
        return true;
    struct guard_bucket *bucket = find(guard, address);
    if (bucket == NULL)
        bucket = make(guard, address, now_ms);
    fill(guard, bucket, now_ms);
    if (bucket->tokens < 1)
        return false;
    bucket->tokens -= 1;
    return true;
}

void guard_refund_address(struct guard *guard, const uint8_t address[GUARD_ADDRESS_BYTES]) {
    struct guard_bucket *bucket = is_own(address) ? NULL : find(guard, address);
    if (bucket != NULL)
        bucket->tokens += 1; /* filling keeps it within its most */
}
