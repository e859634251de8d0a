#include "flow/verify.h"

#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "format/limits.h"
#include "print.h"
#include "progress.h"

static void add_finding(void *context, const struct verify_finding *finding) {
    json_array_append_new(context, json_pack("{s:o, s:s?, s:s, s:s, s:o}", "id",
                                             print_json_text(finding->id), "object",
                                             finding->object, "server", finding->server, "state",
                                             verify_state_name(finding->state), "detail",
                                             print_json_text(finding->detail)));
}

/* What was said of the image at hand; the findings of one image come together. */
struct tally {
    char id[FORMAT_IMAGE_ID_MAX + 1];
    unsigned good, other;
};

/* One line for an image that is good everywhere: silence could also mean that nothing was looked
 * at. */
static void print_tally(const struct tally *tally) {
    if (tally->good == 0 || tally->other > 0)
        return;
    progress_end();
    print_safe(stdout, tally->id);
    printf("  good at all %u servers\n", tally->good);
}

static void print_finding(void *context, const struct verify_finding *finding) {
    struct tally *tally = context;
    if (strcmp(tally->id, finding->id) != 0) {
        print_tally(tally);
        *tally = (struct tally){0};
        snprintf(tally->id, sizeof tally->id, "%s", finding->id);
    }
    if (finding->state == VERIFY_GOOD) {
        tally->good++;
        return;
    }
    tally->other++;
    progress_end();
    printf("%s  %-11s  ", finding->server, verify_state_name(finding->state));
    print_safe(stdout, finding->id);
    if (finding->object != NULL)
        printf("  object %s", finding->object);
    fputs(": ", stdout);
    print_safe(stdout, finding->detail);
    putchar('\n');
}

static result verify_in_words(struct cli *cli, const char *id) {
    struct tally tally = {0};
    result verified = flow_verify(cli->session, id, print_finding, &tally);
    print_tally(&tally);
    return verified;
}

result command_verify(struct cli *cli) {
    const struct arguments *arguments = cli->arguments;
    const char *id = arguments->word_count > 0 ? arguments->words[0] : NULL;
    TRY(cli_start(cli));
    if (!cli->json)
        return verify_in_words(cli, id);
    json_t *findings = json_array();
    result verified = flow_verify(cli->session, id, add_finding, findings);
    bool has_answer = verified == OK || verified == INTEGRITY || verified == QUORUM;
    if (!has_answer) {
        json_decref(findings);
        return verified;
    }
    char why[ERROR_TEXT_BYTES];
    snprintf(why, sizeof why, "%s", error_text());
    TRY(print_json(findings));
    return verified == OK ? OK : FAIL(verified, "%s", why);
}
