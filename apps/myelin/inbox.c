#include "flow/inbox.h"
#include "cli.h"
#include "print.h"

static result print_inbox_json(const struct inbox *inbox) {
    json_t *items = json_array();
    for (size_t i = 0; i < inbox->count; i++) {
        const struct inbox_item *item = &inbox->items[i];
        json_array_append_new(items, json_pack("{s:o, s:s, s:I, s:I, s:I}", "id",
                                               print_json_text(item->id), "from", item->owner->name,
                                               "objects", (json_int_t)item->objects, "sealed_bytes",
                                               (json_int_t)item->sealed_bytes, "forwarded_ms",
                                               (json_int_t)item->serial_ms));
    }
    return print_json(items);
}

static void print_item(const struct inbox_item *item) {
    char time[PRINT_TIME], size[PRINT_SIZE];
    print_time(item->serial_ms, time);
    print_size(item->sealed_bytes, size);
    printf("%s  %6llu objects  %10s  from %s  ", time, (unsigned long long)item->objects, size,
           item->owner->name);
    print_safe(stdout, item->id);
    putchar('\n');
}

result command_inbox(struct cli *cli) {
    TRY(cli_start(cli));
    AUTO_INBOX struct inbox inbox = {0};
    TRY(inbox_collect(cli->session, NULL, &inbox));
    if (cli->json)
        return print_inbox_json(&inbox);
    for (size_t i = 0; i < inbox.count; i++)
        print_item(&inbox.items[i]);
    return OK;
}
