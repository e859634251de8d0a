#include "storage/forward.h"

#include <string.h>

#include "format/statement.h"
#include "scheme/reenc.h"
#include "storage/image.h"
#include "storage/record.h"
#include "storage/removal.h"
#include "storage/storage_state.h"

/*
 * USER.forward: kind (1): 1 forward, 2 revocation; serial_ms (8); length (4) and Signed message;
 * with a forward the re-encrypted Symbol message.
 */
enum entry_kind { ENTRY_FORWARD = 1, ENTRY_REVOCATION = 2 };
enum { ENTRY_LIMIT = 1 + 8 + 4 + FORMAT_LIMIT_SIGNED_SMALL + FORMAT_LIMIT_SYMBOL };
static const char record_kind[] = "forward";

struct entry {
    enum entry_kind kind;
    uint64_t serial_ms;
    struct view record; /* Signed; into `body` */
    struct view symbol; /* into `body` */
    struct bytes body;
};

static void entry_clean_up(struct entry *entry) {
    bytes_free(&entry->body);
}
#define AUTO_ENTRY __attribute__((cleanup(entry_clean_up)))

static result entry_get(struct storage *storage, const struct image_id *image, const char *user,
                        struct entry *out_entry) {
    struct place place = place_of_forward(image, user);
    AUTO_BYTES struct bytes body = {0};
    TRY(record_get(storage->store, place.key, record_kind, ENTRY_LIMIT, &body));
    struct view rest = bytes_view(&body), kind, serial, len, record;
    if (!view_take(&rest, 1, &kind) || !view_take(&rest, 8, &serial) ||
        !view_take(&rest, 4, &len) || !view_take(&rest, load_be32(len.data), &record) ||
        (kind.data[0] != ENTRY_FORWARD && kind.data[0] != ENTRY_REVOCATION))
        return FAIL(INTEGRITY, "%s holds no forward", place.key);
    *out_entry = (struct entry){kind.data[0], load_be64(serial.data), record, rest, body};
    body = (struct bytes){0};
    return OK;
}

static result entry_replace(struct storage *storage, const struct image_id *image, const char *user,
                            const struct entry *entry) {
    AUTO_BYTES struct bytes body = {0};
    uint8_t head[13] = {(uint8_t)entry->kind};
    store_be64(head + 1, entry->serial_ms);
    store_be32(head + 9, (uint32_t)entry->record.len);
    TRY(bytes_append(&body, view_of(head, sizeof head)));
    TRY(bytes_append(&body, entry->record));
    TRY(bytes_append(&body, entry->symbol));
    return record_replace(storage->store, place_of_forward(image, user).key, record_kind,
                          bytes_view(&body));
}

result forward_is_active(struct storage *storage, const struct image_id *image, const char *user,
                         bool *out_active) {
    AUTO_ENTRY struct entry entry = {0};
    result got = entry_get(storage, image, user, &entry);
    *out_active = got == OK && entry.kind == ENTRY_FORWARD;
    return got == NOT_FOUND ? OK : got;
}

result forward_get(struct storage *storage, const struct image_id *image, const char *user,
                   Myelin__Signed **out_forward) {
    AUTO_ENTRY struct entry entry = {0};
    TRY(entry_get(storage, image, user, &entry));
    if (entry.kind != ENTRY_FORWARD)
        return FAIL(NOT_FOUND, "the forward to %s was revoked", user);
    if (format_parse_signed(entry.record, out_forward) != OK)
        return error_at(INTEGRITY, "%s", place_of_forward(image, user).key);
    return OK;
}

/* ------------------------------------------------------------------ taking a forward */

static result check_recipient(const char *recipient, const struct image_owner *owner) {
    if (!format_is_name(recipient))
        return FAIL(INVALID, "the recipient's name is not one");
    if (strcmp(recipient, owner->name) == 0)
        return FAIL(INVALID, "%s is the owner", recipient);
    return OK;
}

static result check_subject(const struct image_id *image, const char *owner, const char *recipient,
                            const char *signed_owner, const char *signed_recipient,
                            struct view tau) {
    struct image_id of_tau;
    image_id_of_tau(tau, &of_tau);
    if (!image_id_equal(image, &of_tau) || strcmp(signed_owner, owner) != 0 ||
        strcmp(signed_recipient, recipient) != 0)
        return FAIL(INVALID, "what was signed is about another image, owner or recipient");
    return OK;
}

/* Whether an entry with this serial may take the place of what is there. `out_there` where the
 * same bytes are there already. A damaged entry gives way. */
static result check_serial(struct storage *storage, const struct image_id *image,
                           const char *recipient, uint64_t serial_ms, struct view record,
                           bool *out_there) {
    AUTO_ENTRY struct entry entry = {0};
    *out_there = false;
    result got = entry_get(storage, image, recipient, &entry);
    if (got == NOT_FOUND || got == INTEGRITY)
        return OK;
    TRY(got);
    *out_there = view_equal(entry.record, record);
    if (*out_there || entry.serial_ms < serial_ms)
        return OK;
    return FAIL(CONFLICT, "a %s to %s that is not older is there already",
                entry.kind == ENTRY_FORWARD ? "forward" : "revocation of the forward", recipient);
}

/* ReEnc of a symbol, as a Symbol message. */
static result re_encrypt(struct storage *storage, const Myelin__Symbol *stored,
                         const Myelin__Forward *forward, struct bytes *out_symbol) {
    struct rekey rekey;
    struct ciphertext original, re_encrypted;
    struct ciphertext_bytes parts;
    TRY(rekey_parse("forward", format_view(forward->rk1), format_view(forward->rk2), &rekey));
    result parsed =
        ciphertext_parse("symbol", stored->b, format_view(stored->alpha), format_view(stored->beta),
                         format_view(stored->gamma), &original);
    if (parsed != OK)
        return error_at(INTEGRITY, "the envelope's symbol");
    struct reenc_key key;
    reenc_prepare(&rekey, &key);
    TRY(reenc(&key, &original, &re_encrypted));
    ciphertext_to_bytes(&re_encrypted, &parts);
    atomic_fetch_add(&storage->counters.reencryptions, 1);

    Myelin__Symbol symbol = *stored;
    symbol.b = re_encrypted.b;
    symbol.alpha = format_bytes(view_of(parts.alpha, sizeof parts.alpha));
    symbol.beta = format_bytes(view_of(parts.beta, sizeof parts.beta));
    symbol.gamma = format_bytes(view_of(parts.gamma, sizeof parts.gamma));
    return format_pack(&symbol, out_symbol);
}

/* The mark comes before what it marks. */
static result mark_recipient(struct storage *storage, const struct image_id *image,
                             const char *recipient) {
    return store_replace(storage->store, place_recipient_mark(recipient, image).key,
                         view_of("", 0));
}

/* A forward that was checked, with the symbol that it makes of this server's; without one where
 * this server has none now: it is made when it is asked for. */
static result keep_forward(struct storage *storage, const struct image_id *image,
                           const Myelin__Forward *forward, struct view record) {
    AUTO_FORMAT Myelin__Symbol *stored = NULL;
    AUTO_BYTES struct bytes symbol = {0};
    result got = image_symbol(storage, image, SLOT_ANY, &stored);
    if (got == OK)
        TRY(re_encrypt(storage, stored, forward, &symbol));
    else if (got != NOT_FOUND && got != INTEGRITY)
        return got;
    TRY(mark_recipient(storage, image, forward->recipient));
    const struct entry entry = {.kind = ENTRY_FORWARD,
                                .serial_ms = forward->serial_ms,
                                .record = record,
                                .symbol = bytes_view(&symbol)};
    return entry_replace(storage, image, forward->recipient, &entry);
}

static result keep_revocation(struct storage *storage, const struct image_id *image,
                              const Myelin__Revocation *revocation, struct view record) {
    const struct entry entry = {
        .kind = ENTRY_REVOCATION, .serial_ms = revocation->serial_ms, .record = record};
    TRY(entry_replace(storage, image, revocation->recipient, &entry));
    return store_delete(storage->store, place_recipient_mark(revocation->recipient, image).key);
}

result forward_put(struct storage *storage, const struct storage_caller *caller,
                   const struct image_id *image, const char *recipient, struct view body) {
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    AUTO_FORMAT Myelin__Signed *record = NULL;
    AUTO_FORMAT Myelin__Forward *forward = NULL;
    struct image_owner owner;
    bool there;
    image_lock_write(storage, image, &lock);
    TRY(image_authorise(storage, caller, image, IMAGE_OWNER, &owner));
    TRY(check_recipient(recipient, &owner));
    TRY(format_parse_signed(body, &record));
    TRY(format_open_forward(record, caller->identity, &forward));
    TRY(check_subject(image, caller->name, recipient, forward->owner, forward->recipient,
                      format_view(forward->tau)));
    TRY(removal_check_newer(storage, image, &owner, forward->serial_ms));
    TRY(check_serial(storage, image, recipient, forward->serial_ms, body, &there));
    return there ? OK : keep_forward(storage, image, forward, body);
}

result forward_revoke(struct storage *storage, const struct storage_caller *caller,
                      const struct image_id *image, const char *recipient, struct view body) {
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    AUTO_FORMAT Myelin__Signed *record = NULL;
    AUTO_FORMAT Myelin__Revocation *revocation = NULL;
    struct image_owner owner;
    bool there;
    image_lock_write(storage, image, &lock);
    TRY(image_authorise(storage, caller, image, IMAGE_OWNER, &owner));
    TRY(check_recipient(recipient, &owner));
    TRY(format_parse_signed(body, &record));
    TRY(format_open_revocation(record, caller->identity, &revocation));
    TRY(check_subject(image, caller->name, recipient, revocation->owner, revocation->recipient,
                      format_view(revocation->tau)));
    TRY(check_serial(storage, image, recipient, revocation->serial_ms, body, &there));
    return there ? OK : keep_revocation(storage, image, revocation, body);
}

/* ------------------------------------------------------------------ from other servers */

result forward_record(struct storage *storage, const struct image_id *image, const char *user,
                      Myelin__Signed **out_record, bool *out_is_revocation) {
    AUTO_ENTRY struct entry entry = {0};
    TRY(entry_get(storage, image, user, &entry));
    *out_is_revocation = entry.kind == ENTRY_REVOCATION;
    if (format_parse_signed(entry.record, out_record) != OK)
        return error_at(INTEGRITY, "%s", place_of_forward(image, user).key);
    return OK;
}

static result adopt_forward(struct storage *storage, const struct image_id *image,
                            const struct image_owner *owner, Myelin__Signed *record,
                            struct view wire, bool *out_taken) {
    AUTO_FORMAT Myelin__Forward *forward = NULL;
    bool there;
    TRY(format_open_forward(record, owner->identity, &forward));
    TRY(check_recipient(forward->recipient, owner));
    TRY(check_subject(image, owner->name, forward->recipient, forward->owner, forward->recipient,
                      format_view(forward->tau)));
    result newer = removal_check_newer(storage, image, owner, forward->serial_ms);
    if (newer == OK)
        newer = check_serial(storage, image, forward->recipient, forward->serial_ms, wire, &there);
    if (newer == CONFLICT || (newer == OK && there))
        return OK;
    TRY(newer);
    *out_taken = true;
    return keep_forward(storage, image, forward, wire);
}

static result adopt_revocation(struct storage *storage, const struct image_id *image,
                               const struct image_owner *owner, Myelin__Signed *record,
                               struct view wire, bool *out_taken) {
    AUTO_FORMAT Myelin__Revocation *revocation = NULL;
    bool there;
    TRY(format_open_revocation(record, owner->identity, &revocation));
    TRY(check_recipient(revocation->recipient, owner));
    TRY(check_subject(image, owner->name, revocation->recipient, revocation->owner,
                      revocation->recipient, format_view(revocation->tau)));
    result newer =
        check_serial(storage, image, revocation->recipient, revocation->serial_ms, wire, &there);
    if (newer == CONFLICT || (newer == OK && there))
        return OK;
    TRY(newer);
    *out_taken = true;
    return keep_revocation(storage, image, revocation, wire);
}

result forward_adopt(struct storage *storage, const struct image_id *image,
                     const struct image_owner *owner, Myelin__Signed *record, bool is_revocation,
                     bool *out_taken) {
    AUTO_BYTES struct bytes wire = {0};
    *out_taken = false;
    TRY(format_pack(record, &wire));
    return (is_revocation ? adopt_revocation : adopt_forward)(storage, image, owner, record,
                                                              bytes_view(&wire), out_taken);
}

/* ------------------------------------------------------------------ serving symbols */

/* Which symbol is asked for, and how. */
struct wanted {
    const struct image_id *image;
    const char *user;
    uint32_t slot;
    bool is_signed;
};

/* `symbol` and, with a re-encrypted one, `forward` as an answer. */
static result pack_symbol(struct storage *storage, const struct wanted *wanted,
                          Myelin__Symbol *symbol, Myelin__Signed *forward,
                          struct bytes *out_answer) {
    uint8_t signature[SIGN_BYTES];
    Myelin__SymbolAnswer answer = MYELIN__SYMBOL_ANSWER__INIT;
    answer.symbol = symbol;
    answer.forward = forward;
    if (wanted->is_signed) {
        const struct format_statement statement = {storage->server, wanted->user,
                                                   wanted->image->bytes, symbol};
        TRY(format_statement_sign(storage->key, &statement, signature));
        answer.signature = format_bytes(view_of(signature, sizeof signature));
    }
    return format_pack(&answer, out_answer);
}

static result answer_original(struct storage *storage, const struct wanted *wanted,
                              struct bytes *out_answer) {
    AUTO_FORMAT Myelin__Symbol *symbol = NULL;
    TRY(image_symbol(storage, wanted->image, wanted->slot, &symbol));
    return pack_symbol(storage, wanted, symbol, NULL, out_answer);
}

/* The re-encrypted symbol of a slot: the one that was kept with the forward, or made of the
 * original now, where that one is of another slot or does not parse. */
static result find_reencrypted(struct storage *storage, const struct wanted *wanted,
                               const struct entry *entry, const Myelin__Signed *forward,
                               Myelin__Symbol **out_symbol) {
    AUTO_FORMAT Myelin__Symbol *kept = NULL, *original = NULL;
    AUTO_FORMAT Myelin__Forward *body = NULL;
    AUTO_BYTES struct bytes wire = {0};
    bool is_kept = entry->symbol.len > 0 && format_parse_symbol(entry->symbol, &kept) == OK;
    if (is_kept && wanted->slot == SLOT_ANY) {
        uint64_t bytes; /* a slot that moved away leaves the forward's symbol behind */
        is_kept = store_size(storage->store, place_of_symbol(wanted->image, kept->slot).key,
                             &bytes) == OK;
    } else if (is_kept) {
        is_kept = kept->slot == wanted->slot;
    }
    if (is_kept) {
        *out_symbol = kept;
        kept = NULL;
        return OK;
    }
    TRY(image_symbol(storage, wanted->image, wanted->slot, &original));
    TRY(format_parse_forward(format_view(forward->body), &body));
    TRY(re_encrypt(storage, original, body, &wire));
    return format_parse_symbol(bytes_view(&wire), out_symbol);
}

static result answer_forward(struct storage *storage, const struct wanted *wanted,
                             struct bytes *out_answer) {
    AUTO_ENTRY struct entry entry = {0};
    AUTO_FORMAT Myelin__Signed *forward = NULL;
    AUTO_FORMAT Myelin__Symbol *symbol = NULL;
    const struct image_id *image = wanted->image;
    const char *user = wanted->user;
    result got = entry_get(storage, image, user, &entry);
    if (got == NOT_FOUND || (got == OK && entry.kind != ENTRY_FORWARD))
        return FAIL(DENIED, "%s: image %s is not forwarded to %s", storage->server, image->hex,
                    user);
    TRY(got);
    if (format_parse_signed(entry.record, &forward) != OK)
        return error_at(INTEGRITY, "%s", place_of_forward(image, user).key);
    TRY(find_reencrypted(storage, wanted, &entry, forward, &symbol));
    return pack_symbol(storage, wanted, symbol, forward, out_answer);
}

static result answer_symbol(struct storage *storage, const struct storage_caller *caller,
                            const struct wanted *wanted, struct bytes *out_answer) {
    AUTO_IMAGE_LOCK struct image_lock lock = {0};
    const struct image_id *image = wanted->image;
    const char *user = wanted->user;
    struct image_owner owner;
    bool is_peer = caller->role == STORAGE_ROLE_PEER && user == NULL && !wanted->is_signed;
    if (!is_peer && (user == NULL || !format_is_name(user)))
        return FAIL(INVALID, "?for= is missing, or not a user's name");
    TRY(image_lock_read(storage, image, &lock));
    TRY(image_owner(storage, image, &owner));
    if (is_peer) {
        TRY(image_authorise(storage, caller, image, IMAGE_PEER, &owner));
        return answer_original(storage, wanted, out_answer);
    }
    bool himself = caller->role == STORAGE_ROLE_USER && strcmp(caller->name, user) == 0;
    if (!himself && caller->role != STORAGE_ROLE_KEY_SERVER)
        return FAIL(DENIED, "%s: only key servers ask for somebody else", storage->server);
    if (strcmp(user, owner.name) == 0)
        return answer_original(storage, wanted, out_answer);
    return answer_forward(storage, wanted, out_answer);
}

result forward_symbol(struct storage *storage, const struct storage_caller *caller,
                      const struct image_id *image, const char *user, uint32_t slot,
                      struct bytes *out_answer) {
    const struct wanted wanted = {image, user, slot, false};
    return answer_symbol(storage, caller, &wanted, out_answer);
}

result forward_symbol_signed(struct storage *storage, const struct storage_caller *caller,
                             const struct image_id *image, const char *user, uint32_t slot,
                             struct bytes *out_answer) {
    const struct wanted wanted = {image, user, slot, true};
    return answer_symbol(storage, caller, &wanted, out_answer);
}
