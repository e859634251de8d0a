#include "system/description.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/digest.h"
#include "base/file.h"
#include "system/ca.h"
#include "system/paths.h"
#include "system/x509.h"

static const char file_name[] = "system.myelin";

void description_free(struct description *description) {
    format_free_at(&description->system);
    format_free_at(&description->record);
    *description = (struct description){0};
}

/* Whose record this claims to be, then whether it is. */
static result read_record(struct view wire, struct description *description) {
    AUTO_FORMAT Myelin__System *claimed = NULL;
    TRY(format_parse_signed(wire, &description->record));
    TRY(format_parse_system(format_view(description->record->body), &claimed));
    hex_encode(format_view(claimed->id), description->id);
    TRY(x509_check_ca(format_view(claimed->ca_certificate), description->id, description->ca_key));
    uint8_t digest[DIGEST_BYTES];
    digest_sha256(format_view(description->record->body), digest);
    description->mark = load_be64(digest) | 1;
    return format_open_system(description->record, description->ca_key, &description->system);
}

result description_check_trust(const struct description *description,
                               const struct description_trust *trust) {
    if (memcmp(description->system->id.data, trust->system_id, FORMAT_ID_BYTES) != 0)
        return FAIL(DENIED, "the system description is of another system than yours");
    if (memcmp(description->ca_key, trust->ca_key, FORMAT_IDENTITY_BYTES) != 0)
        return FAIL(DENIED, "the system description is signed by another manager than yours");
    return OK;
}

result description_parse(const char *source, struct view wire,
                         const struct description_trust *trust,
                         struct description *out_description) {
    AUTO_DESCRIPTION struct description description = {0};
    result read = read_record(wire, &description);
    if (read == PROTOCOL || read == INTEGRITY)
        return error_at(INTEGRITY, "%s is damaged or was altered", source);
    if (read == OK && trust != NULL)
        read = description_check_trust(&description, trust);
    if (read != OK)
        return error_at(read, "%s", source);
    *out_description = description;
    description = (struct description){0};
    return OK;
}

result description_create(const struct ca *ca, const Myelin__System *system,
                          struct description *out_description) {
    AUTO_FORMAT Myelin__Signed *record = NULL;
    AUTO_BYTES struct bytes wire = {0};
    Myelin__System whole = *system;
    whole.id = format_bytes(view_of(ca_system_id(ca), FORMAT_ID_BYTES));
    whole.ca_certificate = format_bytes(ca_certificate(ca));
    TRY(format_sign(ca_key(ca), &whole, &record));
    TRY(format_pack(record, &wire));
    return description_parse("the new system description", bytes_view(&wire), NULL,
                             out_description);
}

result description_path(const char *path, char *out_path, size_t size) {
    struct stat status;
    bool is_folder = stat(path, &status) == 0 && S_ISDIR(status.st_mode);
    return path_join(path, is_folder ? file_name : "", out_path, size);
}

result description_write(const struct description *description, const char *path) {
    char file[PATH_MAX];
    AUTO_BYTES struct bytes wire = {0};
    TRY(description_path(path, file, sizeof file));
    TRY(format_pack(description->record, &wire));
    return file_write_atomic(file, bytes_view(&wire), 0644);
}

result description_load(const char *path, const struct description_trust *trust,
                        struct description *out_description) {
    char file[PATH_MAX];
    AUTO_BYTES struct bytes wire = {0};
    TRY(description_path(path, file, sizeof file));
    result read = file_read(file, FORMAT_LIMIT_SIGNED, &wire);
    if (read == NOT_FOUND)
        return FAIL(NOT_FOUND,
                    "no system at %s: make one with 'myelin up DIR', or say where it is "
                    "with --system",
                    file);
    if (read == INVALID)
        return error_at(INTEGRITY, "not a system description");
    TRY(read);
    return description_parse(file, bytes_view(&wire), trust, out_description);
}

/* ------------------------------------------------------------------ servers */

static int find(Myelin__Server *const servers[], size_t count, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(servers[i]->name, name) == 0)
            return (int)i;
    return -1;
}

int description_find_storage(const struct description *description, const char *name) {
    return find(description->system->storage, description->system->n_storage, name);
}

int description_find_key(const struct description *description, const char *name) {
    return find(description->system->key, description->system->n_key, name);
}

bool description_has_key(const struct description *description, const char *name,
                         const uint8_t identity[FORMAT_IDENTITY_BYTES]) {
    int index = description_find_key(description, name);
    return index >= 0 && memcmp(description->system->key[index]->identity.data, identity,
                                FORMAT_IDENTITY_BYTES) == 0;
}

unsigned description_slots(const struct description *description) {
    const Myelin__System *system = description->system;
    return system->n != 0 ? system->n : (unsigned)system->n_storage;
}

unsigned description_storage(const struct description *description,
                             const Myelin__Server *out_servers[FORMAT_SERVERS_MAX]) {
    const Myelin__System *system = description->system;
    const Myelin__Placement *previous = system->previous;
    unsigned count = 0;
    for (size_t i = 0; i < system->n_storage; i++)
        out_servers[count++] = system->storage[i];
    for (size_t i = 0; previous != NULL && i < previous->n_storage; i++)
        if (description_find_storage(description, previous->storage[i]->name) < 0)
            out_servers[count++] = previous->storage[i];
    return count;
}

const Myelin__Server *description_storage_server(const struct description *description,
                                                 const char *name) {
    const Myelin__Server *servers[FORMAT_SERVERS_MAX];
    unsigned count = description_storage(description, servers);
    for (unsigned i = 0; i < count; i++)
        if (strcmp(servers[i]->name, name) == 0)
            return servers[i];
    return NULL;
}

bool description_has_storage(const struct description *description, const char *name,
                             const uint8_t identity[FORMAT_IDENTITY_BYTES]) {
    const Myelin__Server *server = description_storage_server(description, name);
    return server != NULL && memcmp(server->identity.data, identity, FORMAT_IDENTITY_BYTES) == 0;
}
