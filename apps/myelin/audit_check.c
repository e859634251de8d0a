/* audit --check: segments of a key server's log, without a server. */
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "audit.h"
#include "audit/check.h"
#include "audit/segment.h"
#include "flow/heads.h"
#include "print.h"

/* ------------------------------------------------------------------ which files */

struct files {
    char **paths;
    size_t count;
};

static void files_free(struct files *files) {
    for (size_t i = 0; i < files->count; i++)
        free(files->paths[i]);
    free(files->paths);
}

static result add_file(struct files *files, const char *path) {
    char **grown = realloc(files->paths, (files->count + 1) * sizeof *grown);
    char *copy = strdup(path);
    if (grown != NULL)
        files->paths = grown;
    if (grown == NULL || copy == NULL) {
        free(copy);
        return FAIL(NO_MEMORY, "out of memory");
    }
    files->paths[files->count++] = copy;
    return OK;
}

static void numbers_free(uint32_t **numbers) {
    free(*numbers);
}

static result add_folder(struct files *files, const char *folder) {
    __attribute__((cleanup(numbers_free))) uint32_t *numbers = NULL;
    size_t count = 0;
    TRY(segment_list(folder, &numbers, &count));
    if (count == 0)
        return FAIL(NOT_FOUND, "%s has no segment of an access log", folder);
    for (size_t i = 0; i < count; i++) {
        char path[PATH_MAX];
        TRY(segment_path(folder, numbers[i], path, sizeof path));
        TRY(add_file(files, path));
    }
    return OK;
}

/* A pattern such as access.log* also names what was cut off after a crash, which is no part. */
static result add_words(const struct arguments *arguments, struct files *files) {
    for (size_t i = 0; i < arguments->word_count; i++) {
        const char *word = arguments->words[i];
        struct stat status;
        if (stat(word, &status) == 0 && S_ISDIR(status.st_mode))
            TRY(add_folder(files, word));
        else if (strstr(word, ".cut-") == NULL)
            TRY(add_file(files, word));
    }
    return files->count > 0 ? OK : FAIL(INVALID, "which files? 'myelin audit --check FILE...'");
}

/* ------------------------------------------------------------------ which head */

/* "17:HASH"; false where it is not of that form. */
static bool parse_pair(const char *text, struct chain_head *out_head) {
    char *end = NULL;
    if (text[0] < '0' || text[0] > '9')
        return false;
    out_head->sequence = strtoull(text, &end, 10);
    return *end == ':' && hex_decode(end + 1, out_head->hash, sizeof out_head->hash) == OK;
}

static result verify_signature(const struct cli *cli, const struct head *head) {
    const char *system = NULL;
    AUTO_DESCRIPTION struct description description = {0};
    if (cli_system(cli, &system) != OK) {
        fprintf(stderr, "myelin: the head's signature is not checked: --system says whose it is\n");
        return OK;
    }
    TRY(description_load(system, NULL, &description));
    int server = description_find_key(&description, head->server);
    if (server < 0)
        return FAIL(NOT_FOUND, "the system has no key server %s", head->server);
    result good = head_verify(&description, (unsigned)server, head->record);
    return good == OK ? OK : error_at(good, "the head of %s", head->server);
}

static result find_head(const struct cli *cli, struct chain_head *out_head) {
    const char *text = cli->arguments->values[OPTION_HEAD];
    const char *server = cli->arguments->values[OPTION_SERVER];
    AUTO_HEADS struct heads heads = {0};
    if (parse_pair(text, out_head))
        return OK;
    result read = heads_read(text, &heads);
    if (read == NOT_FOUND)
        return FAIL(NOT_FOUND,
                    "--head %s: no such file, and no SEQ:HASH, an entry's number and 64 "
                    "hexadecimal digits",
                    text);
    TRY(read);
    if (server == NULL && heads.count != 1)
        return FAIL(INVALID, "%s has heads of %zu key servers: say whose log it is with --server",
                    text, heads.count);
    const struct head *head = server == NULL ? &heads.of[0] : heads_find(&heads, server);
    if (head == NULL)
        return FAIL(NOT_FOUND, "%s has no head of %s", text, server);
    TRY(verify_signature(cli, head));
    *out_head = head->at;
    return OK;
}

/* ------------------------------------------------------------------ what came of it */

struct exporting {
    enum audit_form form;
    const char *server;
};

static result export_entry(void *context, const struct chain_head *at,
                           const Myelin__AuditBody *body) {
    const struct exporting *exporting = context;
    const struct audit_event event = {.server = exporting->server, .at = *at, .body = body};
    return audit_print_event(exporting->form, &event);
}

static void hash_text(const struct chain_head *head, char out[2 * DIGEST_BYTES + 1]) {
    hex_encode(view_of(head->hash, sizeof head->hash), out);
}

static void print_file(const struct check_file *file) {
    print_safe(stdout, file->path);
    if (file->entries > 0)
        printf(": entries %" PRIu64 " to %" PRIu64, file->first, file->last.sequence);
    else
        printf(": no entry after %" PRIu64, file->before.sequence);
    puts(file->is_whole ? ", all hold" : ", then a fault");
    if (file->is_whole)
        return;
    printf("  offset %" PRIu64 ": entry %" PRIu64 ": ", file->offset, file->sequence);
    print_safe(stdout, file->why);
    putchar('\n');
}

static const char *const head_words[] = {
    [CHECK_HEAD_NONE] = "none given",         [CHECK_HEAD_HOLDS] = "holds",
    [CHECK_HEAD_DIFFERS] = "differs",         [CHECK_HEAD_MISSING] = "missing",
    [CHECK_HEAD_OLDER] = "in older segments",
};

static void print_check(const struct check *check) {
    char hash[2 * DIGEST_BYTES + 1];
    for (size_t i = 0; i < check->count; i++)
        print_file(&check->files[i]);
    hash_text(&check->last, hash);
    printf("%" PRIu64 " entries after entry %" PRIu64 "; the last is %" PRIu64 ":%s\n",
           check->entries, check->before.sequence, check->last.sequence, hash);
    if (check->head != CHECK_HEAD_NONE)
        printf("the head given: %s\n", head_words[check->head]);
}

static json_t *file_json(const struct check_file *file) {
    return json_pack("{s:o, s:b, s:I, s:I, s:I, s:I, s:I, s:o}", "file",
                     print_json_text(file->path), "holds", file->is_whole, "after",
                     (json_int_t)file->before.sequence, "last", (json_int_t)file->last.sequence,
                     "entries", (json_int_t)file->entries, "fault_offset",
                     (json_int_t)(file->is_whole ? 0 : file->offset), "fault_sequence",
                     (json_int_t)(file->is_whole ? 0 : file->sequence), "fault",
                     print_json_text(file->is_whole ? "" : file->why));
}

static result print_check_json(const struct check *check) {
    char before[2 * DIGEST_BYTES + 1], last[2 * DIGEST_BYTES + 1];
    json_t *files = json_array();
    for (size_t i = 0; i < check->count; i++)
        json_array_append_new(files, file_json(&check->files[i]));
    hash_text(&check->before, before);
    hash_text(&check->last, last);
    return print_json(json_pack("{s:b, s:I, s:I, s:s, s:I, s:s, s:s, s:o}", "holds",
                                check->faults == 0, "entries", (json_int_t)check->entries, "after",
                                (json_int_t)check->before.sequence, "after_hash", before, "last",
                                (json_int_t)check->last.sequence, "last_hash", last, "head",
                                head_words[check->head], "files", files));
}

static result conclude(const struct check *check, const struct chain_head *head) {
    const struct check_file *end = &check->files[check->count - 1];
    for (size_t i = 0; i < check->count; i++) {
        const struct check_file *file = &check->files[i];
        if (!file->is_whole)
            return FAIL(INTEGRITY, "%s: offset %" PRIu64 ": entry %" PRIu64 ": %s", file->path,
                        file->offset, file->sequence, file->why);
    }
    switch (check->head) {
    case CHECK_HEAD_DIFFERS:
        return FAIL(INTEGRITY, "entry %" PRIu64 " is not the one that the head names",
                    head->sequence);
    case CHECK_HEAD_MISSING:
        return FAIL(INTEGRITY,
                    "%s: offset %" PRIu64 ": entry %" PRIu64 ": the log ends here, and the head "
                    "names entry %" PRIu64 ": entries were cut off",
                    end->path, end->offset, end->last.sequence + 1, head->sequence);
    case CHECK_HEAD_OLDER:
        return FAIL(NOT_FOUND,
                    "the head names entry %" PRIu64 ", and these files begin after entry "
                    "%" PRIu64 ": give the archived segments too",
                    head->sequence, check->before.sequence);
    default:
        return OK;
    }
}

result audit_check_files(struct cli *cli) {
    const struct arguments *arguments = cli->arguments;
    __attribute__((cleanup(files_free))) struct files files = {0};
    struct exporting exporting = {.server = arguments->values[OPTION_SERVER]};
    struct chain_head head = {0};
    bool has_head = arguments->values[OPTION_HEAD] != NULL;
    TRY(audit_form_of(arguments, &exporting.form));
    if (exporting.server != NULL && !format_is_name(exporting.server))
        return FAIL(INVALID, "'%s' is no server's name", exporting.server);
    if (exporting.form != AUDIT_TABLE && exporting.server == NULL)
        return FAIL(INVALID, "whose log is it? --server key-2, say");
    TRY(add_words(arguments, &files));
    if (has_head)
        TRY(find_head(cli, &head));
    AUTO_CHECK struct check check = {0};
    TRY(check_segments((const char *const *)files.paths, files.count, has_head ? &head : NULL,
                       exporting.form == AUDIT_TABLE ? NULL : export_entry, &exporting, &check));
    if (exporting.form == AUDIT_TABLE && cli->json)
        TRY(print_check_json(&check));
    else if (exporting.form == AUDIT_TABLE)
        print_check(&check);
    return conclude(&check, &head);
}
