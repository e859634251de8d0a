/* Which pixels of a DICOM file the container codes, and in what pieces. */
#include <string.h>

#include "codec/jpegls.h"

/* Below it, a container costs more than it saves. */
enum { PIXELS_BYTES_MIN = 1024, SIDE_MAX = 65535 };

bool jpegls_pixels_of(const struct dicom_info *info, uint64_t size,
                      struct jpegls_pixels *out_pixels) {
    if (!info->is_dicom || !info->has_native_pixels || info->pixel_offset > size)
        return false;
    if (info->bits_allocated != 8 && info->bits_allocated != 16)
        return false;
    if (info->samples != 1 && info->samples != 3)
        return false;
    if (info->columns < 1 || info->columns > SIDE_MAX || info->rows < 1 || info->rows > SIDE_MAX)
        return false;
    if (strstr(info->photometric, "_42") != NULL) /* colour at half the resolution */
        return false;
    bool is_planar = info->samples == 3 && info->is_planar;
    struct jpegls_pixels pixels = {
        .layout = {.columns = info->columns,
                   .components = is_planar ? 1 : (uint8_t)info->samples,
                   .sample_bytes = (uint8_t)(info->bits_allocated / 8),
                   .is_big_endian = info->is_big_endian && info->bits_allocated == 16},
        .plane_rows = info->rows,
        .is_signed = info->is_signed,
        .is_rgb = strcmp(info->photometric, "RGB") == 0,
        .offset = info->pixel_offset,
    };
    uint64_t held = size - info->pixel_offset;
    pixels.len = info->pixel_len < held ? info->pixel_len : held;
    pixels.len -= pixels.len % jpegls_row_bytes(&pixels.layout);
    *out_pixels = pixels;
    return pixels.len >= PIXELS_BYTES_MIN;
}

uint32_t jpegls_strip_len(const struct jpegls_pixels *pixels, uint64_t position) {
    uint32_t row_bytes = jpegls_row_bytes(&pixels->layout), rows = pixels->plane_rows;
    uint64_t plane_bytes = (uint64_t)row_bytes * rows, left = pixels->len - position, len;
    if (plane_bytes <= JPEGLS_STRIP_BYTES_MAX) {
        uint64_t planes = JPEGLS_STRIP_BYTES_MAX / plane_bytes;
        if (planes > SIDE_MAX / rows)
            planes = SIDE_MAX / rows;
        len = planes * plane_bytes;
    } else { /* even parts of a plane */
        uint32_t most = JPEGLS_STRIP_BYTES_MAX / row_bytes, parts = (rows + most - 1) / most;
        uint64_t left_of_plane = plane_bytes - position % plane_bytes;
        len = (uint64_t)((rows + parts - 1) / parts) * row_bytes;
        len = len < left_of_plane ? len : left_of_plane;
    }
    return (uint32_t)(len < left ? len : left);
}
