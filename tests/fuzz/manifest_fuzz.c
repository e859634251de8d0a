/* A manifest that is accepted describes an object whose bytes can be laid out within bounds. */
#include <stdlib.h>
#include <string.h>

#include "format/hash.h"
#include "format/layout.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_segment(const struct format_layout *layout, uint64_t number, uint32_t k) {
    uint64_t sealed = format_sealed_len(layout, number);
    uint64_t slice = format_slice_len(layout, number);
    if (sealed < FORMAT_TAG_BYTES || sealed > FORMAT_SLICE_MAX || slice * k < sealed ||
        (slice - 1) * k >= sealed)
        abort();
    if (format_slice_offset(layout, number) + slice > layout->symbol_bytes)
        abort();
}

static void check_manifest(const Myelin__Manifest *manifest) {
    struct format_layout layout;
    format_layout_of(manifest, &layout);
    uint64_t last = layout.segments - 1;
    check_segment(&layout, 0, manifest->k);
    check_segment(&layout, last / 2, manifest->k);
    check_segment(&layout, last, manifest->k);
    if (last * layout.sealed_len + layout.sealed_last != manifest->sealed_bytes ||
        format_slice_offset(&layout, last) + layout.slice_last != layout.symbol_bytes)
        abort();
    for (size_t slot = 0; slot < manifest->n_servers; slot++)
        if (manifest->row[slot].len != manifest->k ||
            manifest->symbol_root[slot].len != FORMAT_HASH_BYTES ||
            format_slot_of(manifest->servers, manifest->n_servers, manifest->servers[slot]) !=
                (int)slot)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    AUTO_FORMAT Myelin__Manifest *manifest = NULL;
    if (format_parse_manifest(view_of(data, size), &manifest) == OK)
        check_manifest(manifest);
    return 0;
}
