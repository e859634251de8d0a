/*
 * The map made again from the storage servers' lists, where it was lost: an own image's objects are
 * named by Orthanc's uuids, and their notes are the headers. What was accepted from others is not
 * among them: delete such a study in Orthanc and accept it again.
 */
#ifndef ORTHANC_REBUILD_H
#define ORTHANC_REBUILD_H

#include "gateway.h"

struct rebuild_done {
    uint64_t images, attachments, restored; /* looked at; restored: those that the map lacked */
};

/* Errors of myelin_list, images_list and map_add; what was restored before stays. */
MUST_CHECK result rebuild_map(struct gateway *gateway, struct rebuild_done *out_done);

#endif
