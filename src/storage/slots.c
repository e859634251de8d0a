#include "storage/slots.h"

#include <string.h>

#include "format/layout.h"
#include "storage/storage_state.h"
#include "system/placement.h"

/* The names by slot, to be used while the description is held. */
struct placed {
    const char *names[FORMAT_SERVERS_MAX];
    unsigned count;
};

static void place(const struct storage *storage, const uint8_t *tau, struct placed *out) {
    out->count =
        storage->description == NULL ? 0 : placement_slots(storage->description, tau, out->names);
}

int slots_placed(struct storage *storage, const uint8_t *tau, const char *server) {
    struct placed placed;
    int found = -1;
    pthread_rwlock_rdlock(&storage->description_lock);
    place(storage, tau, &placed);
    for (unsigned i = 0; i < placed.count && found < 0; i++)
        if (strcmp(placed.names[i], server) == 0)
            found = (int)i;
    pthread_rwlock_unlock(&storage->description_lock);
    return found;
}

bool slots_holder(struct storage *storage, const uint8_t *tau, uint32_t slot,
                  char out_name[FORMAT_NAME_MAX + 1]) {
    struct placed placed;
    pthread_rwlock_rdlock(&storage->description_lock);
    place(storage, tau, &placed);
    bool is_placed = slot < placed.count;
    if (is_placed)
        memcpy(out_name, placed.names[slot], strlen(placed.names[slot]) + 1);
    pthread_rwlock_unlock(&storage->description_lock);
    return is_placed;
}

void slots_choose(struct storage *storage, char *const servers[], size_t count, struct view tau,
                  uint32_t asked, struct slot_choice *out_choice) {
    *out_choice = (struct slot_choice){.slots = {asked}, .count = asked != SLOT_ANY};
    if (asked != SLOT_ANY)
        return;
    int recorded = format_slot_of(servers, count, storage->server);
    int placed = slots_placed(storage, tau.data, storage->server);
    if (recorded >= 0)
        out_choice->slots[out_choice->count++] = (uint32_t)recorded;
    if (placed >= 0 && placed != recorded)
        out_choice->slots[out_choice->count++] = (uint32_t)placed;
}

bool slots_belong(struct storage *storage, const struct image_id *image, const char *server) {
    struct placed now;
    pthread_rwlock_rdlock(&storage->description_lock);
    bool belongs = storage->description == NULL;
    if (!belongs)
        now.count = placement_slots_by_id(storage->description, image->bytes, now.names);
    for (unsigned i = 0; storage->description != NULL && i < now.count; i++)
        belongs = belongs || strcmp(now.names[i], server) == 0;
    pthread_rwlock_unlock(&storage->description_lock);
    return belongs;
}

bool slots_concern(struct storage *storage, const struct image_id *image, const char *server) {
    struct placed now, before;
    bool concerns = false;
    pthread_rwlock_rdlock(&storage->description_lock);
    if (storage->description != NULL) {
        now.count = placement_slots_by_id(storage->description, image->bytes, now.names);
        before.count = placement_previous_by_id(storage->description, image->bytes, before.names);
    }
    for (unsigned i = 0; storage->description != NULL && i < now.count; i++)
        concerns = concerns || strcmp(now.names[i], server) == 0;
    for (unsigned i = 0; storage->description != NULL && i < before.count; i++)
        concerns = concerns || strcmp(before.names[i], server) == 0;
    concerns = concerns || storage->description == NULL;
    pthread_rwlock_unlock(&storage->description_lock);
    return concerns;
}

result slots_check_own(struct storage *storage, const uint8_t *tau, uint32_t slot) {
    char holder[FORMAT_NAME_MAX + 1];
    if (!slots_holder(storage, tau, slot, holder) || strcmp(holder, storage->server) == 0)
        return OK;
    pthread_rwlock_rdlock(&storage->description_lock);
    unsigned long long version = storage->description->system->version;
    pthread_rwlock_unlock(&storage->description_lock);
    return FAIL(CONFLICT,
                "%s: slot %u is %s's by version %llu of the system description; fetch that one",
                storage->server, slot, holder, version);
}
