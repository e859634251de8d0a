#include "audit/head.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"

static const char magic[] = "MYELINHD";
enum { MAGIC_BYTES = sizeof magic - 1 };

void heads_free(struct heads *heads) {
    for (size_t i = 0; i < heads->count; i++)
        format_free(heads->of[i].record);
    free(heads->of);
    *heads = (struct heads){0};
}

/* A record of this layer's own. */
static result copy_record(const Myelin__Signed *record, Myelin__Signed **out_copy) {
    AUTO_BYTES struct bytes wire = {0};
    TRY(format_pack(record, &wire));
    return format_parse_signed(bytes_view(&wire), out_copy);
}

static result read_record(const Myelin__Signed *record, struct head *out_head) {
    AUTO_FORMAT Myelin__Head *head = NULL;
    TRY(format_parse_head(format_view(record->body), &head));
    *out_head = (struct head){.at.sequence = head->sequence, .time_ms = head->time_ms};
    memcpy(out_head->server, head->server, strlen(head->server) + 1);
    memcpy(out_head->system, head->system.data, sizeof out_head->system);
    memcpy(out_head->at.hash, head->hash.data, sizeof out_head->at.hash);
    return copy_record(record, &out_head->record);
}

static struct head *find(const struct heads *heads, const char *server) {
    for (size_t i = 0; i < heads->count; i++)
        if (strcmp(heads->of[i].server, server) == 0)
            return &heads->of[i];
    return NULL;
}

const struct head *heads_find(const struct heads *heads, const char *server) {
    return find(heads, server);
}

result heads_keep(struct heads *heads, const Myelin__Signed *record) {
    struct head fresh;
    TRY(read_record(record, &fresh));
    struct head *known = find(heads, fresh.server);
    if (known != NULL && known->at.sequence >= fresh.at.sequence) {
        format_free(fresh.record);
        return OK;
    }
    if (known == NULL) {
        struct head *grown = realloc(heads->of, (heads->count + 1) * sizeof *grown);
        if (grown == NULL) {
            format_free(fresh.record);
            return FAIL(NO_MEMORY, "out of memory");
        }
        heads->of = grown;
        known = &grown[heads->count++];
    } else {
        format_free(known->record);
    }
    *known = fresh;
    return OK;
}

bool heads_drop(struct heads *heads, const char *server) {
    struct head *known = find(heads, server);
    if (known == NULL)
        return false;
    format_free(known->record);
    *known = heads->of[--heads->count];
    return true;
}

result heads_parse(struct view file, struct heads *out_heads) {
    AUTO_HEADS struct heads heads = {0};
    AUTO_FORMAT Myelin__HeadFile *message = NULL;
    struct view start;
    if (!view_take(&file, MAGIC_BYTES, &start) || !view_equal(start, view_of(magic, MAGIC_BYTES)))
        return FAIL(PROTOCOL, "not a file of heads");
    TRY(format_parse_head_file(file, &message));
    for (size_t i = 0; i < message->n_head; i++)
        TRY(heads_keep(&heads, message->head[i]));
    *out_heads = heads;
    heads = (struct heads){0};
    return OK;
}

result heads_pack(const struct heads *heads, struct bytes *out_file) {
    Myelin__Signed *records[FORMAT_SERVERS_MAX];
    Myelin__HeadFile message = MYELIN__HEAD_FILE__INIT;
    for (size_t i = 0; i < heads->count && i < FORMAT_SERVERS_MAX; i++)
        records[message.n_head++] = heads->of[i].record;
    message.head = records;
    TRY(bytes_append(out_file, view_of(magic, MAGIC_BYTES)));
    return format_pack(&message, out_file);
}

result heads_read(const char *path, struct heads *out_heads) {
    AUTO_BYTES struct bytes file = {0};
    result read = file_read(path, MAGIC_BYTES + FORMAT_LIMIT_HEAD_FILE, &file);
    if (read == INVALID)
        return error_at(INTEGRITY, "no file of heads");
    TRY(read);
    read = heads_parse(bytes_view(&file), out_heads);
    return read == PROTOCOL ? error_at(INTEGRITY, "%s", path) : read;
}
