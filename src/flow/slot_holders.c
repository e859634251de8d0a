#include "flow/slot_holders.h"

#include <string.h>

#include "system/placement.h"

static void add(const struct session *session, const char *name, int slot,
                struct slot_holders *holders) {
    int server = session_find_server(session, SESSION_STORAGE, name);
    if (server < 0)
        return;
    holders->is_holder[server] = true;
    int *slots = holders->slots[server];
    for (unsigned i = 0; i < HOLDER_SLOTS && slots[i] != slot; i++)
        if (slots[i] < 0) {
            slots[i] = slot;
            return;
        }
}

void slot_holders_find(const struct session *session, const uint8_t tau[FORMAT_TAU_BYTES],
                       char *const servers[], size_t count, struct slot_holders *out_holders) {
    const char *names[FORMAT_SERVERS_MAX];
    *out_holders = (struct slot_holders){.servers = session_server_count(session, SESSION_STORAGE)};
    for (unsigned i = 0; i < FORMAT_SERVERS_MAX; i++)
        for (unsigned j = 0; j < HOLDER_SLOTS; j++)
            out_holders->slots[i][j] = -1;
    unsigned placed = placement_slots(&session->description, tau, names);
    for (unsigned slot = 0; slot < placed; slot++)
        add(session, names[slot], (int)slot, out_holders);
    memcpy(out_holders->is_current, out_holders->is_holder, sizeof out_holders->is_current);
    placed = placement_previous(&session->description, tau, names);
    for (unsigned slot = 0; slot < placed; slot++)
        add(session, names[slot], (int)slot, out_holders);
    for (size_t slot = 0; slot < count; slot++)
        add(session, servers[slot], (int)slot, out_holders);
}

bool slot_holders_may_have(const struct slot_holders *holders, unsigned server, unsigned slot) {
    for (unsigned i = 0; i < HOLDER_SLOTS; i++)
        if (holders->slots[server][i] == (int)slot)
            return true;
    return false;
}
