#include "keys/share_store.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/secret.h"
#include "keys/share_store_state.h"

#define SHARE_SUFFIX ".share"

result share_store_path(const struct share_store *store, const char *user, char out[PATH_MAX]) {
    if (!format_is_name(user))
        return FAIL(INVALID, "not a user's name");
    if (snprintf(out, PATH_MAX, "%s/%s" SHARE_SUFFIX, store->folder, user) >= PATH_MAX)
        return FAIL(INVALID, "the path of a store folder is too long");
    return OK;
}

result share_store_get(struct share_store *store, const char *user,
                       struct share_record *out_record) {
    char path[PATH_MAX];
    AUTO_BYTES struct bytes contents = {0};
    *out_record = (struct share_record){0};
    TRY(share_store_path(store, user, path));
    result got = file_read(path, SHARE_FILE_MAX, &contents);
    if (got == NOT_FOUND)
        return FAIL(NOT_FOUND, "%s has no share here", user);
    if (got == INVALID)
        return FAIL(INTEGRITY, "share file of %s: too long, or not a file", user);
    TRY(got);
    return share_file_open(bytes_view(&contents), store->seal_key, user, store->index, out_record);
}

result share_store_write(struct share_store *store, const Myelin__ShareFile *file,
                         const struct key_share *share) {
    char path[PATH_MAX];
    AUTO_BYTES struct bytes contents = {0};
    TRY(share_store_path(store, file->user, path));
    TRY(share_file_seal(file, share, store->seal_key, &contents));
    return file_write_atomic(path, bytes_view(&contents), 0600);
}

static bool same_list(size_t n_a, const ProtobufCBinaryData *a, size_t n_b,
                      const ProtobufCBinaryData *b) {
    bool same = n_a == n_b;
    for (size_t i = 0; same && i < n_a; i++)
        same = view_equal(format_view(a[i]), format_view(b[i]));
    return same;
}

static bool same_share(const struct share_record *record, const Myelin__EnrollShare *enroll,
                       const struct key_share *share) {
    const Myelin__ShareFile *file = record->file;
    return scalar_equal(&record->share->s1, &share->s1) &&
           scalar_equal(&record->share->s2, &share->s2) &&
           view_equal(format_view(file->holders), format_view(enroll->holders)) &&
           same_list(file->n_commitment1, file->commitment1, enroll->n_commitment1,
                     enroll->commitment1) &&
           same_list(file->n_commitment2, file->commitment2, enroll->n_commitment2,
                     enroll->commitment2);
}

/* An active share stays what it is; at most its certificate is renewed. */
static result put_over_active(struct share_store *store, struct share_record *record,
                              const Myelin__EnrollShare *enroll, const struct key_share *share,
                              struct view certificate, bool renewed) {
    bool same_certificate = view_equal(format_view(record->file->certificate), certificate);
    if (!same_share(record, enroll, share) || !(same_certificate || renewed))
        return FAIL(CONFLICT, "%s has another share here already", enroll->user);
    if (same_certificate)
        return OK;
    Myelin__ShareFile file = *record->file;
    file.certificate = format_bytes(certificate);
    return share_store_write(store, &file, record->share);
}

static result put_pending(struct share_store *store, const Myelin__EnrollShare *enroll,
                          const struct key_share *share, struct view certificate, uint64_t now_ms) {
    Myelin__ShareFile file;
    myelin__share_file__init(&file);
    file.format = 1;
    file.user = enroll->user;
    file.index = enroll->index;
    file.certificate = format_bytes(certificate);
    file.n_commitment1 = enroll->n_commitment1;
    file.commitment1 = enroll->commitment1;
    file.n_commitment2 = enroll->n_commitment2;
    file.commitment2 = enroll->commitment2;
    file.enrolled_ms = now_ms;
    file.holders = enroll->holders;
    return share_store_write(store, &file, share);
}

static result put_locked(struct share_store *store, const Myelin__EnrollShare *enroll,
                         const struct key_share *share, struct view certificate, bool renewed,
                         uint64_t now_ms) {
    AUTO_SHARE struct share_record record = {0};
    result got = share_store_get(store, enroll->user, &record);
    if (got != OK && got != NOT_FOUND)
        return got;
    if (got == OK && record.file->active)
        return put_over_active(store, &record, enroll, share, certificate, renewed);
    return put_pending(store, enroll, share, certificate, now_ms);
}

result share_store_put(struct share_store *store, const Myelin__EnrollShare *enroll,
                       struct view certificate, bool renewed, uint64_t now_ms) {
    AUTO_SECRET struct key_share *share = NULL;
    if (enroll->index != store->index)
        return FAIL(INVALID, "a share of key server %u; this is %u", enroll->index, store->index);
    TRY(secret_new(sizeof *share, (void **)&share));
    share->j = enroll->index;
    TRY(scalar_parse("s1", format_view(enroll->s1), &share->s1));
    TRY(scalar_parse("s2", format_view(enroll->s2), &share->s2));
    pthread_mutex_lock(&store->lock);
    result put = put_locked(store, enroll, share, certificate, renewed, now_ms);
    pthread_mutex_unlock(&store->lock);
    return put;
}

static result activate_locked(struct share_store *store, const char *user,
                              struct view certificate) {
    AUTO_SHARE struct share_record record = {0};
    TRY(share_store_get(store, user, &record));
    if (!view_equal(format_view(record.file->certificate), certificate))
        return FAIL(CONFLICT, "the share of %s came with another certificate", user);
    if (!record.file->active) {
        record.file->active = true;
        TRY(share_store_write(store, record.file, record.share));
    }
    return share_file_holds(record.file) ? name_list_add(&store->active, user) : OK;
}

result share_store_activate(struct share_store *store, const char *user, struct view certificate) {
    pthread_mutex_lock(&store->lock);
    result activated = activate_locked(store, user, certificate);
    pthread_mutex_unlock(&store->lock);
    return activated;
}

static result renew_locked(struct share_store *store, const char *user, struct view certificate) {
    AUTO_SHARE struct share_record record = {0};
    TRY(share_store_get(store, user, &record));
    if (!record.file->active)
        return FAIL(NOT_FOUND, "%s has no share here", user);
    Myelin__ShareFile file = *record.file;
    file.certificate = format_bytes(certificate);
    return share_store_write(store, &file, record.share);
}

result share_store_renew(struct share_store *store, const char *user, struct view certificate) {
    pthread_mutex_lock(&store->lock);
    result renewed = renew_locked(store, user, certificate);
    pthread_mutex_unlock(&store->lock);
    return renewed;
}

result share_store_page(struct share_store *store, const char *after, size_t limit,
                        struct bytes *out_page) {
    pthread_mutex_lock(&store->lock);
    size_t first = name_list_after(&store->active, after);
    size_t left = store->active.count - first;
    size_t count = left < limit ? left : limit;
    Myelin__UserPage page = MYELIN__USER_PAGE__INIT;
    char **names = calloc(count + 1, sizeof *names);
    result packed = FAIL(NO_MEMORY, "no memory for a page of %zu users", count);
    if (names != NULL) {
        for (size_t i = 0; i < count; i++)
            names[i] = store->active.names[first + i].text;
        page.n_user = count;
        page.user = names;
        page.more = count < left;
        packed = format_pack(&page, out_page);
    }
    pthread_mutex_unlock(&store->lock);
    free(names);
    return packed;
}

size_t share_store_count(struct share_store *store) {
    pthread_mutex_lock(&store->lock);
    size_t count = store->active.count;
    pthread_mutex_unlock(&store->lock);
    return count;
}

static bool ends_with(const char *text, const char *suffix) {
    size_t len = strlen(text), tail = strlen(suffix);
    return len > tail && strcmp(text + len - tail, suffix) == 0;
}

/* A file of the folder at the start. */
static result visit_file(struct share_store *store, const char *name) {
    char user[FORMAT_NAME_MAX + 1];
    size_t len = strlen(name) - (ends_with(name, SHARE_SUFFIX) ? strlen(SHARE_SUFFIX) : 0);
    if (len == strlen(name) || len > FORMAT_NAME_MAX)
        return OK;
    memcpy(user, name, len);
    user[len] = '\0';
    if (!format_is_name(user))
        return OK;
    AUTO_SHARE struct share_record record = {0};
    result got = share_store_get(store, user, &record);
    if (got == INTEGRITY || got == IO) {
        log_event(LOG_ERROR, "share-damaged", "user=%s error=\"%s\"", user, error_text());
        return OK;
    }
    TRY(got);
    return record.file->active && share_file_holds(record.file)
               ? name_list_add(&store->active, user)
               : OK;
}

static void folder_close(DIR **folder) {
    if (*folder != NULL)
        closedir(*folder);
}

static result visit_folder(struct share_store *store) {
    __attribute__((cleanup(folder_close))) DIR *folder = opendir(store->folder);
    if (folder == NULL)
        return FAIL(IO, "reading %s: %s", store->folder, strerror(errno));
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder))
        if (entry->d_name[0] != '.')
            TRY(visit_file(store, entry->d_name));
    return OK;
}

result share_store_open(const char *folder, const uint8_t seal_key[SEAL_KEY_BYTES], uint32_t index,
                        struct share_store **out_store) {
    __attribute__((cleanup(share_store_close_at))) struct share_store *store =
        calloc(1, sizeof *store);
    if (store == NULL)
        return FAIL(NO_MEMORY, "no memory for the share store");
    pthread_mutex_init(&store->lock, NULL);
    store->index = index;
    if (snprintf(store->folder, sizeof store->folder, "%s", folder) >= PATH_MAX)
        return FAIL(INVALID, "the path of a store folder is too long");
    TRY(secret_new(SEAL_KEY_BYTES, (void **)&store->seal_key));
    memcpy(store->seal_key, seal_key, SEAL_KEY_BYTES);
    TRY(file_make_folders(folder, 0700));
    TRY(file_sweep(folder, ""));
    TRY(visit_folder(store));
    *out_store = store;
    store = NULL;
    return OK;
}

void share_store_close(struct share_store *store) {
    if (store == NULL)
        return;
    secret_free(store->seal_key);
    name_list_free(&store->active);
    pthread_mutex_destroy(&store->lock);
    free(store);
}

void share_store_close_at(struct share_store **store) {
    share_store_close(*store);
}
