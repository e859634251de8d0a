#include "cli.h"
#include "flow/list.h"
#include "print.h"

static json_t *recipients_json(const struct list_item *item) {
    json_t *names = json_array();
    for (size_t i = 0; i < item->recipient_count; i++)
        json_array_append_new(names, print_json_text(item->recipients[i]));
    return names;
}

static result print_list_json(const struct list *list) {
    json_t *items = json_array();
    for (size_t i = 0; i < list->count; i++) {
        const struct list_item *item = &list->items[i];
        json_array_append_new(
            items, json_pack("{s:o, s:I, s:I, s:I, s:o}", "id", print_json_text(item->id),
                             "objects", (json_int_t)item->objects, "sealed_bytes",
                             (json_int_t)item->sealed_bytes, "created_ms",
                             (json_int_t)item->created_ms, "recipients", recipients_json(item)));
    }
    return print_json(items);
}

static void print_item(const struct list_item *item) {
    char time[PRINT_TIME], size[PRINT_SIZE];
    print_time(item->created_ms, time);
    print_size(item->sealed_bytes, size);
    printf("%s  %6llu objects  %10s  ", time, (unsigned long long)item->objects, size);
    print_safe(stdout, item->id);
    for (size_t i = 0; i < item->recipient_count; i++)
        printf("%s%s", i == 0 ? "  -> " : ", ", item->recipients[i]);
    putchar('\n');
}

result command_ls(struct cli *cli) {
    TRY(cli_start(cli));
    AUTO_LIST struct list list = {0};
    TRY(flow_list(cli->session, &list));
    if (cli->json)
        return print_list_json(&list);
    for (size_t i = 0; i < list.count; i++)
        print_item(&list.items[i]);
    return OK;
}
