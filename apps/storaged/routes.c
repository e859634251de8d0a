#include "routes.h"

#include <stdlib.h>
#include <string.h>

#include "format/limits.h"
#include "storage/check.h"
#include "storage/deletion.h"
#include "storage/draw.h"
#include "storage/forward.h"
#include "storage/image.h"
#include "storage/listing.h"
#include "storage/put.h"
#include "storage/removal.h"
#include "storage/state.h"

static const char protobuf[] = "application/protobuf";
static const char plain_text[] = "text/plain; version=0.0.4; charset=utf-8";

/* ------------------------------------------------------------------ every request */

struct request {
    struct storage *storage;
    struct storage_caller caller;
    struct image_id image;
    struct short_id put;
    struct short_id object;
    const char *user;
};

/* What of a path a route has. */
enum { IMAGE = 1, PUT = 2, OBJECT = 4, USER = 8 };

/* A server is one that the system description names, with that key. */
static enum storage_role role_of(const struct storaged *storaged, const struct tls_peer *peer) {
    const struct description *description = current_now(storaged->system->current);
    switch (peer->role) {
    case TLS_ROLE_USER:
        return STORAGE_ROLE_USER;
    case TLS_ROLE_MANAGER:
        return STORAGE_ROLE_MANAGER;
    case TLS_ROLE_KEY:
        return description_has_key(description, peer->name, peer->identity)
                   ? STORAGE_ROLE_KEY_SERVER
                   : STORAGE_ROLE_OTHER;
    case TLS_ROLE_STORAGE:
        return description_has_storage(description, peer->name, peer->identity)
                   ? STORAGE_ROLE_PEER
                   : STORAGE_ROLE_OTHER;
    default:
        return STORAGE_ROLE_OTHER;
    }
}

static result request_read(const struct server_exchange *exchange, unsigned parts,
                           struct request *out_request) {
    const struct tls_peer *peer = exchange_peer(exchange);
    const struct storaged *storaged = exchange_context(exchange);
    *out_request = (struct request){
        .storage = storaged->storage,
        .caller = {peer->name, role_of(storaged, peer), peer->identity, peer->certificate},
    };
    if (parts & IMAGE)
        TRY(image_id_parse(exchange_param(exchange, "image"), &out_request->image));
    if (parts & PUT)
        TRY(short_id_parse("a put", exchange_param(exchange, "put"), &out_request->put));
    if (parts & OBJECT)
        TRY(short_id_parse("an object", exchange_param(exchange, "object"), &out_request->object));
    if (parts & USER)
        out_request->user = exchange_param(exchange, "user");
    return OK;
}

/* The answer, where there is one: takes the body over. */
static result answer(struct server_exchange *exchange, result made, struct bytes *body) {
    return made == OK ? exchange_answer(exchange, protobuf, body) : made;
}

/* The length of a body that comes in parts; 0 where its head does not tell. */
static uint64_t expected_bytes(const struct server_exchange *exchange) {
    uint64_t length = exchange_body_length(exchange);
    return length == SERVER_LENGTH_UNKNOWN ? 0 : length;
}

/* "?slot=S"; SLOT_ANY where it is not given. */
static result slot_of(const struct server_exchange *exchange, uint32_t *out_slot) {
    uint64_t slot;
    TRY(exchange_query_number(exchange, "slot", SLOT_ANY, &slot));
    if (slot >= FORMAT_SERVERS_MAX && slot != SLOT_ANY)
        return FAIL(INVALID, "?slot= is %d at most", FORMAT_SERVERS_MAX - 1);
    *out_slot = (uint32_t)slot;
    return OK;
}

static const char *after_of(const struct server_exchange *exchange) {
    const char *after = exchange_query(exchange, "after");
    return after != NULL ? after : "";
}

/* ------------------------------------------------------------------ the server itself */

static result get_health(struct server_exchange *exchange) {
    AUTO_BYTES struct bytes body = {0};
    TRY(bytes_append(&body, view_of_string("ok\n")));
    return exchange_answer(exchange, plain_text, &body);
}

static result get_metrics(struct server_exchange *exchange) {
    AUTO_BYTES struct bytes body = {0};
    TRY(server_metrics_text(exchange_server(exchange), &body));
    const struct storaged *storaged = exchange_context(exchange);
    TRY(storage_metrics_text(storaged->storage, &body));
    TRY(scrub_metrics_text(storaged->scrub, &body));
    return exchange_answer(exchange, plain_text, &body);
}

static result get_system(struct server_exchange *exchange) {
    const struct storaged *storaged = exchange_context(exchange);
    return daemon_system_answer(storaged->system, exchange);
}

static result put_system(struct server_exchange *exchange) {
    const struct storaged *storaged = exchange_context(exchange);
    return daemon_system_take(storaged->system, exchange);
}

/* ------------------------------------------------------------------ puts */

static result post_put(struct server_exchange *exchange) {
    struct request r;
    TRY(request_read(exchange, IMAGE | PUT, &r));
    return put_begin(r.storage, &r.caller, &r.image, &r.put, exchange_body(exchange));
}

/* A slice table's memory, for a body whose length is known; it grows by doubling. */
static size_t table_bytes(uint64_t slices) {
    return 2 * DIGEST_BYTES * (size_t)(slices < FORMAT_SEGMENTS_MAX ? slices : FORMAT_SEGMENTS_MAX);
}

static result object_begin(struct server_exchange *exchange) {
    struct request r;
    struct upload_options options = {0};
    struct upload *upload = NULL;
    TRY(request_read(exchange, IMAGE | PUT | OBJECT, &r));
    TRY(exchange_query_number(exchange, "slot", UINT64_MAX, &options.slot));
    TRY(exchange_query_number(exchange, "slice", 0, &options.slice_bytes));
    options.object = r.object;
    options.expected_bytes = expected_bytes(exchange);
    if (options.slice_bytes > 0)
        TRY(exchange_reserve(exchange, table_bytes(options.expected_bytes / options.slice_bytes)));
    TRY(upload_open(r.storage, &r.caller, &r.image, &r.put, &options, &upload));
    exchange_set_state(exchange, upload);
    return OK;
}

static result object_part(struct server_exchange *exchange, struct view part) {
    struct upload *upload = exchange_state(exchange);
    TRY(upload_append(upload, part));
    return exchange_reserve(exchange, upload_memory(upload));
}

static result object_end(struct server_exchange *exchange) {
    AUTO_BYTES struct bytes receipt = {0};
    return answer(exchange, upload_finish(exchange_state(exchange), &receipt), &receipt);
}

static void object_abandon(struct server_exchange *exchange) {
    upload_abandon(exchange_state(exchange));
}

static result post_whole(struct server_exchange *exchange) {
    struct request r;
    struct whole_options options = {0};
    AUTO_BYTES struct bytes receipts = {0};
    TRY(request_read(exchange, IMAGE | PUT, &r));
    TRY(exchange_query_number(exchange, "slot", UINT64_MAX, &options.slot));
    TRY(exchange_query_number(exchange, "slice", 0, &options.slice_bytes));
    return answer(exchange,
                  put_whole(r.storage, &r.caller, &r.image, &r.put, &options,
                            exchange_body(exchange), &receipts),
                  &receipts);
}

static result post_draw(struct server_exchange *exchange) {
    struct request r;
    AUTO_BYTES struct bytes drawn = {0};
    TRY(request_read(exchange, IMAGE | PUT, &r));
    return answer(exchange,
                  put_draw(r.storage, &r.caller, &r.image, &r.put, exchange_body(exchange), &drawn),
                  &drawn);
}

static result blocks_begin(struct server_exchange *exchange) {
    struct request r;
    struct blocks_options options = {0};
    struct blocks *blocks = NULL;
    TRY(request_read(exchange, IMAGE | PUT | OBJECT, &r));
    TRY(exchange_query_number(exchange, "draw", 0, &options.draw));
    TRY(exchange_query_number(exchange, "row", 0, &options.row));
    TRY(exchange_query_number(exchange, "slice", 0, &options.slice_bytes));
    options.object = r.object;
    options.expected_bytes = expected_bytes(exchange);
    TRY(blocks_open(r.storage, &r.caller, &r.image, &r.put, &options, &blocks));
    result reserved = exchange_reserve(exchange, blocks_memory(blocks));
    if (reserved != OK) {
        blocks_abandon(blocks);
        return reserved;
    }
    exchange_set_state(exchange, blocks);
    return OK;
}

static result blocks_part(struct server_exchange *exchange, struct view part) {
    struct blocks *blocks = exchange_state(exchange);
    TRY(blocks_append(blocks, part));
    return exchange_reserve(exchange, blocks_memory(blocks));
}

static result blocks_end(struct server_exchange *exchange) {
    AUTO_BYTES struct bytes receipt = {0};
    return answer(exchange, blocks_finish(exchange_state(exchange), &receipt), &receipt);
}

static void blocks_cut(struct server_exchange *exchange) {
    blocks_abandon(exchange_state(exchange));
}

static result post_prepare(struct server_exchange *exchange) {
    struct request r;
    TRY(request_read(exchange, IMAGE | PUT, &r));
    return put_prepare(r.storage, &r.caller, &r.image, &r.put, exchange_body(exchange));
}

static result post_commit(struct server_exchange *exchange) {
    struct request r;
    TRY(request_read(exchange, IMAGE | PUT, &r));
    return put_commit(r.storage, &r.caller, &r.image, &r.put, exchange_body(exchange));
}

static result get_put(struct server_exchange *exchange) {
    struct request r;
    AUTO_BYTES struct bytes commit = {0};
    TRY(request_read(exchange, IMAGE | PUT, &r));
    return answer(exchange, put_read_commit(r.storage, &r.caller, &r.image, &r.put, &commit),
                  &commit);
}

static result delete_put(struct server_exchange *exchange) {
    struct request r;
    TRY(request_read(exchange, IMAGE | PUT, &r));
    return put_abort(r.storage, &r.caller, &r.image, &r.put);
}

/* ------------------------------------------------------------------ images */

static result get_images(struct server_exchange *exchange) {
    struct request r;
    AUTO_BYTES struct bytes page = {0};
    TRY(request_read(exchange, 0, &r));
    return answer(exchange, listing_images(r.storage, &r.caller, after_of(exchange), &page), &page);
}

static result get_image(struct server_exchange *exchange) {
    struct request r;
    AUTO_BYTES struct bytes body = {0};
    TRY(request_read(exchange, IMAGE, &r));
    return answer(exchange, image_answer(r.storage, &r.caller, &r.image, &body), &body);
}

static result get_objects(struct server_exchange *exchange) {
    struct request r;
    AUTO_BYTES struct bytes page = {0};
    TRY(request_read(exchange, IMAGE, &r));
    return answer(exchange,
                  listing_objects(r.storage, &r.caller, &r.image, after_of(exchange), &page),
                  &page);
}

static result get_object_symbol(struct server_exchange *exchange) {
    struct request r;
    struct image_range range;
    uint32_t slot;
    TRY(request_read(exchange, IMAGE | OBJECT, &r));
    TRY(slot_of(exchange, &slot));
    TRY(image_open_symbol(r.storage, &r.caller, &r.image, &r.object, slot, &range));
    return exchange_answer_file(exchange, range.fd, range.offset, range.length);
}

static result read_slices(struct server_exchange *exchange, struct bytes *out_bytes) {
    struct request r;
    struct image_wanted wanted[IMAGE_WANTED_MAX];
    size_t count;
    const char *of = exchange_query(exchange, "of");
    TRY(request_read(exchange, IMAGE, &r));
    TRY(image_wanted_parse(of == NULL ? "" : of, wanted, &count));
    TRY(exchange_reserve(exchange, IMAGE_SYMBOLS_BYTES));
    return image_symbols(r.storage, &r.caller, &r.image, wanted, count, out_bytes);
}

static result get_symbols(struct server_exchange *exchange) {
    AUTO_BYTES struct bytes slices = {0};
    TRY(read_slices(exchange, &slices));
    return exchange_answer_bytes(exchange, &slices);
}

static result get_object_hashes(struct server_exchange *exchange) {
    struct request r;
    AUTO_BYTES struct bytes hashes = {0};
    uint32_t slot;
    TRY(request_read(exchange, IMAGE | OBJECT, &r));
    TRY(slot_of(exchange, &slot));
    TRY(image_hashes(r.storage, &r.caller, &r.image, &r.object, slot, &hashes));
    return exchange_answer(exchange, "application/octet-stream", &hashes);
}

static result post_check(struct server_exchange *exchange) {
    struct request r;
    AUTO_BYTES struct bytes body = {0};
    uint32_t slot;
    TRY(request_read(exchange, IMAGE, &r));
    TRY(slot_of(exchange, &slot));
    return answer(exchange, image_check(r.storage, &r.caller, &r.image, slot, &body), &body);
}

static result post_repair(struct server_exchange *exchange) {
    struct request r;
    AUTO_BYTES struct bytes body = {0};
    const struct storaged *storaged = exchange_context(exchange);
    TRY(request_read(exchange, IMAGE, &r));
    return answer(exchange,
                  mend_answer(storaged->mender, &r.caller, &r.image, after_of(exchange), &body),
                  &body);
}

static result delete_image(struct server_exchange *exchange) {
    struct request r;
    TRY(request_read(exchange, IMAGE, &r));
    return removal_take(r.storage, &r.caller, &r.image, exchange_body(exchange));
}

static result delete_objects(struct server_exchange *exchange) {
    struct request r;
    TRY(request_read(exchange, IMAGE, &r));
    return deletion_take(r.storage, &r.caller, &r.image, exchange_body(exchange));
}

/* ------------------------------------------------------------------ for other storage servers */

static result get_state(struct server_exchange *exchange) {
    struct request r;
    AUTO_BYTES struct bytes body = {0};
    TRY(request_read(exchange, IMAGE, &r));
    return answer(exchange, state_answer(r.storage, &r.caller, &r.image, &body), &body);
}

static result get_coefficients(struct server_exchange *exchange) {
    struct request r;
    AUTO_BYTES struct bytes body = {0};
    TRY(request_read(exchange, IMAGE, &r));
    TRY(state_coefficients(r.storage, &r.caller, &r.image, &body));
    return exchange_answer(exchange, "application/octet-stream", &body);
}

static result get_index(struct server_exchange *exchange) {
    struct request r;
    AUTO_BYTES struct bytes page = {0};
    TRY(request_read(exchange, 0, &r));
    return answer(exchange, state_index(r.storage, &r.caller, after_of(exchange), &page), &page);
}

/* ------------------------------------------------------------------ forwards */

static result get_envelope_symbol(struct server_exchange *exchange) {
    struct request r;
    AUTO_BYTES struct bytes body = {0};
    uint32_t slot;
    TRY(request_read(exchange, IMAGE, &r));
    TRY(slot_of(exchange, &slot));
    const char *user = exchange_query(exchange, "for"); /* none: a storage server that mends */
    bool is_signed = exchange_query(exchange, "signed") != NULL;
    return answer(exchange,
                  (is_signed ? forward_symbol_signed : forward_symbol)(r.storage, &r.caller,
                                                                       &r.image, user, slot, &body),
                  &body);
}

static result get_forwards(struct server_exchange *exchange) {
    struct request r;
    AUTO_BYTES struct bytes page = {0};
    TRY(request_read(exchange, IMAGE, &r));
    return answer(exchange,
                  listing_forwards(r.storage, &r.caller, &r.image, after_of(exchange), &page),
                  &page);
}

static result put_forward(struct server_exchange *exchange) {
    struct request r;
    TRY(request_read(exchange, IMAGE | USER, &r));
    return forward_put(r.storage, &r.caller, &r.image, r.user, exchange_body(exchange));
}

static result delete_forward(struct server_exchange *exchange) {
    struct request r;
    TRY(request_read(exchange, IMAGE | USER, &r));
    return forward_revoke(r.storage, &r.caller, &r.image, r.user, exchange_body(exchange));
}

static result get_inbox(struct server_exchange *exchange) {
    struct request r;
    AUTO_BYTES struct bytes page = {0};
    TRY(request_read(exchange, 0, &r));
    return answer(exchange, listing_inbox(r.storage, &r.caller, after_of(exchange), &page), &page);
}

/* ------------------------------------------------------------------ the table */

#define BUFFERED(limit) .body = SERVER_BODY_BUFFERED, .body_limit = (limit)
#define IMAGES          "/v1/images/{image}"
#define PUTS            IMAGES "/puts/{put}"
#define OBJECTS         IMAGES "/objects/{object}"
#define FORWARDS        IMAGES "/forwards/{user}"

const struct server_route storaged_routes[] = {
    {"GET", "/healthz", .end = get_health},
    {"GET", "/metrics", .end = get_metrics},
    {"GET", GOSSIP_PATH, .end = get_system},
    {"PUT", GOSSIP_PATH, BUFFERED(FORMAT_LIMIT_SIGNED), .cost = 1, .end = put_system},
    {"POST", PUTS, BUFFERED(FORMAT_LIMIT_BEGIN_PUT), .end = post_put},
    {"PUT", PUTS "/objects/{object}", .body = SERVER_BODY_STREAMED, .begin = object_begin,
     .part = object_part, .end = object_end, .abandon = object_abandon},
    {"POST", PUTS "/draw", BUFFERED(FORMAT_LIMIT_DRAW_REQUEST), .cost = 2, .end = post_draw},
    {"PUT", PUTS "/objects/{object}/blocks", .body = SERVER_BODY_STREAMED, .begin = blocks_begin,
     .part = blocks_part, .end = blocks_end, .abandon = blocks_cut},
    {"POST", PUTS "/prepare", BUFFERED(FORMAT_LIMIT_PREPARE_PUT), .cost = 2, .end = post_prepare},
    {"POST", PUTS "/commit", BUFFERED(FORMAT_LIMIT_SIGNED_SMALL), .end = post_commit},
    {"GET", PUTS, .end = get_put},
    {"DELETE", PUTS, .end = delete_put},
    {"GET", "/v1/images", .cost = 2, .end = get_images},
    {"GET", IMAGES, .end = get_image},
    {"GET", IMAGES "/objects", .end = get_objects},
    {"GET", OBJECTS "/symbol", .end = get_object_symbol},
    {"GET", IMAGES "/symbols", .cost = 1, .end = get_symbols},
    {"GET", OBJECTS "/hashes", .end = get_object_hashes},
    {"GET", IMAGES "/symbol", .cost = 1, .end = get_envelope_symbol},
    {"POST", IMAGES "/check", .cost = 10, .end = post_check},
    {"POST", IMAGES "/repair", .cost = 20, .end = post_repair},
    {"GET", IMAGES "/state", .cost = 1, .end = get_state},
    {"GET", IMAGES "/coefficients", .cost = 1, .end = get_coefficients},
    {"GET", "/v1/index", .cost = 10, .end = get_index},
    {"DELETE", IMAGES, BUFFERED(FORMAT_LIMIT_SIGNED_SMALL), .end = delete_image},
    {"GET", IMAGES "/forwards", .cost = 1, .end = get_forwards},
    {"PUT", FORWARDS, BUFFERED(FORMAT_LIMIT_SIGNED_SMALL), .cost = 1, .end = put_forward},
    {"DELETE", FORWARDS, BUFFERED(FORMAT_LIMIT_SIGNED_SMALL), .cost = 1, .end = delete_forward},
    {"GET", "/v1/inbox", .cost = 2, .end = get_inbox},
    /* After the others: seeds of the request sequences' fuzz target number the routes. */
    {"POST", PUTS "/whole", BUFFERED(FORMAT_LIMIT_WHOLE_PUT), .cost = 2, .end = post_whole},
    {"DELETE", IMAGES "/objects", BUFFERED(FORMAT_LIMIT_DELETE_OBJECTS), .cost = 2,
     .end = delete_objects},
};
const size_t storaged_route_count = sizeof storaged_routes / sizeof storaged_routes[0];
