/* A storage server that encodes by itself: draws, blocks that become slices, and who may ask what
 * when. */
#include "code/code.h"
#include "format/symbol.h"
#include "scheme/enc.h"
#include "scheme/encode.h"
#include "storage/draw.h"
#include "storage_fixture.h"

/* What the owner sends, and what it got for it. */
struct asked {
    struct ciphertext ciphertexts[FIXTURE_K];
    uint8_t held[FIXTURE_K];
    size_t held_count;
    uint32_t draw, rows;
    bool with_ciphertexts;
    struct bytes request, answer;
    Myelin__Draw *said;
};

static void asked_free(struct asked *asked) {
    bytes_free(&asked->request);
    bytes_free(&asked->answer);
    format_free(asked->said);
}
#define AUTO_ASKED __attribute__((cleanup(asked_free)))

/* For both blocks, or for block 1 alone. */
static void asked_make(struct asked *asked, const struct draft *draft, bool all) {
    struct scalar exponent;
    *asked = (struct asked){.draw = 1, .rows = 2, .with_ciphertexts = draft->creates};
    for (unsigned i = 0; i < FIXTURE_K; i++) {
        scalar_random(&exponent);
        g1_exp_generator(&exponent, &asked->ciphertexts[i].alpha);
        gt_exp_generator(&exponent, &asked->ciphertexts[i].gamma);
        assert_int_equal(
            g2_parse("tau", view_of(draft->tau, G2_BYTES), &asked->ciphertexts[i].beta), OK);
        if (all || i == 1)
            asked->held[asked->held_count++] = (uint8_t)i;
    }
}

static void asked_pack(struct asked *asked, const struct draft *draft) {
    struct ciphertext_bytes bytes[FIXTURE_K];
    Myelin__Ciphertext messages[FIXTURE_K], *pointers[FIXTURE_K];
    uint8_t tau[G2_BYTES];
    memcpy(tau, draft->tau, sizeof tau);
    for (size_t i = 0; i < asked->held_count; i++) {
        ciphertext_to_bytes(&asked->ciphertexts[asked->held[i]], &bytes[i]);
        myelin__ciphertext__init(&messages[i]);
        messages[i].alpha = format_bytes(view_of(bytes[i].alpha, sizeof bytes[i].alpha));
        messages[i].gamma = format_bytes(view_of(bytes[i].gamma, sizeof bytes[i].gamma));
        pointers[i] = &messages[i];
    }
    Myelin__DrawRequest request = MYELIN__DRAW_REQUEST__INIT;
    request.tau = format_bytes(view_of(tau, sizeof tau));
    request.slot = FIXTURE_SLOT;
    request.k = FIXTURE_K;
    request.held = format_bytes(view_of(asked->held, asked->held_count));
    request.draw = asked->draw;
    request.rows = asked->rows;
    request.ciphertext = pointers;
    request.n_ciphertext = asked->with_ciphertexts ? asked->held_count : 0;
    bytes_free(&asked->request);
    assert_int_equal(format_pack(&request, &asked->request), OK);
}

static result ask_draw(struct fixture *f, const struct person *who, const struct draft *draft,
                       struct asked *asked) {
    AUTO_FORMAT Myelin__Signed *record = NULL;
    asked_pack(asked, draft);
    bytes_free(&asked->answer);
    TRY(put_draw(f->storage, &who->caller, &draft->image, &draft->put, bytes_view(&asked->request),
                 &asked->answer));
    format_free(asked->said);
    asked->said = NULL;
    assert_int_equal(format_parse_signed(bytes_view(&asked->answer), &record), OK);
    assert_int_equal(format_open_draw(record, f->server.public_key, &asked->said), OK);
    return OK;
}

/* ------------------------------------------------------------------ a put of blocks */

/* The draft's envelope with the hash of the symbol that the server says it made. */
static void adopt_symbol(struct draft *draft, const struct asked *asked) {
    AUTO_FORMAT Myelin__Envelope *envelope = NULL;
    assert_int_equal(format_open_envelope(draft->envelope, draft->owner->key.public_key, &envelope),
                     OK);
    assert_int_equal(asked->said->symbol_hash.len, DIGEST_BYTES);
    memcpy(envelope->symbol_hash[FIXTURE_SLOT].data, asked->said->symbol_hash.data, DIGEST_BYTES);
    format_free_at(&draft->envelope);
    format_free_at(&draft->symbol);
    assert_int_equal(format_sign(&draft->owner->key, envelope, &draft->envelope), OK);
}

/* Random blocks as they are sent, and in the draft the slices that row `row` makes of them. */
static uint8_t *make_blocks(struct draft *draft, size_t index, const struct asked *asked,
                            uint32_t row, size_t *out_len) {
    struct draft_object *object = &draft->objects[index];
    AUTO_CODE_MAP struct code_map encoder = {0};
    uint8_t coefficients[FIXTURE_K];
    for (size_t i = 0; i < asked->held_count; i++)
        coefficients[i] = asked->said->row[row].data[asked->held[i]];
    assert_int_equal(code_row_init((unsigned)asked->held_count, coefficients, &encoder), OK);
    *out_len = object->layout.symbol_bytes * asked->held_count;
    uint8_t *blocks = malloc(*out_len), *next = blocks;
    assert_non_null(blocks);
    secret_random(blocks, *out_len);
    for (uint64_t s = 0; s < object->layout.segments; s++) {
        size_t len = format_slice_len(&object->layout, s);
        const uint8_t *inputs[FIXTURE_K];
        uint8_t *slice = object->slices + format_slice_offset(&object->layout, s);
        for (size_t i = 0; i < asked->held_count; i++, next += len)
            inputs[i] = next;
        code_apply(&encoder, inputs, len, &slice);
    }
    format_free_at(&object->manifest);
    draft_make_manifest(draft, object);
    return blocks;
}

static struct blocks_options blocks_options_of(const struct draft_object *object,
                                               const struct asked *asked, uint32_t row) {
    return (struct blocks_options){.object = object->id,
                                   .draw = asked->draw,
                                   .row = row,
                                   .slice_bytes = object->layout.slice_len};
}

static result send_blocks(struct fixture *f, const struct draft *draft, size_t index,
                          const struct blocks_options *options, struct view blocks) {
    struct blocks *upload = NULL;
    AUTO_BYTES struct bytes wire = {0};
    AUTO_FORMAT Myelin__Signed *record = NULL;
    AUTO_FORMAT Myelin__Receipt *receipt = NULL;
    uint8_t root[DIGEST_BYTES];
    TRY(blocks_open(f->storage, &draft->owner->caller, &draft->image, &draft->put, options,
                    &upload));
    while (blocks.len > 0) {
        size_t part = blocks.len < 777 ? blocks.len : 777;
        result appended = blocks_append(upload, view_of(blocks.data, part));
        if (appended != OK) {
            blocks_abandon(upload);
            return appended;
        }
        blocks.data += part;
        blocks.len -= part;
    }
    TRY(blocks_finish(upload, &wire));
    assert_int_equal(format_parse_signed(bytes_view(&wire), &record), OK);
    assert_int_equal(format_open_receipt(record, f->server.public_key, &receipt), OK);
    put_records_root(&draft->objects[index].layout, draft->objects[index].slices, root);
    assert_int_equal(receipt->slot, FIXTURE_SLOT);
    assert_int_equal(receipt->symbol_bytes, draft->objects[index].layout.symbol_bytes);
    assert_memory_equal(receipt->symbol_root.data, root, sizeof root);
    return OK;
}

static void send_all(struct fixture *f, struct draft *draft, const struct asked *asked,
                     uint32_t row) {
    for (size_t i = 0; i < draft->object_count; i++) {
        size_t len;
        uint8_t *blocks = make_blocks(draft, i, asked, row, &len);
        struct blocks_options options = blocks_options_of(&draft->objects[i], asked, row);
        assert_int_equal(send_blocks(f, draft, i, &options, view_of(blocks, len)), OK);
        free(blocks);
    }
    bytes_free(&draft->commit);
    draft_make_commit(draft);
}

static void check_said(const struct fixture *f, const struct draft *draft,
                       const struct asked *asked) {
    const Myelin__Draw *said = asked->said;
    uint8_t hash[DIGEST_BYTES];
    (void)f;
    digest_sha256(bytes_view(&asked->request), hash);
    assert_string_equal(said->server, "storage-2");
    assert_memory_equal(said->put.data, draft->put.bytes, FORMAT_ID_BYTES);
    assert_memory_equal(said->tau.data, draft->tau, G2_BYTES);
    assert_memory_equal(said->request.data, hash, sizeof hash);
    assert_int_equal(said->slot, FIXTURE_SLOT);
    assert_int_equal(said->draw, asked->draw);
    assert_int_equal(said->n_row, asked->rows);
    for (unsigned block = 0; block < FIXTURE_K; block++) {
        bool held = memchr(asked->held, (int)block, asked->held_count) != NULL;
        for (size_t i = 0; i < said->n_row; i++)
            assert_int_equal(said->row[i].data[block] != 0, held);
    }
}

/* The symbol is what the coefficients, as said, make of the ciphertexts. */
static void check_symbol(const struct asked *asked) {
    struct scalar coefficients[FIXTURE_K];
    AUTO_SYMBOL struct codeword_symbol symbol = {0};
    AUTO_BYTES struct bytes wire = {0};
    uint8_t hash[DIGEST_BYTES];
    assert_int_equal(asked->said->n_coefficient, FIXTURE_K);
    for (unsigned i = 0; i < FIXTURE_K; i++)
        assert_int_equal(
            scalar_parse("c", format_view(asked->said->coefficient[i]), &coefficients[i]), OK);
    assert_int_equal(encode(asked->ciphertexts, coefficients, FIXTURE_K, &symbol), OK);
    assert_int_equal(format_symbol_pack(FIXTURE_SLOT, &symbol, &wire, hash), OK);
    assert_memory_equal(asked->said->symbol_hash.data, hash, sizeof hash);
}

static void put_blocks(struct fixture *f, bool all) {
    AUTO_DRAFT struct draft draft = {0};
    AUTO_ASKED struct asked asked;
    draft_make(&draft, &f->alice, "study", true, 3);
    asked_make(&asked, &draft, all);
    assert_int_equal(ask_begin(f, &f->alice, &draft), OK);
    assert_int_equal(ask_draw(f, &f->alice, &draft, &asked), OK);
    check_said(f, &draft, &asked);
    check_symbol(&asked);
    adopt_symbol(&draft, &asked);
    send_all(f, &draft, &asked, 1);
    assert_int_equal(ask_prepare(f, &f->alice, &draft), OK);
    fixture_restart(f);
    assert_int_equal(ask_commit(f, &f->alice, &draft), OK);
    assert_whole(f, &draft);
    assert_int_equal(ask_symbol_for(f, &f->key_server, &draft, &f->alice), OK);
}

static void test_blocks_become_slices(void **state) {
    put_blocks(*state, true);
}

static void test_some_of_the_blocks(void **state) {
    put_blocks(*state, false);
}

static void test_objects_are_added_by_blocks(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft first = {0}, second = {0};
    AUTO_ASKED struct asked asked;
    draft_make(&first, &f->alice, "study", true, 1);
    draft_make(&second, &f->alice, "study", false, 2);
    assert_int_equal(ask_put(f, &f->alice, &first), OK);
    asked_make(&asked, &second, true);
    assert_int_equal(ask_begin(f, &f->alice, &second), OK);
    asked.with_ciphertexts = true;
    assert_int_equal(ask_draw(f, &f->alice, &second, &asked), PROTOCOL);
    asked.with_ciphertexts = false;
    assert_int_equal(ask_draw(f, &f->alice, &second, &asked), OK);
    check_said(f, &second, &asked);
    assert_int_equal(asked.said->n_coefficient, 0);
    send_all(f, &second, &asked, 0);
    assert_int_equal(ask_prepare(f, &f->alice, &second), OK);
    assert_int_equal(ask_commit(f, &f->alice, &second), OK);
    assert_whole(f, &first);
    assert_whole(f, &second);
}

/* ------------------------------------------------------------------ draws */

static void test_a_later_draw_counts(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft = {0};
    AUTO_ASKED struct asked asked;
    AUTO_BYTES struct bytes first = {0};
    uint8_t symbol_hash[DIGEST_BYTES];
    draft_make(&draft, &f->alice, "study", true, 1);
    asked_make(&asked, &draft, true);
    assert_int_equal(ask_begin(f, &f->alice, &draft), OK);
    assert_int_equal(ask_draw(f, &f->alice, &draft, &asked), OK);
    assert_int_equal(bytes_append(&first, bytes_view(&asked.answer)), OK);
    memcpy(symbol_hash, asked.said->symbol_hash.data, sizeof symbol_hash);
    /* The answer was lost: the same question has the same answer, another one none. */
    assert_int_equal(ask_draw(f, &f->alice, &draft, &asked), OK);
    assert_true(view_equal(bytes_view(&first), bytes_view(&asked.answer)));
    asked.rows = 3;
    assert_int_equal(ask_draw(f, &f->alice, &draft, &asked), CONFLICT);
    /* Rows alone: the envelope's symbol stays. */
    asked.draw = 2;
    asked.with_ciphertexts = false;
    assert_int_equal(ask_draw(f, &f->alice, &draft, &asked), OK);
    assert_memory_equal(asked.said->symbol_hash.data, symbol_hash, sizeof symbol_hash);
    check_symbol(&asked);
    asked.draw = 3;
    asked.with_ciphertexts = true;
    assert_int_equal(ask_draw(f, &f->alice, &draft, &asked), OK);
    assert_memory_not_equal(asked.said->symbol_hash.data, symbol_hash, sizeof symbol_hash);
    check_symbol(&asked);
    asked.draw = 2;
    assert_int_equal(ask_draw(f, &f->alice, &draft, &asked), CONFLICT);
    asked.draw = 4;
    asked.held_count = 1;
    assert_int_equal(ask_draw(f, &f->alice, &draft, &asked), PROTOCOL);
    assert_non_null(strstr(error_text(), "for other blocks"));
}

static void test_draws_that_are_refused(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft = {0}, other = {0};
    AUTO_ASKED struct asked asked;
    draft_make(&draft, &f->alice, "study", true, 1);
    draft_make(&other, &f->alice, "other", true, 0);
    asked_make(&asked, &draft, true);
    assert_int_equal(ask_draw(f, &f->alice, &draft, &asked), NOT_FOUND);
    assert_int_equal(ask_begin(f, &f->alice, &draft), OK);
    assert_int_equal(ask_draw(f, &f->mallory, &draft, &asked), DENIED);
    assert_int_equal(ask_draw(f, &f->key_server, &draft, &asked), DENIED);
    asked.with_ciphertexts = false;
    assert_int_equal(ask_draw(f, &f->alice, &draft, &asked), PROTOCOL);
    assert_non_null(strstr(error_text(), "ciphertexts are missing"));
    asked.with_ciphertexts = true;
    asked_pack(&asked, &other);
    assert_int_equal(put_draw(f->storage, &f->alice.caller, &draft.image, &draft.put,
                              bytes_view(&asked.request), &asked.answer),
                     INVALID);
    /* Every bit of the ciphertexts counts: they are points of their groups, or refused. */
    asked_pack(&asked, &draft);
    asked.request.data[asked.request.len - 1] ^= 1;
    assert_int_equal(put_draw(f->storage, &f->alice.caller, &draft.image, &draft.put,
                              bytes_view(&asked.request), &asked.answer),
                     PROTOCOL);
    assert_non_null(strstr(error_text(), "ciphertext: gamma"));
    assert_int_equal(ask_draw(f, &f->alice, &draft, &asked), OK);
    assert_int_equal(put_abort(f->storage, &f->alice.caller, &draft.image, &draft.put), OK);
    asked.draw++;
    assert_int_equal(ask_draw(f, &f->alice, &draft, &asked), NOT_FOUND);
}

static void test_no_draw_after_the_first_block(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft = {0};
    AUTO_ASKED struct asked asked;
    struct blocks *upload = NULL;
    draft_make(&draft, &f->alice, "study", true, 2);
    asked_make(&asked, &draft, true);
    assert_int_equal(ask_begin(f, &f->alice, &draft), OK);
    assert_int_equal(ask_draw(f, &f->alice, &draft, &asked), OK);
    adopt_symbol(&draft, &asked);
    struct blocks_options options = blocks_options_of(&draft.objects[0], &asked, 0);
    assert_int_equal(
        blocks_open(f->storage, &f->alice.caller, &draft.image, &draft.put, &options, &upload), OK);
    uint32_t before = asked.draw++;
    assert_int_equal(ask_draw(f, &f->alice, &draft, &asked), CONFLICT);
    blocks_abandon(upload); /* none has come after all */
    assert_int_equal(ask_draw(f, &f->alice, &draft, &asked), OK);
    options.draw = before;
    assert_int_equal(
        blocks_open(f->storage, &f->alice.caller, &draft.image, &draft.put, &options, &upload),
        CONFLICT);
    adopt_symbol(&draft, &asked);
    send_all(f, &draft, &asked, 1);
    asked.draw++;
    assert_int_equal(ask_draw(f, &f->alice, &draft, &asked), CONFLICT);
    assert_int_equal(ask_prepare(f, &f->alice, &draft), OK);
}

static void test_a_restart_forgets_a_draw(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft = {0};
    AUTO_ASKED struct asked asked;
    struct blocks *upload = NULL;
    draft_make(&draft, &f->alice, "study", true, 1);
    asked_make(&asked, &draft, true);
    assert_int_equal(ask_begin(f, &f->alice, &draft), OK);
    assert_int_equal(ask_draw(f, &f->alice, &draft, &asked), OK);
    fixture_restart(f);
    struct blocks_options options = blocks_options_of(&draft.objects[0], &asked, 0);
    assert_int_equal(
        blocks_open(f->storage, &f->alice.caller, &draft.image, &draft.put, &options, &upload),
        NOT_FOUND);
}

/* ------------------------------------------------------------------ blocks */

static void test_blocks_have_bounds(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft = {0};
    AUTO_ASKED struct asked asked;
    struct blocks *upload = NULL;
    size_t len;
    draft_make(&draft, &f->alice, "study", true, 2);
    asked_make(&asked, &draft, true);
    assert_int_equal(ask_begin(f, &f->alice, &draft), OK);
    struct blocks_options good = blocks_options_of(&draft.objects[1], &asked, 0), bad = good;
    const struct person *alice = &f->alice;
#define OPEN(who, options)                                                                         \
    blocks_open(f->storage, &(who)->caller, &draft.image, &draft.put, options, &upload)
    assert_int_equal(OPEN(alice, &good), CONFLICT); /* no draw yet */
    assert_int_equal(ask_draw(f, alice, &draft, &asked), OK);
    assert_int_equal(OPEN(&f->mallory, &good), DENIED);
    bad.draw = 2;
    assert_int_equal(OPEN(alice, &bad), CONFLICT);
    bad = good;
    bad.row = asked.rows;
    assert_int_equal(OPEN(alice, &bad), INVALID);
    bad = good;
    bad.slice_bytes = 0;
    assert_int_equal(OPEN(alice, &bad), INVALID);
    bad.slice_bytes = FORMAT_SEGMENT_BYTES_MAX;
    assert_int_equal(OPEN(alice, &bad), INVALID); /* two of them */
    bad.slice_bytes = UINT64_MAX;
    assert_int_equal(OPEN(alice, &bad), INVALID);
    bad = good;
    random_id(&bad.object);
    assert_int_equal(OPEN(alice, &bad), NOT_FOUND);
    uint8_t *blocks = make_blocks(&draft, 1, &asked, 0, &len);
    assert_int_equal(send_blocks(f, &draft, 1, &good, view_of(blocks, len - 1)), INVALID);
    assert_non_null(strstr(error_text(), "no 2 blocks of one length"));
    assert_int_equal(send_blocks(f, &draft, 1, &good, view_of(blocks, 0)), INVALID);
    assert_int_equal(send_blocks(f, &draft, 1, &good, view_of(blocks, len)), OK);
    free(blocks);
}

static void test_prepare_takes_the_servers_own_symbol_only(void **state) {
    struct fixture *f = *state;
    AUTO_DRAFT struct draft draft = {0}, undrawn = {0};
    AUTO_ASKED struct asked asked;
    draft_make(&draft, &f->alice, "study", true, 1);
    asked_make(&asked, &draft, true);
    assert_int_equal(ask_begin(f, &f->alice, &draft), OK);
    assert_int_equal(ask_draw(f, &f->alice, &draft, &asked), OK);
    format_free_at(&draft.symbol); /* the envelope has another one's hash still */
    send_all(f, &draft, &asked, 0);
    assert_int_equal(ask_prepare(f, &f->alice, &draft), INTEGRITY);
    assert_non_null(strstr(error_text(), "the symbol is not what the envelope says"));
    adopt_symbol(&draft, &asked);
    assert_int_equal(ask_prepare(f, &f->alice, &draft), OK);

    draft_make(&undrawn, &f->alice, "other", true, 1);
    format_free_at(&undrawn.symbol);
    assert_int_equal(ask_begin(f, &f->alice, &undrawn), OK);
    assert_int_equal(ask_upload(f, &f->alice, &undrawn, 0), OK);
    assert_int_equal(ask_prepare(f, &f->alice, &undrawn), PROTOCOL);
    assert_non_null(strstr(error_text(), "came without its symbol"));
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_blocks_become_slices),
        TEST(test_some_of_the_blocks),
        TEST(test_objects_are_added_by_blocks),
        TEST(test_a_later_draw_counts),
        TEST(test_draws_that_are_refused),
        TEST(test_no_draw_after_the_first_block),
        TEST(test_a_restart_forgets_a_draw),
        TEST(test_blocks_have_bounds),
        TEST(test_prepare_takes_the_servers_own_symbol_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
