/*
 * The heads of access logs that a session has seen: loaded when it begins, compared with whatever
 * the key servers show, kept in MYELIN_HOME (docs/FORMAT.md, "A user's heads").
 */
#ifndef MYELIN_FLOW_HEADS_H
#define MYELIN_FLOW_HEADS_H

#include "audit/head.h"
#include "flow/session.h"

/* The file of a system's heads. INVALID where the path is too long, as keystore_home. */
MUST_CHECK result heads_path(const char *system_id, char *out_path, size_t size);

/* Of the key server `server`, by the identity key that the description names. INTEGRITY where it is
 * not, or of another system or server; PROTOCOL, NO_MEMORY. */
MUST_CHECK result head_verify(const struct description *description, unsigned server,
                              const Myelin__Signed *record);

/* For session_open: reads the file, and from now on keeps it. What cannot be read, or is not signed
 * by its server's key of today, is forgotten, with a warning. */
void heads_load(struct session *session);

/* The sequence of the newest head of a key server; ask before the question. From any thread. */
uint64_t heads_newest(struct session *session, unsigned server);

/* Takes the head that came with an answer for which the server wrote an entry: it must be above
 * `before`, heads_newest at the time of the question, and is kept; else, and where there is none or
 * it is not the server's, the user is warned. `record` may be NULL. From any thread. */
void heads_take(struct session *session, unsigned server, uint64_t before,
                const Myelin__Signed *record);

/* Keeps a head that was compared by other means, on disk within a minute or at the session's end.
 * From any thread. NO_MEMORY, PROTOCOL. */
MUST_CHECK result heads_note(struct session *session, const Myelin__Signed *record);

/* Everything known now, copied. NO_MEMORY. */
MUST_CHECK result heads_copy(struct session *session, struct heads *out_heads);

/* Writes what is new to the file; others may have written to it meanwhile. A failure costs a
 * warning. */
void heads_save(struct session *session);

/* Writes the file without one server's head. NOT_FOUND where it has none. INTEGRITY, IO. */
MUST_CHECK result heads_forget(const char *path, const char *server);

#endif
