#include "flow/heads.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "base/clock.h"
#include "base/file.h"
#include "flow/session_state.h"

/* Sessions of a gateway live for months: what they saw must outlive a crash. */
enum { SAVE_EVERY_MS = 60 * 1000 };

result heads_path(const char *system_id, char *out_path, size_t size) {
    char home[PATH_MAX];
    TRY(keystore_home(home, sizeof home));
    int length = snprintf(out_path, size, "%s/%s.heads", home, system_id);
    if (length < 0 || (size_t)length >= size)
        return FAIL(INVALID, "the path %s is too long", home);
    return OK;
}

result head_verify(const struct description *description, unsigned server,
                   const Myelin__Signed *record) {
    const Myelin__System *system = description->system;
    const Myelin__Server *named = system->key[server];
    AUTO_FORMAT Myelin__Head *head = NULL;
    TRY(format_open_head(record, named->identity.data, &head));
    if (strcmp(head->server, named->name) != 0 ||
        !view_equal(format_view(head->system), format_view(system->id)))
        return FAIL(INTEGRITY, "the head is of another log");
    return OK;
}

void heads_load(struct session *session) {
    struct session_state *state = session->state;
    AUTO_HEADS struct heads file = {0};
    state->heads_saved_ms = clock_ms();
    if (heads_path(session->description.id, state->heads_path, sizeof state->heads_path) != OK) {
        state->heads_path[0] = '\0';
        return;
    }
    result read = heads_read(state->heads_path, &file);
    if (read != OK && read != NOT_FOUND)
        session_warn(session, "the heads of access logs seen before cannot be read: %s",
                     error_text());
    for (size_t i = 0; i < file.count; i++) {
        const struct head *head = &file.of[i];
        int server = description_find_key(&session->description, head->server);
        if (server < 0 ||
            head_verify(&session->description, (unsigned)server, head->record) != OK ||
            heads_keep(&state->heads, head->record) != OK)
            session_warn(session,
                         "%s: what it showed of its access log before does not count: %s; "
                         "'myelin audit --forget %s' once you know why",
                         head->server, server < 0 ? "it is no key server any more" : error_text(),
                         head->server);
    }
}

uint64_t heads_newest(struct session *session, unsigned server) {
    struct session_state *state = session->state;
    pthread_mutex_lock(&state->lock);
    const struct head *head =
        heads_find(&state->heads, session_server(session, SESSION_KEY, server)->name);
    uint64_t newest = head == NULL ? 0 : head->at.sequence;
    pthread_mutex_unlock(&state->lock);
    return newest;
}

result heads_note(struct session *session, const Myelin__Signed *record) {
    struct session_state *state = session->state;
    pthread_mutex_lock(&state->lock);
    result kept = heads_keep(&state->heads, record);
    state->heads_changed = true;
    bool is_due = clock_ms() - state->heads_saved_ms > SAVE_EVERY_MS;
    if (is_due)
        state->heads_saved_ms = clock_ms();
    pthread_mutex_unlock(&state->lock);
    if (is_due)
        heads_save(session);
    return kept;
}

void heads_take(struct session *session, unsigned server, uint64_t before,
                const Myelin__Signed *record) {
    const char *name = session_server(session, SESSION_KEY, server)->name;
    if (record == NULL) {
        session_warn(session, "%s: it does not sign the head of its access log", name);
        return;
    }
    AUTO_FORMAT Myelin__Head *head = NULL;
    result good = head_verify(&session->description, server, record);
    if (good == OK)
        good = format_parse_head(format_view(record->body), &head);
    if (good != OK)
        session_warn(session, "%s: the head of its access log: %s", name, error_text());
    else if (head->sequence <= before)
        session_warn(session,
                     "%s: its access log ends with entry %" PRIu64 ", and it has shown entry "
                     "%" PRIu64 " before: entries are gone; see 'myelin audit'",
                     name, head->sequence, before);
    else if (heads_note(session, record) != OK)
        session_warn(session, "%s: the head of its access log: %s", name, error_text());
}

result heads_copy(struct session *session, struct heads *out_heads) {
    struct session_state *state = session->state;
    AUTO_HEADS struct heads copy = {0};
    result copied = OK;
    pthread_mutex_lock(&state->lock);
    for (size_t i = 0; i < state->heads.count && copied == OK; i++)
        copied = heads_keep(&copy, state->heads.of[i].record);
    pthread_mutex_unlock(&state->lock);
    TRY(copied);
    *out_heads = copy;
    copy = (struct heads){0};
    return OK;
}

/* The folder of the file, locked against others who read it in order to replace it. */
static result lock_folder(const char *path, int *out_lock) {
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = '\0';
    TRY(file_make_folders(folder, 0700));
    *out_lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*out_lock < 0 || flock(*out_lock, LOCK_EX) != 0)
        return FAIL(IO, "locking %s: %s", folder, strerror(errno));
    return OK;
}

static result write_heads(const char *path, const struct heads *heads) {
    AUTO_BYTES struct bytes file = {0};
    TRY(heads_pack(heads, &file));
    return file_write_atomic(path, bytes_view(&file), 0600);
}

static result save(const char *path, const struct heads *known) {
    AUTO_FD int lock = -1;
    AUTO_HEADS struct heads heads = {0};
    TRY(lock_folder(path, &lock));
    if (heads_read(path, &heads) == NO_MEMORY)
        return NO_MEMORY;
    for (size_t i = 0; i < known->count; i++)
        TRY(heads_keep(&heads, known->of[i].record));
    return write_heads(path, &heads);
}

void heads_save(struct session *session) {
    struct session_state *state = session->state;
    if (state->heads_path[0] == '\0' || !state->heads_changed)
        return;
    AUTO_HEADS struct heads known = {0};
    state->heads_changed = false;
    result saved = heads_copy(session, &known);
    if (saved == OK)
        saved = save(state->heads_path, &known);
    if (saved != OK)
        session_warn(session, "the heads of access logs are not kept: %s", error_text());
}

result heads_forget(const char *path, const char *server) {
    AUTO_FD int lock = -1;
    AUTO_HEADS struct heads heads = {0};
    TRY(lock_folder(path, &lock));
    result read = heads_read(path, &heads);
    if (read != OK && read != NOT_FOUND)
        return read;
    if (!heads_drop(&heads, server))
        return FAIL(NOT_FOUND, "no head of %s was seen", server);
    return write_heads(path, &heads);
}
