#include "headers.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/secret.h"
#include "record.h"

static const char PURPOSE[] = "MYELIN-V1-ORTHANC-HEADER";

enum { KEY_BYTES = 32 };

struct headers {
    char folder[PATH_MAX];
    uint8_t *key; /* in secret memory */
};

static result make_folders(const char *folder) {
    for (unsigned i = 0; i < 256; i++) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%.*s/%02x", PATH_MAX - 8, folder, i);
        if (access(path, F_OK) != 0)
            TRY(file_make_folders(path, 0700));
    }
    return OK;
}

result headers_open(const char *folder, const uint8_t key[32], struct headers **out_headers) {
    struct headers *headers = calloc(1, sizeof *headers);
    if (headers == NULL)
        return FAIL(NO_MEMORY, "no memory for the header cache");
    snprintf(headers->folder, sizeof headers->folder, "%s", folder);
    result opened = secret_new(KEY_BYTES, (void **)&headers->key);
    if (opened == OK) {
        memcpy(headers->key, key, KEY_BYTES);
        opened = make_folders(folder);
    }
    if (opened != OK) {
        headers_close(headers);
        return opened;
    }
    *out_headers = headers;
    return OK;
}

void headers_close(struct headers *headers) {
    if (headers == NULL)
        return;
    secret_free(headers->key);
    free(headers);
}

static void path_of(const struct headers *headers, const char *uuid, char out[PATH_MAX]) {
    snprintf(out, PATH_MAX, "%.*s/%.2s/%s", PATH_MAX - RECORD_UUID_BYTES - 8, headers->folder, uuid,
             uuid);
}

static result keep(const struct headers *headers, const char *uuid, struct view header) {
    char path[PATH_MAX];
    AUTO_BYTES struct bytes box = {0};
    path_of(headers, uuid, path);
    TRY(seal_text(headers->key, PURPOSE, view_of_string(uuid), header, &box));
    AUTO_FD int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return FAIL(IO, "%s cannot be written", path);
    return file_write_all(fd, bytes_view(&box), path);
}

void headers_keep(struct headers *headers, const char *uuid, struct view header) {
    if (header.len == 0 || header.len > HEADERS_BYTES_MAX)
        return;
    if (keep(headers, uuid, header) != OK)
        log_event(LOG_WARNING, "header-not-kept", "why=%s", error_text());
}

bool headers_find(struct headers *headers, const char *uuid, struct bytes *out_header) {
    char path[PATH_MAX];
    AUTO_BYTES struct bytes box = {0};
    path_of(headers, uuid, path);
    return file_read(path, SEAL_TEXT_MAX + SEAL_TEXT_OVERHEAD, &box) == OK &&
           seal_open_text(headers->key, PURPOSE, view_of_string(uuid), bytes_view(&box),
                          out_header) == OK;
}

void headers_remove(struct headers *headers, const char *uuid) {
    char path[PATH_MAX];
    path_of(headers, uuid, path);
    unlink(path);
}
