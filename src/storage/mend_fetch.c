/* Where the slices of a lost slot come from: one server that has the very slot, or k others, each
 * slice compared with the hashes that the owner signed the root of. */
#include <stdlib.h>
#include <string.h>

#include <stdio.h>

#include "base/log.h"
#include "code/code.h"
#include "code/span.h"
#include "format/hash.h"
#include "storage/mend_private.h"

enum {
    WINDOW_BYTES = 32 << 20,     /* of all lanes together */
    LANE_WINDOW_BYTES = 4 << 20, /* of one */
};

/* One server's slices of one slot. */
struct lane {
    unsigned server;
    uint32_t slot;
    struct bytes table; /* the slot's hashes, once they are verified */
    struct bytes part;  /* of the window at hand */
    bool is_filled;
    result code;
    char text[ERROR_TEXT_BYTES];
};

struct mend_fetch {
    struct mending *m;
    const struct mend_object *object;
    struct format_layout layout;
    uint32_t slot; /* to be made */
    struct lane lanes[FORMAT_SERVERS_MAX];
    unsigned lane_count; /* k; 1 where the slot is copied */
    bool is_copy, has_recoded;
    bool is_tried[FORMAT_SERVERS_MAX][FORMAT_SERVERS_MAX]; /* by slot and server */
    uint64_t first, count;                                 /* the window */
    struct code_map recoder;
    uint32_t recoder_slots[FORMAT_SERVERS_MAX];
    bool has_recoder;
    uint8_t *out;
    char failures[ERROR_TEXT_BYTES / 2];
};

static uint64_t window_of(const struct mend_fetch *fetch, unsigned lanes) {
    uint64_t share = WINDOW_BYTES / lanes;
    uint64_t bytes = share < LANE_WINDOW_BYTES ? share : LANE_WINDOW_BYTES;
    uint64_t count = bytes / fetch->layout.slice_len;
    return count == 0 ? 1 : count;
}

uint64_t mend_fetch_window(const struct mend_fetch *fetch) {
    return window_of(fetch, fetch->object->manifest->k);
}

bool mend_fetch_was_copied(const struct mend_fetch *fetch) {
    return !fetch->has_recoded;
}

/* ------------------------------------------------------------------ sources */

/* The next server that holds `slot` and was not tried. */
static bool next_holder(struct mend_fetch *fetch, uint32_t slot, struct lane *lane) {
    unsigned servers[FORMAT_SERVERS_MAX];
    unsigned count = mend_holders(fetch->m, slot, servers);
    for (unsigned i = 0; i < count; i++) {
        if (fetch->is_tried[slot][servers[i]])
            continue;
        fetch->is_tried[slot][servers[i]] = true;
        bytes_free(&lane->table);
        lane->server = servers[i];
        lane->slot = slot;
        lane->is_filled = false;
        return true;
    }
    return false;
}

/* Whether the slot's row is independent of the other lanes': drawn ones may not be. */
static bool fits(const struct mend_fetch *fetch, const struct lane *lane, uint32_t slot) {
    const Myelin__Manifest *manifest = fetch->object->manifest;
    AUTO_CODE_SPAN struct code_span span = {0};
    if (code_span_init(manifest->k, &span) != OK)
        return false;
    for (unsigned i = 0; i < fetch->lane_count; i++)
        if (&fetch->lanes[i] != lane && fetch->lanes[i].slot != SLOT_ANY &&
            !code_span_add(&span, manifest->row[fetch->lanes[i].slot].data))
            return false;
    return code_span_add(&span, manifest->row[slot].data);
}

/* Another slot for the lane, starting behind the one that is to be made so that the load spreads.
 */
static bool next_source(struct mend_fetch *fetch, struct lane *lane) {
    const size_t n = fetch->object->manifest->n_servers;
    for (size_t step = 1; step < n; step++) {
        uint32_t slot = (uint32_t)((fetch->slot + step) % n);
        if (fits(fetch, lane, slot) && next_holder(fetch, slot, lane))
            return true;
    }
    return false;
}

static result start_recoding(struct mend_fetch *fetch) {
    fetch->is_copy = false;
    bytes_free(&fetch->lanes[0].table);
    for (unsigned i = 0; i < FORMAT_SERVERS_MAX; i++)
        fetch->lanes[i].slot = SLOT_ANY;
    fetch->lane_count = fetch->object->manifest->k;
    for (unsigned i = 0; i < fetch->lane_count; i++)
        if (!next_source(fetch, &fetch->lanes[i]))
            return FAIL(QUORUM, "%u of the %u other slots needed were found%s%s", i,
                        fetch->lane_count, fetch->failures[0] != '\0' ? ": " : "", fetch->failures);
    return OK;
}

result mend_fetch_new(struct mending *m, const struct mend_object *object, uint32_t slot,
                      struct mend_fetch **out_fetch) {
    AUTO_MEND_FETCH struct mend_fetch *fetch = calloc(1, sizeof *fetch);
    if (fetch == NULL)
        return FAIL(NO_MEMORY, "no memory to mend with");
    fetch->m = m;
    fetch->object = object;
    fetch->slot = slot;
    format_layout_of(object->manifest, &fetch->layout);
    fetch->lanes[0].slot = SLOT_ANY;
    fetch->is_copy = next_holder(fetch, slot, &fetch->lanes[0]);
    fetch->lane_count = 1;
    if (!fetch->is_copy)
        TRY(start_recoding(fetch));
    fetch->out = malloc((size_t)(mend_fetch_window(fetch) * fetch->layout.slice_len));
    if (fetch->out == NULL)
        return FAIL(NO_MEMORY, "no memory for %u bytes of slices", fetch->layout.slice_len);
    *out_fetch = fetch;
    fetch = NULL;
    return OK;
}

void mend_fetch_free(struct mend_fetch *fetch) {
    if (fetch == NULL)
        return;
    for (unsigned i = 0; i < FORMAT_SERVERS_MAX; i++) {
        bytes_free(&fetch->lanes[i].table);
        bytes_free(&fetch->lanes[i].part);
    }
    code_map_clean_up(&fetch->recoder);
    free(fetch->out);
    free(fetch);
}

void mend_fetch_free_at(struct mend_fetch **fetch) {
    mend_fetch_free(*fetch);
}

/* ------------------------------------------------------------------ one lane */

static void path_of(const struct mend_fetch *fetch, const struct lane *lane, const char *what,
                    char out_path[MEND_PATH_BYTES]) {
    snprintf(out_path, MEND_PATH_BYTES, "/v1/images/%s/objects/%s/%s?slot=%u", fetch->m->image->hex,
             fetch->object->id.hex, what, lane->slot);
}

static const uint8_t *root_of(const struct mend_fetch *fetch, const struct lane *lane) {
    return fetch->object->manifest->symbol_root[lane->slot].data;
}

/* The hash of an object's only slice needs no table. */
static result load_table(const struct mend_fetch *fetch, struct lane *lane) {
    char path[MEND_PATH_BYTES];
    uint8_t root[DIGEST_BYTES];
    const size_t len = (size_t)fetch->layout.segments * DIGEST_BYTES;
    if (lane->table.len > 0 || fetch->layout.segments == 1)
        return OK;
    path_of(fetch, lane, "hashes", path);
    TRY(peers_call(fetch->m->group, lane->server, "GET", path, 0, len, &lane->table));
    TRY(format_slice_table_root(bytes_view(&lane->table), root));
    if (lane->table.len != len || memcmp(root, root_of(fetch, lane), sizeof root) != 0) {
        bytes_free(&lane->table);
        return FAIL(INTEGRITY, "its hashes of slot %u are not what was signed", lane->slot);
    }
    return OK;
}

static bool slice_is_good(const struct mend_fetch *fetch, const struct lane *lane, uint64_t number,
                          struct view slice) {
    uint8_t hash[DIGEST_BYTES], root[DIGEST_BYTES];
    digest_sha256(slice, hash);
    if (fetch->layout.segments == 1)
        return format_slice_table_root(view_of(hash, sizeof hash), root) == OK &&
               memcmp(root, root_of(fetch, lane), sizeof root) == 0;
    return memcmp(hash, lane->table.data + number * DIGEST_BYTES, sizeof hash) == 0;
}

static uint64_t window_bytes(const struct mend_fetch *fetch) {
    uint64_t last = fetch->first + fetch->count - 1;
    return format_slice_offset(&fetch->layout, last) + format_slice_len(&fetch->layout, last) -
           format_slice_offset(&fetch->layout, fetch->first);
}

static result fill_lane(const struct mend_fetch *fetch, struct lane *lane) {
    char path[MEND_PATH_BYTES];
    TRY(mend_go_on(fetch->m));
    TRY(load_table(fetch, lane));
    path_of(fetch, lane, "symbol", path);
    lane->part.len = 0;
    TRY(peers_download(fetch->m->group, lane->server, path,
                       format_slice_offset(&fetch->layout, fetch->first), window_bytes(fetch),
                       &lane->part));
    const uint8_t *at = lane->part.data;
    for (uint64_t i = 0; i < fetch->count; i++) {
        size_t len = format_slice_len(&fetch->layout, fetch->first + i);
        if (!slice_is_good(fetch, lane, fetch->first + i, view_of(at, len)))
            return FAIL(INTEGRITY, "its slice %llu of slot %u is not what was signed",
                        (unsigned long long)(fetch->first + i), lane->slot);
        at += len;
    }
    lane->is_filled = true;
    return OK;
}

static void run_lane(void *context, unsigned number) {
    struct mend_fetch *fetch = context;
    struct lane *lane = &fetch->lanes[number];
    lane->code = fill_lane(fetch, lane);
    if (lane->code != OK)
        snprintf(lane->text, sizeof lane->text, "%s", error_text());
}

/* ------------------------------------------------------------------ all lanes */

static void blame(struct mend_fetch *fetch, const struct lane *lane) {
    struct mending *m = fetch->m;
    const char *name = storage_fleet_name(m->group->fleet, lane->server);
    size_t len = strlen(fetch->failures);
    /* Texts from the network begin with the server's name already. */
    bool is_named = strncmp(lane->text, name, strlen(name)) == 0;
    snprintf(fetch->failures + len, sizeof fetch->failures - len, "%s%s%s%s", len > 0 ? "; " : "",
             is_named ? "" : name, is_named ? "" : ": ", lane->text);
    m->is_liar[lane->server] = m->is_liar[lane->server] || lane->code == INTEGRITY;
    storage_fleet_blame(m->group->fleet, lane->server);
    log_event(lane->code == INTEGRITY ? LOG_WARNING : LOG_INFO, "mend-source",
              "image=%s object=%s slot=%u server=%s reason=\"%s\"", m->image->hex,
              fetch->object->id.hex, lane->slot, name, lane->text);
}

/* What failed is fetched from elsewhere. */
static result replace_failed(struct mend_fetch *fetch) {
    for (unsigned i = 0; i < fetch->lane_count; i++) {
        struct lane *lane = &fetch->lanes[i];
        if (lane->is_filled)
            continue;
        TRY(mend_go_on(fetch->m));
        blame(fetch, lane);
        if (fetch->is_copy)
            return next_holder(fetch, fetch->slot, lane) ? OK : start_recoding(fetch);
        lane->slot = SLOT_ANY;
        if (!next_source(fetch, lane))
            return FAIL(QUORUM, "fewer than the %u other slots needed: %s", fetch->lane_count,
                        fetch->failures);
    }
    return OK;
}

static bool count_empty(const struct mend_fetch *fetch, bool out_is_empty[FORMAT_SERVERS_MAX]) {
    bool any = false;
    for (unsigned i = 0; i < fetch->lane_count; i++) {
        out_is_empty[i] = !fetch->lanes[i].is_filled;
        any = any || out_is_empty[i];
    }
    return any;
}

static result fill_lanes(struct mend_fetch *fetch) {
    bool is_empty[FORMAT_SERVERS_MAX];
    for (unsigned i = 0; i < fetch->lane_count; i++)
        fetch->lanes[i].is_filled = false;
    while (count_empty(fetch, is_empty)) {
        for (unsigned i = 0; i < fetch->lane_count; i++)
            if (is_empty[i])
                mend_pace(fetch->m, window_bytes(fetch));
        peers_each(is_empty, fetch->lane_count, run_lane, fetch);
        for (unsigned i = 0; i < fetch->lane_count; i++)
            if (is_empty[i])
                fetch->m->report->bytes_read += fetch->lanes[i].part.len;
        TRY(replace_failed(fetch));
    }
    return OK;
}

/* ------------------------------------------------------------------ recoding */

static result make_recoder(struct mend_fetch *fetch) {
    const Myelin__Manifest *manifest = fetch->object->manifest;
    const unsigned k = manifest->k;
    uint32_t slots[FORMAT_SERVERS_MAX];
    for (unsigned i = 0; i < k; i++)
        slots[i] = fetch->lanes[i].slot;
    if (fetch->has_recoder && memcmp(slots, fetch->recoder_slots, k * sizeof slots[0]) == 0)
        return OK;
    uint8_t *rows = malloc((size_t)k * k);
    if (rows == NULL)
        return FAIL(NO_MEMORY, "no memory for %u rows", k);
    for (unsigned i = 0; i < k; i++)
        memcpy(rows + (size_t)i * k, manifest->row[slots[i]].data, k);
    code_map_clean_up(&fetch->recoder);
    fetch->recoder = (struct code_map){0};
    result made = code_recoder_init(k, rows, 1, manifest->row[fetch->slot].data, &fetch->recoder);
    free(rows);
    fetch->has_recoder = made == OK;
    memcpy(fetch->recoder_slots, slots, k * sizeof slots[0]);
    return made;
}

static void recode_window(struct mend_fetch *fetch) {
    const uint8_t *inputs[FORMAT_SERVERS_MAX];
    size_t at = 0;
    for (uint64_t i = 0; i < fetch->count; i++) {
        size_t len = format_slice_len(&fetch->layout, fetch->first + i);
        uint8_t *output = fetch->out + at;
        for (unsigned lane = 0; lane < fetch->lane_count; lane++)
            inputs[lane] = fetch->lanes[lane].part.data + at;
        code_apply(&fetch->recoder, inputs, len, &output);
        at += len;
    }
}

result mend_fetch_slices(struct mend_fetch *fetch, uint64_t first, uint64_t count,
                         const uint8_t **out_slices) {
    fetch->first = first;
    fetch->count = count;
    TRY(fill_lanes(fetch));
    if (fetch->is_copy) {
        *out_slices = fetch->lanes[0].part.data;
        return OK;
    }
    TRY(make_recoder(fetch));
    recode_window(fetch);
    fetch->has_recoded = true;
    *out_slices = fetch->out;
    return OK;
}
