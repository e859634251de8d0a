#include "caller.h"

#include <sodium.h>
#include <string.h>
#include <strings.h>

enum { CREDENTIALS_MAX = 1024 };

const char *caller_header(const OrthancPluginHttpRequest *request, const char *name) {
    for (uint32_t i = 0; i < request->headersCount; i++)
        if (strcasecmp(request->headersKeys[i], name) == 0)
            return request->headersValues[i];
    return NULL;
}

/* The user of "Basic base64(user:password)"; "" where there is none. */
static void caller_name(const OrthancPluginHttpRequest *request, char out[CREDENTIALS_MAX]) {
    static const char scheme[] = "Basic ";
    const char *value = caller_header(request, "authorization");
    size_t len = 0;
    out[0] = '\0';
    if (value == NULL || strncasecmp(value, scheme, sizeof scheme - 1) != 0)
        return;
    value += sizeof scheme - 1;
    if (sodium_base642bin((uint8_t *)out, CREDENTIALS_MAX - 1, value, strlen(value), " ", &len,
                          NULL, sodium_base64_VARIANT_ORIGINAL) != 0)
        len = 0;
    out[len] = '\0';
    char *colon = strchr(out, ':');
    if (colon == NULL)
        colon = out;
    sodium_memzero(colon, CREDENTIALS_MAX - (size_t)(colon - out));
}

result caller_check(const struct config *config, const OrthancPluginHttpRequest *request,
                    enum config_right right) {
    const struct config_users *users = &config->rights[right];
    if (!users->is_limited)
        return OK;
    char name[CREDENTIALS_MAX];
    caller_name(request, name);
    for (size_t i = 0; i < users->count; i++)
        if (strcmp(users->names[i], name) == 0)
            return OK;
    return FAIL(DENIED, "HTTP user '%.64s' may not do this: see Myelin.Rights in the configuration",
                name);
}
