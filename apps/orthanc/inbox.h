/*
 * The inbox, looked at now and then: a study that was accepted and is no longer forwarded leaves
 * Orthanc's index, with a notice, before anybody meets it as broken images; so do instances of it
 * that their owner deleted.
 */
#ifndef ORTHANC_INBOX_H
#define ORTHANC_INBOX_H

#include "gateway.h"

/* Errors of myelin_inbox and accept_undo. A forward counts as gone only when so many storage
 * servers answer that one of those that have it would be among them. */
MUST_CHECK result inbox_check(struct gateway *gateway);

#endif
