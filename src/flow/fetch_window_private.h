/*
 * Shared by fetch_window.c (segments), fetch_lanes.c (which server delivers what) and
 * fetch_watch.c (who is too slow, and when all is lost).
 */
#ifndef MYELIN_FLOW_FETCH_WINDOW_PRIVATE_H
#define MYELIN_FLOW_FETCH_WINDOW_PRIVATE_H

#include <pthread.h>

#include "base/clock.h"
#include "flow/fetch_window.h"

enum { NOBODY = -1 };

/* A row of slices of an object, delivered by one server at a time. */
struct lane {
    int server;              /* NOBODY: it waits for one */
    unsigned slot;           /* that it delivers */
    uint64_t next;           /* the segment that is to be delivered next */
    uint64_t since_ms;       /* since when that is awaited */
    uint64_t free_ms;        /* since when it is NOBODY's */
    size_t best;             /* the most bytes that anybody has given of the slice of `next` */
    uint64_t alive_until_ms; /* it moves, as far as that was seen */
};

/* An object in the window. */
struct open_object {
    struct lane *lanes;  /* k; NULL while the object is not in the window */
    uint64_t *from;      /* by server: the first segment whose slice it may still deliver */
    uint8_t *choice;     /* by server: which of its slots_of it is asked for */
    uint64_t *from_slot; /* by slot: the first segment that the slot has not come of */
    bool has_bad;        /* some slice of it was not what the owner signed */
};

enum entry_state { ENTRY_EMPTY, ENTRY_READY, ENTRY_OPENING, ENTRY_OPENED, ENTRY_WRITTEN };

/* A segment in the window. */
struct entry {
    struct fetch_segment segment;
    enum entry_state state;
    unsigned arrived; /* slices */
    uint8_t *memory;  /* of all lanes' slices */
    const uint8_t **slices;
    unsigned *slots;
    unsigned *took_ms; /* by order of arrival */
};

struct server_state {
    enum fetch_standing standing;
    unsigned strikes;       /* lanes that were taken from it for slowness */
    unsigned faults;        /* bad or missing slices */
    bool is_leaving;        /* it gives up its lane for an earlier object */
    struct failure failure; /* why it is not good */
};

/* Segments are numbered through all objects; number s lies in entry s % entry_count. */
struct fetch_window {
    struct fetch_window_options options;
    pthread_mutex_t lock;
    pthread_cond_t lanes;  /* for servers: there may be a lane, or room */
    pthread_cond_t work;   /* for workers */
    pthread_cond_t change; /* for the watch */

    uint64_t total; /* segments of all objects */
    uint64_t tail;  /* the first that is not written */
    uint64_t tail_since_ms;
    uint64_t looked_ms; /* when the watch last looked at the tail */
    uint64_t still_ms;  /* for which the tail has stood still, as far as that was seen */
    uint64_t done_bytes;
    bool is_writing;
    struct failure failure;

    uint64_t *bases;             /* by object: the number of its first segment */
    struct open_object *objects; /* by object */
    size_t first, opened;        /* those from first to opened - 1 are in the window */
    struct server_state *servers;
    struct entry *entries;
    size_t entry_count;
    size_t plain_capacity;
    uint8_t *slice_memory, *plain_memory;
    const uint8_t **slice_pointers;
    unsigned *slot_memory, *took_memory;
};

static inline struct entry *window_entry(const struct fetch_window *window, uint64_t number) {
    return &window->entries[number % window->entry_count];
}

static inline uint64_t window_end(const struct fetch_window *window) {
    uint64_t end = window->tail + window->entry_count;
    return end < window->total ? end : window->total;
}

/* The slot that the server is asked for, of an object in the window; -1 where it has none. */
static inline int window_slot(const struct fetch_window *window, size_t object, unsigned server) {
    unsigned choice = window->objects[object].choice[server];
    return choice < HOLDER_SLOTS ? window->options.objects[object].slots_of[server][choice] : -1;
}

/* Whether the server could deliver this lane at all: it has a slot that no lane of the object has,
 * and neither has that slot of this segment come before nor has this server spoilt it. */
bool lane_suits(const struct fetch_window *window, size_t object, const struct lane *lane,
                unsigned server);

#endif
