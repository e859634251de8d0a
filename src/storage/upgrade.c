#include "storage/upgrade.h"

#include <stdio.h>

#include "base/log.h"
#include "storage/image.h"
#include "storage/record.h"
#include "storage/storage_state.h"

/* What only is not readable stays as it is. */
static result pass_over(const char *key, result code) {
    if (code != INTEGRITY && code != NOT_FOUND)
        return code;
    if (code == INTEGRITY)
        log_event(LOG_ERROR, "upgrade", "key=%s left: %s", key, error_text());
    return OK;
}

static result upgrade_object(struct storage *storage, const struct image_id *image,
                             const struct short_id *object) {
    AUTO_FORMAT Myelin__Manifest *manifest = NULL;
    uint32_t slot;
    TRY(image_manifest(storage, image, object, NULL, &manifest));
    TRY(image_slot(storage, manifest->servers, manifest->n_servers, &slot));
    return store_publish(storage->store, place_of_object(image, object, PLACE_SLICES_SUFFIX).key,
                         place_of_slices(image, object, slot).key);
}

static result upgrade_symbol(struct storage *storage, const struct image_id *image) {
    struct place from = place_of_image(image, PLACE_SYMBOL);
    AUTO_BYTES struct bytes body = {0};
    AUTO_FORMAT Myelin__Symbol *symbol = NULL;
    TRY(record_get(storage->store, from.key, RECORD_SYMBOL, FORMAT_LIMIT_SYMBOL, &body));
    if (format_parse_symbol(bytes_view(&body), &symbol) != OK)
        return error_at(INTEGRITY, "%s", from.key);
    return store_publish(storage->store, from.key, place_of_symbol(image, symbol->slot).key);
}

static result upgrade_image(struct storage *storage, const struct image_id *image) {
    AUTO_NAMES struct store_names names = {0};
    struct place folder = place_image(image);
    TRY(pass_over(folder.key, upgrade_symbol(storage, image)));
    TRY(store_list(storage->store, folder.key, PLACE_SLICES_SUFFIX, "", &names));
    for (size_t i = 0; i < names.count; i++) {
        struct short_id object;
        if (short_id_parse("an object", names.names[i], &object) == OK)
            TRY(pass_over(folder.key, upgrade_object(storage, image, &object)));
    }
    return store_sync_names(storage->store, folder.key);
}

result upgrade_slots(struct storage *storage) {
    AUTO_NAMES struct store_names shards = {0};
    TRY(store_list(storage->store, "images", "", "", &shards));
    for (size_t i = 0; i < shards.count; i++) {
        AUTO_NAMES struct store_names images = {0};
        char prefix[STORE_NAME_BYTES + sizeof "images/"];
        snprintf(prefix, sizeof prefix, "images/%s", shards.names[i]);
        TRY(store_list(storage->store, prefix, "", "", &images));
        for (size_t j = 0; j < images.count; j++) {
            struct image_id image;
            if (image_id_parse(images.names[j], &image) == OK)
                TRY(upgrade_image(storage, &image));
        }
    }
    return OK;
}
