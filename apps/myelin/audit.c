#include "flow/audit.h"

#include <string.h>

#include "audit.h"
#include "print.h"

enum { SHORT_HASH = 12 }; /* digits of an image's hash, where its ID is not known */

static void hash_hex(const Myelin__AuditBody *body, char out[2 * FORMAT_HASH_BYTES + 1]) {
    out[0] = '\0';
    if (body->image.len == FORMAT_HASH_BYTES)
        hex_encode(format_view(body->image), out);
}

static result print_audit_json(const struct audit *audit) {
    json_t *entries = json_array();
    for (size_t i = 0; i < audit->count; i++) {
        const struct audit_item *item = &audit->items[i];
        const Myelin__AuditBody *body = item->body;
        char hash[2 * FORMAT_HASH_BYTES + 1];
        hash_hex(body, hash);
        json_t *entry = json_pack(
            "{s:I, s:s, s:I, s:o, s:o, s:o, s:s, s:o, s:o}", "time_ms", (json_int_t)body->time_ms,
            "server", item->server, "sequence", (json_int_t)item->sequence, "user",
            print_json_text(body->user), "action", print_json_text(body->action), "owner",
            print_json_text(body->owner), "image", hash, "recipient",
            print_json_text(body->recipient), "outcome", print_json_text(body->outcome));
        json_object_set_new(entry, "id",
                            item->id != NULL ? print_json_text(item->id) : json_null());
        json_array_append_new(entries, entry);
    }
    return print_json(entries);
}

static void print_entry(const struct audit_item *item) {
    const Myelin__AuditBody *body = item->body;
    char time[PRINT_TIME], hash[2 * FORMAT_HASH_BYTES + 1];
    print_time(body->time_ms, time);
    hash_hex(body, hash);
    printf("%s  %-8s ", time, item->server);
    print_column(stdout, body->user, 12);
    putchar(' ');
    print_column(stdout, body->action, 7);
    putchar(' ');
    print_column(stdout, body->outcome, 10);
    if (item->id != NULL) {
        fputs("  ", stdout);
        print_safe(stdout, item->id);
    } else if (hash[0] != '\0') {
        printf("  image %.*s", SHORT_HASH, hash);
    }
    if (body->owner[0] != '\0' && strcmp(body->owner, body->user) != 0) {
        fputs(" of ", stdout);
        print_safe(stdout, body->owner);
    }
    if (body->recipient[0] != '\0') {
        fputs(", recipient ", stdout);
        print_safe(stdout, body->recipient);
    }
    putchar('\n');
}

static result print_events(const struct audit *audit, enum audit_form form) {
    for (size_t i = 0; i < audit->count; i++) {
        const struct audit_item *item = &audit->items[i];
        struct audit_event event = {.server = item->server,
                                    .at.sequence = item->sequence,
                                    .body = item->body,
                                    .id = item->id};
        memcpy(event.at.hash, item->hash, sizeof event.at.hash);
        TRY(audit_print_event(form, &event));
    }
    return OK;
}

static result print_audit(const struct cli *cli, const struct audit *audit, enum audit_form form) {
    if (cli->json)
        return print_audit_json(audit);
    if (form != AUDIT_TABLE)
        return print_events(audit, form);
    for (size_t i = 0; i < audit->count; i++)
        print_entry(&audit->items[i]);
    return OK;
}

static result ask_servers(struct cli *cli) {
    const struct arguments *arguments = cli->arguments;
    const char *id = arguments->word_count > 0 ? arguments->words[0] : NULL;
    const char *from = arguments->values[OPTION_FROM];
    const char *heads_file = arguments->values[OPTION_HEAD];
    AUTO_HEADS struct heads others = {0};
    enum audit_form form;
    TRY(audit_form_of(arguments, &form));
    if (arguments->word_count > 1)
        return FAIL(INVALID, "'audit': '%s' is an argument too many", arguments->words[1]);
    if (id == NULL && from != NULL)
        return FAIL(INVALID, "--from goes with an image's ID");
    if (arguments->values[OPTION_SERVER] != NULL)
        return FAIL(INVALID, "--server goes with --check");
    if (heads_file != NULL)
        TRY(heads_read(heads_file, &others));
    TRY(cli_start(cli));
    AUTO_AUDIT struct audit audit = {0};
    TRY(flow_audit(cli->session, id, from, &others, &audit));
    TRY(print_audit(cli, &audit, form));
    if (audit.broken > 0)
        return FAIL(INTEGRITY, "an access log does not hold: see the warnings");
    return OK;
}

result command_audit(struct cli *cli) {
    const struct arguments *arguments = cli->arguments;
    bool check = arguments->values[OPTION_CHECK] != NULL;
    bool heads = arguments->values[OPTION_HEADS] != NULL;
    bool forget = arguments->values[OPTION_FORGET] != NULL;
    if (check + heads + forget > 1)
        return FAIL(INVALID, "--check, --heads and --forget exclude each other");
    if (check)
        return audit_check_files(cli);
    if (heads)
        return audit_print_heads(cli);
    return forget ? audit_forget(cli) : ask_servers(cli);
}
