/*
 * The inside of a fetch: which segments are in flight, which server delivers which lane of them,
 * and who is blamed for what. All calls are safe from any thread.
 */
#ifndef MYELIN_FLOW_FETCH_WINDOW_H
#define MYELIN_FLOW_FETCH_WINDOW_H

#include "flow/failure.h"
#include "flow/fetch.h"

struct fetch_window;

/* One object as the window sees it. */
struct fetch_object {
    unsigned k;
    struct format_layout layout;
    /* By server: the slots of the object that it may have, the likeliest first; then -1. */
    int (*slots_of)[HOLDER_SLOTS];
};

/* How a server stands when the fetch begins. */
enum fetch_standing {
    FETCH_GOOD,
    FETCH_SUSPECT, /* asked where nobody better takes a lane within a moment */
    FETCH_FAILED,
};

struct fetch_window_options {
    const struct fetch_object *objects;
    size_t object_count;
    unsigned servers;
    const char *const *names;            /* by server */
    const enum fetch_standing *standing; /* by server */
    const struct session_answer *why;    /* by server: the reason where it is FETCH_FAILED */
    size_t plain_buffers;                /* segments that are opened and not yet written */
    size_t window_bytes;                 /* of slices in flight, about */
    uint64_t patience_ms; /* for which one segment may stand still; UINT64_MAX: for ever */

    /* Ends the server's running call; under the window's lock. Likewise: lets it call again. */
    void (*cancel)(void *context, unsigned server);
    void (*resume)(void *context, unsigned server);
    void *context;
};

MUST_CHECK result fetch_window_new(const struct fetch_window_options *options,
                                   struct fetch_window **out_window);
void fetch_window_free(struct fetch_window *window);

/* ---- for a server's thread ---- */

/* A lane to deliver, from a segment on to the object's end. */
struct fetch_job {
    unsigned server;
    size_t object;
    unsigned lane;
    unsigned slot;      /* whose slices are delivered */
    uint64_t number;    /* the next segment of it */
    bool is_object_bad; /* set where nothing of the object is any good at that server */
};

/* Waits for a lane that this server should take. False at the end of all. */
bool fetch_window_job(struct fetch_window *window, unsigned server, struct fetch_job *out_job);

/* More lanes for the server of `first`, which fetch_window_job gave, to be delivered behind it in
 * one go: of later objects that like its own have a single segment, in their order, a fair part of
 * those that wait, FETCH_TOGETHER_BYTES of slices and `most` of them at most. None for a server
 * that is suspected. Each is a job of its own and ends by fetch_window_leave. */
#define FETCH_TOGETHER_BYTES ((size_t)512 << 10)
size_t fetch_window_more(struct fetch_window *window, const struct fetch_job *first,
                         struct fetch_job out_jobs[], size_t most);

/* Waits until segment job->number has room: where its slice goes, slice_len bytes. Fails where the
 * lane was given to another server, must be left for an earlier object, or all ends: then the job
 * is over. */
MUST_CHECK result fetch_window_room(struct fetch_window *window, const struct fetch_job *job,
                                    uint8_t **out_slice);

/* `filled` bytes of the slice there came by now. Only those that nobody gave before are progress:
 * servers that all break off at the same place get nowhere. */
void fetch_window_moved(struct fetch_window *window, const struct fetch_job *job, size_t filled);

/* The slice there is complete and verified: job->number moves on. */
void fetch_window_delivered(struct fetch_window *window, struct fetch_job *job);

/* The end of the job, with OK after the object's last segment, else with what failed and its text.
 * Gives whether the server is to blame. */
bool fetch_window_leave(struct fetch_window *window, const struct fetch_job *job, result code);

/* ---- for a worker ---- */

enum fetch_work { FETCH_OPEN, FETCH_WRITE, FETCH_END };

/* Waits for a segment to open or write. */
enum fetch_work fetch_window_take(struct fetch_window *window, struct fetch_segment **out_segment);
void fetch_window_opened(struct fetch_window *window, struct fetch_segment *segment);
void fetch_window_written(struct fetch_window *window, struct fetch_segment *segment);

/* ---- for the thread that watches ---- */

void fetch_window_fail(struct fetch_window *window, result code);
MUST_CHECK result fetch_window_check(struct fetch_window *window);

/* Takes lanes from servers that are too slow where another can have them, telling `warn` of each;
 * fails the window where a lane is left that nobody can take, and where the oldest segment has
 * stood still for too long: a slice of it is missing that nobody delivers, or delivers at less than
 * 2 KiB/s. True once all is written or failed. */
bool fetch_window_watch(struct fetch_window *window, void (*warn)(void *context, unsigned server),
                        void *context);

/* Waits a moment, less where something ends. */
void fetch_window_rest(struct fetch_window *window);

/* Sealed bytes written so far. */
uint64_t fetch_window_done(struct fetch_window *window);

#endif
