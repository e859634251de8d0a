/* The heads of access logs that were seen: printed, forgotten. No server is asked. */
#include <inttypes.h>
#include <limits.h>

#include "audit.h"
#include "flow/heads.h"
#include "print.h"

static result path_of_heads(const struct cli *cli, char out_path[PATH_MAX]) {
    const char *system = NULL;
    AUTO_DESCRIPTION struct description description = {0};
    if (cli->arguments->word_count > 0)
        return FAIL(INVALID, "'%s' is an argument too many", cli->arguments->words[0]);
    TRY(cli_system(cli, &system));
    TRY(description_load(system, NULL, &description));
    return heads_path(description.id, out_path, PATH_MAX);
}

static json_t *head_json(const struct head *head) {
    AUTO_BYTES struct bytes record = {0}, text = {0};
    char hash[2 * DIGEST_BYTES + 1], time[PRINT_TIME];
    hex_encode(view_of(head->at.hash, sizeof head->at.hash), hash);
    print_time(head->time_ms, time);
    if (format_pack(head->record, &record) != OK ||
        bytes_append_base64(&text, bytes_view(&record)) != OK)
        return NULL;
    return json_pack("{s:s, s:I, s:s, s:s, s:I, s:s%}", "server", head->server, "sequence",
                     (json_int_t)head->at.sequence, "hash", hash, "time", time, "time_ms",
                     (json_int_t)head->time_ms, "signed", (const char *)text.data, text.len);
}

static void print_head(const struct head *head) {
    char hash[2 * DIGEST_BYTES + 1], time[PRINT_TIME];
    hex_encode(view_of(head->at.hash, sizeof head->at.hash), hash);
    print_time(head->time_ms, time);
    print_column(stdout, head->server, 12);
    printf(" %s  %" PRIu64 ":%s\n", time, head->at.sequence, hash);
}

result audit_print_heads(struct cli *cli) {
    char path[PATH_MAX];
    AUTO_HEADS struct heads heads = {0};
    TRY(path_of_heads(cli, path));
    result read = heads_read(path, &heads);
    if (read != OK && read != NOT_FOUND)
        return read;
    json_t *list = cli->json ? json_array() : NULL;
    for (size_t i = 0; i < heads.count; i++) {
        if (cli->json)
            json_array_append_new(list, head_json(&heads.of[i]));
        else
            print_head(&heads.of[i]);
    }
    return cli->json ? print_json(list) : OK;
}

result audit_forget(struct cli *cli) {
    char path[PATH_MAX];
    TRY(path_of_heads(cli, path));
    return heads_forget(path, cli->arguments->values[OPTION_FORGET]);
}
