/*
 * Stores of the first version, which had one slot of an image: their slices and symbols get the
 * slot into their names.
 */
#ifndef MYELIN_STORAGE_UPGRADE_H
#define MYELIN_STORAGE_UPGRADE_H

#include "storage/storage.h"

/* At the start. Names that have their slot already stay, so a crash in the middle does no harm;
 * what is too damaged to tell its slot stays too, and repair makes it anew. IO, NO_MEMORY. */
MUST_CHECK result upgrade_slots(struct storage *storage);

#endif
