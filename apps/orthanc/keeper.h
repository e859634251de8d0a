/*
 * The keeper: what is done in the background, a little at a time. Images without living objects are
 * removed from the storage servers, dead objects of others deleted; what a crash left between the
 * servers, the map and Orthanc's index is put right; open images are let go of; the inbox is looked
 * at for revocations, and forwards that are due are made.
 */
#ifndef ORTHANC_KEEPER_H
#define ORTHANC_KEEPER_H

#include "gateway.h"

struct keeper;

/* Starts its thread; what is in the map now and unconfirmed counts as left by an earlier run.
 * NO_MEMORY. */
MUST_CHECK result keeper_start(struct gateway *gateway, struct keeper **out_keeper);
void keeper_stop(struct keeper *keeper);

/* Whether Orthanc's index may be asked. */
void keeper_set_orthanc(struct keeper *keeper, bool is_running);

#endif
