#include "flow/enrol_manager.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "system/keystore.h"
#include "system/local.h"

void enrol_manager_close(struct enrol_manager *manager) {
    if (manager->ca != NULL)
        close(manager->lock);
    ca_free_at(&manager->ca);
    description_free(&manager->description);
    *manager = (struct enrol_manager){0};
}

result enrol_manager_lock(const char *folder, int *out_lock) {
    char issued[PATH_MAX];
    AUTO_FD int lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock < 0 || flock(lock, LOCK_EX) != 0)
        return FAIL(IO, "%s: %s", folder, strerror(errno));
    if (snprintf(issued, sizeof issued, "%s/issued", folder) >= PATH_MAX)
        return FAIL(INVALID, "a path is too long");
    TRY(file_sweep(issued, ""));
    *out_lock = lock;
    lock = -1;
    return OK;
}

static result load(const char *system, const char *user, struct enrol_manager *manager) {
    char home[PATH_MAX];
    TRY(local_manager_path(system, manager->folder, sizeof manager->folder));
    TRY(description_load(system, NULL, &manager->description));
    TRY(keystore_home(home, sizeof home));
    TRY(description_check_version(&manager->description, home));
    if (access(manager->folder, F_OK) != 0)
        return FAIL(DENIED,
                    "%s has no manager's CA to certify %s: do it where the manager's folder is, "
                    "with --system naming it; a user elsewhere enrols by --request",
                    system, user);
    AUTO_CA struct ca *ca = NULL;
    TRY(ca_load(manager->folder, &ca));
    if (memcmp(ca_key(ca)->public_key, manager->description.ca_key, FORMAT_IDENTITY_BYTES) != 0)
        return FAIL(DENIED, "%s is the manager's CA of another system", manager->folder);
    TRY(enrol_manager_lock(manager->folder, &manager->lock));
    manager->ca = ca;
    ca = NULL;
    return OK;
}

result enrol_manager_open(const char *system, const char *user, struct enrol_manager *out_manager) {
    AUTO_ENROL_MANAGER struct enrol_manager manager = {0};
    TRY(load(system, user, &manager));
    *out_manager = manager;
    manager = (struct enrol_manager){0};
    return OK;
}
