#include "format/layout.h"

#include <string.h>

static uint32_t block_of(uint32_t sealed_len, uint32_t k) {
    return sealed_len / k + (sealed_len % k != 0);
}

static result check_bounds(result code, uint32_t segment_bytes, uint32_t k) {
    if (segment_bytes < FORMAT_SEGMENT_BYTES_MIN || segment_bytes > FORMAT_SEGMENT_BYTES_MAX)
        return FAIL(code, "segment_bytes: %u is not between %d and %d", segment_bytes,
                    FORMAT_SEGMENT_BYTES_MIN, FORMAT_SEGMENT_BYTES_MAX);
    if (k < 1 || k > FORMAT_SERVERS_MAX)
        return FAIL(code, "k: %u is not between 1 and %d", k, FORMAT_SERVERS_MAX);
    return OK;
}

static void fill(uint64_t segments, uint32_t sealed_len, uint32_t sealed_last, uint32_t k,
                 struct format_layout *out) {
    *out = (struct format_layout){
        .segments = segments,
        .sealed_bytes = (segments - 1) * sealed_len + sealed_last,
        .sealed_len = sealed_len,
        .sealed_last = sealed_last,
        .slice_len = block_of(sealed_len, k),
        .slice_last = block_of(sealed_last, k),
    };
    out->symbol_bytes = (segments - 1) * out->slice_len + out->slice_last;
}

result format_layout(uint64_t sealed_bytes, uint32_t segment_bytes, uint64_t segments, uint32_t k,
                     struct format_layout *out_layout) {
    TRY(check_bounds(PROTOCOL, segment_bytes, k));
    if (segments < 1 || segments > FORMAT_SEGMENTS_MAX)
        return FAIL(PROTOCOL, "segments: %llu is not between 1 and %d",
                    (unsigned long long)segments, FORMAT_SEGMENTS_MAX);
    uint32_t sealed_len = segment_bytes + FORMAT_TAG_BYTES;
    uint64_t before_last = (segments - 1) * sealed_len;
    /* The last segment may be empty only where it is the only one. */
    uint64_t last_least = FORMAT_TAG_BYTES + (segments > 1);
    if (sealed_bytes > FORMAT_SEALED_BYTES_MAX || sealed_bytes < before_last + last_least ||
        sealed_bytes > before_last + sealed_len)
        return FAIL(PROTOCOL, "sealed_bytes: %llu do not make %llu segments of %u bytes",
                    (unsigned long long)sealed_bytes, (unsigned long long)segments, segment_bytes);
    fill(segments, sealed_len, (uint32_t)(sealed_bytes - before_last), k, out_layout);
    return OK;
}

void format_layout_of(const Myelin__Manifest *manifest, struct format_layout *out_layout) {
    uint32_t sealed_len = manifest->segment_bytes + FORMAT_TAG_BYTES;
    uint64_t before_last = (manifest->segments - 1) * sealed_len;
    fill(manifest->segments, sealed_len, (uint32_t)(manifest->sealed_bytes - before_last),
         manifest->k, out_layout);
}

result format_layout_plan(uint64_t plain_bytes, uint32_t segment_bytes, uint32_t k,
                          struct format_layout *out_layout) {
    TRY(check_bounds(INVALID, segment_bytes, k));
    uint64_t segments = plain_bytes / segment_bytes + (plain_bytes % segment_bytes != 0);
    if (segments == 0)
        segments = 1;
    if (segments > FORMAT_SEGMENTS_MAX ||
        plain_bytes > FORMAT_SEALED_BYTES_MAX - segments * FORMAT_TAG_BYTES)
        return FAIL(INVALID, "%llu bytes in segments of %u are more than one object can hold",
                    (unsigned long long)plain_bytes, segment_bytes);
    uint64_t last = plain_bytes - (segments - 1) * segment_bytes;
    fill(segments, segment_bytes + FORMAT_TAG_BYTES, (uint32_t)last + FORMAT_TAG_BYTES, k,
         out_layout);
    return OK;
}

uint32_t format_sealed_len(const struct format_layout *layout, uint64_t number) {
    return number + 1 < layout->segments ? layout->sealed_len : layout->sealed_last;
}

uint32_t format_slice_len(const struct format_layout *layout, uint64_t number) {
    return number + 1 < layout->segments ? layout->slice_len : layout->slice_last;
}

uint64_t format_slice_offset(const struct format_layout *layout, uint64_t number) {
    return number * layout->slice_len;
}

int format_slot_of(char *const servers[], size_t count, const char *name) {
    for (size_t slot = 0; slot < count; slot++)
        if (strcmp(servers[slot], name) == 0)
            return (int)slot;
    return -1;
}
