#include "orthanc_rest.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 512 };

bool orthanc_is_id(const char *id) {
    size_t i = 0;
    for (; id[i] != '\0' && i < 44; i++) {
        bool is_digit = (id[i] >= '0' && id[i] <= '9') || (id[i] >= 'a' && id[i] <= 'f');
        if (i % 9 == 8 ? id[i] != '-' : !is_digit)
            return false;
    }
    return i == 44 && id[i] == '\0';
}

static result parse(struct gateway *gateway, OrthancPluginMemoryBuffer *buffer, const char *path,
                    json_t **out_answer) {
    json_t *answer = json_loadb(buffer->data, buffer->size, JSON_DECODE_ANY, NULL);
    OrthancPluginFreeMemoryBuffer(gateway->orthanc, buffer);
    if (answer == NULL)
        return FAIL(PROTOCOL, "Orthanc's answer to %s is no JSON", path);
    *out_answer = answer;
    return OK;
}

result orthanc_get(struct gateway *gateway, json_t **out_answer, const char *format, ...) {
    char path[PATH_BYTES];
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(path, sizeof path, format, arguments);
    va_end(arguments);
    if (len < 0 || (size_t)len >= sizeof path)
        return FAIL(INVALID, "a path in Orthanc is too long");
    OrthancPluginMemoryBuffer buffer;
    if (OrthancPluginRestApiGet(gateway->orthanc, &buffer, path) != OrthancPluginErrorCode_Success)
        return FAIL(NOT_FOUND, "Orthanc has no %s", path);
    return parse(gateway, &buffer, path, out_answer);
}

result orthanc_post_instance(struct gateway *gateway, struct view file, bool *out_is_new) {
    OrthancPluginMemoryBuffer buffer;
    AUTO_JSON json_t *answer = NULL;
    if (file.len > UINT32_MAX)
        return FAIL(INVALID, "Orthanc imports no instance above 4 GiB");
    if (OrthancPluginRestApiPost(gateway->orthanc, &buffer, "/instances", file.data,
                                 (uint32_t)file.len) != OrthancPluginErrorCode_Success)
        return FAIL(INVALID, "Orthanc does not take the instance: see its log");
    TRY(parse(gateway, &buffer, "/instances", &answer));
    *out_is_new = strcmp(orthanc_text(answer, "Status"), "Success") == 0;
    return OK;
}

result orthanc_delete_instance(struct gateway *gateway, const char *sop) {
    char path[PATH_BYTES];
    char *id = sop[0] == '\0' ? NULL : OrthancPluginLookupInstance(gateway->orthanc, sop);
    if (id == NULL)
        return OK;
    snprintf(path, sizeof path, "/instances/%.64s", id);
    OrthancPluginFreeString(gateway->orthanc, id);
    if (OrthancPluginRestApiDelete(gateway->orthanc, path) != OrthancPluginErrorCode_Success)
        return FAIL(IO, "Orthanc does not delete %s", path);
    return OK;
}

const char *orthanc_text(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

json_t *orthanc_json_text(const char *text) {
    json_t *json = json_string(text);
    char *copy = json == NULL ? strdup(text) : NULL;
    if (json != NULL || copy == NULL)
        return json;
    for (char *c = copy; *c != '\0'; c++)
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    json = json_string(copy);
    free(copy);
    return json;
}
