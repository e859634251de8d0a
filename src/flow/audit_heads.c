#include "flow/audit_heads.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of one server, as known before it was asked; the index of both lists is the same. */
struct claim {
    const struct head *head; /* NULL: none */
    bool broken;
    char why[ERROR_TEXT_BYTES];
};

enum { SEEN, OTHERS, CLAIMS };

struct asking {
    struct claim claims[FORMAT_SERVERS_MAX][CLAIMS];
    bool given[FORMAT_SERVERS_MAX];
    Myelin__Signed *now[FORMAT_SERVERS_MAX];
};

static void asking_free(struct asking **asking) {
    for (unsigned i = 0; *asking != NULL && i < FORMAT_SERVERS_MAX; i++)
        format_free((*asking)->now[i]);
    free(*asking);
}

static result fetch_head(struct session *session, unsigned server, struct http_client *client,
                         const char *path, Myelin__Signed **out_record, Myelin__Head **out_head) {
    AUTO_BYTES struct bytes wire = {0};
    AUTO_FORMAT Myelin__Signed *record = NULL;
    TRY(http_call(client, "GET", path, (struct view){0}, NULL, FORMAT_LIMIT_HEAD + 128, &wire));
    TRY(format_parse_signed(bytes_view(&wire), &record));
    TRY(head_verify(&session->description, server, record));
    TRY(format_parse_head(format_view(record->body), out_head));
    *out_record = record;
    record = NULL;
    return OK;
}

/* What the log has at the claim's place today. */
static result check_claim(struct session *session, unsigned server, struct http_client *client,
                          uint64_t last, struct claim *claim) {
    const struct chain_head *at = &claim->head->at;
    claim->broken = true;
    if (at->sequence > last) {
        snprintf(claim->why, sizeof claim->why,
                 "ends with entry %" PRIu64 ", and it has shown entry %" PRIu64
                 ": entries are gone",
                 last, at->sequence);
        return OK;
    }
    char path[64];
    AUTO_FORMAT Myelin__Signed *record = NULL;
    AUTO_FORMAT Myelin__Head *head = NULL;
    snprintf(path, sizeof path, "/v1/audit/head?at=%" PRIu64, at->sequence);
    result fetched = fetch_head(session, server, client, path, &record, &head);
    if (fetched != OK) {
        claim->broken = false;
        snprintf(claim->why, sizeof claim->why, "entry %" PRIu64 " cannot be compared: %s",
                 at->sequence, error_text());
        return fetched == NOT_FOUND ? OK : fetched;
    }
    claim->broken =
        head->sequence != at->sequence || memcmp(head->hash.data, at->hash, sizeof at->hash) != 0;
    if (claim->broken)
        snprintf(claim->why, sizeof claim->why,
                 "has an entry %" PRIu64 " that is not the one it has shown before", at->sequence);
    return OK;
}

static result ask_heads(void *context, struct session *session, unsigned server,
                        struct http_client *client) {
    struct asking *asking = context;
    AUTO_FORMAT Myelin__Head *head = NULL;
    TRY(fetch_head(session, server, client, "/v1/audit/head", &asking->now[server], &head));
    for (unsigned i = 0; i < CLAIMS; i++)
        if (asking->claims[server][i].head != NULL)
            TRY(check_claim(session, server, client, head->sequence, &asking->claims[server][i]));
    asking->given[server] = true;
    return OK;
}

/* Others' heads are believed where the server itself signed them. */
static const struct head *claim_of_others(struct session *session, unsigned server,
                                          const struct heads *others) {
    const char *name = session_server(session, SESSION_KEY, server)->name;
    const struct head *head = others == NULL ? NULL : heads_find(others, name);
    if (head == NULL || head_verify(&session->description, server, head->record) == OK)
        return head;
    session_warn(session, "%s: the head that is said to be its own does not count: %s", name,
                 error_text());
    return NULL;
}

static result conclude(struct session *session, const struct asking *asking, unsigned server,
                       unsigned *broken) {
    const char *name = session_server(session, SESSION_KEY, server)->name;
    bool holds = asking->given[server];
    for (unsigned i = 0; i < CLAIMS; i++) {
        const struct claim *claim = &asking->claims[server][i];
        if (claim->why[0] != '\0')
            session_warn(session, "%s: its access log: %s", name, claim->why);
        holds = holds && !claim->broken;
    }
    *broken += asking->given[server] && !holds;
    return holds ? heads_note(session, asking->now[server]) : OK;
}

result audit_check_heads(struct session *session, const struct heads *others,
                         unsigned *out_broken) {
    /* Not on the stack: threads of those who use the library may have little. */
    __attribute__((cleanup(asking_free))) struct asking *asking = calloc(1, sizeof *asking);
    if (asking == NULL)
        return FAIL(NO_MEMORY, "out of memory");
    struct session_answer answers[FORMAT_SERVERS_MAX];
    AUTO_HEADS struct heads seen = {0};
    unsigned ok = 0, broken = 0;
    TRY(heads_copy(session, &seen));
    for (unsigned i = 0; i < session->m; i++) {
        const char *name = session_server(session, SESSION_KEY, i)->name;
        asking->claims[i][SEEN].head = heads_find(&seen, name);
        asking->claims[i][OTHERS].head = claim_of_others(session, i, others);
    }
    TRY(session_ask(session, SESSION_KEY, ask_heads, asking, 0, answers, &ok));
    session_warn_failed(session, SESSION_KEY, answers, OK);
    for (unsigned i = 0; i < session->m; i++)
        TRY(conclude(session, asking, i, &broken));
    *out_broken = broken;
    return OK;
}
