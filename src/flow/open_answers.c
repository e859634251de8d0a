#include "flow/open_answers.h"

#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "flow/heads.h"
#include "flow/open_seen.h"
#include "flow/slot_holders.h"
#include "format/hash.h"
#include "format/layout.h"
#include "format/statement.h"

void open_answers_free(struct open_answers *answers) {
    for (unsigned i = 0; answers->of != NULL && i < answers->servers; i++) {
        for (size_t s = 0; s < answers->of[i].symbol_count; s++)
            codeword_symbol_free(&answers->of[i].symbols[s].value);
        free(answers->of[i].symbols);
    }
    if (answers->of != NULL)
        secret_wipe(answers->of, answers->servers * sizeof *answers->of);
    free(answers->of);
    free(answers->answers);
    *answers = (struct open_answers){0};
}

struct asking {
    const struct image *image;
    const uint8_t *owner_identity;
    uint8_t image_id[DIGEST_BYTES];
    struct slot_holders holders;
    struct bytes request;
    struct open_seen *seen;
    struct open_answer *of;
};

/* The forward of a re-encrypted answer must be the owner's word for this user and image, or the
 * key servers could have the recipient open what nobody forwarded. */
static result check_forward(const struct session *session, const struct asking *asking,
                            const Myelin__OpenAnswer *wire, struct open_answer *answer) {
    if (wire->forward == NULL)
        return FAIL(PROTOCOL, "re-encrypted, but without its forward");
    AUTO_FORMAT Myelin__Forward *forward = NULL;
    TRY(format_open_forward(wire->forward, asking->owner_identity, &forward));
    if (strcmp(forward->recipient, session->user) != 0 ||
        memcmp(forward->tau.data, asking->image->tau_bytes, FORMAT_TAU_BYTES) != 0)
        return FAIL(INTEGRITY, "the forward is for another recipient or image");
    TRY(rekey_parse("forward", format_view(forward->rk1), format_view(forward->rk2),
                    &answer->rekey));
    if (!g2_equal(&answer->rekey.rk1, &answer->beta))
        return FAIL(INTEGRITY, "beta is not the forward's rk1");
    return OK;
}

/* An encoding stands for one point, and tau is checked already. */
static result parse_beta(const struct image *image, const Myelin__OpenAnswer *wire,
                         struct open_answer *answer) {
    if (!view_equal(format_view(wire->beta), view_of(image->tau_bytes, FORMAT_TAU_BYTES)))
        return g2_parse("answer: beta", format_view(wire->beta), &answer->beta);
    answer->beta = image->tau;
    return OK;
}

static result check_head(const struct session *session, const struct asking *asking,
                         unsigned server, const Myelin__OpenAnswer *wire,
                         struct open_answer *answer) {
    if (wire->index != server + 1)
        return FAIL(PROTOCOL, "it answers as key server %u", wire->index);
    answer->b = wire->b;
    TRY(parse_beta(asking->image, wire, answer));
    if (wire->b != (asking->image->is_own ? 0 : 1))
        return FAIL(PROTOCOL, "b = %u for %s image", wire->b,
                    asking->image->is_own ? "the user's own" : "another's");
    if (wire->b == 0 && !g2_equal(&answer->beta, &asking->image->tau))
        return FAIL(INTEGRITY, "beta is not tau");
    if (wire->b == 1)
        TRY(check_forward(session, asking, wire, answer));
    return partial_parse("answer", wire->index, session->m, format_view(wire->partial),
                         &answer->partial);
}

/* Whether the storage server signed that it gave this symbol for this user. One that it signed for
 * another forward proves nothing: there it may be right. */
static bool is_vouched(const struct session *session, const struct asking *asking,
                       const Myelin__OpenAnswer *wire, const Myelin__ServedSymbol *served,
                       unsigned server) {
    const struct format_statement statement = {served->server, session->user, asking->image_id,
                                               served->symbol};
    return served->signature.len > 0 && served->symbol->b == wire->b &&
           view_equal(format_view(served->symbol->beta), format_view(wire->beta)) &&
           format_statement_verify(session_server(session, SESSION_STORAGE, server)->identity.data,
                                   &statement, format_view(served->signature)) == OK;
}

static result parse_value(const struct asking *asking, const struct open_answer *answer,
                          const Myelin__Symbol *symbol, unsigned slot,
                          struct codeword_symbol *out_value) {
    if (symbol->slot != slot)
        return FAIL(PROTOCOL, "slot %u, not %u", symbol->slot, slot);
    AUTO_SYMBOL struct codeword_symbol value = {0};
    TRY(open_seen_parse(asking->seen, symbol, asking->image->envelope->k, &value));
    if (value.value.b != answer->b || !g2_equal(&value.value.beta, &answer->beta))
        return FAIL(PROTOCOL, "its b and beta are not the answer's");
    *out_value = value;
    value = (struct codeword_symbol){0};
    return OK;
}

/* A symbol of a server that should have none is passed over. One with a slot that its server should
 * not have is held against the slot that it should have, and so is not formed. */
static result parse_symbol(const struct session *session, const struct asking *asking,
                           const Myelin__OpenAnswer *wire, const Myelin__ServedSymbol *served,
                           struct open_answer *answer) {
    int server = session_find_server(session, SESSION_STORAGE, served->server);
    if (server < 0 || !asking->holders.is_holder[server])
        return OK;
    bool may_have = slot_holders_may_have(&asking->holders, (unsigned)server, served->symbol->slot);
    int slot = may_have ? (int)served->symbol->slot : asking->holders.slots[server][0];
    if ((size_t)slot >= asking->image->envelope->n_servers)
        return OK;
    struct open_symbol *symbol = &answer->symbols[answer->symbol_count];
    symbol->server = (unsigned)server;
    symbol->slot = (unsigned)slot;
    symbol->is_vouched = is_vouched(session, asking, wire, served, symbol->server);
    result parsed = parse_value(asking, answer, served->symbol, symbol->slot, &symbol->value);
    if (parsed == NO_MEMORY)
        return parsed;
    symbol->is_formed = parsed == OK;
    answer->symbol_count++;
    return OK;
}

static result parse_symbols(const struct session *session, const struct asking *asking,
                            const Myelin__OpenAnswer *wire, struct open_answer *answer) {
    answer->symbols = calloc(wire->n_symbol + 1, sizeof *answer->symbols);
    if (answer->symbols == NULL)
        return FAIL(NO_MEMORY, "out of memory");
    for (size_t i = 0; i < wire->n_symbol; i++)
        TRY(parse_symbol(session, asking, wire, wire->symbol[i], answer));
    return OK;
}

static result ask_open(void *context, struct session *session, unsigned server,
                       struct http_client *client) {
    const struct asking *asking = context;
    struct open_answer *answer = &asking->of[server];
    AUTO_BYTES struct bytes body = {0};
    uint64_t newest = heads_newest(session, server);
    TRY(http_call(client, "POST", "/v1/open", bytes_view(&asking->request), "application/protobuf",
                  FORMAT_LIMIT_OPEN_ANSWER, &body));
    AUTO_FORMAT Myelin__OpenAnswer *wire = NULL;
    result checked = format_parse_open_answer(bytes_view(&body), &wire);
    if (checked == OK)
        checked = check_head(session, asking, server, wire, answer);
    if (checked != OK)
        return error_at(checked, "%s: answer to open", http_client_name(client));
    if (wire->proof.len == sizeof answer->proof) {
        memcpy(answer->proof, wire->proof.data, sizeof answer->proof);
        answer->proven = true;
    }
    TRY(parse_symbols(session, asking, wire, answer));
    heads_take(session, server, newest, wire->head);
    generation_hold(session, &answer->held, wire->generation, wire->also, wire->t, wire->holders);
    answer->given = true;
    return OK;
}

static result pack_request(const struct open_question *question, struct view generation,
                           struct bytes *out_wire) {
    const struct image *image = question->image;
    Myelin__OpenRequest request = MYELIN__OPEN_REQUEST__INIT;
    char owner[FORMAT_NAME_MAX + 1];
    memcpy(owner, image->owner_name, sizeof owner);
    request.owner = owner;
    request.tau = format_bytes(view_of(image->tau_bytes, FORMAT_TAU_BYTES));
    request.u = question->u;
    request.prove = question->prove;
    request.generation = format_bytes(generation);
    return format_pack(&request, out_wire);
}

/* One round; `generation` is empty for each server's choice. */
static result ask_round(struct session *session, const struct open_question *question,
                        struct view generation, unsigned enough, struct open_answers *out_answers) {
    const struct image *image = question->image;
    AUTO_BYTES struct bytes request = {0};
    TRY(pack_request(question, generation, &request));
    AUTO_OPEN_ANSWERS struct open_answers all = {.servers = session->m};
    all.of = calloc(session->m, sizeof *all.of);
    all.answers = calloc(session->m, sizeof *all.answers);
    if (all.of == NULL || all.answers == NULL)
        return FAIL(NO_MEMORY, "out of memory");
    __attribute__((cleanup(open_seen_free))) struct open_seen seen;
    open_seen_init(&seen);
    struct asking asking = {.image = image,
                            .owner_identity = image->is_own ? session->signing->public_key
                                                            : image->owner->identity,
                            .request = request,
                            .seen = &seen,
                            .of = all.of};
    format_image_id(image->tau_bytes, asking.image_id);
    slot_holders_find(session, image->tau_bytes, image->envelope->servers,
                      image->envelope->n_servers, &asking.holders);
    TRY(session_ask(session, SESSION_KEY, ask_open, &asking, enough, all.answers, &all.ok));
    *out_answers = all;
    all = (struct open_answers){0};
    return OK;
}

static void choose_generation(const struct session *session, struct open_answers *answers) {
    struct held_generation held[FORMAT_SERVERS_MAX] = {0};
    for (unsigned i = 0; i < answers->servers; i++) {
        held[i] = answers->of[i].held;
        held[i].given = answers->of[i].given;
    }
    generations_choose(session, held, &answers->generation);
}

static void keep_generation(const struct session *session, struct open_answers *answers) {
    for (unsigned i = 0; i < answers->servers; i++) {
        struct open_answer *answer = &answers->of[i];
        if (!answer->given || generation_is(&answer->held, &answers->generation))
            continue;
        answer->given = false;
        answers->ok--;
        generation_refuse(session, i, &answers->answers[i]);
    }
    generation_excuse(session, &answers->generation, answers->answers);
}

result open_answers_ask(struct session *session, const struct open_question *question,
                        struct open_answers *out_answers) {
    AUTO_OPEN_ANSWERS struct open_answers answers = {0};
    uint8_t best[DIGEST_BYTES];
    TRY(ask_round(session, question, (struct view){0}, question->enough, &answers));
    choose_generation(session, &answers);
    struct generation_choice *chosen = &answers.generation;
    bool expected_more = question->enough == 0 || question->enough >= chosen->best.t;
    if (chosen->used < chosen->best.t && (chosen->differ || !expected_more)) {
        /* the first to answer do not show who can use what, nor how many it takes */
        open_answers_free(&answers);
        TRY(ask_round(session, question, (struct view){0}, 0, &answers));
        choose_generation(session, &answers);
    }
    if (chosen->differ && chosen->used < chosen->best.t) {
        memcpy(best, chosen->best.id, sizeof best);
        open_answers_free(&answers);
        TRY(ask_round(session, question, view_of(best, sizeof best), 0, &answers));
        choose_generation(session, &answers);
    }
    keep_generation(session, &answers);
    *out_answers = answers;
    answers = (struct open_answers){0};
    return OK;
}
