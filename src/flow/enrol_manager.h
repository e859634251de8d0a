/*
 * What the manager's folder has that enrolling and renewing need: the system's description and the
 * CA.
 */
#ifndef MYELIN_FLOW_ENROL_MANAGER_H
#define MYELIN_FLOW_ENROL_MANAGER_H

#include <limits.h>

#include "system/ca.h"
#include "system/description.h"

struct enrol_manager {
    char folder[PATH_MAX]; /* the CA's */
    struct ca *ca;
    struct description description;
    int lock; /* of the folder, while `ca` is set: who enrols is alone, and none takes another's
                 unfinished name */
};

#define AUTO_ENROL_MANAGER __attribute__((cleanup(enrol_manager_close)))
void enrol_manager_close(struct enrol_manager *manager);

/* Loads both from `system`, the folder that `up` made, for `user` to be certified, and waits for
 * whoever else is enrolling. DENIED where there is no CA, or another system's; INTEGRITY where the
 * description is older than one seen before; errors of description_load and ca_load; IO. */
MUST_CHECK result enrol_manager_open(const char *system, const char *user,
                                     struct enrol_manager *out_manager);

/* Waits until nobody else gives certificates out in the CA's folder, and removes what was left
 * there by one who was killed or whose disk failed. Closing `out_lock` ends it. IO. */
MUST_CHECK result enrol_manager_lock(const char *folder, int *out_lock);

#endif
