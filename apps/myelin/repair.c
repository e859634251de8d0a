#include "flow/repair.h"

#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "print.h"
#include "progress.h"

static void add_part(void *context, const struct repair_part *part) {
    json_array_append_new(context, json_pack("{s:o, s:s?, s:s, s:i, s:s, s:o}", "id",
                                             print_json_text(part->id), "object", part->object,
                                             "server", part->server, "slot", (int)part->slot,
                                             "outcome", repair_outcome_name(part->outcome),
                                             "detail", print_json_text(part->detail)));
}

static void print_part(void *context, const struct repair_part *part) {
    (void)context;
    progress_end();
    printf("%s  %-7s  ", part->server, repair_outcome_name(part->outcome));
    print_safe(stdout, part->id);
    printf("  slot %u", part->slot);
    if (part->object != NULL)
        printf("  object %s", part->object);
    if (part->detail[0] != '\0') {
        fputs(": ", stdout);
        print_safe(stdout, part->detail);
    }
    putchar('\n');
}

static result repair_in_words(struct cli *cli, const char *id) {
    struct repair_totals totals = {0};
    result repaired = flow_repair(cli->session, id, print_part, NULL, &totals);
    if (repaired != OK && repaired != INTEGRITY && repaired != QUORUM)
        return repaired;
    progress_end();
    printf("%llu image%s looked at, %llu repaired: %llu part%s made good, %llu bytes read by "
           "servers, %llu written\n",
           (unsigned long long)totals.images, totals.images == 1 ? "" : "s",
           (unsigned long long)totals.repaired, (unsigned long long)totals.parts,
           totals.parts == 1 ? "" : "s", (unsigned long long)totals.bytes_read,
           (unsigned long long)totals.bytes_written);
    return repaired;
}

static json_t *totals_of(const struct repair_totals *totals, json_t *parts) {
    return json_pack("{s:I, s:I, s:I, s:I, s:o}", "images", (json_int_t)totals->images, "repaired",
                     (json_int_t)totals->repaired, "bytes_read", (json_int_t)totals->bytes_read,
                     "bytes_written", (json_int_t)totals->bytes_written, "parts", parts);
}

result command_repair(struct cli *cli) {
    const struct arguments *arguments = cli->arguments;
    const char *id = arguments->word_count > 0 ? arguments->words[0] : NULL;
    struct repair_totals totals = {0};
    TRY(cli_start(cli));
    if (!cli->json)
        return repair_in_words(cli, id);
    json_t *parts = json_array();
    result repaired = flow_repair(cli->session, id, add_part, parts, &totals);
    if (repaired != OK && repaired != INTEGRITY && repaired != QUORUM) {
        json_decref(parts);
        return repaired;
    }
    char why[ERROR_TEXT_BYTES];
    snprintf(why, sizeof why, "%s", error_text());
    TRY(print_json(totals_of(&totals, parts)));
    return repaired == OK ? OK : FAIL(repaired, "%s", why);
}
