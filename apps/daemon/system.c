#include "daemon/system.h"

static void tell(void *context, const struct description *description) {
    struct daemon_system *system = context;
    struct server *server = system->server;
    if (server != NULL)
        server_set_version(server, description->system->version, description->mark);
    gossip_wake(system->gossip);
}

result daemon_system_open(const struct options *options, const char *folder,
                          struct daemon_system *out_system) {
    AUTO_DESCRIPTION struct description description = {0};
    TRY(description_load_newest(options->system, folder, NULL, &description));
    TRY(current_new(&description, folder, &out_system->current));
    current_on_change(out_system->current, tell, out_system);
    return OK;
}

result daemon_system_start(struct daemon_system *system, struct server *server,
                           const struct identity *identity) {
    struct gossip *gossip;
    system->server = server;
    const struct description *now = current_now(system->current);
    server_set_version(server, now->system->version, now->mark);
    TRY(gossip_start(system->current, identity->tls, identity->name, &gossip));
    system->gossip = gossip;
    return OK;
}

void daemon_system_stop(struct daemon_system *system) {
    gossip_stop(system->gossip);
    system->gossip = NULL;
}

void daemon_system_close(struct daemon_system *system) {
    current_free(system->current);
    system->current = NULL;
}

result daemon_system_answer(const struct daemon_system *system, struct server_exchange *exchange) {
    AUTO_BYTES struct bytes record = {0};
    TRY(current_record(system->current, &record));
    return exchange_answer(exchange, "application/protobuf", &record);
}

result daemon_system_take(const struct daemon_system *system, struct server_exchange *exchange) {
    return current_take(system->current, exchange_peer(exchange)->name, exchange_body(exchange));
}
