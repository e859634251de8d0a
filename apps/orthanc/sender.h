/*
 * The sender: brings what lies in the spool to the storage servers, in the background, for as long
 * as it takes. What is sent is put image by image, many attachments in one put: so it waits for a
 * study that is arriving to pause.
 */
#ifndef ORTHANC_SENDER_H
#define ORTHANC_SENDER_H

#include "gateway.h"

struct sender;

/* Takes up what an earlier run left in the spool, and starts. IO, NO_MEMORY. */
MUST_CHECK result sender_start(struct gateway *gateway, struct sender **out_sender);
/* Returns once the put that is under way has ended; the rest stays in the spool. */
void sender_stop(struct sender *sender);

/* Waits until the spool has room for `bytes` more, or the time for that is over: NO_MEMORY, with a
 * text that says how much is in it and why nothing leaves. */
MUST_CHECK result sender_admit(struct sender *sender, uint64_t bytes);

/* Why the last put failed; "" while all goes well. */
void sender_trouble(struct sender *sender, char out_text[ERROR_TEXT_BYTES]);

#endif
