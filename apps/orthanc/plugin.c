/*
 * The Orthanc plugin: its four entry points. Everything else hangs on the one gateway made here.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "base/secret.h"
#include "exports.h"
#include "gateway.h"
#include "keeper.h"
#include "pages.h"
#include "rest.h"
#include "rules.h"
#include "sender.h"
#include "storage_area.h"
#include "verifier.h"

enum { PASSPHRASE_MAX = 1024, KEY_BYTES = 32 };

static int folder_lock = -1;
static struct gateway gateway = {.notices.lock = PTHREAD_MUTEX_INITIALIZER};

/* ------------------------------------------------------------------ starting */

static result read_configuration(struct config *out_config) {
    char *json = OrthancPluginGetConfiguration(gateway.orthanc);
    if (json == NULL)
        return FAIL(INVALID, "Orthanc gives no configuration");
    result parsed = config_parse(json, out_config);
    OrthancPluginFreeString(gateway.orthanc, json);
    return parsed;
}

/* The file without its line end. */
static result open_session(void) {
    AUTO_BYTES struct bytes passphrase = {0};
    const struct config *config = &gateway.config;
    if (setenv("MYELIN_HOME", config->home, 1) != 0)
        return FAIL(NO_MEMORY, "out of memory");
    TRY(file_read(config->passphrase_file, PASSPHRASE_MAX, &passphrase));
    while (passphrase.len > 0 && (passphrase.data[passphrase.len - 1] == '\n' ||
                                  passphrase.data[passphrase.len - 1] == '\r'))
        passphrase.len--;
    return gateway_result(myelin_open(config->system, config->user, passphrase.data, passphrase.len,
                                      &gateway.session));
}

static void path_in(const char *name, char out[PATH_MAX]) {
    snprintf(out, PATH_MAX, "%.*s/%s", PATH_MAX - 32, gateway.config.folder, name);
}

static result open_map(uint8_t *key) {
    char path[PATH_MAX];
    struct map_found found;
    path_in("map", path);
    TRY(gateway_result(myelin_local_key(gateway.session, "orthanc map", key)));
    TRY(map_open(path, key, &found, &gateway.map));
    if (found.journal.is_damaged)
        gateway_error(&gateway,
                      "ALARM: the map is damaged behind record %llu, and kept as %s.damaged: POST "
                      "/myelin/rebuild makes it again from the storage servers",
                      (unsigned long long)found.journal.records, path);
    gateway_warn(&gateway, "the map has %llu attachments in %llu images",
                 (unsigned long long)found.attachments, (unsigned long long)found.images);
    return OK;
}

/* Two processes would write over each other's map. Held until this one ends. */
static result lock_folder(void) {
    char path[PATH_MAX];
    path_in("lock", path);
    folder_lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (folder_lock < 0)
        return FAIL(IO, "%s: %s", path, strerror(errno));
    if (flock(folder_lock, LOCK_EX | LOCK_NB) != 0)
        return FAIL(CONFLICT, "another process uses the folder %s", gateway.config.folder);
    return OK;
}

static result open_disk(void) {
    char path[PATH_MAX];
    AUTO_SECRET uint8_t *key = NULL;
    TRY(secret_new(KEY_BYTES, (void **)&key));
    TRY(file_make_folders(gateway.config.folder, 0700));
    TRY(lock_folder());
    TRY(open_map(key));
    path_in("spool", path);
    TRY(gateway_result(myelin_local_key(gateway.session, "orthanc spool", key)));
    TRY(spool_open(path, key, &gateway.spool));
    path_in("headers", path);
    TRY(gateway_result(myelin_local_key(gateway.session, "orthanc headers", key)));
    return headers_open(path, key, &gateway.headers);
}

static result start(void) {
    const struct config *config = &gateway.config;
    TRY(gateway_result(myelin_start()));
    TRY(open_session());
    TRY(open_disk());
    TRY(images_new(gateway.session, config->codec, config->key_s, &gateway.images));
    TRY(reader_new(gateway.images, gateway.map, config->cache_bytes, &gateway.reader));
    TRY(verifier_new(&gateway, &gateway.verifier));
    TRY(sender_start(&gateway, &gateway.sender));
    TRY(keeper_start(&gateway, &gateway.keeper));
    storage_area_register(&gateway);
    TRY(exports_start(&gateway));
    rest_register(&gateway);
    pages_register(&gateway);
    return OK;
}

/* What is being sent stays in the spool. */
static void stop(void) {
    if (gateway.session != NULL)
        myelin_cancel(gateway.session);
    exports_stop();
    keeper_stop(gateway.keeper);
    sender_stop(gateway.sender);
    reader_free(gateway.reader);
    images_free(gateway.images);
    verifier_free(gateway.verifier);
    headers_close(gateway.headers);
    spool_close(gateway.spool);
    map_close(gateway.map);
    myelin_close(gateway.session);
    config_free(&gateway.config);
    file_close_at(&folder_lock);
    gateway.session = NULL;
}

static OrthancPluginErrorCode on_change(OrthancPluginChangeType change,
                                        OrthancPluginResourceType type, const char *id) {
    (void)type;
    if (change == OrthancPluginChangeType_StableStudy && id != NULL &&
        rules_study_stable(&gateway, id) != OK)
        gateway_error(&gateway, "the rules could not be applied to a study: %s", error_text());
    if (change == OrthancPluginChangeType_OrthancStarted)
        keeper_set_orthanc(gateway.keeper, true);
    if (change == OrthancPluginChangeType_OrthancStopped)
        keeper_set_orthanc(gateway.keeper, false);
    return OrthancPluginErrorCode_Success;
}

/* Whether the servers answer is said, and not waited for: Orthanc starts anyway. */
static void say_hello(void) {
    const struct config *config = &gateway.config;
    gateway_warn(&gateway, "%s stores for user %s of %s, write policy %s", myelin_version(),
                 config->user, config->system,
                 config->policy == CONFIG_SPOOL ? "spool" : "durable");
    if (config->compresses)
        gateway_warn(&gateway,
                     "StorageCompression is on: forwarded studies cannot be accepted, and "
                     "headers are not cached; Myelin compresses by itself");
}

/* What an attachment is worked on in is kept for the next one, and not given back to the system for
 * each to be mapped, zeroed page by page and unmapped: what glibc comes to by itself once a block
 * of BLOCK_BYTES was freed. */
static void keep_memory(void) {
    enum { BLOCK_BYTES = 8 << 20, SPARE_BYTES = 16 << 20 };
    mallopt(M_MMAP_THRESHOLD, BLOCK_BYTES);
    mallopt(M_TRIM_THRESHOLD, SPARE_BYTES);
}

/* ------------------------------------------------------------------ what Orthanc calls */

#define EXPORTED __attribute__((visibility("default")))
EXPORTED int32_t OrthancPluginInitialize(OrthancPluginContext *context);
EXPORTED void OrthancPluginFinalize(void);
EXPORTED const char *OrthancPluginGetName(void);
EXPORTED const char *OrthancPluginGetVersion(void);

int32_t OrthancPluginInitialize(OrthancPluginContext *context) {
    gateway.orthanc = context;
    if (OrthancPluginCheckVersion(context) == 0) {
        gateway_error(&gateway, "this plugin needs Orthanc %d.%d.%d or newer",
                      ORTHANC_PLUGINS_MINIMAL_MAJOR_NUMBER, ORTHANC_PLUGINS_MINIMAL_MINOR_NUMBER,
                      ORTHANC_PLUGINS_MINIMAL_REVISION_NUMBER);
        return -1;
    }
    OrthancPluginSetDescription(
        context, "Images sealed here, spread over storage servers that nobody has to trust, and "
                 "forwarded without being moved.");
    result read = read_configuration(&gateway.config);
    if (read == OK && !gateway.config.is_present) {
        gateway_warn(&gateway, "no section \"Myelin\" in the configuration: the plugin is off");
        return 0;
    }
    keep_memory();
    result started = read == OK ? start() : read;
    if (started != OK) {
        /* Never silently into plain files: Orthanc does not start without what it was told. */
        gateway_error(&gateway, "the plugin cannot start: %s", error_text());
        stop();
        return -1;
    }
    OrthancPluginRegisterOnChangeCallback(context, on_change);
    say_hello();
    return 0;
}

void OrthancPluginFinalize(void) {
    if (gateway.session != NULL)
        stop();
}

const char *OrthancPluginGetName(void) {
    return "myelin";
}

const char *OrthancPluginGetVersion(void) {
    return MYELIN_VERSION;
}
