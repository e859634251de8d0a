#include "flow/remove.h"

#include <stdio.h>

#include "flow/image.h"
#include "flow/slot_holders.h"
#include "flow/tell.h"

static result sign_removal(struct session *session, const struct image *image,
                           Myelin__Signed **out_record) {
    char owner[FORMAT_NAME_MAX + 1];
    uint8_t tau[FORMAT_TAU_BYTES];
    snprintf(owner, sizeof owner, "%s", session->user);
    g2_to_bytes(&image->tau, tau);
    Myelin__Removal removal = MYELIN__REMOVAL__INIT;
    removal.owner = owner;
    removal.tau = format_bytes(view_of(tau, sizeof tau));
    removal.serial_ms = image->signing_ms;
    return format_sign(session->signing, &removal, out_record);
}

result flow_remove(struct session *session, const char *id) {
    AUTO_IMAGE struct image image = {0};
    TRY(image_own(session, id, &image));
    TRY(image_load(session, id, &image));
    AUTO_FORMAT Myelin__Signed *record = NULL;
    TRY(sign_removal(session, &image, &record));
    char path[32 + IMAGE_HEX];
    snprintf(path, sizeof path, "/v1/images/%s", image.hex);
    struct session_answer answers[FORMAT_SERVERS_MAX];
    unsigned ok = 0;
    TRY(tell_all(session, SESSION_STORAGE, NULL, "DELETE", path, record, answers, &ok, NULL));
    struct slot_holders holders;
    slot_holders_find(session, image.tau_bytes, NULL, 0, &holders);
    unsigned untold =
        tell_warn(session, SESSION_STORAGE, "the removal", holders.is_holder, answers, NOT_FOUND);
    if (untold >= session->k)
        return FAIL(QUORUM,
                    "removing: %u storage servers could not be told, %u are enough to read the "
                    "image; run it again when they are back",
                    untold, session->k);
    return OK;
}
