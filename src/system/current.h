/*
 * The description that a running program works by, which a newer version may replace at any moment.
 *
 * Whoever works by it asks for it with current_now() when a piece of work begins, and may go on
 * with what he got: a description that was replaced stays in memory until current_free. There are
 * as many as the manager signs during a program's life, some kilobytes each.
 *
 * Threads: all but current_new, current_on_change and current_free from any thread.
 */
#ifndef MYELIN_SYSTEM_CURRENT_H
#define MYELIN_SYSTEM_CURRENT_H

#include "system/description.h"

struct current;

#define AUTO_CURRENT __attribute__((cleanup(current_free_at)))
void current_free(struct current *current);
void current_free_at(struct current **current);

/* Takes `description` over (and empties it). Newer versions are kept in `folder`, where
 * description_load_newest finds them when the program starts again. NO_MEMORY, INVALID. */
MUST_CHECK result current_new(struct description *description, const char *folder,
                              struct current **out_current);

/* Calls `changed` after each change, one at a time, on the thread that brought the newer version.
 * Before current_take is called by anyone. */
typedef void (*current_changed)(void *context, const struct description *description);
enum { CURRENT_LISTENERS_MAX = 8 };
void current_on_change(struct current *current, current_changed changed, void *context);

/* Good until current_free. */
const struct description *current_now(const struct current *current);
uint64_t current_version(const struct current *current);

/* Takes a newer version from bytes that `source` sent: verified as description_parse does and as
 * description_check_next says, kept on disk, then put in place. INTEGRITY, DENIED, CONFLICT,
 * INVALID, IO, NO_MEMORY; nothing has changed then. */
MUST_CHECK result current_take(struct current *current, const char *source, struct view wire);

/* The record as signed, appended: GET /v1/system. NO_MEMORY. */
MUST_CHECK result current_record(const struct current *current, struct bytes *out_wire);

#endif
