#include "flow/audit.h"

#include <string.h>

#include "cli.h"
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

result command_audit(struct cli *cli) {
    const struct arguments *arguments = cli->arguments;
    const char *id = arguments->word_count > 0 ? arguments->words[0] : NULL;
    const char *from = arguments->values[OPTION_FROM];
    if (id == NULL && from != NULL)
        return FAIL(INVALID, "--from goes with an image's ID");
    TRY(cli_start(cli));
    AUTO_AUDIT struct audit audit = {0};
    TRY(flow_audit(cli->session, id, from, NULL, &audit));
    if (cli->json)
        TRY(print_audit_json(&audit));
    else
        for (size_t i = 0; i < audit.count; i++)
            print_entry(&audit.items[i]);
    if (audit.broken > 0)
        return FAIL(INTEGRITY, "%u access log%s do not hold together: see the warnings",
                    audit.broken, audit.broken == 1 ? "" : "s");
    return OK;
}
