/*
 * Audit: who opened what and when, from the key servers' access logs.
 */
#ifndef MYELIN_FLOW_AUDIT_H
#define MYELIN_FLOW_AUDIT_H

#include "audit/head.h"
#include "flow/session.h"

/* One entry of one key server's log. */
struct audit_item {
    const char *server; /* "key-2"; the session's */
    uint64_t sequence;
    uint8_t hash[DIGEST_BYTES];
    Myelin__AuditBody *body;
    char *id; /* the image's, where the user can know it; else NULL */
};

struct audit {
    struct audit_item *items; /* by time */
    size_t count;
    unsigned broken; /* logs that do not hold together, or no longer have what their servers showed
                        before; each is named by a warning */
};

#define AUTO_AUDIT __attribute__((cleanup(audit_free)))
void audit_free(struct audit *audit);

/* The entries that the user made or whose image he owns, of all reachable key servers; of the image
 * `id` alone, his own or, with `from`, forwarded to him, where that is not NULL. Each entry's hash
 * is checked, and that it continues the entry before it where both are the user's to see; and each
 * log against the heads seen before and in `others` (may be NULL), see flow/audit_heads.h.
 * NOT_FOUND where there is no such image or forward, nor was; QUORUM where fewer than t of the
 * key servers that hold the user's shares answer; others that do not are named by warnings.
 */
MUST_CHECK result flow_audit(struct session *session, const char *id, const char *from,
                             const struct heads *others, struct audit *out_audit);

#endif
