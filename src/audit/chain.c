#include "audit/chain.h"

#include <errno.h>
#include <string.h>

#include "format/hash.h"

const char chain_magic[CHAIN_MAGIC_BYTES + 1] = "MYELINAL";

static result append_framed(struct view entry, struct bytes *out_record) {
    uint8_t frame[CHAIN_FRAME_BYTES];
    store_be32(frame, (uint32_t)entry.len);
    TRY(bytes_reserve(out_record, out_record->len + sizeof frame + entry.len));
    TRY(bytes_append(out_record, view_of(frame, sizeof frame)));
    return bytes_append(out_record, entry);
}

result chain_append(struct chain_head *head, const Myelin__AuditBody *body,
                    struct bytes *out_record) {
    AUTO_BYTES struct bytes packed = {0};
    AUTO_BYTES struct bytes wire = {0};
    TRY(format_pack(body, &packed));
    struct chain_head next = {.sequence = head->sequence + 1};
    format_audit_hash(view_of(head->hash, sizeof head->hash), bytes_view(&packed), next.hash);
    Myelin__AuditEntry entry = MYELIN__AUDIT_ENTRY__INIT;
    entry.sequence = next.sequence;
    entry.previous = format_bytes(view_of(head->hash, sizeof head->hash));
    entry.body = format_bytes(bytes_view(&packed));
    entry.hash = format_bytes(view_of(next.hash, sizeof next.hash));
    TRY(format_pack(&entry, &wire));
    TRY(append_framed(bytes_view(&wire), out_record));
    *head = next;
    return OK;
}

result chain_parse(struct view wire, Myelin__AuditEntry **out_entry, Myelin__AuditBody **out_body) {
    AUTO_FORMAT Myelin__AuditEntry *entry = NULL;
    result parsed = format_parse_audit_entry(wire, &entry);
    if (parsed != OK)
        return parsed == PROTOCOL ? error_at(INTEGRITY, "access log") : parsed;
    uint8_t hash[DIGEST_BYTES];
    format_audit_hash(format_view(entry->previous), format_view(entry->body), hash);
    if (!view_equal(view_of(hash, sizeof hash), format_view(entry->hash)))
        return FAIL(INTEGRITY, "access log: entry %llu: hash differs",
                    (unsigned long long)entry->sequence);
    parsed = format_parse_audit_body(format_view(entry->body), out_body);
    if (parsed != OK)
        return parsed == PROTOCOL ? error_at(INTEGRITY, "access log") : parsed;
    *out_entry = entry;
    entry = NULL;
    return OK;
}

/* Fills `out`, or as much as the file still has. */
static result read_some(FILE *segment, uint8_t *out, size_t len, size_t *out_got) {
    *out_got = fread(out, 1, len, segment);
    if (*out_got < len && ferror(segment))
        return FAIL(IO, "reading the access log: %s", strerror(errno));
    return OK;
}

/* Whether nothing but zeros is left: a file whose size reached the disk and whose data did not. */
static bool zeros_to_the_end(FILE *segment) {
    for (int c = getc(segment); c != EOF; c = getc(segment))
        if (c != 0)
            return false;
    return true;
}

/* The bytes of the next record after its length; CHAIN_RECORD means no more than that they are
 * there. */
static result read_frame(FILE *segment, uint8_t out[FORMAT_LIMIT_AUDIT_ENTRY], size_t *out_len,
                         enum chain_found *out_found) {
    uint8_t frame[CHAIN_FRAME_BYTES];
    size_t got;
    TRY(read_some(segment, frame, sizeof frame, &got));
    *out_found = got == 0 ? CHAIN_END : CHAIN_TORN;
    if (got < sizeof frame)
        return OK;
    *out_len = load_be32(frame);
    if (*out_len == 0 && zeros_to_the_end(segment))
        return OK;
    *out_found = CHAIN_DAMAGED;
    if (*out_len == 0 || *out_len > FORMAT_LIMIT_AUDIT_ENTRY) {
        (void)FAIL(INTEGRITY, "a record of %zu bytes", *out_len);
        return OK;
    }
    TRY(read_some(segment, out, *out_len, &got));
    *out_found = got < *out_len ? CHAIN_TORN : CHAIN_RECORD;
    return OK;
}

static result check_continues(const Myelin__AuditEntry *entry, bool after_damage,
                              const struct chain_head *head) {
    if (after_damage && entry->sequence > head->sequence)
        return OK;
    if (entry->sequence != head->sequence + 1)
        return FAIL(INTEGRITY, "entry %llu stands after entry %llu",
                    (unsigned long long)entry->sequence, (unsigned long long)head->sequence);
    if (!view_equal(format_view(entry->previous), view_of(head->hash, sizeof head->hash)))
        return FAIL(INTEGRITY, "entry %llu does not continue the chain",
                    (unsigned long long)entry->sequence);
    return OK;
}

result chain_read(FILE *segment, bool after_damage, struct chain_head *head,
                  enum chain_found *out_found, Myelin__AuditBody **out_body, uint64_t *out_bytes) {
    uint8_t wire[FORMAT_LIMIT_AUDIT_ENTRY];
    size_t len = 0;
    TRY(read_frame(segment, wire, &len, out_found));
    if (*out_found != CHAIN_RECORD)
        return OK;
    AUTO_FORMAT Myelin__AuditEntry *entry = NULL;
    AUTO_FORMAT Myelin__AuditBody *body = NULL;
    result good = chain_parse(view_of(wire, len), &entry, &body);
    if (good == OK)
        good = check_continues(entry, after_damage, head);
    *out_found = CHAIN_DAMAGED;
    if (good != OK)
        return good == INTEGRITY ? OK : good;
    *out_found = CHAIN_RECORD;
    *out_bytes = CHAIN_FRAME_BYTES + len;
    head->sequence = entry->sequence;
    memcpy(head->hash, entry->hash.data, sizeof head->hash);
    *out_body = body;
    body = NULL;
    return OK;
}
