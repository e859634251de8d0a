#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/secret.h"
#include "storage/scrub_private.h"
#include "storage/storage_state.h"

enum { TICK_MS = 500, PACE_BURST_MS = 100, FIRST_LOOK_MS = 1000 };

/* ------------------------------------------------------------------ slowly */

bool scrub_is_stopping(struct scrub *scrub) {
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
    uint64_t until_ns = clock_ns() + ms * 1000000;
    pthread_mutex_lock(&scrub->lock);
    while (!scrub->stopping && clock_wait_until(&scrub->change, &scrub->lock, until_ns))
        continue;
    bool go_on = !scrub->stopping;
    pthread_mutex_unlock(&scrub->lock);
    return go_on;
}

bool scrub_go_on(struct scrub *scrub) {
    while (is_paused(scrub))
        if (!sleep_ms(scrub, TICK_MS))
            return false;
    return !scrub_is_stopping(scrub);
}

static void pace(void *context, uint64_t bytes) {
    struct scrub *scrub = context;
    while (is_paused(scrub) && !mender_is_awaited(scrub->mender) && sleep_ms(scrub, TICK_MS))
        continue;
    if (scrub_is_stopping(scrub) || scrub->options.bytes_per_second == 0)
        return;
    uint64_t now = clock_ns();
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

result scrub_mend_counting(struct scrub *scrub, const struct image_id *image, bool is_quick,
                           unsigned *out_mended) {
    AUTO_MEND_REPORT struct mend_report report = {0};
    const struct mend_options options = {.is_quick = is_quick, .pace = pace, .context = scrub};
    result mended = mend_image(scrub->mender, image, &options, &report);
    count(scrub, &report);
    /* Parts that others could not give, or all that comes after what the own disk refused. */
    if (report.failed > 0 || mended == IO || mended == NO_MEMORY) {
        scrub->lacking++;
        if (scrub->retry_count < SCRUB_DOUBTS_MAX)
            scrub->retries[scrub->retry_count++] = *image;
    }
    if (mended != OK && mended != NOT_FOUND && mended != TIMEOUT && mended != CONFLICT)
        log_event(mended == QUORUM ? LOG_INFO : LOG_ERROR, "scrub-image", "image=%s reason=\"%s\"",
                  image->hex, error_text());
    *out_mended = report.mended;
    return mended;
}

void scrub_mend(struct scrub *scrub, const struct image_id *image, bool is_quick) {
    unsigned mended;
    (void)scrub_mend_counting(scrub, image, is_quick, &mended);
}

result scrub_each_image(struct scrub *scrub,
                        void (*work)(struct scrub *scrub, const struct image_id *image)) {
    for (unsigned shard = 0; shard < 256; shard++) {
        AUTO_NAMES struct store_names names = {0};
        char prefix[sizeof "images/00"];
        snprintf(prefix, sizeof prefix, "images/%02x", shard);
        TRY(store_list(scrub->storage->store, prefix, "", "", &names));
        for (size_t i = 0; i < names.count; i++) {
            struct image_id image;
            if (image_id_parse(names.names[i], &image) != OK)
                continue;
            if (!scrub_go_on(scrub))
                return OK;
            work(scrub, &image);
        }
    }
    return OK;
}

/* ------------------------------------------------------------------ a pass */

/* Whether a look is due or was asked for. */
static bool is_look_due(struct scrub *scrub, bool *out_is_woken) {
    pthread_mutex_lock(&scrub->lock);
    *out_is_woken = scrub->is_woken;
    bool is_due = scrub->is_woken || scrub->doubt_count > 0;
    scrub->is_woken = false;
    pthread_mutex_unlock(&scrub->lock);
    return is_due || clock_ns() >= scrub->next_look_ns;
}

/* A pass may take a day: what is urgent does not wait for its end. */
static void read_one(struct scrub *scrub, const struct image_id *image) {
    bool is_woken;
    if (is_look_due(scrub, &is_woken))
        scrub_look(scrub, is_woken);
    scrub_mend(scrub, image, false);
}

static void pass(struct scrub *scrub) {
    uint64_t started = clock_ns(), found = scrub->found, images = scrub->images;
    uint64_t repaired = scrub->repaired, bytes = scrub->bytes;
    scrub->is_passing = true;
    if (scrub_each_image(scrub, read_one) != OK)
        log_event(LOG_ERROR, "scrub", "reason=\"%s\"", error_text());
    scrub->is_passing = false;
    if (scrub_is_stopping(scrub))
        return;
    scrub->passes++;
    scrub->last_pass_ms = scrub->storage->now_ms();
    scrub->last_pass_took_ms = (clock_ns() - started) / 1000000;
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
    pthread_mutex_lock(&scrub->lock);
    while (!scrub->stopping && !scrub->is_woken && scrub->doubt_count == 0 &&
           clock_wait_until(&scrub->change, &scrub->lock, until_ns))
        continue;
    *out_is_woken = scrub->is_woken;
    scrub->is_woken = false;
    bool go_on = !scrub->stopping;
    pthread_mutex_unlock(&scrub->lock);
    return go_on && scrub_go_on(scrub);
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
        scrub->options.interval_ms == 0 ? UINT64_MAX : clock_ns() + first_pass_ns(scrub);
    scrub->sooner_ms = SCRUB_LOOK_AGAIN_MS;
    scrub->next_look_ns = clock_ns() + (uint64_t)FIRST_LOOK_MS * 1000000;
    bool is_woken;
    while (wait_for_work(scrub, scrub->next_look_ns < next_pass ? scrub->next_look_ns : next_pass,
                         &is_woken)) {
        uint64_t now = clock_ns();
        if (!is_woken && now < scrub->next_look_ns && now < next_pass) {
            scrub_look_at_doubts(scrub); /* anybody can make one: no reason to look at all else */
            continue;
        }
        scrub_look(scrub, is_woken);
        if (clock_ns() < next_pass)
            continue;
        pass(scrub);
        next_pass = clock_ns() + scrub->options.interval_ms * 1000000;
    }
    return NULL;
}

result scrub_start(struct storage *storage, struct peers *peers, struct mender *mender,
                   const struct scrub_options *options, struct scrub **out_scrub) {
    struct scrub *scrub = calloc(1, sizeof *scrub);
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
    pthread_cond_init(&scrub->change, NULL);
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
    if (!is_there && scrub->doubt_count < SCRUB_DOUBTS_MAX)
        scrub->doubts[scrub->doubt_count++] = *image;
    pthread_cond_broadcast(&scrub->change);
    pthread_mutex_unlock(&scrub->lock);
}
