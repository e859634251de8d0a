/* What a key server deals, as it comes from the network: its purpose, t, the dealer, the receiver
 * or lost one, a sub-share, then the commitments. What is accepted has no other bytes and goes
 * through the point that its purpose prescribes. */
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "scheme/share_refresh.h"
#include "scheme/share_replace.h"
#include "scheme/share_reshare.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD_BYTES = 4, T_MAX = 8, BASE_T = 3, BASE_M = 5 };
enum purpose { REFRESH, REPLACE, RESHARE, PURPOSES };

struct input {
    enum purpose purpose;
    unsigned t;
    uint32_t dealer, other; /* receiver, or whose share is lost */
    struct view subshare, commitments;
};

static struct public_key public_key;
static struct share_commitments base; /* of the shares that a resharing deals */

/* The same keys and shares in each run: the seeds are of them. */
static void start(void) {
    static struct secret_key secret;
    static struct key_share shares[BASE_M];
    struct scalar poly1[BASE_T - 1], poly2[BASE_T - 1];
    if (secret_start() != OK)
        abort();
    scalar_from_u64(7, &secret.a1);
    scalar_from_u64(11, &secret.a2);
    scalar_from_u64(13, &secret.a3);
    for (unsigned i = 0; i < BASE_T - 1; i++) {
        scalar_from_u64(17 + i, &poly1[i]);
        scalar_from_u64(19 + i, &poly2[i]);
    }
    keygen_public(&secret, &public_key);
    if (share_keygen_with_polynomials(&secret, BASE_T, BASE_M, poly1, poly2, shares, &base) != OK)
        abort();
}

static bool read_input(struct view bytes, struct input *out) {
    struct view head;
    if (!view_take(&bytes, HEAD_BYTES, &head) || !view_take(&bytes, SUBSHARE_BYTES, &out->subshare))
        return false;
    out->purpose = (enum purpose)(head.data[0] % PURPOSES);
    out->t = head.data[1] % (T_MAX + 1); /* 0 too: refused */
    out->dealer = head.data[2];
    out->other = head.data[3];
    out->commitments = bytes;
    return true;
}

static result parse(const struct input *input, struct share_dealing *out) {
    switch (input->purpose) {
    case REFRESH:
        return share_refresh_parse("f", input->dealer, input->commitments, input->t, out);
    case REPLACE:
        return share_replace_parse("f", input->dealer, input->other, input->commitments, input->t,
                                   out);
    default:
        return share_reshare_parse("f", input->dealer, &base, input->commitments, input->t, out);
    }
}

static void require(bool holds) {
    if (!holds)
        abort();
}

/* 1 at 0, 1 at the lost index, the dealer's share at 0. */
static void check_point(const struct input *input, const struct share_dealing *dealing) {
    struct g1 expected1, found1 = dealing->commitments.f1[0];
    struct g2 expected2, found2 = dealing->commitments.f2[0];
    g1_identity(&expected1);
    g2_identity(&expected2);
    if (input->purpose == REPLACE)
        require(share_public_f1(&dealing->commitments, input->other, &found1) == OK &&
                share_public_f2(&dealing->commitments, input->other, &found2) == OK);
    if (input->purpose == RESHARE)
        require(share_public_f1(&base, input->dealer, &expected1) == OK &&
                share_public_f2(&base, input->dealer, &expected2) == OK);
    require(g1_equal(&found1, &expected1) && g2_equal(&found2, &expected2));
}

static void check_dealing(const struct input *input, const struct share_dealing *dealing) {
    AUTO_SECRET struct subshare *subshare = NULL;
    uint8_t again[SHARE_DEALING_BYTES_MAX];
    require(dealing->dealer == input->dealer && dealing->commitments.t == input->t);
    share_dealing_to_bytes(dealing, again);
    require(view_equal(view_of(again, share_dealing_bytes(input->t)), input->commitments));
    check_point(input, dealing);
    require(secret_new(sizeof *subshare, (void **)&subshare) == OK);
    if (subshare_parse("f", input->dealer, input->other, input->subshare, subshare) != OK)
        return;
    uint8_t bytes[SUBSHARE_BYTES];
    subshare_to_bytes(subshare, bytes);
    require(view_equal(view_of(bytes, sizeof bytes), input->subshare));
    result checked = share_dealing_check(&public_key, dealing, subshare);
    require(checked == OK || checked == INTEGRITY);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static bool started;
    AUTO_DEALING struct share_dealing dealing = {0};
    struct input input;
    if (!started)
        start();
    started = true;
    if (!read_input(view_of(data, size), &input))
        return 0;
    result parsed = parse(&input, &dealing);
    if (parsed == OK)
        check_dealing(&input, &dealing);
    require(parsed == OK || parsed == PROTOCOL || parsed == INVALID || parsed == NO_MEMORY);
    return 0;
}
