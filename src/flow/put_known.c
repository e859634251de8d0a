/*
 * What puts of one image know of it between them.
 */
#include <stdatomic.h>
#include <string.h>

#include "base/secret.h"
#include "flow/image.h"
#include "flow/open.h"
#include "flow/put.h"
#include "format/format.h"

/* One block of secret memory for all copies. */
struct shared_key {
    struct content_key_secret key;
    atomic_uint users;
};

static struct shared_key *shared_of(const struct put_known *known) {
    return (struct shared_key *)(uintptr_t)known->key; /* its first member */
}

void put_known_forget(struct put_known *known) {
    bytes_free(&known->record);
    if (known->key != NULL && atomic_fetch_sub(&shared_of(known)->users, 1) == 1)
        secret_free(shared_of(known));
    *known = (struct put_known){0};
}

result put_known_keep(const struct image *image, const Myelin__Signed *record,
                      const struct content_key_secret *key, struct put_known *out_known) {
    AUTO_PUT_KNOWN struct put_known known = {.tau = image->tau};
    struct shared_key *shared = NULL;
    memcpy(known.tau_bytes, image->tau_bytes, sizeof known.tau_bytes);
    TRY(format_pack(record, &known.record));
    TRY(secret_new(sizeof *shared, (void **)&shared));
    shared->key = *key;
    shared->users = 1;
    known.key = &shared->key;
    *out_known = known;
    known = (struct put_known){0};
    return OK;
}

result put_known_copy(const struct put_known *known, struct put_known *out_copy) {
    AUTO_PUT_KNOWN struct put_known copy = {.tau = known->tau};
    memcpy(copy.tau_bytes, known->tau_bytes, sizeof copy.tau_bytes);
    TRY(bytes_append(&copy.record, bytes_view(&known->record)));
    copy.key = known->key;
    if (copy.key != NULL)
        atomic_fetch_add(&shared_of(&copy)->users, 1);
    *out_copy = copy;
    copy = (struct put_known){0};
    return OK;
}
