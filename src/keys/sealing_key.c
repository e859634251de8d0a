#include "keys/sealing_key.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/secret.h"
#include "keys/share_store.h"

static result check_file(int fd, const char *path) {
    struct stat status;
    if (fstat(fd, &status) != 0)
        return FAIL(IO, "reading %s: %s", path, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return FAIL(INVALID, "%s is not a file", path);
    if ((status.st_mode & 0077) != 0)
        return FAIL(DENIED, "%s has mode %04o, so others can reach it: chmod 600 it", path,
                    (unsigned)status.st_mode & 07777);
    if (status.st_size != SEAL_KEY_BYTES)
        return FAIL(INVALID, "%s has %lld bytes; a seal key has %d", path,
                    (long long)status.st_size, SEAL_KEY_BYTES);
    return OK;
}

result sealing_key_load(const char *path, uint8_t **out_key) {
    AUTO_SECRET uint8_t *key = NULL;
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return FAIL(errno == ENOENT ? NOT_FOUND : IO, "reading %s: %s", path, strerror(errno));
    TRY(check_file(fd, path));
    TRY(secret_new(SEAL_KEY_BYTES, (void **)&key));
    if (read(fd, key, SEAL_KEY_BYTES) != SEAL_KEY_BYTES)
        return FAIL(IO, "reading %s: shorter than its size said", path);
    *out_key = key;
    key = NULL;
    return OK;
}
