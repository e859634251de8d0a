/*
 * Which slot of an image is whose: what the owner's record said when it was put, and what the
 * system description says now. A server may hold two slots of an image for a while: the one that
 * moved to it, and the one that its new holder does not have yet.
 */
#ifndef MYELIN_STORAGE_SLOTS_H
#define MYELIN_STORAGE_SLOTS_H

#include "format/format.h"
#include "storage/storage.h"

/* In the place of a slot where a request names none. */
#define SLOT_ANY UINT32_MAX

/* Slots that may be meant, the likeliest first. */
struct slot_choice {
    uint32_t slots[2];
    unsigned count;
};

/* `asked` alone; with SLOT_ANY this server's slot by the record whose `servers` these are, and its
 * slot now. */
void slots_choose(struct storage *storage, char *const servers[], size_t count, struct view tau,
                  uint32_t asked, struct slot_choice *out_choice);

/* The slot that placement gives `server` of the image of `tau` (FORMAT_TAU_BYTES) now; -1 where it
 * gives none, or this server knows no description. */
int slots_placed(struct storage *storage, const uint8_t *tau, const char *server);

/* The name of the server that placement gives `slot`; false where it gives none. */
bool slots_holder(struct storage *storage, const uint8_t *tau, uint32_t slot,
                  char out_name[FORMAT_NAME_MAX + 1]);

/* Whether `server` has a slot of the image now, or had one before the slots that are on their way
 * set out; true where this server knows no description. */
bool slots_concern(struct storage *storage, const struct image_id *image, const char *server);

/* The same, now alone. */
bool slots_belong(struct storage *storage, const struct image_id *image, const char *server);

/* CONFLICT, naming the version of the system description, where `slot` is another server's now. */
MUST_CHECK result slots_check_own(struct storage *storage, const uint8_t *tau, uint32_t slot);

#endif
