/*
 * myelin-storaged with another mouth. The lies:
 *
 *     symbol    gamma, alpha, row     of the envelope symbol, original or re-encrypted
 *               other-image image=    another image's symbol as it is
 *               mixed-image image=    its alpha, gamma and coefficients in this image's symbol
 *               slot                  another server's slot
 *               stale                 as before the last forward
 *               unsigned              gamma, and never its word for it
 *     records   forged-envelope, other-envelope image=, forged-manifest, no-objects, forged-inbox,
 *               no-inbox, flooded-inbox
 *               old-image             envelope and objects from before the image was removed
 *     slices    slice                 one bit of each answer
 *               other-object object=  another object's
 *               short, drip           half of them; slower than anybody wants to wait
 *               hashes                the table of slice hashes
 *     puts      receipt, forged-receipt, other-receipt; forgets: says yes and keeps nothing;
 *               balks: prepares and does not commit; steps: knows no puts in one request
 *     all       nonsense, refuse, absent
 *               exec                  starts another program, as one does who has taken it over
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "format/hash.h"
#include "format/statement.h"
#include "lie.h"
#include "net/server.h"
#include "scheme/codeword.h"
#include "storage/forward.h"
#include "storage/image.h"
#include "storage/listing.h"
#include "storage/put.h"
#include "storage/removal.h"

#define WRAP(returned, name, ...)                                                                  \
    returned __real_##name(__VA_ARGS__);                                                           \
    returned __wrap_##name(__VA_ARGS__);                                                           \
    returned __wrap_##name(__VA_ARGS__)

/* What the program starts with, and answers it once gave. */
static struct storage_options self;
static struct bytes stale_symbol, old_envelope, old_objects;

WRAP(result, storage_open, struct store *store, const struct storage_options *options,
     struct storage **out_storage) {
    self = *options;
    return __real_storage_open(store, options, out_storage);
}

static void flip(ProtobufCBinaryData *field) {
    field->data[field->len - 1] ^= 1;
}

/* Lies that need no look at the right answer; OK where there is none of them. */
static result lie_flatly(const struct lie *lie) {
    if (lie_is(lie, "exec"))
        execl("/bin/true", "true", (char *)NULL);
    if (lie_is(lie, "refuse"))
        return FAIL(DENIED, "not to you");
    return lie_is(lie, "absent") ? FAIL(NOT_FOUND, "no such image") : OK;
}

static result other_image(const struct lie *lie, struct image_id *out_image) {
    char hex[256];
    return image_id_parse(lie_option(lie, "image", hex), out_image);
}

/* ------------------------------------------------------------------ envelope symbols */

struct asked {
    struct storage *storage;
    const struct storage_caller *caller;
    const struct image_id *image;
    const char *user;
    uint32_t slot;
    bool is_signed;
};

result __real_forward_symbol(struct storage *storage, const struct storage_caller *caller,
                             const struct image_id *image, const char *user, uint32_t slot,
                             struct bytes *out_answer);
result __real_forward_symbol_signed(struct storage *storage, const struct storage_caller *caller,
                                    const struct image_id *image, const char *user, uint32_t slot,
                                    struct bytes *out_answer);

static result ask_honestly(const struct asked *asked, struct bytes *out_answer) {
    return (asked->is_signed ? __real_forward_symbol_signed : __real_forward_symbol)(
        asked->storage, asked->caller, asked->image, asked->user, asked->slot, out_answer);
}

static result lie_on_points(const struct lie *lie, Myelin__Symbol *symbol) {
    struct ciphertext value;
    struct ciphertext_bytes bytes;
    TRY(ciphertext_parse("symbol", symbol->b, format_view(symbol->alpha), format_view(symbol->beta),
                         format_view(symbol->gamma), &value));
    if (lie_is(lie, "alpha"))
        g1_mul(&value.alpha, &value.alpha, &value.alpha);
    else
        gt_mul(&value.gamma, &value.gamma, &value.gamma);
    ciphertext_to_bytes(&value, &bytes);
    memcpy(symbol->alpha.data, bytes.alpha, sizeof bytes.alpha);
    memcpy(symbol->gamma.data, bytes.gamma, sizeof bytes.gamma);
    return OK;
}

/* Another image's symbol under this one's beta and forward. */
static result mix_images(const struct asked *asked, const struct lie *lie, Myelin__Symbol *symbol) {
    AUTO_BYTES struct bytes wire = {0};
    AUTO_FORMAT Myelin__SymbolAnswer *answer = NULL;
    struct image_id image;
    TRY(other_image(lie, &image));
    struct asked other = *asked;
    other.image = &image;
    TRY(ask_honestly(&other, &wire));
    TRY(format_parse_symbol_answer(bytes_view(&wire), &answer));
    memcpy(symbol->alpha.data, answer->symbol->alpha.data, symbol->alpha.len);
    memcpy(symbol->gamma.data, answer->symbol->gamma.data, symbol->gamma.len);
    for (size_t i = 0; i < symbol->n_coefficient; i++)
        memcpy(symbol->coefficient[i].data, answer->symbol->coefficient[i].data,
               symbol->coefficient[i].len);
    return OK;
}

static result lie_on_symbol(const struct asked *asked, const struct lie *lie,
                            Myelin__Symbol *symbol) {
    if (lie_is(lie, "gamma") || lie_is(lie, "alpha") || lie_is(lie, "unsigned"))
        return lie_on_points(lie, symbol);
    if (lie_is(lie, "mixed-image"))
        return mix_images(asked, lie, symbol);
    if (lie_is(lie, "row"))
        flip(&symbol->coefficient[0]);
    if (lie_is(lie, "slot"))
        symbol->slot = (symbol->slot + 1) % 3;
    return OK;
}

static result answer_symbol(const struct asked *asked, struct bytes *out_answer) {
    struct lie lie;
    struct image_id image;
    uint8_t signature[SIGN_BYTES];
    AUTO_FORMAT Myelin__SymbolAnswer *answer = NULL;
    lie_load(asked->caller->name, asked->is_signed, &lie);
    TRY(lie_flatly(&lie));
    if (lie_is(&lie, "nonsense"))
        return lie_nonsense(out_answer);
    if (lie_is(&lie, "stale") && stale_symbol.len > 0)
        return bytes_append(out_answer, bytes_view(&stale_symbol));
    struct asked other = *asked;
    if (lie_is(&lie, "other-image")) {
        TRY(other_image(&lie, &image));
        other.image = &image;
    }
    TRY(ask_honestly(&other, out_answer));
    TRY(format_parse_symbol_answer(bytes_view(out_answer), &answer));
    TRY(lie_on_symbol(asked, &lie, answer->symbol));
    if (answer->signature.len > 0) {
        const struct format_statement statement = {self.server, asked->user, asked->image->bytes,
                                                   answer->symbol};
        TRY(format_statement_sign(self.key, &statement, signature));
        memcpy(answer->signature.data, signature, sizeof signature);
    }
    if (lie_is(&lie, "unsigned"))
        answer->signature.len = 0;
    return lie_pack(answer, out_answer);
}

WRAP(result, forward_symbol, struct storage *storage, const struct storage_caller *caller,
     const struct image_id *image, const char *user, uint32_t slot, struct bytes *out_answer) {
    return answer_symbol(&(struct asked){storage, caller, image, user, slot, false}, out_answer);
}

WRAP(result, forward_symbol_signed, struct storage *storage, const struct storage_caller *caller,
     const struct image_id *image, const char *user, uint32_t slot, struct bytes *out_answer) {
    return answer_symbol(&(struct asked){storage, caller, image, user, slot, true}, out_answer);
}

/* Keeps what is served until now, for "stale". */
WRAP(result, forward_put, struct storage *storage, const struct storage_caller *caller,
     const struct image_id *image, const char *recipient, struct view body) {
    const struct storage_caller key_server = {.name = "key-1", .role = STORAGE_ROLE_KEY_SERVER};
    AUTO_BYTES struct bytes served = {0};
    struct lie lie;
    lie_load(caller->name, false, &lie);
    TRY(lie_flatly(&lie));
    if (__real_forward_symbol_signed(storage, &key_server, image, recipient, SLOT_ANY, &served) ==
        OK) {
        bytes_free(&stale_symbol);
        stale_symbol = served;
        served = (struct bytes){0};
    }
    return __real_forward_put(storage, caller, image, recipient, body);
}

/* ------------------------------------------------------------------ records */

WRAP(result, image_answer, struct storage *storage, const struct storage_caller *caller,
     const struct image_id *image, struct bytes *out_answer) {
    AUTO_FORMAT Myelin__ImageAnswer *answer = NULL;
    struct lie lie;
    struct image_id other = *image;
    lie_load(caller->name, false, &lie);
    TRY(lie_flatly(&lie));
    if (lie_is(&lie, "nonsense"))
        return lie_nonsense(out_answer);
    if (lie_is(&lie, "old-image") && old_envelope.len > 0)
        return bytes_append(out_answer, bytes_view(&old_envelope));
    if (lie_is(&lie, "other-envelope"))
        TRY(other_image(&lie, &other));
    TRY(__real_image_answer(storage, caller, &other, out_answer));
    if (!lie_is(&lie, "forged-envelope"))
        return OK;
    TRY(format_parse_image_answer(bytes_view(out_answer), &answer));
    flip(&answer->envelope->body);
    return lie_pack(answer, out_answer);
}

WRAP(result, listing_objects, struct storage *storage, const struct storage_caller *caller,
     const struct image_id *image, const char *after, struct bytes *out_page) {
    AUTO_FORMAT Myelin__ManifestPage *page = NULL;
    struct lie lie;
    lie_load(caller->name, false, &lie);
    TRY(lie_flatly(&lie));
    if (lie_is(&lie, "nonsense"))
        return lie_nonsense(out_page);
    if (lie_is(&lie, "old-image") && old_objects.len > 0)
        return bytes_append(out_page, bytes_view(&old_objects));
    if (lie_is(&lie, "no-objects"))
        return OK; /* the encoding of an empty page */
    TRY(__real_listing_objects(storage, caller, image, after, out_page));
    if (!lie_is(&lie, "forged-manifest"))
        return OK;
    TRY(format_parse_manifest_page(bytes_view(out_page), &page));
    for (size_t i = 0; i < page->n_manifest; i++)
        flip(&page->manifest[i]->signature);
    return lie_pack(page, out_page);
}

enum { FLOOD = 2000 };

/* A page of forwards from users whom nobody knows, each another. */
static result flood_inbox(const Myelin__InboxPage *page, struct bytes *out_page) {
    static Myelin__Signed records[FLOOD];
    static Myelin__InboxEntry entries[FLOOD], *pointers[FLOOD];
    static struct bytes bodies[FLOOD];
    AUTO_FORMAT Myelin__Forward *forward = NULL;
    TRY(format_parse_forward(format_view(page->entry[0]->forward->body), &forward));
    char *owner = forward->owner, name[32];
    forward->owner = name;
    result packed = OK;
    for (size_t i = 0; packed == OK && i < FLOOD; i++) {
        snprintf(name, sizeof name, "nobody-%zu", i);
        bodies[i].len = 0;
        packed = format_pack(forward, &bodies[i]);
        records[i] = *page->entry[0]->forward;
        records[i].body = (ProtobufCBinaryData){bodies[i].len, bodies[i].data};
        entries[i] = *page->entry[0];
        entries[i].forward = &records[i];
        pointers[i] = &entries[i];
    }
    forward->owner = owner;
    TRY(packed);
    Myelin__InboxPage flood = MYELIN__INBOX_PAGE__INIT;
    flood.entry = pointers;
    flood.n_entry = FLOOD;
    return lie_pack(&flood, out_page);
}

WRAP(result, listing_inbox, struct storage *storage, const struct storage_caller *caller,
     const char *after, struct bytes *out_page) {
    AUTO_FORMAT Myelin__InboxPage *page = NULL;
    struct lie lie;
    lie_load(caller->name, false, &lie);
    if (lie_is(&lie, "nonsense"))
        return lie_nonsense(out_page);
    if (lie_is(&lie, "no-inbox"))
        return OK;
    TRY(__real_listing_inbox(storage, caller, after, out_page));
    bool is_flooded = lie_is(&lie, "flooded-inbox");
    if (!is_flooded && !lie_is(&lie, "forged-inbox"))
        return OK;
    TRY(format_parse_inbox_page(bytes_view(out_page), &page));
    if (is_flooded && page->n_entry > 0)
        return flood_inbox(page, out_page);
    for (size_t i = 0; i < page->n_entry; i++)
        flip(&page->entry[i]->forward->signature);
    return lie_pack(page, out_page);
}

/* Keeps what is there until now, for "old-image". */
WRAP(result, removal_take, struct storage *storage, const struct storage_caller *caller,
     const struct image_id *image, struct view body) {
    bytes_free(&old_envelope);
    bytes_free(&old_objects);
    TRY(__real_image_answer(storage, caller, image, &old_envelope));
    TRY(__real_listing_objects(storage, caller, image, "", &old_objects));
    return __real_removal_take(storage, caller, image, body);
}

/* ------------------------------------------------------------------ slices */

/* A copy in memory with one bit flipped. */
static result flip_slices(struct image_range *range) {
    uint8_t *bytes = malloc(range->length + 1);
    int fd = memfd_create("slices", MFD_CLOEXEC);
    bool is_copied =
        bytes != NULL && fd >= 0 &&
        pread(range->fd, bytes, range->length, (off_t)range->offset) == (ssize_t)range->length;
    if (is_copied)
        bytes[range->length / 2] ^= 1;
    is_copied = is_copied && pwrite(fd, bytes, range->length, 0) == (ssize_t)range->length;
    free(bytes);
    close(range->fd);
    *range = (struct image_range){fd, 0, range->length};
    return is_copied ? OK : FAIL(IO, "no copy of the slices");
}

WRAP(result, image_open_symbol, struct storage *storage, const struct storage_caller *caller,
     const struct image_id *image, const struct short_id *object, uint32_t slot,
     struct image_range *out_range) {
    struct lie lie;
    struct short_id other = *object;
    char hex[256];
    lie_load(caller->name, false, &lie);
    TRY(lie_flatly(&lie));
    if (lie_is(&lie, "other-object"))
        TRY(short_id_parse("an object", lie_option(&lie, "object", hex), &other));
    TRY(__real_image_open_symbol(storage, caller, image, &other, slot, out_range));
    if (lie_is(&lie, "short"))
        out_range->length /= 2;
    return lie_is(&lie, "slice") ? flip_slices(out_range) : OK;
}

WRAP(result, image_hashes, struct storage *storage, const struct storage_caller *caller,
     const struct image_id *image, const struct short_id *object, uint32_t slot,
     struct bytes *out_hashes) {
    struct lie lie;
    lie_load(caller->name, false, &lie);
    TRY(lie_flatly(&lie));
    TRY(__real_image_hashes(storage, caller, image, object, slot, out_hashes));
    if (lie_is(&lie, "hashes"))
        out_hashes->data[0] ^= 1;
    return lie_is(&lie, "nonsense") ? lie_nonsense(out_hashes) : OK;
}

struct dripping {
    int fd;
    uint64_t offset;
};

static result drip(void *context, uint64_t position, uint8_t *out, size_t capacity,
                   size_t *out_len) {
    const struct dripping *dripping = context;
    (void)capacity;
    nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    if (pread(dripping->fd, out, 1, (off_t)(dripping->offset + position)) != 1)
        return FAIL(IO, "no byte");
    *out_len = 1;
    return OK;
}

static void dripping_end(void *context) {
    struct dripping *dripping = context;
    close(dripping->fd);
    free(dripping);
}

WRAP(result, exchange_answer_file, struct server_exchange *exchange, int fd, uint64_t offset,
     uint64_t total) {
    struct lie lie;
    lie_load(exchange_peer(exchange)->name, false, &lie);
    struct dripping *dripping = lie_is(&lie, "drip") ? malloc(sizeof *dripping) : NULL;
    if (dripping == NULL)
        return __real_exchange_answer_file(exchange, fd, offset, total);
    *dripping = (struct dripping){fd, offset};
    const struct exchange_source source = {dripping, drip, dripping_end};
    return exchange_answer_stream(exchange, NULL, source, total);
}

/* ------------------------------------------------------------------ puts */

WRAP(result, upload_finish, struct upload *upload, struct bytes *out_receipt) {
    AUTO_FORMAT Myelin__Signed *record = NULL, *again = NULL;
    AUTO_FORMAT Myelin__Receipt *receipt = NULL;
    struct lie lie;
    lie_load(NULL, false, &lie);
    TRY(__real_upload_finish(upload, out_receipt));
    TRY(format_parse_signed(bytes_view(out_receipt), &record));
    TRY(format_open_receipt(record, self.key->public_key, &receipt));
    if (lie_is(&lie, "receipt"))
        flip(&receipt->symbol_root);
    if (lie_is(&lie, "other-receipt"))
        flip(&receipt->object);
    TRY(format_sign(self.key, receipt, &again));
    if (lie_is(&lie, "forged-receipt"))
        flip(&again->signature);
    return lie_pack(again, out_receipt);
}

/* As a server of a version before there were such requests. */
WRAP(result, put_whole, struct storage *storage, const struct storage_caller *caller,
     const struct image_id *image, const struct short_id *put, const struct whole_options *options,
     struct view body, struct bytes *out_answer) {
    struct lie lie;
    lie_load(caller->name, false, &lie);
    if (lie_is(&lie, "steps"))
        return FAIL(NOT_FOUND, "there is nothing of this name");
    return __real_put_whole(storage, caller, image, put, options, body, out_answer);
}

WRAP(result, put_prepare, struct storage *storage, const struct storage_caller *caller,
     const struct image_id *image, const struct short_id *put, struct view body) {
    struct lie lie;
    lie_load(caller->name, false, &lie);
    return lie_is(&lie, "forgets") ? OK : __real_put_prepare(storage, caller, image, put, body);
}

WRAP(result, put_commit, struct storage *storage, const struct storage_caller *caller,
     const struct image_id *image, const struct short_id *put, struct view body) {
    struct lie lie;
    lie_load(caller->name, false, &lie);
    if (lie_is(&lie, "balks"))
        return FAIL(INTERNAL, "no commit today");
    return lie_is(&lie, "forgets") ? OK : __real_put_commit(storage, caller, image, put, body);
}
