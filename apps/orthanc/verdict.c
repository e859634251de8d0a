#include "verdict.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "seal/seal.h"

static const char PURPOSE[] = "MYELIN-V1-ORTHANC-VERDICT";
static const char CONTEXT[] = "last";

static result seal(const uint8_t key[VERDICT_KEY_BYTES], const json_t *verdict,
                   struct bytes *out_box) {
    char *text = json_dumps(verdict, JSON_COMPACT);
    if (text == NULL)
        return FAIL(NO_MEMORY, "no memory for the outcome of a verification");
    result sealed = seal_text(key, PURPOSE, view_of_string(CONTEXT), view_of_string(text), out_box);
    free(text);
    return sealed;
}

result verdict_keep(const char *path, const uint8_t key[VERDICT_KEY_BYTES], const json_t *verdict) {
    AUTO_BYTES struct bytes box = {0};
    json_t *kept = json_deep_copy(verdict);
    json_t *findings = json_object_get(kept, "Findings");
    result sealed = kept == NULL ? FAIL(NO_MEMORY, "no memory for the outcome of a verification")
                                 : seal(key, kept, &box);
    while (sealed == INVALID && json_array_size(findings) > 0) {
        json_array_remove(findings, json_array_size(findings) - 1);
        sealed = seal(key, kept, &box);
    }
    json_decref(kept);
    TRY(sealed);
    return file_write_atomic(path, bytes_view(&box), 0600);
}

static bool is_finding(json_t *finding) {
    const char *image, *server, *state, *detail;
    return json_unpack(finding, "{s:s, s:s, s:s, s:s !}", "Image", &image, "Server", &server,
                       "State", &state, "Detail", &detail) == 0;
}

static bool is_verdict(json_t *verdict) {
    const char *state, *message;
    json_int_t time_ms, images;
    json_t *findings, *finding;
    size_t index;
    if (json_unpack(verdict, "{s:s, s:I, s:I, s:s, s:o !}", "State", &state, "TimeMs", &time_ms,
                    "Images", &images, "Message", &message, "Findings", &findings) != 0 ||
        (strcmp(state, "good") != 0 && strcmp(state, "bad") != 0) || time_ms <= 0 || images < 0 ||
        !json_is_array(findings))
        return false;
    json_array_foreach(findings, index, finding) if (!is_finding(finding)) return false;
    return true;
}

result verdict_parse(struct view text, json_t **out_verdict) {
    json_t *verdict = json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
    if (verdict == NULL || !is_verdict(verdict)) {
        json_decref(verdict);
        return FAIL(INTEGRITY, "what was kept of the last verification is not the outcome of one");
    }
    *out_verdict = verdict;
    return OK;
}

result verdict_load(const char *path, const uint8_t key[VERDICT_KEY_BYTES], json_t **out_verdict) {
    AUTO_BYTES struct bytes box = {0};
    AUTO_BYTES struct bytes text = {0};
    TRY(file_read(path, SEAL_TEXT_MAX + SEAL_TEXT_OVERHEAD, &box));
    TRY(seal_open_text(key, PURPOSE, view_of_string(CONTEXT), bytes_view(&box), &text));
    return verdict_parse(bytes_view(&text), out_verdict);
}
