#include "flow/show.h"
#include "cli.h"
#include "print.h"

static json_t *objects_json(const struct shown *shown) {
    json_t *objects = json_array();
    for (size_t i = 0; i < shown->object_count; i++) {
        const struct shown_object *object = &shown->objects[i];
        json_array_append_new(
            objects, json_pack("{s:o, s:I, s:I, s:s, s:I, s:i}", "name",
                               print_json_text(object->name), "size", (json_int_t)object->size,
                               "sealed_bytes", (json_int_t)object->sealed_bytes, "codec",
                               codec_kind_name(object->codec), "created_ms",
                               (json_int_t)object->created_ms, "servers", (int)object->servers));
    }
    return objects;
}

static result print_shown_json(const char *id, const struct shown *shown) {
    json_t *recipients = json_array();
    for (size_t i = 0; i < shown->recipient_count; i++)
        json_array_append_new(recipients, print_json_text(shown->recipients[i]));
    return print_json(json_pack("{s:o, s:s, s:I, s:i, s:i, s:o, s:o}", "id", print_json_text(id),
                                "owner", shown->owner, "created_ms", (json_int_t)shown->created_ms,
                                "k", (int)shown->k, "n", (int)shown->n, "recipients", recipients,
                                "objects", objects_json(shown)));
}

static void print_object(const struct shown_object *object, unsigned n) {
    char size[PRINT_SIZE], sealed[PRINT_SIZE];
    print_size(object->size, size);
    print_size(object->sealed_bytes, sealed);
    printf("  %10s  %7s %10s  %u/%u servers  ", size, codec_kind_name(object->codec), sealed,
           object->servers, n);
    print_safe(stdout, object->name);
    putchar('\n');
}

result command_show(struct cli *cli) {
    const char *id = cli->arguments->words[0];
    TRY(cli_start(cli));
    AUTO_SHOWN struct shown shown = {0};
    TRY(flow_show(cli->session, id, cli->arguments->values[OPTION_FROM], &shown));
    if (cli->json)
        return print_shown_json(id, &shown);
    char time[PRINT_TIME];
    print_time(shown.created_ms, time);
    print_safe(stdout, id);
    printf("  of %s, %s, any %u of %u storage servers\n", shown.owner, time, shown.k, shown.n);
    for (size_t i = 0; i < shown.recipient_count; i++)
        printf("  forwarded to %s\n", shown.recipients[i]);
    for (size_t i = 0; i < shown.object_count; i++)
        print_object(&shown.objects[i], shown.n);
    return OK;
}
