/*
 * Exports: ZIP archives and media (DICOMDIR) of patients, studies and series, and studies and
 * series by DICOMweb. Orthanc leaves an instance that it cannot read out of an archive without a
 * word, and DICOMweb notices when it has begun to answer; so both are watched here:
 *
 *   before     a request that could not be served whole, because too few servers answer and an
 *              instance cannot be read without them, is refused. DICOMweb answers 503; for archives
 *              500 is the only error that Orthanc's filter of requests knows. The reason is in the
 *              log and in the notices
 *   meanwhile  the archive in which an instance is missing is broken off: what the client has got
 *              then is no ZIP file, and a job fails. DICOMweb leaves its answer without an end
 *
 * All else that Orthanc is asked for passes on the storage area's error by itself.
 */
#ifndef ORTHANC_EXPORTS_H
#define ORTHANC_EXPORTS_H

#include "gateway.h"

/* Registers the filter, and starts the thread that asks the servers. Once. NO_MEMORY. */
MUST_CHECK result exports_start(struct gateway *gateway);

/* Waits for what is being asked, which the session's cancellation ends. Also where nothing was
 * started. */
void exports_stop(void);

/* Asks the servers whether they suffice, which counts for an export in the next seconds; before
 * exports_start too. Errors of myelin_status. */
MUST_CHECK result exports_look(struct gateway *gateway);

/* An instance could not be read on this thread: ends the archives that Orthanc is making, unless
 * the thread serves a request, which hears of it. Orthanc does not tell for which of them the
 * instance was. */
void exports_read_failed(struct gateway *gateway);

/* Whether nothing is to be read for the request that this thread serves: it is one for DICOMweb
 * that was found out before, and would be answered in part from the caches. */
bool exports_is_refused(void);

/* Whether a path, such as "/studies/6e2c.../archive", makes an export; then `out_resource` is what
 * stands before the last part, with Orthanc's identifier. */
enum { EXPORTS_RESOURCE_BYTES = 64 };
bool exports_find(const char *path, char out_resource[EXPORTS_RESOURCE_BYTES]);

#endif
