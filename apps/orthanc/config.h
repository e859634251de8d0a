/*
 * The section "Myelin" of Orthanc's configuration; docs/ORTHANC.md lists the keys.
 */
#ifndef ORTHANC_CONFIG_H
#define ORTHANC_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/result.h"

enum config_policy { CONFIG_DURABLE, CONFIG_SPOOL };

/* Forwards studies that match to a user; "" matches all, "*" at the end matches any rest. */
struct config_rule {
    char *aet, *modality, *referring;
    char *forward_to;
};

/* Who may use a group of routes, by his HTTP user; no list: everybody whom Orthanc lets in. */
enum config_right { RIGHT_VIEW, RIGHT_FORWARD, RIGHT_ACCEPT, RIGHT_AUDIT, RIGHT_COUNT };
struct config_users {
    bool is_limited;
    char **names;
    size_t count;
};

struct config {
    bool is_present; /* there is such a section */
    char *system, *user, *passphrase_file, *home, *folder, *codec;
    char *archive; /* plain files of the time before; "": none */
    enum config_policy policy;
    uint64_t spool_bytes, cache_bytes;
    uint64_t attachment_bytes; /* larger ones are not taken; less than 4 GiB */
    unsigned spool_wait_s, key_s, inbox_s;
    struct config_rule *rules;
    size_t rule_count;
    struct config_users rights[RIGHT_COUNT];

    /* Of Orthanc's own keys, what the plugin depends on. */
    bool overwrites, compresses, authenticates;
};

#define AUTO_CONFIG __attribute__((cleanup(config_free)))
void config_free(struct config *config);

/* INVALID, naming the key, for JSON that is none, keys that do not exist, values of the wrong kind
 * or out of bounds, and missing ones. */
MUST_CHECK result config_parse(const char *json, struct config *out_config);

#endif
