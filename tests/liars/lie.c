#include "lie.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/format.h"

/* The word after `start` blanks or words that begins with `prefix`; its length in `out_len`. */
static const char *find_word(const char *text, const char *prefix, size_t *out_len) {
    for (const char *at = text; *at != '\0'; at += strcspn(at, " \n")) {
        at += strspn(at, " \n");
        *out_len = strcspn(at, " \n");
        if (*out_len >= strlen(prefix) && strncmp(at, prefix, strlen(prefix)) == 0)
            return at;
    }
    return NULL;
}

const char *lie_option(const struct lie *lie, const char *name, char out[256]) {
    char prefix[64];
    size_t len = 0;
    snprintf(prefix, sizeof prefix, "%s=", name);
    const char *word = find_word(lie->text, prefix, &len);
    out[0] = '\0';
    if (word != NULL)
        snprintf(out, 256, "%.*s", (int)(len - strlen(prefix)), word + strlen(prefix));
    return out;
}

void lie_load(const char *caller, bool is_proving, struct lie *out_lie) {
    const char *path = getenv("MYELIN_LIE");
    FILE *file = path == NULL ? NULL : fopen(path, "r");
    size_t len = file == NULL ? 0 : fread(out_lie->text, 1, sizeof out_lie->text - 1, file);
    out_lie->text[len] = '\0';
    if (file != NULL)
        fclose(file);
    char to[256];
    size_t unused;
    bool is_silent = is_proving && find_word(out_lie->text, "unproven", &unused) != NULL;
    if (is_silent ||
        (lie_option(out_lie, "to", to)[0] != '\0' && (caller == NULL || strcmp(to, caller) != 0)))
        out_lie->text[0] = '\0';
}

bool lie_is(const struct lie *lie, const char *name) {
    size_t len = strcspn(lie->text, " \n");
    return len == strlen(name) && strncmp(lie->text, name, len) == 0;
}

result lie_nonsense(struct bytes *out_answer) {
    bytes_free(out_answer);
    return bytes_append(out_answer, view_of_string("\xff\xff this is no message"));
}

result lie_pack(const void *message, struct bytes *out_answer) {
    bytes_free(out_answer);
    return format_pack(message, out_answer);
}
