/* The steps from one generation of a user's share to the next. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/secret.h"
#include "keys/share_store_state.h"

void share_file_generation(const Myelin__ShareFile *file, uint8_t out_generation[DIGEST_BYTES]) {
    format_generation_id(GENERATION_FIELDS(file), out_generation);
}

bool share_file_holds(const Myelin__ShareFile *file) {
    return !file->shareless;
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

/* The next generation, where this server has a share of it. */
static result get_usable_next(const struct share_store *store, const Myelin__ShareFile *file,
                              struct share_record *out_next, bool *out_is_usable) {
    result got = share_store_next(store, file, out_next);
    *out_is_usable = got == OK && share_file_holds(out_next->file);
    return got == NOT_FOUND ? OK : got;
}

static void swap_records(struct share_record *a, struct share_record *b) {
    struct share_record before = *a;
    *a = *b;
    *b = before;
}

result share_store_choose(const struct share_store *store, struct view wanted,
                          struct share_record *record, struct share_choice *out_choice) {
    AUTO_SHARE struct share_record next = {0};
    struct share_choice choice = {.has_also = false};
    bool holds = share_file_holds(record->file), has_next = false;
    share_file_generation(record->file, choice.generation);
    bool is_first =
        holds && (wanted.len == 0 ||
                  view_equal(wanted, view_of(choice.generation, sizeof choice.generation)));
    result got = get_usable_next(store, record->file, &next, &has_next);
    if (got != OK && !is_first)
        return got;
    if (!holds && !has_next)
        return FAIL(QUORUM, "other key servers hold the shares of %s now", record->file->user);
    if (has_next)
        share_file_generation(next.file, choice.also);
    choice.has_also = holds && has_next;
    if (!is_first) {
        if (!has_next ||
            (wanted.len != 0 && !view_equal(wanted, view_of(choice.also, sizeof choice.also))))
            return FAIL(CONFLICT, "its share of %s is of another generation", record->file->user);
        uint8_t first[DIGEST_BYTES];
        memcpy(first, choice.generation, sizeof first);
        memcpy(choice.generation, choice.also, sizeof choice.generation);
        memcpy(choice.also, first, sizeof choice.also);
        swap_records(record, &next);
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

/* What a step is taken from: the file, or the stand-in where that has no share, with what was
 * promised and accepted under it. */
struct current {
    struct share_record record; /* its file is NULL where there is none that is active */
    struct key_share *zeros;    /* secret memory: the share of a stand-in */
    Myelin__ShareFile file;
    const struct key_share *share;
};

static void current_free(struct current *current) {
    share_record_free(&current->record);
    secret_free(current->zeros);
}

static result stand_in(const struct share_step *step, struct current *current) {
    const Myelin__ShareFile *before = current->record.file;
    current->file = *step->stand_in;
    if (before == NULL)
        return OK;
    if (share_file_holds(before))
        return FAIL(CONFLICT, "this server holds a share of %s", before->user);
    if (before->epoch > step->stand_in->epoch)
        return FAIL(CONFLICT, "the shares of %s are of a later generation here", before->user);
    current->file.promised = before->promised;
    current->file.accepted = before->accepted;
    current->file.next = before->next;
    return OK;
}

static result current_get(struct share_store *store, const char *user,
                          const struct share_step *step, struct current *out) {
    result got = get_active(store, user, &out->record);
    if (step->stand_in == NULL) {
        TRY(got);
        out->file = *out->record.file;
        out->share = out->record.share;
        return OK;
    }
    if (got != OK && got != NOT_FOUND && got != INTEGRITY)
        return got;
    TRY(secret_new(sizeof *out->zeros, (void **)&out->zeros));
    out->zeros->j = store->index;
    out->share = out->zeros;
    return stand_in(step, out);
}

static result check_step(struct share_store *store, const Myelin__ShareFile *current,
                         const struct share_step *step, const Myelin__ShareFile *next) {
    AUTO_SHARE struct share_record before = {0};
    uint8_t generation[DIGEST_BYTES];
    if (!is_generation(current, step->base))
        return FAIL(CONFLICT, "the share of %s is of another generation", current->user);
    if (current->promised > step->ballot)
        return FAIL(CONFLICT, "another change of %s's shares came between", current->user);
    if (current->accepted != step->ballot)
        return OK;
    TRY(share_store_next(store, current, &before));
    share_file_generation(next, generation);
    if (!is_generation(before.file, generation))
        return FAIL(CONFLICT, "another generation has this ballot");
    return OK;
}

static result write_next(struct share_store *store, const struct current *current,
                         const struct share_step *step, const Myelin__ShareFile *next,
                         const struct key_share *next_share) {
    AUTO_BYTES struct bytes sealed = {0};
    TRY(share_file_seal(next, next_share, store->seal_key, &sealed));
    Myelin__ShareFile file = current->file;
    file.promised = step->ballot;
    file.accepted = step->ballot;
    file.next = format_bytes(bytes_view(&sealed));
    file.n_next_dealing = step->dealing_count;
    Myelin__Signed *dealings[FORMAT_SERVERS_MAX];
    for (size_t i = 0; i < step->dealing_count; i++)
        dealings[i] = step->dealings[i];
    file.next_dealing = dealings;
    return share_store_write(store, &file, current->share);
}

static result accept_locked(struct share_store *store, const char *user,
                            const struct share_step *step) {
    __attribute__((cleanup(current_free))) struct current current = {0};
    AUTO_COMMITMENT_FIELDS struct commitment_fields fields = {0};
    AUTO_SECRET struct key_share *none = NULL;
    TRY(current_get(store, user, step, &current));
    TRY(format_commitment_fields(step->commitments, &fields));
    TRY(secret_new(sizeof *none, (void **)&none));
    Myelin__ShareFile next = current.file;
    next.epoch = current.file.epoch + 1;
    next.n_commitment1 = next.n_commitment2 = fields.t;
    next.commitment1 = fields.commitment1;
    next.commitment2 = fields.commitment2;
    next.holders = format_bytes(step->holders);
    next.shareless = step->share == NULL;
    next.promised = step->ballot;
    next.accepted = 0;
    next.next = (ProtobufCBinaryData){0};
    next.n_next_dealing = 0;
    next.next_dealing = NULL;
    TRY(check_step(store, &current.file, step, &next));
    return write_next(store, &current, step, &next, step->share != NULL ? step->share : none);
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

/* The old share was sealed; that it is wiped is for the day when the seal key is lost. */
static result replace_share(struct share_store *store, const Myelin__ShareFile *file,
                            const struct key_share *share) {
    char path[PATH_MAX];
    TRY(share_store_path(store, file->user, path));
    AUTO_FD int old = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    TRY(share_store_write(store, file, share));
    if (old >= 0 && file_overwrite(old, path) != OK)
        log_event(LOG_WARNING, "share-not-wiped", "error=\"%s\"", error_text());
    return OK;
}

/* Keeps the list of users in step with what is on the disk. */
static result list_user(struct share_store *store, const Myelin__ShareFile *file) {
    if (share_file_holds(file))
        return name_list_add(&store->active, file->user);
    name_list_remove(&store->active, file->user);
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
    TRY(replace_share(store, &file, next.share));
    return list_user(store, &file);
}

result share_store_finish(struct share_store *store, const char *user,
                          const uint8_t generation[DIGEST_BYTES]) {
    pthread_mutex_lock(&store->lock);
    result finished = finish_locked(store, user, generation);
    pthread_mutex_unlock(&store->lock);
    return finished;
}

/* ------------------------------------------------------------------ leave */

static result leave_locked(struct share_store *store, const Myelin__ShareFile *file) {
    AUTO_SHARE struct share_record record = {0};
    AUTO_SECRET struct key_share *none = NULL;
    TRY(get_active(store, file->user, &record));
    if (record.file->epoch >= file->epoch)
        return FAIL(CONFLICT, "the share of %s here is no older than that", file->user);
    TRY(secret_new(sizeof *none, (void **)&none));
    Myelin__ShareFile left = *file;
    left.format = 1;
    left.index = store->index;
    left.active = true;
    left.shareless = true;
    left.certificate = record.file->certificate;
    left.promised = record.file->promised;
    TRY(replace_share(store, &left, none));
    return list_user(store, &left);
}

result share_store_leave(struct share_store *store, const Myelin__ShareFile *file) {
    pthread_mutex_lock(&store->lock);
    result left = leave_locked(store, file);
    pthread_mutex_unlock(&store->lock);
    return left;
}

/* ------------------------------------------------------------------ restore */

/* What was accepted of this very generation stays beside the share that comes back. */
static void keep_promises(const Myelin__ShareFile *before, Myelin__ShareFile *fresh) {
    uint8_t generation[DIGEST_BYTES];
    fresh->promised = before->promised;
    share_file_generation(fresh, generation);
    if (!is_generation(before, generation))
        return;
    fresh->accepted = before->accepted;
    fresh->next = before->next;
    fresh->n_next_dealing = before->n_next_dealing;
    fresh->next_dealing = before->next_dealing;
}

static result restore_locked(struct share_store *store, const Myelin__ShareFile *file,
                             const struct key_share *share) {
    AUTO_SHARE struct share_record record = {0};
    Myelin__ShareFile fresh = *file;
    result got = share_store_get(store, file->user, &record);
    if (got != OK && got != NOT_FOUND && got != INTEGRITY)
        return got;
    if (got == OK && record.file->active) {
        uint8_t generation[DIGEST_BYTES];
        bool holds = share_file_holds(record.file);
        share_file_generation(file, generation);
        if (holds && is_generation(record.file, generation))
            return OK;
        if (record.file->epoch > file->epoch || (holds && record.file->epoch == file->epoch))
            return FAIL(CONFLICT, "%s has a share here that is no older", file->user);
        keep_promises(record.file, &fresh);
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
