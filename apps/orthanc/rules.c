#include "rules.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "deletions.h"
#include "orthanc_rest.h"

bool rules_match(const char *pattern, const char *text) {
    size_t len = strlen(pattern);
    if (len > 0 && pattern[len - 1] == '*')
        return strncasecmp(pattern, text, len - 1) == 0;
    return strcasecmp(pattern, text) == 0;
}

/* ------------------------------------------------------------------ studies */

/* Whether one series comes from that AE and is of that modality. The AE is known of instances. */
static result series_matches(struct gateway *gateway, const struct config_rule *rule,
                             const char *id, bool *out_matches) {
    AUTO_JSON json_t *series = NULL;
    TRY(orthanc_get(gateway, &series, "/series/%.64s", id));
    const char *modality = orthanc_text(json_object_get(series, "MainDicomTags"), "Modality");
    *out_matches = rules_match(rule->modality, modality);
    const char *first = json_string_value(json_array_get(json_object_get(series, "Instances"), 0));
    if (!*out_matches || strcmp(rule->aet, "*") == 0 || first == NULL)
        return OK;
    AUTO_JSON json_t *metadata = NULL;
    TRY(orthanc_get(gateway, &metadata, "/instances/%.64s/metadata?expand", first));
    *out_matches = rules_match(rule->aet, orthanc_text(metadata, "RemoteAET"));
    return OK;
}

static result study_matches(struct gateway *gateway, const struct config_rule *rule,
                            const json_t *study, bool *out_matches) {
    const json_t *tags = json_object_get(study, "MainDicomTags");
    const json_t *series = json_object_get(study, "Series");
    *out_matches = false;
    if (!rules_match(rule->referring, orthanc_text(tags, "ReferringPhysicianName")))
        return OK;
    for (size_t i = 0; i < json_array_size(series) && !*out_matches; i++) {
        const char *id = json_string_value(json_array_get(series, i));
        if (id != NULL)
            TRY(series_matches(gateway, rule, id, out_matches));
    }
    return OK;
}

result rules_study_stable(struct gateway *gateway, const char *study_id) {
    const struct config *config = &gateway->config;
    AUTO_JSON json_t *study = NULL;
    if (config->rule_count == 0)
        return OK;
    TRY(orthanc_get(gateway, &study, "/studies/%.64s", study_id));
    const char *image = orthanc_text(json_object_get(study, "MainDicomTags"), "StudyInstanceUID");
    struct map_image_info info;
    if (!map_image(gateway->map, "", image, &info)) /* another's, which only he can forward */
        return OK;
    for (size_t i = 0; i < config->rule_count; i++) {
        bool matches;
        TRY(study_matches(gateway, &config->rules[i], study, &matches));
        if (matches)
            TRY(map_want_forward(gateway->map, image, config->rules[i].forward_to));
    }
    return OK;
}

/* ------------------------------------------------------------------ forwards */

/* What trying again does not mend. */
static bool is_final(result code) {
    return code == OK || code == NOT_FOUND || code == INVALID || code == CONFLICT || code == DENIED;
}

static bool make_forward(struct gateway *gateway, const struct record *due) {
    const char *user = due->name;
    result made = deletions_all(gateway, due->image);
    if (made == OK)
        made = gateway_result(myelin_forward(gateway->session, due->image, &user, 1));
    if (made == OK)
        gateway_notice(gateway, "study %s was forwarded to %s", due->image, user);
    else
        gateway_notice(gateway, "study %s could not be forwarded to %s%s: %s", due->image, user,
                       is_final(made) ? "" : " yet", error_text());
    if (is_final(made) && map_end_forward(gateway->map, due->image, user) != OK)
        gateway_error(gateway, "the map: %s", error_text());
    return is_final(made);
}

bool rules_make_forwards(struct gateway *gateway) {
    struct record due;
    bool is_all_made = true;
    for (size_t index = 0; map_due_forward(gateway->map, index, &due);) {
        if (map_is_sending(gateway->map, "", due.image)) {
            index++;
        } else if (!make_forward(gateway, &due)) {
            is_all_made = false;
            index++;
        }
    }
    return is_all_made;
}
