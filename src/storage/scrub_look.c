/* A look: what other servers have and this one lacks, and slots that come or go. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/secret.h"
#include "storage/image.h"
#include "storage/scrub_private.h"
#include "storage/state.h"
#include "storage/storage_state.h"
#include "system/placement.h"

enum {
    LOOK_SHARE = 4,                    /* a look's time times so much until the next one */
    LOOK_PATIENCE_MS = 10 * 60 * 1000, /* with a server whose list makes nothing here better */
};

/* ------------------------------------------------------------------ slots */

/* How many of the image's slots have to come, or to go; from names alone. */
static unsigned slots_moving(struct scrub *scrub, const struct image_id *image) {
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    AUTO_FORMAT Myelin__Envelope *envelope = NULL;
    uint32_t slots[FORMAT_SERVERS_MAX];
    size_t here;
    struct image_owner owner;
    if (image_lock_read(scrub->storage, image, &lock) != OK ||
        image_owner(scrub->storage, image, &owner) != OK ||
        image_envelope(scrub->storage, image, NULL, &envelope) != OK ||
        image_symbol_slots(scrub->storage, image, slots, &here) != OK)
        return 0; /* the mender will say what is wrong */
    int placed = slots_placed(scrub->storage, envelope->tau.data, scrub->storage->server);
    bool has_own = placed < 0 || (size_t)placed >= envelope->n_servers;
    unsigned others = 0;
    for (size_t i = 0; i < here; i++) {
        char holder[FORMAT_NAME_MAX + 1];
        bool is_own = placed >= 0 && slots[i] == (uint32_t)placed;
        has_own = has_own || is_own;
        others += !is_own && slots_holder(scrub->storage, envelope->tau.data, slots[i], holder);
    }
    bool is_left_over = placed < 0 && here == 0; /* records of an image that went elsewhere */
    return others + !has_own + is_left_over;
}

static void look_at_slots(struct scrub *scrub, const struct image_id *image) {
    if (slots_moving(scrub, image) == 0)
        return;
    scrub_mend(scrub, image, true);
    scrub->moving += slots_moving(scrub, image);
}

/* ------------------------------------------------------------------ what others have */

static bool is_different(struct scrub *scrub, const struct image_id *image,
                         const Myelin__IndexEntry *entry) {
    uint8_t own[DIGEST_BYTES];
    return state_digest_known(scrub->storage, image, own) == OK &&
           !view_equal(format_view(entry->digest), view_of(own, sizeof own));
}

static bool is_here(struct scrub *scrub, const struct image_id *image) {
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    struct image_owner owner;
    return image_lock_read(scrub->storage, image, &lock) == OK &&
           image_owner(scrub->storage, image, &owner) == OK;
}

/* Whether the image has a slot here now. Others name those that had one in the version before too:
 * what this server gave away it neither lacks nor takes again. */
static bool belongs_here(const struct scrub *scrub, const struct peer_group *group,
                         const struct image_id *image) {
    const char *names[FORMAT_SERVERS_MAX];
    unsigned n = placement_slots_by_id(&group->description, image->bytes, names);
    for (unsigned slot = 0; slot < n; slot++)
        if (strcmp(names[slot], scrub->storage->server) == 0)
            return true;
    return false;
}

/* One server's list of images, or the part of it that lies between two. Without a bound, one that
 * made up images for ever would keep this server from all other work. */
struct peer_look {
    struct peer_group *group;
    unsigned server;
    const char *until; /* "": the end */
    uint64_t patient_until_ms;
    char last[2 * DIGEST_BYTES + 1];
};

static uint64_t patience(const struct scrub *scrub) {
    return scrub->storage->steady_ms() + LOOK_PATIENCE_MS;
}

/* Whether what the server shows of an image lets this one believe that something is missing. */
static result look_at_entry(struct scrub *scrub, struct peer_look *look,
                            const Myelin__IndexEntry *entry) {
    struct image_id image;
    TRY(image_id_parse(look->last, &image));
    if (scrub->storage->steady_ms() > look->patient_until_ms)
        return FAIL(TIMEOUT, "%s lists too much that nobody has",
                    storage_fleet_name(look->group->fleet, look->server));
    if (!is_different(scrub, &image, entry) ||
        !(belongs_here(scrub, look->group, &image) || is_here(scrub, &image)))
        return OK;
    unsigned mended;
    /* NOT_FOUND: removed, though not every server knows whose it was. */
    bool is_gone = scrub_mend_counting(scrub, &image, true, &mended) == NOT_FOUND;
    if (mended > 0)
        look->patient_until_ms = patience(scrub);
    scrub->lacking += !is_gone && slots_belong(scrub->storage, &image, scrub->storage->server) &&
                      is_different(scrub, &image, entry) && !is_here(scrub, &image);
    return OK;
}

static result look_at_page(struct scrub *scrub, struct peer_look *look, bool *out_more) {
    AUTO_BYTES struct bytes wire = {0};
    AUTO_FORMAT Myelin__IndexPage *page = NULL;
    char path[128];
    snprintf(path, sizeof path, "/v1/index%s%s", look->last[0] != '\0' ? "?after=" : "",
             look->last);
    TRY(peers_call(look->group, look->server, "GET", path, 0, FORMAT_LIMIT_PAGE, &wire));
    TRY(format_parse_index_page(bytes_view(&wire), &page));
    *out_more = page->more;
    for (size_t i = 0; i < page->n_entry; i++) {
        char hex[2 * DIGEST_BYTES + 1];
        hex_encode(format_view(page->entry[i]->image), hex);
        if (strcmp(hex, look->last) <= 0)
            return FAIL(PROTOCOL, "images out of order");
        *out_more = *out_more && (look->until[0] == '\0' || strcmp(hex, look->until) < 0);
        memcpy(look->last, hex, sizeof hex);
        if (!scrub_go_on(scrub)) {
            *out_more = false;
            return OK;
        }
        TRY(look_at_entry(scrub, look, page->entry[i]));
    }
    return OK;
}

/* From a random image on, and then those before it: where patience ends, each is seen some time. */
static result look_at_peer(struct scrub *scrub, struct peer_group *group, unsigned server) {
    uint8_t random[DIGEST_BYTES];
    char start[2 * DIGEST_BYTES + 1];
    struct peer_look look = {
        .group = group, .server = server, .until = "", .patient_until_ms = patience(scrub)};
    secret_random(random, sizeof random);
    hex_encode(view_of(random, sizeof random), start);
    memcpy(look.last, start, sizeof start);
    for (bool more = true; more;)
        TRY(look_at_page(scrub, &look, &more));
    look.last[0] = '\0';
    look.until = start;
    for (bool more = true; more && !scrub_is_stopping(scrub);)
        TRY(look_at_page(scrub, &look, &more));
    return OK;
}

/* While slots move, a server that has not heard of it lists nothing that is new here, and would
 * make this one believe that all has come. */
static result check_version(struct peer_group *group, unsigned server) {
    AUTO_BYTES struct bytes wire = {0};
    AUTO_FORMAT Myelin__Signed *record = NULL;
    AUTO_FORMAT Myelin__System *theirs = NULL;
    if (group->description.system->previous == NULL)
        return OK;
    TRY(peers_call(group, server, "GET", "/v1/system", 0, FORMAT_LIMIT_SIGNED, &wire));
    TRY(format_parse_signed(bytes_view(&wire), &record));
    TRY(format_parse_system(format_view(record->body), &theirs));
    return theirs->version >= group->description.system->version
               ? OK
               : FAIL(CONFLICT, "it has not heard of the change yet");
}

static unsigned look_at_peers(struct scrub *scrub, struct peer_group *group) {
    unsigned order[FORMAT_SERVERS_MAX], missed = 0;
    storage_fleet_order(group->fleet, order);
    for (unsigned i = 0; i < storage_fleet_size(group->fleet); i++) {
        if ((int)order[i] == group->self)
            continue;
        if (!scrub_go_on(scrub))
            return missed;
        if (check_version(group, order[i]) == OK && look_at_peer(scrub, group, order[i]) == OK)
            continue;
        missed++;
        log_event(LOG_INFO, "scrub-peer", "server=%s reason=\"%s\"",
                  storage_fleet_name(group->fleet, order[i]), error_text());
    }
    return missed;
}

/* ------------------------------------------------------------------ the whole */

static bool take_doubt(struct scrub *scrub, struct image_id *out_image) {
    pthread_mutex_lock(&scrub->lock);
    bool any = scrub->doubt_count > 0;
    if (any)
        *out_image = scrub->doubts[--scrub->doubt_count];
    pthread_mutex_unlock(&scrub->lock);
    return any;
}

void scrub_look_at_doubts(struct scrub *scrub) {
    struct image_id image;
    while (take_doubt(scrub, &image))
        scrub_mend(scrub, &image, true);
}

/* What failed may have been a server that was down, or slow. */
static void retry(struct scrub *scrub) {
    struct image_id images[SCRUB_DOUBTS_MAX];
    unsigned images_count = scrub->retry_count;
    memcpy(images, scrub->retries, images_count * sizeof images[0]);
    scrub->retry_count = 0;
    for (unsigned i = 0; i < images_count && !scrub_is_stopping(scrub); i++)
        scrub_mend(scrub, &images[i], true);
}

/* Whether all is settled: every other server was asked what there is, and no slot is under way. */
static bool look(struct scrub *scrub) {
    struct peer_group *group = peers_hold(scrub->peers);
    uint64_t version = group->description.system->version;
    scrub->lacking = 0;
    retry(scrub);
    scrub_look_at_doubts(scrub);
    unsigned missed = look_at_peers(scrub, group);
    scrub->moving = 0;
    if (scrub_each_image(scrub, look_at_slots) != OK)
        log_event(LOG_ERROR, "scrub", "reason=\"%s\"", error_text());
    bool is_settled = missed == 0 && scrub->moving == 0 && scrub->lacking == 0;
    if (is_settled && !scrub_is_stopping(scrub))
        scrub->settled_version = version;
    scrub->looks++;
    peers_release(scrub->peers, group);
    return is_settled;
}

/* Whether the manager's last change is not carried out yet: old holders wait for new ones. */
static bool is_moving(struct scrub *scrub) {
    struct peer_group *group = peers_hold(scrub->peers);
    const Myelin__System *system = group->description.system;
    bool moving = system->previous != NULL && scrub->settled_version < system->version;
    peers_release(scrub->peers, group);
    return moving;
}

/* The next look: while something is under way, or somebody did not answer, after 2 s, 4 s, and so
 * on up to the usual time; but of a big store, looks are work too. */
void scrub_look(struct scrub *scrub, bool is_woken) {
    uint64_t began = clock_ns(), usual_ms = scrub->options.look_ms;
    bool is_settled = look(scrub);
    uint64_t now = clock_ns(), rest_ms = LOOK_SHARE * (now - began) / 1000000;
    if (is_moving(scrub) && usual_ms > SCRUB_MOVING_LOOK_MS)
        usual_ms = SCRUB_MOVING_LOOK_MS;
    if (rest_ms > usual_ms)
        rest_ms = usual_ms;
    scrub->sooner_ms = is_settled || is_woken ? SCRUB_LOOK_AGAIN_MS : 2 * scrub->sooner_ms;
    uint64_t wait_ms = is_settled || scrub->sooner_ms > usual_ms ? usual_ms : scrub->sooner_ms;
    scrub->next_look_ns = now + (wait_ms > rest_ms ? wait_ms : rest_ms) * 1000000;
}
