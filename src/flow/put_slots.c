#include "flow/put_slots.h"

#include <stdio.h>
#include <string.h>

void put_slots_give(struct put_slots *slots) {
    for (unsigned i = 0; i < slots->n; i++)
        session_client_give(slots->session, slots->slot[i].client);
    slots->n = 0;
}

result put_slots_take(struct session *session, char *const names[], unsigned n, unsigned k,
                      struct put_slots *out_slots) {
    *out_slots = (struct put_slots){.session = session, .k = k, .quorum = k + (n - k + 1) / 2};
    for (unsigned i = 0; i < n; i++) {
        struct put_slot *slot = &out_slots->slot[i];
        slot->name = names[i];
        out_slots->n = i + 1;
        int server = session_find_server(session, SESSION_STORAGE, names[i]);
        if (server < 0) {
            failure_keep(&slot->failure, FAIL(NOT_FOUND, "%s: no longer in the system", names[i]));
            continue;
        }
        result taken =
            session_client_take(session, SESSION_STORAGE, (unsigned)server, &slot->client);
        if (taken != OK) {
            put_slots_give(out_slots);
            return taken;
        }
        slot->server = (unsigned)server;
        slot->identity = session_server(session, SESSION_STORAGE, (unsigned)server)->identity.data;
        slot->is_live = true;
    }
    return OK;
}

unsigned put_slots_live(const struct put_slots *slots) {
    unsigned live = 0;
    for (unsigned i = 0; i < slots->n; i++)
        live += slots->slot[i].is_live;
    return live;
}

void put_slots_lose(struct put_slots *slots, unsigned slot, result code) {
    slots->slot[slot].is_live = false;
    failure_keep(&slots->slot[slot].failure, code);
}

void put_slots_warn(const struct put_slots *slots) {
    for (unsigned i = 0; i < slots->n; i++)
        if (!slots->slot[i].is_live)
            session_warn(slots->session, "%s", slots->slot[i].failure.text);
}

result put_slots_check(const struct put_slots *slots, const char *what) {
    if (put_slots_live(slots) >= slots->quorum)
        return OK;
    char reasons[ERROR_TEXT_BYTES] = "";
    size_t len = 0;
    for (unsigned i = 0; i < slots->n && len < sizeof reasons; i++)
        if (!slots->slot[i].is_live)
            len += (size_t)snprintf(reasons + len, sizeof reasons - len, "%s%s",
                                    len == 0 ? "" : "; ", slots->slot[i].failure.text);
    return FAIL(QUORUM, "%s: %u of the %u storage servers are needed, %u took it: %s", what,
                slots->quorum, slots->n, put_slots_live(slots), reasons);
}

unsigned put_answers_ok(const struct put_slots *slots, const struct put_answer answers[]) {
    unsigned ok = 0;
    for (unsigned i = 0; i < slots->n; i++)
        ok += answers[i].was_asked && answers[i].code == OK;
    return ok;
}

void put_slots_lose_failed(struct put_slots *slots, const struct put_answer answers[]) {
    for (unsigned i = 0; i < slots->n; i++)
        if (answers[i].was_asked && answers[i].code != OK)
            put_slots_lose(slots, i, FAIL(answers[i].code, "%s", answers[i].text));
}
