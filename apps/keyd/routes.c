#include "routes.h"

#include "keys/service.h"

static const char protobuf[] = "application/protobuf";
static const char plain_text[] = "text/plain; version=0.0.4; charset=utf-8";

static struct key_service *service_of(struct server_exchange *exchange) {
    const struct keyd *keyd = exchange_context(exchange);
    return keyd->service;
}

static result answer_system(struct server_exchange *exchange) {
    const struct keyd *keyd = exchange_context(exchange);
    return daemon_system_answer(keyd->system, exchange);
}

static result take_system(struct server_exchange *exchange) {
    const struct keyd *keyd = exchange_context(exchange);
    return daemon_system_take(keyd->system, exchange);
}

static result answer_health(struct server_exchange *exchange) {
    AUTO_BYTES struct bytes text = {0};
    TRY(bytes_append(&text, view_of_string("ok\n")));
    return exchange_answer(exchange, plain_text, &text);
}

static result answer_metrics(struct server_exchange *exchange) {
    AUTO_BYTES struct bytes text = {0};
    TRY(service_metrics(service_of(exchange), &text));
    TRY(server_metrics_text(exchange_server(exchange), &text));
    return exchange_answer(exchange, plain_text, &text);
}

static result enroll(struct server_exchange *exchange) {
    return service_enroll(service_of(exchange), exchange_peer(exchange), exchange_body(exchange));
}

static result activate(struct server_exchange *exchange) {
    return service_activate(service_of(exchange), exchange_peer(exchange));
}

static result answer_user(struct server_exchange *exchange) {
    AUTO_BYTES struct bytes answer = {0};
    TRY(service_user(service_of(exchange), exchange_peer(exchange),
                     exchange_param(exchange, "user"), &answer));
    return exchange_answer(exchange, protobuf, &answer);
}

static result answer_users(struct server_exchange *exchange) {
    AUTO_BYTES struct bytes page = {0};
    const char *after = exchange_query(exchange, "after");
    TRY(service_users(service_of(exchange), exchange_peer(exchange), after == NULL ? "" : after,
                      &page));
    return exchange_answer(exchange, protobuf, &page);
}

static result answer_open(struct server_exchange *exchange) {
    AUTO_BYTES struct bytes answer = {0};
    TRY(service_open(service_of(exchange), exchange_peer(exchange), exchange_body(exchange),
                     &answer));
    return exchange_answer(exchange, protobuf, &answer);
}

static result answer_rekey(struct server_exchange *exchange) {
    AUTO_BYTES struct bytes answer = {0};
    TRY(service_rekey(service_of(exchange), exchange_peer(exchange), exchange_body(exchange),
                      &answer));
    return exchange_answer(exchange, protobuf, &answer);
}

static result answer_recover(struct server_exchange *exchange) {
    AUTO_BYTES struct bytes answer = {0};
    TRY(service_recover(service_of(exchange), exchange_peer(exchange), exchange_body(exchange),
                        &answer));
    return exchange_answer(exchange, protobuf, &answer);
}

static result revoke(struct server_exchange *exchange) {
    return service_revoke(service_of(exchange), exchange_peer(exchange), exchange_body(exchange));
}

/* A question of share care that is answered with a message. */
static result answer_care(struct server_exchange *exchange,
                          result (*care)(struct key_service *, const struct tls_peer *, struct view,
                                         struct bytes *)) {
    AUTO_BYTES struct bytes answer = {0};
    TRY(care(service_of(exchange), exchange_peer(exchange), exchange_body(exchange), &answer));
    return exchange_answer(exchange, protobuf, &answer);
}

static result care_begin(struct server_exchange *exchange) {
    return answer_care(exchange, service_care_begin);
}

static result care_check(struct server_exchange *exchange) {
    return answer_care(exchange, service_care_check);
}

static result care_accept(struct server_exchange *exchange) {
    return answer_care(exchange, service_care_accept);
}

static result care_finish(struct server_exchange *exchange) {
    return service_care_finish(service_of(exchange), exchange_peer(exchange),
                               exchange_body(exchange));
}

static result care_blind(struct server_exchange *exchange) {
    return answer_care(exchange, service_care_blind);
}

static result care_restore(struct server_exchange *exchange) {
    return answer_care(exchange, service_care_restore);
}

static result answer_audit(struct server_exchange *exchange) {
    AUTO_BYTES struct bytes page = {0};
    uint64_t after;
    TRY(exchange_query_number(exchange, "after", 0, &after));
    TRY(service_audit(service_of(exchange), exchange_peer(exchange),
                      exchange_query(exchange, "image"), after, &page));
    return exchange_answer(exchange, protobuf, &page);
}

static result answer_head(struct server_exchange *exchange) {
    AUTO_BYTES struct bytes head = {0};
    uint64_t at;
    TRY(exchange_query_number(exchange, "at", 0, &at));
    TRY(service_head(service_of(exchange), exchange_peer(exchange),
                     exchange_query(exchange, "at") == NULL ? NULL : &at, &head));
    return exchange_answer(exchange, protobuf, &head);
}

#define BUFFERED(limit) .body = SERVER_BODY_BUFFERED, .body_limit = (limit)

const struct server_route keyd_routes[] = {
    {"GET", "/healthz", .end = answer_health},
    {"GET", "/metrics", .end = answer_metrics},
    {"GET", GOSSIP_PATH, .end = answer_system},
    {"PUT", GOSSIP_PATH, BUFFERED(FORMAT_LIMIT_SIGNED), .cost = 1, .end = take_system},
    {"POST", "/v1/shares", BUFFERED(FORMAT_LIMIT_ENROLL_SHARE), .cost = 5, .end = enroll},
    {"POST", "/v1/shares/activate", .cost = 1, .end = activate},
    {"GET", "/v1/users/{user}", .end = answer_user},
    {"GET", "/v1/users", .end = answer_users},
    {"POST", "/v1/open", BUFFERED(FORMAT_LIMIT_OPEN_REQUEST), .cost = 2, .end = answer_open},
    {"POST", "/v1/rekey", BUFFERED(FORMAT_LIMIT_REKEY_REQUEST), .cost = 1, .end = answer_rekey},
    {"POST", "/v1/recover", BUFFERED(FORMAT_LIMIT_RECOVER_REQUEST), .cost = 1,
     .end = answer_recover},
    {"POST", "/v1/revocations", BUFFERED(FORMAT_LIMIT_SIGNED_SMALL), .cost = 1, .end = revoke},
    {"POST", "/v1/care/begin", BUFFERED(FORMAT_LIMIT_CARE_REQUEST), .cost = 5, .end = care_begin},
    {"POST", "/v1/care/check", BUFFERED(FORMAT_LIMIT_CARE_OFFER), .cost = 5, .end = care_check},
    {"POST", "/v1/care/accept", BUFFERED(FORMAT_LIMIT_CARE_OFFER), .cost = 5, .end = care_accept},
    {"POST", "/v1/care/finish", BUFFERED(FORMAT_LIMIT_CARE_FINISH), .cost = 5, .end = care_finish},
    {"POST", "/v1/care/blind", BUFFERED(FORMAT_LIMIT_CARE_OFFER), .cost = 5, .end = care_blind},
    {"POST", "/v1/care/restore", BUFFERED(FORMAT_LIMIT_CARE_RESTORE), .cost = 5,
     .end = care_restore},
    {"GET", "/v1/audit", .cost = 2, .end = answer_audit},
    {"GET", "/v1/audit/head", .cost = 1, .end = answer_head},
};
const size_t keyd_route_count = sizeof keyd_routes / sizeof keyd_routes[0];
