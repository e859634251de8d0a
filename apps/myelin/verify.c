#include "flow/verify.h"
#include "cli.h"
#include "print.h"
#include "progress.h"

static void add_finding(void *context, const struct verify_finding *finding) {
    json_array_append_new(context, json_pack("{s:o, s:s?, s:s, s:s, s:o}", "id",
                                             print_json_text(finding->id), "object",
                                             finding->object, "server", finding->server, "state",
                                             verify_state_name(finding->state), "detail",
                                             print_json_text(finding->detail)));
}

/* What is good is no news. */
static void print_finding(void *context, const struct verify_finding *finding) {
    (void)context;
    if (finding->state == VERIFY_GOOD)
        return;
    progress_end();
    printf("%s  %-11s  ", finding->server, verify_state_name(finding->state));
    print_safe(stdout, finding->id);
    if (finding->object != NULL)
        printf("  object %s", finding->object);
    fputs(": ", stdout);
    print_safe(stdout, finding->detail);
    putchar('\n');
}

result command_verify(struct cli *cli) {
    const struct arguments *arguments = cli->arguments;
    const char *id = arguments->word_count > 0 ? arguments->words[0] : NULL;
    TRY(cli_start(cli));
    if (!cli->json)
        return flow_verify(cli->session, id, print_finding, NULL);
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
