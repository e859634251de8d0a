#include "format/generation.h"

#include <stdlib.h>

static const char domain_all[] = "myelin generation v1"; /* with their zero bytes */
static const char domain_some[] = "myelin generation v2";

void format_generation_id(const struct generation_fields *fields, uint8_t out_id[DIGEST_BYTES]) {
    struct digest digest;
    uint8_t epoch[8], sizes[2] = {(uint8_t)fields->t, (uint8_t)fields->holders.len};
    store_be64(epoch, fields->epoch);
    digest_start(&digest);
    if (fields->holders.len == 0) {
        digest_update(&digest, view_of(domain_all, sizeof domain_all));
        digest_update(&digest, view_of(epoch, sizeof epoch));
    } else {
        digest_update(&digest, view_of(domain_some, sizeof domain_some));
        digest_update(&digest, view_of(epoch, sizeof epoch));
        digest_update(&digest, view_of(sizes, sizeof sizes));
        digest_update(&digest, fields->holders);
    }
    for (size_t i = 0; i < fields->t; i++)
        digest_update(&digest, format_view(fields->commitment1[i]));
    for (size_t i = 0; i < fields->t; i++)
        digest_update(&digest, format_view(fields->commitment2[i]));
    digest_finish(&digest, out_id);
}

result format_commitments_parse(size_t count1, const ProtobufCBinaryData commitment1[],
                                size_t count2, const ProtobufCBinaryData commitment2[],
                                struct share_commitments *out) {
    AUTO_COMMITMENTS struct share_commitments commitments = {0};
    if (count1 != count2 || count1 < 1 || count1 > FORMAT_SERVERS_MAX)
        return FAIL(PROTOCOL, "%zu commitments in G1 and %zu in G2", count1, count2);
    TRY(share_commitments_new((unsigned)count1, &commitments));
    for (size_t i = 0; i < count1; i++) {
        TRY(g1_parse("commitment1", format_view(commitment1[i]), &commitments.f1[i]));
        TRY(g2_parse("commitment2", format_view(commitment2[i]), &commitments.f2[i]));
    }
    *out = commitments;
    commitments = (struct share_commitments){0};
    return OK;
}

void format_commitment_fields_free(struct commitment_fields *fields) {
    free(fields->block);
    *fields = (struct commitment_fields){0};
}

result format_commitment_fields(const struct share_commitments *commitments,
                                struct commitment_fields *out) {
    size_t t = commitments->t, fields = t * sizeof *out->commitment1;
    *out = (struct commitment_fields){.t = t};
    out->block = malloc(2 * fields + t * (G1_BYTES + G2_BYTES));
    if (out->block == NULL)
        return FAIL(NO_MEMORY, "no memory for %zu commitments", t);
    out->commitment1 = out->block;
    out->commitment2 = out->commitment1 + t;
    uint8_t *points = (uint8_t *)out->block + 2 * fields;
    for (size_t i = 0; i < t; i++, points += G1_BYTES + G2_BYTES) {
        g1_to_bytes(&commitments->f1[i], points);
        g2_to_bytes(&commitments->f2[i], points + G1_BYTES);
        out->commitment1[i] = format_bytes(view_of(points, G1_BYTES));
        out->commitment2[i] = format_bytes(view_of(points + G1_BYTES, G2_BYTES));
    }
    return OK;
}

unsigned format_generation_quorum(unsigned m, unsigned t) {
    return t + (m - t + 1) / 2;
}
