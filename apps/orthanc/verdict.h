/*
 * What the last verification came to, kept over restarts: a sealed text in the plugin's folder. Its
 * JSON is what verifier_show gives.
 */
#ifndef ORTHANC_VERDICT_H
#define ORTHANC_VERDICT_H

#include <jansson.h>

#include "base/bytes.h"

enum { VERDICT_KEY_BYTES = 32 };

/* Replaces what was kept. Findings that do not fit are left out, the last ones first. IO,
 * NO_MEMORY. */
MUST_CHECK result verdict_keep(const char *path, const uint8_t key[VERDICT_KEY_BYTES],
                               const json_t *verdict);

/* A new reference. NOT_FOUND where nothing was kept; INTEGRITY where it is not what was; IO. */
MUST_CHECK result verdict_load(const char *path, const uint8_t key[VERDICT_KEY_BYTES],
                               json_t **out_verdict);

/* A new reference; INTEGRITY where the text is no verdict. */
MUST_CHECK result verdict_parse(struct view text, json_t **out_verdict);

#endif
