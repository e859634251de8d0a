/* Records: which ones there are, by this server's own and by what the others have. */

#include "base/log.h"
#include "storage/mend_private.h"

/* ------------------------------------------------------------------ whom to ask */

void mend_lied(struct mending *m, unsigned server) {
    m->is_liar[server] = true;
    log_event(LOG_WARNING, "mend-lie", "image=%s server=%s reason=\"%s\"", m->image->hex,
              storage_fleet_name(m->group->fleet, server), error_text());
}

static bool has_this_image(const struct mending *m, unsigned server) {
    const Myelin__ImageState *state = m->states[server];
    return state != NULL && state->envelope != NULL &&
           view_equal(format_view(state->envelope->body), format_view(m->record->body));
}

static bool same_digest(const struct mending *m, unsigned a, unsigned b) {
    return view_equal(format_view(m->states[a]->digest), format_view(m->states[b]->digest));
}

/* Whom to ask for records. One who says that he has the same as others may show less: so two of
 * each kind are asked. */
enum { ASKED_OF_A_KIND = 2 };

static bool is_wanted(const struct mending *m, const struct mend_asking *asking, unsigned server,
                      bool everyone) {
    unsigned of_a_kind = 0;
    if (asking->is_tried[server] || !has_this_image(m, server))
        return false;
    if (view_equal(format_view(m->states[server]->digest), view_of(m->digest, DIGEST_BYTES)))
        return false;
    for (unsigned i = 0; i < m->servers; i++)
        of_a_kind += asking->is_done[i] && same_digest(m, i, server);
    return everyone || of_a_kind < ASKED_OF_A_KIND;
}

result mend_ask_differing(struct mending *m, struct mend_asking *asking, bool everyone,
                          result (*ask)(struct mending *m, unsigned server)) {
    for (unsigned i = 0; i < 2 * m->servers; i++) {
        unsigned server = i % m->servers;
        bool is_turn = m->is_liar[server] == (i >= m->servers);
        if (!is_turn || !is_wanted(m, asking, server, everyone))
            continue;
        TRY(mend_go_on(m));
        asking->is_tried[server] = true;
        result asked = ask(m, server);
        asking->is_done[server] = asked == OK;
        if (asked == INTEGRITY || asked == PROTOCOL || asked == INVALID)
            mend_lied(m, server);
        else if (asked == NO_MEMORY || asked == IO)
            return asked;
    }
    return mend_go_on(m);
}

/* ------------------------------------------------------------------ which there are */

/* Of each object the manifest whose put is committed, or else the one that is here. */
static void keep_best(struct mending *m) {
    size_t kept = 0;
    for (size_t i = 0; i < m->object_count; i++) {
        struct mend_object object = m->objects[i];
        struct mend_object *last = kept > 0 ? &m->objects[kept - 1] : NULL;
        if (last == NULL || !short_id_equal(&last->id, &object.id)) {
            m->objects[kept++] = object;
            continue;
        }
        bool is_better =
            2 * object.is_committed + object.is_here > 2 * last->is_committed + last->is_here;
        struct mend_object worse = is_better ? *last : object;
        if (is_better)
            *last = object;
        format_free(worse.record);
        format_free(worse.manifest);
    }
    m->object_count = kept;
}

result mend_find_records(struct mending *m) {
    struct mend_asking asking = {0};
    bool is_whole;
    TRY(mend_own_manifests(m));
    TRY(mend_own_deletions(m));
    TRY(mend_ask_differing(m, &asking, false, mend_server_manifests));
    TRY(mend_find_commits(m, &is_whole));
    if (!is_whole) {
        TRY(mend_ask_differing(m, &asking, true, mend_server_manifests));
        TRY(mend_find_commits(m, &is_whole));
    }
    for (size_t i = 0; i < m->object_count; i++)
        m->objects[i].is_committed = mend_find_put(m, &m->objects[i].put)->is_committed;
    keep_best(m);
    return OK;
}
