#include "storage/marks.h"

#include "storage/forward.h"
#include "storage/storage_state.h"

static bool is_there(struct storage *storage, const struct place *mark) {
    uint64_t bytes;
    return store_size(storage->store, mark->key, &bytes) == OK;
}

static result make(struct storage *storage, struct place mark, unsigned *missing) {
    if (is_there(storage, &mark))
        return OK;
    TRY(store_replace(storage->store, mark.key, view_of("", 0)));
    (*missing)++;
    return OK;
}

result marks_owner(struct storage *storage, const struct image_id *image, const char *owner,
                   unsigned *missing) {
    return make(storage, place_owner_mark(owner, image), missing);
}

result marks_recipient(struct storage *storage, const struct image_id *image, const char *recipient,
                       unsigned *missing) {
    return make(storage, place_recipient_mark(recipient, image), missing);
}

/* A look at the name comes first: it costs a tenth of reading the forward. */
static result mend_recipient(struct storage *storage, const struct image_id *image,
                             const char *recipient, unsigned *missing) {
    struct place mark = place_recipient_mark(recipient, image);
    bool is_active;
    if (is_there(storage, &mark))
        return OK;
    result looked = forward_is_active(storage, image, recipient, &is_active);
    if (looked == INTEGRITY || (looked == OK && !is_active))
        return OK;
    TRY(looked);
    return make(storage, mark, missing);
}

result marks_mend(struct storage *storage, const struct image_id *image, const char *owner,
                  unsigned *out_missing) {
    AUTO_NAMES struct store_names users = {0};
    *out_missing = 0;
    TRY(marks_owner(storage, image, owner, out_missing));
    TRY(store_list(storage->store, place_image(image).key, PLACE_FORWARD_SUFFIX, "", &users));
    for (size_t i = 0; i < users.count; i++)
        if (format_is_name(users.names[i]))
            TRY(mend_recipient(storage, image, users.names[i], out_missing));
    return OK;
}
