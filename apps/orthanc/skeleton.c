#include "skeleton.h"

#include <string.h>

#include "codec/dicom.h"

enum { ITEM_BYTES = 8, FRAME_ITEMS_BYTES = 3 * ITEM_BYTES, ELEMENT_BYTES = 12 };

static void put_le32(uint8_t *out, uint32_t value) {
    for (unsigned i = 0; i < 4; i++)
        out[i] = (uint8_t)(value >> (8 * i));
}

static result cannot(void) {
    return FAIL(INVALID, "no file without pixels can be made of this header");
}

/* An empty offset table, one fragment of zeros, the end of the sequence. */
static result fill_encapsulated(uint8_t *pixels, uint64_t len) {
    static const uint8_t item[] = {0xfe, 0xff, 0x00, 0xe0}, end[] = {0xfe, 0xff, 0xdd, 0xe0};
    if (len < FRAME_ITEMS_BYTES || len % 2 != 0 || len - FRAME_ITEMS_BYTES >= UINT32_MAX)
        return cannot();
    memcpy(pixels, item, sizeof item);
    memcpy(pixels + ITEM_BYTES, item, sizeof item);
    put_le32(pixels + ITEM_BYTES + 4, (uint32_t)(len - FRAME_ITEMS_BYTES));
    memcpy(pixels + len - ITEM_BYTES, end, sizeof end);
    return OK;
}

/* What follows native pixels becomes Data Set Trailing Padding. */
static result fill_trailing(const struct dicom_info *dicom, uint8_t *rest, uint64_t len) {
    static const uint8_t little[] = {0xfc, 0xff, 0xfc, 0xff, 'O', 'B', 0, 0};
    static const uint8_t big[] = {0xff, 0xfc, 0xff, 0xfc, 'O', 'B', 0, 0};
    bool is_implicit = strcmp(dicom->transfer_syntax, "1.2.840.10008.1.2") == 0;
    size_t head = is_implicit ? 8 : ELEMENT_BYTES;
    if (len == 0)
        return OK;
    if (len < head || len - head >= UINT32_MAX)
        return cannot();
    memcpy(rest, dicom->is_big_endian ? big : little, is_implicit ? 4 : 8);
    if (dicom->is_big_endian)
        store_be32(rest + head - 4, (uint32_t)(len - head));
    else
        put_le32(rest + head - 4, (uint32_t)(len - head));
    return OK;
}

static result fill(struct view header, struct bytes *file) {
    struct codec_source source = codec_source_memory(header, "a header");
    struct dicom_info dicom;
    TRY(dicom_probe(&source, &dicom));
    if (!dicom.is_dicom || dicom.header_len != header.len)
        return cannot();
    uint64_t rest = file->len - header.len;
    if (dicom.is_encapsulated)
        return fill_encapsulated(file->data + header.len, rest);
    if (!dicom.has_native_pixels || dicom.pixel_len > rest)
        return cannot();
    return fill_trailing(&dicom, file->data + header.len + dicom.pixel_len, rest - dicom.pixel_len);
}

result skeleton_make(struct view header, uint64_t size, struct bytes *out_file) {
    AUTO_BYTES struct bytes file = {0};
    if (header.len == 0 || header.len > size || size > SIZE_MAX / 2)
        return cannot();
    TRY(bytes_reserve(&file, (size_t)size));
    file.len = (size_t)size;
    memcpy(file.data, header.data, header.len);
    memset(file.data + header.len, 0, file.len - header.len);
    if (header.len < size)
        TRY(fill(header, &file));
    *out_file = file;
    file = (struct bytes){0};
    return OK;
}

result skeleton_make_tags(struct view header, struct bytes *out_file) {
    static const uint8_t none[4] = {0};
    static const uint8_t end[] = {0xfe, 0xff, 0x00, 0xe0, 0, 0, 0, 0,
                                  0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0};
    AUTO_BYTES struct bytes file = {0};
    if (header.len < sizeof none)
        return cannot();
    size_t before = header.len - sizeof none;
    bool is_encapsulated = load_be32(header.data + before) == UINT32_MAX;
    TRY(bytes_append(&file, view_of(header.data, is_encapsulated ? header.len : before)));
    TRY(bytes_append(&file,
                     is_encapsulated ? view_of(end, sizeof end) : view_of(none, sizeof none)));
    *out_file = file;
    file = (struct bytes){0};
    return OK;
}
