/* The steps from one generation of a user's share to the next. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "keys/share_store_state.h"

void share_file_generation(const Myelin__ShareFile *file, uint8_t out_generation[DIGEST_BYTES]) {
    format_generation_id(file->epoch, file->n_commitment1, file->commitment1, file->commitment2,
                         out_generation);
}

static bool is_generation(const Myelin__ShareFile *file, const uint8_t generation[DIGEST_BYTES]) {
    uint8_t own[DIGEST_BYTES];
    share_file_generation(file, own);
    return memcmp(own, generation, sizeof own) == 0;
}

result share_store_next(const struct share_store *store, const Myelin__ShareFile *file,
                        struct share_record *out_record) {
    *out_record = (struct share_record){0};
    if (file->accepted == 0)
        return FAIL(NOT_FOUND, "no next generation of the share of %s", file->user);
    return share_file_open(format_view(file->next), store->seal_key, file->user, store->index,
                           out_record);
}

result share_store_choose(const struct share_store *store, struct view wanted,
                          struct share_record *record, struct share_choice *out_choice) {
    AUTO_SHARE struct share_record next = {0};
    struct share_choice choice = {.has_also = false};
    share_file_generation(record->file, choice.generation);
    bool is_first =
        wanted.len == 0 || view_equal(wanted, view_of(choice.generation, sizeof choice.generation));
    result got = share_store_next(store, record->file, &next);
    if (got == OK) {
        choice.has_also = true;
        share_file_generation(next.file, choice.also);
    } else if (got != NOT_FOUND && !is_first) {
        return got;
    }
    if (!is_first) {
        if (!choice.has_also || !view_equal(wanted, view_of(choice.also, sizeof choice.also)))
            return FAIL(CONFLICT, "its share of %s is of another generation", record->file->user);
        struct share_record before = *record;
        *record = next;
        next = before; /* to be freed */
        memcpy(choice.also, choice.generation, sizeof choice.also);
        memcpy(choice.generation, wanted.data, sizeof choice.generation);
    }
    *out_choice = choice;
    return OK;
}

static result get_active(struct share_store *store, const char *user,
                         struct share_record *out_record) {
    AUTO_SHARE struct share_record record = {0};
    TRY(share_store_get(store, user, &record));
    if (!record.file->active)
        return FAIL(NOT_FOUND, "%s has no share here", user);
    *out_record = record;
    record = (struct share_record){0};
    return OK;
}

static result promise_locked(struct share_store *store, const char *user, uint64_t ballot,
                             struct share_record *out_record) {
    AUTO_SHARE struct share_record record = {0};
    TRY(get_active(store, user, &record));
    if (record.file->promised < ballot) {
        record.file->promised = ballot;
        TRY(share_store_write(store, record.file, record.share));
    }
    *out_record = record;
    record = (struct share_record){0};
    return OK;
}

result share_store_promise(struct share_store *store, const char *user, uint64_t ballot,
                           struct share_record *out_record) {
    *out_record = (struct share_record){0};
    pthread_mutex_lock(&store->lock);
    result promised = promise_locked(store, user, ballot, out_record);
    pthread_mutex_unlock(&store->lock);
    return promised;
}

/* ------------------------------------------------------------------ accept */

static result check_step(struct share_store *store, const struct share_record *record,
                         const struct share_step *step, const Myelin__ShareFile *next) {
    AUTO_SHARE struct share_record before = {0};
    uint8_t generation[DIGEST_BYTES];
    if (!is_generation(record->file, step->base))
        return FAIL(CONFLICT, "the share of %s is of another generation", record->file->user);
    if (record->file->promised > step->ballot)
        return FAIL(CONFLICT, "another refresh of %s's shares came between", record->file->user);
    if (record->file->accepted != step->ballot)
        return OK;
    TRY(share_store_next(store, record->file, &before));
    share_file_generation(next, generation);
    if (!is_generation(before.file, generation))
        return FAIL(CONFLICT, "another generation has this ballot");
    return OK;
}

static result write_next(struct share_store *store, struct share_record *record,
                         const struct share_step *step, const Myelin__ShareFile *next) {
    AUTO_BYTES struct bytes sealed = {0};
    TRY(share_file_seal(next, step->share, store->seal_key, &sealed));
    Myelin__ShareFile file = *record->file;
    file.promised = step->ballot;
    file.accepted = step->ballot;
    file.next = format_bytes(bytes_view(&sealed));
    file.n_next_dealing = step->dealing_count;
    Myelin__Signed *dealings[FORMAT_SERVERS_MAX];
    for (size_t i = 0; i < step->dealing_count; i++)
        dealings[i] = step->dealings[i];
    file.next_dealing = dealings;
    return share_store_write(store, &file, record->share);
}

static result accept_locked(struct share_store *store, const char *user,
                            const struct share_step *step) {
    AUTO_SHARE struct share_record record = {0};
    AUTO_COMMITMENT_FIELDS struct commitment_fields fields = {0};
    TRY(get_active(store, user, &record));
    TRY(format_commitment_fields(step->commitments, &fields));
    Myelin__ShareFile next = *record.file;
    next.epoch = record.file->epoch + 1;
    next.n_commitment1 = next.n_commitment2 = fields.t;
    next.commitment1 = fields.commitment1;
    next.commitment2 = fields.commitment2;
    next.promised = step->ballot;
    next.accepted = 0;
    next.next = (ProtobufCBinaryData){0};
    next.n_next_dealing = 0;
    next.next_dealing = NULL;
    TRY(check_step(store, &record, step, &next));
    return write_next(store, &record, step, &next);
}

result share_store_accept(struct share_store *store, const char *user,
                          const struct share_step *step) {
    if (step->dealing_count < 1 || step->dealing_count > FORMAT_SERVERS_MAX || step->ballot == 0)
        return FAIL(INVALID, "a generation without dealings or ballot");
    pthread_mutex_lock(&store->lock);
    result accepted = accept_locked(store, user, step);
    pthread_mutex_unlock(&store->lock);
    return accepted;
}

/* ------------------------------------------------------------------ finish */

/* Zeros over a file that a rename has taken out of its folder: the old share was sealed, and this
 * is for the day when the seal key is lost. File systems that write elsewhere keep it. */
static void overwrite(int fd) {
    static const uint8_t zeros[4096];
    struct stat status;
    off_t left = fstat(fd, &status) == 0 ? status.st_size : 0;
    while (left > 0) {
        size_t part = left < (off_t)sizeof zeros ? (size_t)left : sizeof zeros;
        ssize_t written = write(fd, zeros, part);
        if (written <= 0)
            break;
        left -= written;
    }
    if (left > 0 || fsync(fd) != 0)
        log_event(LOG_WARNING, "share-not-wiped", "error=\"%s\"", strerror(errno));
}

static result replace_share(struct share_store *store, const Myelin__ShareFile *file,
                            const struct key_share *share) {
    char path[PATH_MAX];
    TRY(share_store_path(store, file->user, path));
    AUTO_FD int old = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    TRY(share_store_write(store, file, share));
    if (old >= 0)
        overwrite(old);
    return OK;
}

static result finish_locked(struct share_store *store, const char *user,
                            const uint8_t generation[DIGEST_BYTES]) {
    AUTO_SHARE struct share_record record = {0};
    AUTO_SHARE struct share_record next = {0};
    TRY(get_active(store, user, &record));
    if (is_generation(record.file, generation))
        return OK;
    result got = share_store_next(store, record.file, &next);
    if (got == NOT_FOUND || (got == OK && !is_generation(next.file, generation)))
        return FAIL(CONFLICT, "that generation of %s's share was not accepted here", user);
    TRY(got);
    Myelin__ShareFile file = *next.file;
    file.promised = record.file->promised;
    file.certificate = record.file->certificate; /* may have been renewed since */
    return replace_share(store, &file, next.share);
}

result share_store_finish(struct share_store *store, const char *user,
                          const uint8_t generation[DIGEST_BYTES]) {
    pthread_mutex_lock(&store->lock);
    result finished = finish_locked(store, user, generation);
    pthread_mutex_unlock(&store->lock);
    return finished;
}

/* ------------------------------------------------------------------ restore */

static result restore_locked(struct share_store *store, const Myelin__ShareFile *file,
                             const struct key_share *share) {
    AUTO_SHARE struct share_record record = {0};
    Myelin__ShareFile fresh = *file;
    result got = share_store_get(store, file->user, &record);
    if (got != OK && got != NOT_FOUND && got != INTEGRITY)
        return got;
    if (got == OK && record.file->active) {
        uint8_t generation[DIGEST_BYTES];
        share_file_generation(file, generation);
        if (is_generation(record.file, generation))
            return OK;
        if (record.file->epoch >= file->epoch)
            return FAIL(CONFLICT, "%s has a share here that is no older", file->user);
        fresh.promised = record.file->promised;
    }
    fresh.format = 1;
    fresh.index = store->index;
    fresh.active = true;
    TRY(replace_share(store, &fresh, share));
    return name_list_add(&store->active, file->user);
}

result share_store_restore(struct share_store *store, const Myelin__ShareFile *file,
                           const struct key_share *share) {
    if (share->j != store->index)
        return FAIL(INVALID, "a share of key server %u; this is %u", share->j, store->index);
    pthread_mutex_lock(&store->lock);
    result restored = restore_locked(store, file, share);
    pthread_mutex_unlock(&store->lock);
    return restored;
}
