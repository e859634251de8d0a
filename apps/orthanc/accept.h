/*
 * Accepting what others forwarded: Orthanc's index gets the study from the headers alone, and every
 * instance is a reference to the owner's object; pixels come through the key servers when somebody
 * looks at them. And letting go of it again, once it is revoked.
 */
#ifndef ORTHANC_ACCEPT_H
#define ORTHANC_ACCEPT_H

#include <jansson.h>

#include "gateway.h"

struct accept_request {
    const char *owner, *image;
    /* The study's PatientID is known here under another name or birth date: merge all the same. */
    bool merges_patient;
};

/* Imports an image. `out_report` says what became of it: Imported, Existing (Orthanc has them, from
 * here or elsewhere), Skipped (no DICOM), Study, StudyInstanceUID. CONFLICT, with both patients in
 * the text, where the PatientID is another person's here; errors of images_list. What was imported
 * before an error stays, and accepting again goes on. */
MUST_CHECK result accept_image(struct gateway *gateway, const struct accept_request *request,
                               json_t **out_report);

/* Imports all images of the gateway's own user: an empty index, where the old one was lost or is
 * left for another database, gets them back. What the map knows already counts as existing, so the
 * map is to be a new one too. Errors of myelin_list, and as above; what was imported stays. */
struct accept_totals {
    uint64_t images, imported, existing, skipped;
};
MUST_CHECK result accept_own(struct gateway *gateway, struct accept_totals *out_totals);

/* Takes those instances of a forwarded image out of Orthanc's index that its owner deleted, and
 * says how many, also where it fails. Errors of images_list. */
MUST_CHECK result accept_compare(struct gateway *gateway, const char *owner, const char *image,
                                 uint64_t *out_undone);

/* Takes an image that was revoked, or removed by its owner, out of Orthanc's index. */
MUST_CHECK result accept_undo(struct gateway *gateway, const char *owner, const char *image);

#endif
