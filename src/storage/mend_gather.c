/* Gather, removals, standing: what the others know of an image, and whose it is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "storage/mend_private.h"
#include "storage/removal.h"
#include "storage/state.h"
#include "system/placement.h"

/* ------------------------------------------------------------------ gather */

static void mark(struct mending *m, const char *name) {
    int server = storage_fleet_find(m->group->fleet, name);
    if (server >= 0 && server != m->group->self)
        m->is_asked[server] = true;
}

static void choose_servers(struct mending *m) {
    const char *names[FORMAT_SERVERS_MAX];
    m->servers = storage_fleet_size(m->group->fleet);
    unsigned count = placement_slots_by_id(&m->group->description, m->image->bytes, names);
    for (unsigned i = 0; i < count; i++) {
        if (m->group->self >= 0 &&
            strcmp(names[i], storage_fleet_name(m->group->fleet, (unsigned)m->group->self)) == 0)
            m->slots[m->slot_count++] = i;
        mark(m, names[i]);
    }
    count = placement_previous_by_id(&m->group->description, m->image->bytes, names);
    for (unsigned i = 0; i < count; i++)
        mark(m, names[i]);
}

static void ask(void *context, unsigned server) {
    struct mending *m = context;
    AUTO_BYTES struct bytes wire = {0};
    char path[MEND_PATH_BYTES];
    snprintf(path, sizeof path, "/v1/images/%s/state", m->image->hex);
    result got = peers_call(m->group, server, "GET", path, 0, FORMAT_LIMIT_IMAGE_STATE, &wire);
    if (got == OK)
        got = format_parse_image_state(bytes_view(&wire), &m->states[server]);
    if (got != OK)
        log_event(LOG_DEBUG, "mend-peer", "image=%s server=%s reason=\"%s\"", m->image->hex,
                  storage_fleet_name(m->group->fleet, server), error_text());
}

result mend_gather(struct mending *m) {
    choose_servers(m);
    peers_each(m->is_asked, m->servers, ask, m);
    TRY(mend_go_on(m));
    return state_digest(m->storage, m->image, m->digest);
}

result mend_ask_page(const struct mending *m, unsigned server, const char *what, const char *after,
                     struct bytes *out_wire) {
    char path[MEND_PATH_BYTES];
    TRY(mend_go_on(m));
    snprintf(path, sizeof path, "/v1/images/%s/%s%s%s", m->image->hex, what,
             after[0] != '\0' ? "?after=" : "", after);
    return peers_call(m->group, server, "GET", path, 0, FORMAT_LIMIT_PAGE, out_wire);
}

unsigned mend_holders(const struct mending *m, uint32_t slot, unsigned out_servers[]) {
    unsigned count = 0;
    for (int lying = 0; lying < 2; lying++)
        for (unsigned i = 0; i < m->servers; i++) {
            const Myelin__ImageState *state = m->states[i];
            bool holds = false;
            for (size_t j = 0; state != NULL && m->is_liar[i] == lying && j < state->n_slot; j++)
                holds = holds || state->slot[j] == slot;
            if (holds)
                out_servers[count++] = i;
        }
    return count;
}

/* ------------------------------------------------------------------ removals */

/* `name`'s identity by a certificate of the answer; NULL where it has none that the CA signed. */
static const ProtobufCBinaryData *find_certificate(const struct mending *m,
                                                   const Myelin__ImageState *state,
                                                   const char *name,
                                                   struct image_owner *out_signer) {
    for (size_t i = 0; i < state->n_certificate; i++) {
        struct image_owner signer = {.verifies = true};
        if (peers_identify(m->group, format_view(state->certificate[i]), signer.name,
                           signer.identity) == OK &&
            strcmp(signer.name, name) == 0) {
            *out_signer = signer;
            return &state->certificate[i];
        }
    }
    return NULL;
}

static result take_removal(struct mending *m, unsigned server, const Myelin__Signed *record) {
    const Myelin__ImageState *state = m->states[server];
    AUTO_FORMAT Myelin__Removal *removal = NULL;
    struct image_owner signer;
    bool taken = false;
    if (format_parse_removal(format_view(record->body), &removal) != OK)
        return OK;
    const ProtobufCBinaryData *certificate = find_certificate(m, state, removal->owner, &signer);
    if (certificate == NULL)
        return OK; /* another server may have it */
    result adopted =
        removal_adopt(m->storage, &signer, format_view(*certificate), m->image, record, &taken);
    if (adopted == INTEGRITY || adopted == PROTOCOL || adopted == INVALID) {
        log_event(LOG_WARNING, "mend-lie", "image=%s server=%s reason=\"%s\"", m->image->hex,
                  storage_fleet_name(m->group->fleet, server), error_text());
        m->is_liar[server] = true;
        return OK;
    }
    if (taken)
        log_event(LOG_INFO, "mended", "image=%s removal from=%s", m->image->hex,
                  storage_fleet_name(m->group->fleet, server));
    return adopted;
}

/* The owner of whom k others say that the image was his when he removed it: his claim stands here
 * too, in the place of any other. */
static result take_claim(struct mending *m) {
    char here[FORMAT_NAME_MAX + 1];
    TRY(removal_claim(m->storage, m->image, here));
    for (unsigned i = 0; i < m->servers; i++) {
        const Myelin__ImageState *state = m->states[i];
        unsigned witnesses = 0;
        if (state == NULL || state->claim[0] == '\0' || strcmp(state->claim, here) == 0)
            continue;
        for (unsigned j = 0; j < m->servers; j++)
            witnesses += m->states[j] != NULL && strcmp(m->states[j]->claim, state->claim) == 0;
        if (witnesses < m->group->description.system->k)
            continue;
        AUTO_IMAGE_LOCK struct image_lock lock = {0}; /* a digest that is known is of what was */
        image_lock_write(m->storage, m->image, &lock);
        return removal_set_claim(m->storage, m->image, state->claim);
    }
    return OK;
}

result mend_take_removals(struct mending *m) {
    for (unsigned i = 0; i < m->servers; i++)
        for (size_t j = 0; m->states[i] != NULL && j < m->states[i]->n_removal; j++)
            TRY(take_removal(m, i, m->states[i]->removal[j]));
    return take_claim(m);
}

/* ------------------------------------------------------------------ standing */

/* One server's envelope, verified. */
struct claim {
    bool is_there;
    struct image_owner owner;
    struct view certificate;
    const Myelin__Signed *record;
    unsigned witnesses;
};

static bool verify_claim(struct mending *m, unsigned server, struct claim *out_claim) {
    const Myelin__ImageState *state = m->states[server];
    AUTO_FORMAT Myelin__Envelope *claimed = NULL, *envelope = NULL;
    struct image_id image;
    *out_claim = (struct claim){0};
    if (state == NULL || state->envelope == NULL ||
        format_parse_envelope(format_view(state->envelope->body), &claimed) != OK)
        return false;
    const ProtobufCBinaryData *certificate =
        find_certificate(m, state, claimed->owner, &out_claim->owner);
    image_id_of_tau(format_view(claimed->tau), &image);
    if (certificate == NULL || !image_id_equal(&image, m->image) ||
        format_open_envelope(state->envelope, out_claim->owner.identity, &envelope) != OK) {
        m->is_liar[server] = true;
        return false;
    }
    if (removal_check_newer(m->storage, m->image, &out_claim->owner, envelope->created_ms) != OK)
        return false; /* a server that missed the removal */
    out_claim->certificate = format_view(*certificate);
    out_claim->record = state->envelope;
    out_claim->is_there = true;
    return true;
}

/* The claim of most other servers. */
static const struct claim *find_claim(struct mending *m, struct claim claims[]) {
    const struct claim *best = NULL;
    for (unsigned i = 0; i < m->servers; i++)
        verify_claim(m, i, &claims[i]);
    for (unsigned i = 0; i < m->servers; i++) {
        for (unsigned j = 0; claims[i].is_there && j < m->servers; j++)
            claims[i].witnesses +=
                claims[j].is_there && view_equal(format_view(claims[i].record->body),
                                                 format_view(claims[j].record->body));
        if (claims[i].is_there && (best == NULL || claims[i].witnesses > best->witnesses))
            best = &claims[i];
    }
    return best;
}

/* What this server has itself: an owner whose envelope verifies. */
static bool find_own(struct mending *m) {
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    return image_lock_read(m->storage, m->image, &lock) == OK &&
           image_owner_get(m->storage->store, place_of_image(m->image, PLACE_OWNER).key,
                           &m->owner) == OK &&
           image_owner_certificate(m->storage->store, place_of_image(m->image, PLACE_OWNER).key,
                                   &m->certificate) == OK &&
           image_envelope(m->storage, m->image, &m->record, NULL) == OK &&
           format_open_envelope(m->record, m->owner.identity, &m->envelope) == OK;
}

static void forget_own(struct mending *m) {
    format_free(m->record);
    format_free(m->envelope);
    bytes_free(&m->certificate);
    m->record = NULL;
    m->envelope = NULL;
}

static result take_claimed(struct mending *m, const struct claim *claim) {
    AUTO_BYTES struct bytes wire = {0};
    forget_own(m);
    m->owner = claim->owner;
    TRY(bytes_append(&m->certificate, claim->certificate));
    TRY(format_pack(claim->record, &wire));
    TRY(format_parse_signed(bytes_view(&wire), &m->record));
    return format_open_envelope(m->record, m->owner.identity, &m->envelope);
}

/* Another's image in the place of the one that stands goes, as if it never had been here. */
static result give_way(struct mending *m, const struct claim *claim) {
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    struct image_owner here;
    image_lock_write(m->storage, m->image, &lock);
    result got = image_owner(m->storage, m->image, &here);
    if (got == NOT_FOUND)
        return OK;
    log_event(LOG_WARNING, "gave-way", "image=%s of=%s to=%s witnesses=%u", m->image->hex,
              got == OK ? here.name : "?", claim->owner.name, claim->witnesses);
    return removal_drop_image(m->storage, m->image, got == OK ? here.name : claim->owner.name);
}

static result fail_unknown(const struct mending *m) {
    unsigned answered = 0, wanted = 0;
    for (unsigned i = 0; i < m->servers; i++) {
        answered += m->states[i] != NULL;
        wanted += m->is_asked[i];
    }
    if (answered < m->group->description.system->k)
        return FAIL(QUORUM,
                    "%s: %u of the %u other storage servers with slots of image %s answered",
                    m->storage->server, answered, wanted, m->image->hex);
    return FAIL(NOT_FOUND, "%s: no image %s", m->storage->server, m->image->hex);
}

result mend_find_standing(struct mending *m) {
    const unsigned k = m->group->description.system->k;
    struct claim *claims = calloc(m->servers + 1, sizeof *claims);
    if (claims == NULL)
        return FAIL(NO_MEMORY, "no memory for %u claims", m->servers);
    const struct claim *claim = find_claim(m, claims);
    result found = OK;
    m->is_here = find_own(m);
    bool is_same = m->is_here && claim != NULL &&
                   view_equal(format_view(claim->record->body), format_view(m->record->body));
    unsigned own_witnesses = m->is_here ? 1 : 0;
    for (unsigned i = 0; m->is_here && i < m->servers; i++)
        own_witnesses += claims[i].is_there && view_equal(format_view(claims[i].record->body),
                                                          format_view(m->record->body));
    bool stands = claim != NULL && claim->witnesses >= k;
    if (m->is_here && stands && !is_same && claim->witnesses > own_witnesses) {
        found = give_way(m, claim);
        m->is_here = false;
    }
    if (found == OK && !m->is_here)
        found = stands ? take_claimed(m, claim) : fail_unknown(m);
    free(claims);
    return found;
}
