#include "config.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { CONFIG_RULES_MAX = 1000, CONFIG_USERS_MAX = 1000, MIB = 1 << 20 };

static void free_rules(struct config *config) {
    for (size_t i = 0; i < config->rule_count; i++) {
        free(config->rules[i].aet);
        free(config->rules[i].modality);
        free(config->rules[i].referring);
        free(config->rules[i].forward_to);
    }
    free(config->rules);
}

void config_free(struct config *config) {
    free_rules(config);
    for (unsigned r = 0; r < RIGHT_COUNT; r++) {
        for (size_t i = 0; i < config->rights[r].count; i++)
            free(config->rights[r].names[i]);
        free(config->rights[r].names);
    }
    free(config->system);
    free(config->user);
    free(config->passphrase_file);
    free(config->home);
    free(config->folder);
    free(config->codec);
    free(config->archive);
    *config = (struct config){0};
}

/* ------------------------------------------------------------------ values */

/* `fallback` NULL: the key must be there. */
static result take_text(const json_t *section, const char *key, const char *fallback,
                        char **out_text) {
    const json_t *value = json_object_get(section, key);
    if (value == NULL && fallback == NULL)
        return FAIL(INVALID, "Myelin.%s is missing", key);
    if (value != NULL && (!json_is_string(value) || json_string_length(value) == 0 ||
                          strlen(json_string_value(value)) != json_string_length(value)))
        return FAIL(INVALID, "Myelin.%s is to be a text that is not empty", key);
    *out_text = strdup(value == NULL ? fallback : json_string_value(value));
    return *out_text == NULL ? FAIL(NO_MEMORY, "out of memory") : OK;
}

static result take_number(const json_t *section, const char *key, uint64_t fallback, uint64_t least,
                          uint64_t most, uint64_t *out_number) {
    const json_t *value = json_object_get(section, key);
    if (value == NULL) {
        *out_number = fallback;
        return OK;
    }
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 0 || (uint64_t)number < least ||
        (uint64_t)number > most)
        return FAIL(INVALID, "Myelin.%s is to be a number from %llu to %llu", key,
                    (unsigned long long)least, (unsigned long long)most);
    *out_number = (uint64_t)number;
    return OK;
}

static result check_keys(const json_t *object, const char *where, const char *const known[]) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value) { /* read only */
        size_t i = 0;
        while (known[i] != NULL && strcmp(known[i], key) != 0)
            i++;
        if (known[i] == NULL)
            return FAIL(INVALID, "%s.%.64s is no key that the plugin knows: see docs/ORTHANC.md",
                        where, key);
    }
    return OK;
}

/* ------------------------------------------------------------------ rules and rights */

static result take_rule(const json_t *object, struct config_rule *out_rule) {
    static const char *const known[] = {"AET", "Modality", "ReferringPhysician", "ForwardTo", NULL};
    if (!json_is_object(object))
        return FAIL(INVALID, "Myelin.Rules is to be a list of objects");
    TRY(check_keys(object, "Myelin.Rules", known));
    TRY(take_text(object, "ForwardTo", NULL, &out_rule->forward_to));
    TRY(take_text(object, "AET", "*", &out_rule->aet));
    TRY(take_text(object, "Modality", "*", &out_rule->modality));
    return take_text(object, "ReferringPhysician", "*", &out_rule->referring);
}

static result take_rules(const json_t *section, struct config *config) {
    const json_t *list = json_object_get(section, "Rules");
    size_t count = json_array_size(list);
    if (list == NULL)
        return OK;
    if (!json_is_array(list) || count > CONFIG_RULES_MAX)
        return FAIL(INVALID, "Myelin.Rules is to be a list of at most %d objects",
                    CONFIG_RULES_MAX);
    config->rules = calloc(count + 1, sizeof *config->rules);
    if (config->rules == NULL)
        return FAIL(NO_MEMORY, "out of memory");
    for (; config->rule_count < count; config->rule_count++) {
        result taken =
            take_rule(json_array_get(list, config->rule_count), &config->rules[config->rule_count]);
        if (taken != OK) {
            config->rule_count++; /* so that what it has is freed */
            return taken;
        }
    }
    return OK;
}

static result take_users(const json_t *list, const char *key, struct config_users *users) {
    size_t count = json_array_size(list);
    if (list == NULL)
        return OK;
    if (!json_is_array(list) || count > CONFIG_USERS_MAX)
        return FAIL(INVALID, "Myelin.Rights.%s is to be a list of HTTP users", key);
    users->is_limited = true;
    users->names = calloc(count + 1, sizeof(char *));
    if (users->names == NULL)
        return FAIL(NO_MEMORY, "out of memory");
    for (; users->count < count; users->count++) {
        const json_t *name = json_array_get(list, users->count);
        if (!json_is_string(name))
            return FAIL(INVALID, "Myelin.Rights.%s is to be a list of HTTP users", key);
        users->names[users->count] = strdup(json_string_value(name));
        if (users->names[users->count] == NULL)
            return FAIL(NO_MEMORY, "out of memory");
    }
    return OK;
}

static result take_rights(const json_t *section, struct config *config) {
    static const char *const keys[] = {"View", "Forward", "Accept", "Audit", NULL};
    const json_t *rights = json_object_get(section, "Rights");
    if (rights == NULL)
        return OK;
    if (!json_is_object(rights))
        return FAIL(INVALID, "Myelin.Rights is to be an object");
    if (!config->authenticates)
        return FAIL(INVALID, "Myelin.Rights needs AuthenticationEnabled: nobody's name is checked");
    TRY(check_keys(rights, "Myelin.Rights", keys));
    for (unsigned r = 0; r < RIGHT_COUNT; r++)
        TRY(take_users(json_object_get(rights, keys[r]), keys[r], &config->rights[r]));
    return OK;
}

/* ------------------------------------------------------------------ the section */

static result take_policy(const json_t *section, enum config_policy *out_policy) {
    char *policy = NULL;
    TRY(take_text(section, "WritePolicy", "durable", &policy));
    bool is_spool = strcmp(policy, "spool") == 0, is_known = is_spool;
    is_known = is_known || strcmp(policy, "durable") == 0;
    free(policy);
    if (!is_known)
        return FAIL(INVALID, "Myelin.WritePolicy is to be \"durable\" or \"spool\"");
    *out_policy = is_spool ? CONFIG_SPOOL : CONFIG_DURABLE;
    return OK;
}

static result take_codec(const json_t *section, char **out_codec) {
    static const char *const codecs[] = {"auto", "none", "zstd", "shuffle", "jpegls"};
    TRY(take_text(section, "Codec", "shuffle", out_codec)); /* viewers wait for decoders */
    for (size_t i = 0; i < sizeof codecs / sizeof *codecs; i++)
        if (strcmp(*out_codec, codecs[i]) == 0)
            return OK;
    return FAIL(INVALID,
                "Myelin.Codec is to be \"auto\", \"none\", \"zstd\", \"shuffle\" or \"jpegls\"");
}

static result take_numbers(const json_t *section, struct config *config) {
    uint64_t spool_mb, cache_mb, attachment_mb, wait, key, inbox;
    TRY(take_number(section, "SpoolLimitMB", 10240, 1, UINT32_MAX, &spool_mb));
    TRY(take_number(section, "AttachmentLimitMB", 4095, 1, 4095, &attachment_mb));
    TRY(take_number(section, "SpoolWaitSeconds", 30, 0, 3600, &wait));
    TRY(take_number(section, "ReadCacheMB", 128, 0, 1 << 20, &cache_mb));
    TRY(take_number(section, "KeySeconds", 600, 1, 86400, &key));
    TRY(take_number(section, "InboxSeconds", 60, 1, 86400, &inbox));
    config->spool_bytes = spool_mb * MIB;
    config->cache_bytes = cache_mb * MIB;
    config->attachment_bytes = attachment_mb * MIB;
    config->spool_wait_s = (unsigned)wait;
    config->key_s = (unsigned)key;
    config->inbox_s = (unsigned)inbox;
    return OK;
}

static result take_section(const json_t *section, struct config *config) {
    static const char *const known[] = {"System",
                                        "User",
                                        "PassphraseFile",
                                        "Home",
                                        "Folder",
                                        "Codec",
                                        "WritePolicy",
                                        "SpoolLimitMB",
                                        "SpoolWaitSeconds",
                                        "ReadCacheMB",
                                        "KeySeconds",
                                        "InboxSeconds",
                                        "AttachmentLimitMB",
                                        "Rules",
                                        "Rights",
                                        "Archive",
                                        NULL};
    if (!json_is_object(section))
        return FAIL(INVALID, "\"Myelin\" is to be an object");
    TRY(check_keys(section, "Myelin", known));
    config->is_present = true;
    TRY(take_text(section, "System", NULL, &config->system));
    TRY(take_text(section, "User", NULL, &config->user));
    TRY(take_text(section, "PassphraseFile", NULL, &config->passphrase_file));
    TRY(take_text(section, "Home", NULL, &config->home));
    TRY(take_text(section, "Folder", NULL, &config->folder));
    TRY(take_text(section, "Archive", "", &config->archive));
    TRY(take_codec(section, &config->codec));
    TRY(take_policy(section, &config->policy));
    TRY(take_numbers(section, config));
    TRY(take_rules(section, config));
    return take_rights(section, config);
}

static result take_all(const json_t *root, struct config *config) {
    const json_t *section = json_object_get(root, "Myelin");
    config->overwrites = json_is_true(json_object_get(root, "OverwriteInstances"));
    config->authenticates = json_is_true(json_object_get(root, "AuthenticationEnabled"));
    config->compresses = json_is_true(json_object_get(root, "StorageCompression"));
    return section == NULL ? OK : take_section(section, config);
}

result config_parse(const char *json, struct config *out_config) {
    json_error_t error;
    json_t *root = json_loads(json, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL)
        return FAIL(INVALID, "Orthanc's configuration: line %d: %s", error.line, error.text);
    AUTO_CONFIG struct config config = {0};
    result taken = take_all(root, &config);
    json_decref(root);
    TRY(taken);
    *out_config = config;
    config = (struct config){0};
    return OK;
}
