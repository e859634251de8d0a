/* What becomes of a keystore that is there: another in its place, or none. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "system/keystore.h"

result keystore_lock(const char *path, const char *user, int *out_lock) {
    char folder[PATH_MAX], start[FORMAT_NAME_MAX + 16];
    TRY(file_parent(path, folder));
    AUTO_FD int lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock < 0 || flock(lock, LOCK_EX) != 0)
        return FAIL(errno == ENOENT ? NOT_FOUND : IO, "%s: %s", folder, strerror(errno));
    snprintf(start, sizeof start, "%.*s.keystore.", FORMAT_NAME_MAX, user);
    TRY(file_sweep(folder, start));
    *out_lock = lock;
    lock = -1;
    return OK;
}

/* A link that somebody made elsewhere, as a backup, is his. */
static result wipe_replaced(int fd, const char *path) {
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0)
        return FAIL(IO, "the old %s: %s", path, strerror(errno));
    if (status.st_nlink != 0)
        return FAIL(CONFLICT, "the old %s has another link", path);
    return file_overwrite(fd, path);
}

result keystore_destroy(const char *path) {
    char folder[PATH_MAX];
    TRY(file_parent(path, folder));
    AUTO_FD int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? OK : FAIL(IO, "removing %s: %s", path, strerror(errno));
    if (unlink(path) != 0)
        return FAIL(IO, "removing %s: %s", path, strerror(errno));
    TRY(file_sync_folder(folder));
    return wipe_replaced(fd, path);
}

result keystore_change_passphrase(const char *path, const char *user,
                                  const struct passphrase *old_passphrase,
                                  const struct passphrase *new_passphrase, bool *out_is_wiped) {
    AUTO_KEYSTORE struct keystore keystore = {0};
    AUTO_FD int lock = -1;
    if (old_passphrase->len == new_passphrase->len &&
        secret_equal(old_passphrase->text, new_passphrase->text, old_passphrase->len))
        return FAIL(INVALID, "the new passphrase is the old one");
    TRY(keystore_lock(path, user, &lock));
    TRY(keystore_open(path, user, old_passphrase, &keystore));
    AUTO_FD int old = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    TRY(keystore_replace(path, &keystore, new_passphrase));
    *out_is_wiped = wipe_replaced(old, path) == OK;
    return OK;
}
