#include "storage/scrub.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/secret.h"
#include "storage/image.h"
#include "storage/state.h"
#include "storage/storage_state.h"
#include "system/placement.h"

enum {
    DOUBTS_MAX = 64,
    PATH_BYTES = 4096,
    TICK_MS = 500,
    PACE_BURST_MS = 100,
    FIRST_LOOK_MS = 1000,
    LOOK_AGAIN_MS = 2000,
    LOOK_SHARE = 4,                    /* a look's time times so much until the next one */
    LOOK_PATIENCE_MS = 10 * 60 * 1000, /* with a server whose list makes nothing here better */
};

struct scrub {
    struct storage *storage;
    struct peers *peers;
    struct mender *mender;
    struct scrub_options options;
    char pause_file[PATH_BYTES];
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t change;
    bool stopping, is_woken;
    struct image_id doubts[DOUBTS_MAX];
    unsigned doubt_count;
    uint64_t paced_until_ns; /* the thread's own, and the next */
    uint64_t next_look_ns, sooner_ms;
    struct image_id retries[DOUBTS_MAX]; /* parts of them could not be mended */
    unsigned retry_count;
    unsigned lacking; /* images that others have and that could not be mended, by this look */

    /* What metrics show. */
    _Atomic uint64_t images, bytes, found, repaired, failed, dropped, read, written;
    _Atomic uint64_t passes, looks, last_pass_ms, last_pass_took_ms, settled_version;
    _Atomic unsigned moving; /* slots still to come or to go, at the last look */
    _Atomic bool is_paused, is_passing;
};

static uint64_t monotonic_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* ------------------------------------------------------------------ slowly */

static bool is_stopping(struct scrub *scrub) {
    pthread_mutex_lock(&scrub->lock);
    bool stopping = scrub->stopping;
    pthread_mutex_unlock(&scrub->lock);
    return stopping;
}

static bool is_paused(struct scrub *scrub) {
    scrub->is_paused = scrub->pause_file[0] != '\0' && access(scrub->pause_file, F_OK) == 0;
    return scrub->is_paused;
}

/* False where the scrub is to end. */
static bool sleep_ms(struct scrub *scrub, uint64_t ms) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&scrub->lock);
    int waited = 0;
    while (!scrub->stopping && waited != ETIMEDOUT)
        waited = pthread_cond_timedwait(&scrub->change, &scrub->lock, &until);
    bool go_on = !scrub->stopping;
    pthread_mutex_unlock(&scrub->lock);
    return go_on;
}

static bool wait_out_pause(struct scrub *scrub) {
    while (is_paused(scrub))
        if (!sleep_ms(scrub, TICK_MS))
            return false;
    return !is_stopping(scrub);
}

static void pace(void *context, uint64_t bytes) {
    struct scrub *scrub = context;
    if (!wait_out_pause(scrub) || scrub->options.bytes_per_second == 0)
        return;
    uint64_t now = monotonic_ns();
    if (scrub->paced_until_ns < now)
        scrub->paced_until_ns = now;
    scrub->paced_until_ns +=
        (uint64_t)((double)bytes * 1e9 / (double)scrub->options.bytes_per_second);
    uint64_t ahead_ms = (scrub->paced_until_ns - now) / 1000000;
    if (ahead_ms > PACE_BURST_MS)
        (void)sleep_ms(scrub, ahead_ms);
}

/* ------------------------------------------------------------------ one image */

static void count(struct scrub *scrub, const struct mend_report *report) {
    scrub->images++;
    scrub->bytes += report->bytes_checked;
    scrub->found += report->found;
    scrub->repaired += report->mended;
    scrub->failed += report->failed;
    scrub->dropped += report->dropped;
    scrub->read += report->bytes_read;
    scrub->written += report->bytes_written;
}

/* How many parts and records are good now that were not, in `out_mended`. */
static result mend_counting(struct scrub *scrub, const struct image_id *image, bool is_quick,
                            unsigned *out_mended) {
    AUTO_MEND_REPORT struct mend_report report = {0};
    const struct mend_options options = {.is_quick = is_quick, .pace = pace, .context = scrub};
    result mended = mend_image(scrub->mender, image, &options, &report);
    count(scrub, &report);
    if (report.failed > 0) {
        scrub->lacking++;
        if (scrub->retry_count < DOUBTS_MAX)
            scrub->retries[scrub->retry_count++] = *image;
    }
    if (mended != OK && mended != NOT_FOUND && mended != TIMEOUT && mended != CONFLICT)
        log_event(mended == QUORUM ? LOG_INFO : LOG_ERROR, "scrub-image", "image=%s reason=\"%s\"",
                  image->hex, error_text());
    *out_mended = report.mended;
    return mended;
}

static void mend_one(struct scrub *scrub, const struct image_id *image, bool is_quick) {
    unsigned mended;
    (void)mend_counting(scrub, image, is_quick, &mended);
}

/* Calls `work` for each image that is here, in the order of ids. */
typedef void (*image_work)(struct scrub *scrub, const struct image_id *image);

static result each_image(struct scrub *scrub, image_work work) {
    for (unsigned shard = 0; shard < 256; shard++) {
        AUTO_NAMES struct store_names names = {0};
        char prefix[sizeof "images/00"];
        snprintf(prefix, sizeof prefix, "images/%02x", shard);
        TRY(store_list(scrub->storage->store, prefix, "", "", &names));
        for (size_t i = 0; i < names.count; i++) {
            struct image_id image;
            if (image_id_parse(names.names[i], &image) != OK)
                continue;
            if (!wait_out_pause(scrub))
                return OK;
            work(scrub, &image);
        }
    }
    return OK;
}

/* ------------------------------------------------------------------ a look */

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
    mend_one(scrub, image, true);
    scrub->moving += slots_moving(scrub, image);
}

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
    bool is_gone = mend_counting(scrub, &image, true, &mended) == NOT_FOUND;
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
        if (!wait_out_pause(scrub)) {
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
    for (bool more = true; more && !is_stopping(scrub);)
        TRY(look_at_page(scrub, &look, &more));
    return OK;
}

static unsigned look_at_peers(struct scrub *scrub, struct peer_group *group) {
    unsigned order[FORMAT_SERVERS_MAX], missed = 0;
    storage_fleet_order(group->fleet, order);
    for (unsigned i = 0; i < storage_fleet_size(group->fleet); i++) {
        if ((int)order[i] == group->self)
            continue;
        if (!wait_out_pause(scrub))
            return missed;
        if (look_at_peer(scrub, group, order[i]) == OK)
            continue;
        missed++;
        log_event(LOG_INFO, "scrub-peer", "server=%s reason=\"%s\"",
                  storage_fleet_name(group->fleet, order[i]), error_text());
    }
    return missed;
}

static bool take_doubt(struct scrub *scrub, struct image_id *out_image) {
    pthread_mutex_lock(&scrub->lock);
    bool any = scrub->doubt_count > 0;
    if (any)
        *out_image = scrub->doubts[--scrub->doubt_count];
    pthread_mutex_unlock(&scrub->lock);
    return any;
}

static void look_at_doubts(struct scrub *scrub) {
    struct image_id image;
    while (take_doubt(scrub, &image))
        mend_one(scrub, &image, true);
}

/* What failed may have been a server that was down, or slow. */
static void retry(struct scrub *scrub) {
    struct image_id images[DOUBTS_MAX];
    unsigned images_count = scrub->retry_count;
    memcpy(images, scrub->retries, images_count * sizeof images[0]);
    scrub->retry_count = 0;
    for (unsigned i = 0; i < images_count && !is_stopping(scrub); i++)
        mend_one(scrub, &images[i], true);
}

/* Whether all is settled: every other server was asked what there is, and no slot is under way. */
static bool look(struct scrub *scrub) {
    struct peer_group *group = peers_hold(scrub->peers);
    uint64_t version = group->description.system->version;
    scrub->lacking = 0;
    retry(scrub);
    look_at_doubts(scrub);
    unsigned missed = look_at_peers(scrub, group);
    scrub->moving = 0;
    if (each_image(scrub, look_at_slots) != OK)
        log_event(LOG_ERROR, "scrub", "reason=\"%s\"", error_text());
    bool is_settled = missed == 0 && scrub->moving == 0 && scrub->lacking == 0;
    if (is_settled && !is_stopping(scrub))
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
static void look_and_plan(struct scrub *scrub, bool is_woken) {
    uint64_t began = monotonic_ns(), usual_ms = scrub->options.look_ms;
    bool is_settled = look(scrub);
    uint64_t now = monotonic_ns(), rest_ms = LOOK_SHARE * (now - began) / 1000000;
    if (is_moving(scrub) && usual_ms > SCRUB_MOVING_LOOK_MS)
        usual_ms = SCRUB_MOVING_LOOK_MS;
    if (rest_ms > usual_ms)
        rest_ms = usual_ms;
    scrub->sooner_ms = is_settled || is_woken ? LOOK_AGAIN_MS : 2 * scrub->sooner_ms;
    uint64_t wait_ms = is_settled || scrub->sooner_ms > usual_ms ? usual_ms : scrub->sooner_ms;
    scrub->next_look_ns = now + (wait_ms > rest_ms ? wait_ms : rest_ms) * 1000000;
}

/* Whether a look is due or was asked for. */
static bool is_look_due(struct scrub *scrub, bool *out_is_woken) {
    pthread_mutex_lock(&scrub->lock);
    *out_is_woken = scrub->is_woken;
    bool is_due = scrub->is_woken || scrub->doubt_count > 0;
    scrub->is_woken = false;
    pthread_mutex_unlock(&scrub->lock);
    return is_due || monotonic_ns() >= scrub->next_look_ns;
}

/* ------------------------------------------------------------------ a pass */

/* A pass may take a day: what is urgent does not wait for its end. */
static void read_one(struct scrub *scrub, const struct image_id *image) {
    bool is_woken;
    if (is_look_due(scrub, &is_woken))
        look_and_plan(scrub, is_woken);
    mend_one(scrub, image, false);
}

static void pass(struct scrub *scrub) {
    uint64_t started = monotonic_ns(), found = scrub->found, images = scrub->images;
    uint64_t repaired = scrub->repaired, bytes = scrub->bytes;
    scrub->is_passing = true;
    if (each_image(scrub, read_one) != OK)
        log_event(LOG_ERROR, "scrub", "reason=\"%s\"", error_text());
    scrub->is_passing = false;
    if (is_stopping(scrub))
        return;
    scrub->passes++;
    scrub->last_pass_ms = scrub->storage->now_ms();
    scrub->last_pass_took_ms = (monotonic_ns() - started) / 1000000;
    log_event(LOG_INFO, "scrubbed", "images=%llu bytes=%llu found=%llu repaired=%llu seconds=%llu",
              (unsigned long long)(scrub->images - images),
              (unsigned long long)(scrub->bytes - bytes),
              (unsigned long long)(scrub->found - found),
              (unsigned long long)(scrub->repaired - repaired),
              (unsigned long long)(scrub->last_pass_took_ms / 1000));
}

/* ------------------------------------------------------------------ the thread */

/* Until the next look or pass is due, or somebody asks for one. */
static bool wait_for_work(struct scrub *scrub, uint64_t until_ns, bool *out_is_woken) {
    struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000),
                             .tv_nsec = (long)(until_ns % 1000000000)};
    pthread_mutex_lock(&scrub->lock);
    int waited = 0;
    while (!scrub->stopping && !scrub->is_woken && scrub->doubt_count == 0 && waited != ETIMEDOUT)
        waited = pthread_cond_timedwait(&scrub->change, &scrub->lock, &until);
    *out_is_woken = scrub->is_woken;
    scrub->is_woken = false;
    bool go_on = !scrub->stopping;
    pthread_mutex_unlock(&scrub->lock);
    return go_on && wait_out_pause(scrub);
}

/* Servers that started together do not all read at one time. */
static uint64_t first_pass_ns(const struct scrub *scrub) {
    uint32_t random;
    secret_random(&random, sizeof random);
    uint64_t tenth_ms = scrub->options.interval_ms / 10;
    return (tenth_ms + 9 * tenth_ms * (random % 1000) / 1000) * 1000000;
}

static void *run(void *argument) {
    struct scrub *scrub = argument;
    uint64_t next_pass =
        scrub->options.interval_ms == 0 ? UINT64_MAX : monotonic_ns() + first_pass_ns(scrub);
    scrub->sooner_ms = LOOK_AGAIN_MS;
    scrub->next_look_ns = monotonic_ns() + (uint64_t)FIRST_LOOK_MS * 1000000;
    bool is_woken;
    while (wait_for_work(scrub, scrub->next_look_ns < next_pass ? scrub->next_look_ns : next_pass,
                         &is_woken)) {
        uint64_t now = monotonic_ns();
        if (!is_woken && now < scrub->next_look_ns && now < next_pass) {
            look_at_doubts(scrub); /* anybody can make one: no reason to look at all else */
            continue;
        }
        look_and_plan(scrub, is_woken);
        if (monotonic_ns() < next_pass)
            continue;
        pass(scrub);
        next_pass = monotonic_ns() + scrub->options.interval_ms * 1000000;
    }
    return NULL;
}

result scrub_start(struct storage *storage, struct peers *peers, struct mender *mender,
                   const struct scrub_options *options, struct scrub **out_scrub) {
    struct scrub *scrub = calloc(1, sizeof *scrub);
    pthread_condattr_t attributes;
    if (scrub == NULL)
        return FAIL(NO_MEMORY, "no memory for the scrub");
    scrub->storage = storage;
    scrub->peers = peers;
    scrub->mender = mender;
    scrub->options = *options;
    if (options->look_ms == 0)
        scrub->options.look_ms = SCRUB_LOOK_MS;
    if (options->pause_file != NULL)
        snprintf(scrub->pause_file, sizeof scrub->pause_file, "%s", options->pause_file);
    pthread_mutex_init(&scrub->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&scrub->change, &attributes);
    pthread_condattr_destroy(&attributes);
    if (pthread_create(&scrub->thread, NULL, run, scrub) != 0) {
        free(scrub);
        return FAIL(NO_MEMORY, "no thread to scrub with");
    }
    *out_scrub = scrub;
    return OK;
}

void scrub_stop(struct scrub *scrub) {
    if (scrub == NULL)
        return;
    pthread_mutex_lock(&scrub->lock);
    scrub->stopping = true;
    pthread_cond_broadcast(&scrub->change);
    pthread_mutex_unlock(&scrub->lock);
    pthread_join(scrub->thread, NULL);
    pthread_cond_destroy(&scrub->change);
    pthread_mutex_destroy(&scrub->lock);
    free(scrub);
}

void scrub_wake(struct scrub *scrub) {
    pthread_mutex_lock(&scrub->lock);
    scrub->is_woken = true;
    pthread_cond_broadcast(&scrub->change);
    pthread_mutex_unlock(&scrub->lock);
}

void scrub_doubt(struct scrub *scrub, const struct image_id *image) {
    pthread_mutex_lock(&scrub->lock);
    bool is_there = false;
    for (unsigned i = 0; i < scrub->doubt_count; i++)
        is_there = is_there || image_id_equal(&scrub->doubts[i], image);
    if (!is_there && scrub->doubt_count < DOUBTS_MAX)
        scrub->doubts[scrub->doubt_count++] = *image;
    pthread_cond_broadcast(&scrub->change);
    pthread_mutex_unlock(&scrub->lock);
}

/* ------------------------------------------------------------------ metrics */

result scrub_metrics_text(struct scrub *scrub, struct bytes *out_text) {
    const struct storage_metric metrics[] = {
        {"scrub_images_total", "counter", "Images mended or found good.", (double)scrub->images},
        {"scrub_bytes_total", "counter", "Bytes of the store read and compared.",
         (double)scrub->bytes},
        {"scrub_found_total", "counter", "Slices' files and symbols found lost or bad.",
         (double)scrub->found},
        {"scrub_repaired_total", "counter", "Files, symbols and records made good.",
         (double)scrub->repaired},
        {"scrub_failed_total", "counter", "Files and symbols that could not be made good.",
         (double)scrub->failed},
        {"scrub_dropped_total", "counter", "Slots given up to their new holders.",
         (double)scrub->dropped},
        {"scrub_read_bytes_total", "counter", "Bytes of slices fetched from other servers.",
         (double)scrub->read},
        {"scrub_written_bytes_total", "counter", "Bytes of slices and symbols written.",
         (double)scrub->written},
        {"scrub_looks_total", "counter", "Times that all other servers were asked what is new.",
         (double)scrub->looks},
        {"scrub_passes_total", "counter", "Times that the whole store was read.",
         (double)scrub->passes},
        {"scrub_last_pass_timestamp_seconds", "gauge", "When the last pass ended; 0: none did.",
         (double)scrub->last_pass_ms / 1e3},
        {"scrub_last_pass_seconds", "gauge", "How long the last pass took.",
         (double)scrub->last_pass_took_ms / 1e3},
        {"scrub_running", "gauge", "1 while a pass is under way.", scrub->is_passing ? 1 : 0},
        {"scrub_paused", "gauge", "1 while the file scrub.pause is there.",
         scrub->is_paused ? 1 : 0},
        {"slots_moving", "gauge", "Slots still to come or to go, at the last look.",
         (double)scrub->moving},
        {"settled_version", "gauge",
         "The last version of the system description by which all slots were in their places.",
         (double)scrub->settled_version},
    };
    for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++)
        TRY(storage_metric_append(out_text, &metrics[i]));
    return OK;
}
