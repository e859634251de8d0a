/*
 * Orthanc's storage area: every attachment is an object of an image.
 *
 *   DICOM        into the image of its study, the StudyInstanceUID its ID
 *   all else     into an image of its own, "orthanc:<uuid>", and so DICOM without that UID
 *
 * The object's name is the uuid, so that the servers' lists alone tell what is what.
 */
#ifndef ORTHANC_STORAGE_AREA_H
#define ORTHANC_STORAGE_AREA_H

#include "gateway.h"

/* Registers the callbacks. Once, with the gateway that serves them all. */
void storage_area_register(struct gateway *gateway);

/* Until it is called with NULL: what this thread stores is already an object that another user has
 * forwarded, and only gets a uuid. `record` has owner, image, name and size; it is borrowed. The
 * header is what stands before the pixels. */
struct storage_reference {
    const struct record *record;
    struct view header;
};
void storage_area_refer(const struct storage_reference *reference);

/* A file of Orthanc's from before there was the plugin, which its index refers to: from now on it
 * is in the spool and the map, both on disk, and is sent as all else. Errors of sender_admit,
 * spool_write, map_add. */
MUST_CHECK result storage_area_adopt(const char *uuid, struct view data);

/* The whole of an attachment that the map has. Errors of map_find and reader_get. */
MUST_CHECK result storage_area_read(const char *uuid, struct bytes *out_data);

/* The map and the caches forget an attachment; no error where they do not have it. IO. */
MUST_CHECK result storage_area_drop(const char *uuid);

/* The uuid that the last create on this thread was given; "" where it failed. */
const char *storage_area_last_uuid(void);

#endif
