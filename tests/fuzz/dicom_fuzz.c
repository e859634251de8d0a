/* DICOM headers from hostile bytes: no crash, no lie about where the pixels lie. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "codec/dicom.h"
#include "codec/jpegls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds) {
    if (!holds)
        abort();
}

static bool is_uid(const char *uid) {
    return strspn(uid, "0123456789.") == strlen(uid) && strlen(uid) <= DICOM_UID_MAX;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct codec_source source = codec_source_memory(view_of(data, size), "fuzz");
    struct dicom_info info;
    require(dicom_probe(&source, &info) == OK);
    require(is_uid(info.study_uid) && is_uid(info.sop_instance_uid) &&
            is_uid(info.transfer_syntax));
    require(!info.has_native_pixels || (info.is_dicom && info.pixel_offset <= size));
    struct jpegls_pixels pixels;
    if (jpegls_pixels_of(&info, size, &pixels))
        require(pixels.offset + pixels.len <= size &&
                pixels.len % jpegls_row_bytes(&pixels.layout) == 0);
    return 0;
}
