#include "flow/verify_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flow/object.h"
#include "format/layout.h"
#include "system/placement.h"

enum { PATH_BYTES = 256, DETAIL_BYTES = 200 };

static void fault(struct verify_server *verify, const char *object, enum verify_state state,
                  const char *detail) {
    if (verify->is_at_leaving)
        verify->has_leaving = false;
    if (verify->is_at_leaving && state == VERIFY_LOST)
        return; /* it may be gone once the other one has it */
    if (!verify->is_at_leaving && verify->coming >= 0 && state == VERIFY_LOST) {
        if (!verify->lacks_coming)
            snprintf(verify->why, sizeof verify->why, "%s", detail);
        verify->lacks_coming = true;
        return;
    }
    verify->has_fault = true;
    verify->take(verify->context, verify->server, object, state, detail);
}

/* What a failed request says of what was asked for; false where the server itself is gone. */
static bool judge(struct verify_server *verify, const char *object, result code) {
    char text[ERROR_TEXT_BYTES];
    snprintf(text, sizeof text, "%s", error_text());
    if (code == NOT_FOUND) {
        fault(verify, object, VERIFY_LOST, text);
        return true;
    }
    /* A server that cannot read its disk may cut an answer short: ask whether it is alive. */
    if (code == TIMEOUT && http_call(verify->client, "GET", "/healthz", view_of(NULL, 0), NULL,
                                     64 << 10, NULL) != OK) {
        fault(verify, NULL, VERIFY_UNREACHABLE, text);
        return false;
    }
    fault(verify, object, VERIFY_BAD, text);
    return true;
}

/* ------------------------------------------------------------------ the envelope */

static result fetch_symbol(struct verify_server *verify, int slot,
                           Myelin__SymbolAnswer **out_answer) {
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "/v1/images/%s/symbol?for=%s&slot=%d", verify->image->hex,
             verify->session->user, slot);
    AUTO_BYTES struct bytes wire = {0};
    TRY(http_call(verify->client, "GET", path, view_of(NULL, 0), NULL, FORMAT_LIMIT_SYMBOL_ANSWER,
                  &wire));
    return format_parse_symbol_answer(bytes_view(&wire), out_answer);
}

static bool verify_envelope(struct verify_server *verify, int slot) {
    AUTO_FORMAT Myelin__SymbolAnswer *answer = NULL;
    result fetched = fetch_symbol(verify, slot, &answer);
    if (fetched != OK)
        return judge(verify, NULL, fetched);
    uint8_t hash[DIGEST_BYTES];
    format_symbol_hash(answer->symbol, hash);
    if (answer->symbol->b != 0 || answer->symbol->slot != (uint32_t)slot ||
        memcmp(hash, verify->image->envelope->symbol_hash[slot].data, sizeof hash) != 0)
        fault(verify, NULL, VERIFY_BAD, "its envelope symbol is not what was signed");
    return true;
}

/* ------------------------------------------------------------------ objects */

/* A symbol on its way in: hashed slice by slice, kept nowhere. */
struct reading {
    struct verify_server *verify;
    struct format_layout layout;
    struct bytes table;
    struct digest digest;
    uint64_t number, bad, first_bad;
    size_t filled;
};

static void finish_slice(struct reading *reading) {
    uint8_t hash[DIGEST_BYTES];
    digest_finish(&reading->digest, hash);
    const uint8_t *signed_hash = reading->table.data + reading->number * DIGEST_BYTES;
    if (memcmp(hash, signed_hash, sizeof hash) != 0 && reading->bad++ == 0)
        reading->first_bad = reading->number;
    reading->number++;
    reading->filled = 0;
}

static result push_symbol(void *context, struct view part) {
    struct reading *reading = context;
    atomic_fetch_add(reading->verify->bytes_done, part.len);
    TRY(session_check_cancel(reading->verify->session));
    while (part.len > 0) {
        if (reading->filled == 0)
            digest_start(&reading->digest);
        size_t left = format_slice_len(&reading->layout, reading->number) - reading->filled;
        size_t step = part.len < left ? part.len : left;
        digest_update(&reading->digest, view_of(part.data, step));
        reading->filled += step;
        part = view_of(part.data + step, part.len - step);
        if (step == left)
            finish_slice(reading);
    }
    return OK;
}

static result read_symbol(struct reading *reading, const char *id, int slot, const uint8_t *root) {
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "/v1/images/%s/objects/%s/hashes?slot=%d",
             reading->verify->image->hex, id, slot);
    size_t len = (size_t)reading->layout.segments * DIGEST_BYTES;
    TRY(http_call(reading->verify->client, "GET", path, view_of(NULL, 0), NULL, len,
                  &reading->table));
    uint8_t got[DIGEST_BYTES];
    TRY(format_slice_table_root(bytes_view(&reading->table), got));
    if (reading->table.len != len || memcmp(got, root, sizeof got) != 0)
        return FAIL(INTEGRITY, "its slice hashes are not what was signed");
    snprintf(path, sizeof path, "/v1/images/%s/objects/%s/symbol?slot=%d",
             reading->verify->image->hex, id, slot);
    return http_download(reading->verify->client, path, 0, reading->layout.symbol_bytes,
                         push_symbol, reading);
}

static bool verify_object(struct verify_server *verify, const struct manifest_entry *entry,
                          int slot) {
    char id[OBJECT_HEX];
    hex_encode(format_view(entry->manifest->object), id);
    if (!entry->is_at[verify->server]) {
        fault(verify, id, VERIFY_LOST, "it does not list the object");
        return true;
    }
    struct reading reading = {.verify = verify};
    format_layout_of(entry->manifest, &reading.layout);
    result read = read_symbol(&reading, id, slot, entry->manifest->symbol_root[slot].data);
    digest_abandon(&reading.digest);
    bytes_free(&reading.table);
    if (read != OK)
        return judge(verify, id, read);
    if (reading.bad > 0) {
        char detail[DETAIL_BYTES];
        snprintf(detail, sizeof detail, "%llu of %llu slices are not what was signed, first %llu",
                 (unsigned long long)reading.bad, (unsigned long long)reading.layout.segments,
                 (unsigned long long)reading.first_bad);
        fault(verify, id, VERIFY_BAD, detail);
    }
    return true;
}

/* Not while a slot comes or goes: then much may be missing. */
static void verify_deleted(struct verify_server *verify) {
    const struct manifests *manifests = verify->manifests;
    for (size_t i = 0; i < manifests->deleted_count; i++) {
        char id[OBJECT_HEX];
        if (manifests->deleted[i].is_at[verify->server] || verify->coming >= 0)
            continue;
        hex_encode(view_of(manifests->deleted[i].object, FORMAT_ID_BYTES), id);
        fault(verify, id, VERIFY_STALE, "it missed that the object was deleted");
    }
}

/* What a server that would not list the image's objects is. */
static enum verify_state state_of(result code) {
    switch (code) {
    case NOT_FOUND:
    case DENIED: /* it does not know the owner as the owner */
        return VERIFY_LOST;
    case TIMEOUT:
    case NO_MEMORY: /* busy */
        return VERIFY_UNREACHABLE;
    default:
        return VERIFY_BAD;
    }
}

/* ------------------------------------------------------------------ which image it has */

static result fetch_image(struct verify_server *verify, Myelin__ImageAnswer **out_answer) {
    char path[PATH_BYTES];
    AUTO_BYTES struct bytes wire = {0};
    snprintf(path, sizeof path, "/v1/images/%s", verify->image->hex);
    TRY(http_call(verify->client, "GET", path, view_of(NULL, 0), NULL, FORMAT_LIMIT_IMAGE_ANSWER,
                  &wire));
    return format_parse_image_answer(bytes_view(&wire), out_answer);
}

/* False where the rest need not be looked at. */
static bool verify_image(struct verify_server *verify) {
    AUTO_FORMAT Myelin__ImageAnswer *answer = NULL;
    AUTO_FORMAT Myelin__Envelope *envelope = NULL;
    result fetched = fetch_image(verify, &answer);
    if (fetched != OK)
        return judge(verify, NULL, fetched);
    if (answer->removal != NULL) {
        fault(verify, NULL, VERIFY_LOST,
              "it has the image's removal, and missed that it was put again");
        return false;
    }
    if (view_equal(format_view(answer->envelope->body), format_view(verify->image->record->body)))
        return true;
    bool is_owners = format_open_envelope(answer->envelope, verify->session->signing->public_key,
                                          &envelope) == OK;
    fault(verify, NULL, is_owners ? VERIFY_STALE : VERIFY_BAD,
          is_owners ? "it has the image as it was before it was removed and put again"
                    : "its envelope is not what was signed");
    return false;
}

/* ------------------------------------------------------------------ forwards */

static result add_entry(struct verify_server *verify, const Myelin__ForwardEntry *entry) {
    AUTO_FORMAT Myelin__Forward *forward = NULL;
    AUTO_FORMAT Myelin__Revocation *revocation = NULL;
    const uint8_t *identity = verify->session->signing->public_key;
    if (entry->forward != NULL)
        TRY(format_open_forward(entry->forward, identity, &forward));
    else
        TRY(format_open_revocation(entry->revocation, identity, &revocation));
    struct verify_forward one = {.serial_ms =
                                     forward != NULL ? forward->serial_ms : revocation->serial_ms};
    const char *name = forward != NULL ? forward->recipient : revocation->recipient;
    memcpy(one.recipient, name, strlen(name) + 1);
    if (verify->forward_count > 0 &&
        strcmp(verify->forwards[verify->forward_count - 1].recipient, name) >= 0)
        return FAIL(PROTOCOL, "its forwards are out of order");
    struct verify_forward *grown =
        reallocarray(verify->forwards, verify->forward_count + 1, sizeof *grown);
    if (grown == NULL)
        return FAIL(NO_MEMORY, "no memory for the forwards");
    verify->forwards = grown;
    verify->forwards[verify->forward_count++] = one;
    return OK;
}

static result fetch_forwards(struct verify_server *verify) {
    for (bool more = true; more;) {
        char path[PATH_BYTES];
        AUTO_BYTES struct bytes wire = {0};
        AUTO_FORMAT Myelin__ForwardPage *page = NULL;
        bool is_first = verify->forward_count == 0;
        snprintf(path, sizeof path, "/v1/images/%s/forwards%s%s", verify->image->hex,
                 is_first ? "" : "?after=",
                 is_first ? "" : verify->forwards[verify->forward_count - 1].recipient);
        TRY(http_call(verify->client, "GET", path, view_of(NULL, 0), NULL, FORMAT_LIMIT_PAGE,
                      &wire));
        TRY(format_parse_forward_page(bytes_view(&wire), &page));
        for (size_t i = 0; i < page->n_entry; i++)
            TRY(add_entry(verify, page->entry[i]));
        more = page->more;
    }
    return OK;
}

static bool verify_forwards(struct verify_server *verify) {
    result fetched = fetch_forwards(verify);
    verify->has_forwards = fetched == OK;
    return fetched == OK || judge(verify, NULL, fetched);
}

void verify_server_clean_up(struct verify_server *verify) {
    free(verify->forwards);
    verify->forwards = NULL;
}

void verify_server_compare(struct verify_server *verify, const struct verify_server *other) {
    if (!verify->has_forwards || !other->has_forwards)
        return;
    for (size_t i = 0; i < other->forward_count; i++) {
        const struct verify_forward *wanted = &other->forwards[i];
        uint64_t serial_ms = 0;
        for (size_t j = 0; j < verify->forward_count; j++)
            if (strcmp(verify->forwards[j].recipient, wanted->recipient) == 0)
                serial_ms = verify->forwards[j].serial_ms;
        if (serial_ms >= wanted->serial_ms)
            continue;
        char detail[DETAIL_BYTES];
        snprintf(detail, sizeof detail, "%s of the forward to %s",
                 serial_ms == 0 ? "it knows nothing" : "it missed the last change",
                 wanted->recipient);
        fault(verify, NULL, serial_ms == 0 ? VERIFY_LOST : VERIFY_STALE, detail);
        return; /* one is enough */
    }
}

/* ------------------------------------------------------------------ the whole */

static int position_of(const char *const names[], unsigned count, const char *name) {
    for (unsigned i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return (int)i;
    return -1;
}

/* The server's slot now, -1 where it has none; and what is on its way to it and from it. */
static int find_slots(struct verify_server *verify, const char *name) {
    const char *now[FORMAT_SERVERS_MAX], *before[FORMAT_SERVERS_MAX];
    const struct description *description = &verify->session->description;
    const uint8_t *tau = verify->image->tau_bytes;
    const unsigned slots = (unsigned)verify->image->envelope->n_servers;
    unsigned count = placement_slots(description, tau, now);
    unsigned count_before = placement_previous(description, tau, before);
    int slot = position_of(now, count < slots ? count : slots, name);
    int old = position_of(before, count_before < slots ? count_before : slots, name);
    verify->coming = count_before > 0 && slot != old ? slot : -1;
    verify->leaving = slot != old ? old : -1;
    return slot;
}

static bool verify_slot(struct verify_server *verify, int slot) {
    const struct manifests *manifests = verify->manifests;
    bool is_there = verify_envelope(verify, slot);
    for (size_t i = 0; is_there && i < manifests->count; i++) {
        const Myelin__Manifest *manifest = manifests->entries[i].manifest;
        if ((size_t)slot < manifest->n_servers && !session_is_cancelled(verify->session))
            is_there = verify_object(verify, &manifests->entries[i], slot);
    }
    return is_there;
}

void verify_server(struct verify_server *verify) {
    const char *name = session_server(verify->session, SESSION_STORAGE, verify->server)->name;
    const struct session_answer *answer = &verify->manifests->answers[verify->server];
    int slot = find_slots(verify, name);
    bool is_there = true;
    if (slot < 0 && verify->leaving < 0)
        return; /* it has no part in the image */
    if (verify->leaving >= 0 && answer->code == OK) {
        verify->is_at_leaving = verify->has_leaving = true;
        is_there = verify_slot(verify, verify->leaving);
        verify->is_at_leaving = false;
    }
    if (slot >= 0 && answer->code != OK) {
        fault(verify, NULL, state_of(answer->code), answer->text);
        return;
    }
    if (slot >= 0 && is_there && verify_image(verify) && verify_slot(verify, slot)) {
        verify_deleted(verify);
        (void)verify_forwards(verify);
    }
    verify->is_done = slot >= 0 && !session_is_cancelled(verify->session);
}

void verify_server_settle(struct verify_server *verify, const struct verify_server *const others[],
                          unsigned count) {
    if (!verify->lacks_coming)
        return;
    int slot = verify->coming;
    verify->coming = -1; /* what is told from now on counts */
    for (unsigned i = 0; i < count; i++)
        if (others[i]->leaving == slot && others[i]->has_leaving) {
            verify->is_done = false; /* neither good nor bad yet */
            return;
        }
    fault(verify, NULL, VERIFY_LOST, verify->why);
}
