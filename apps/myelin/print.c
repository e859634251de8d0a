#include "print.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "base/utf8.h"

void print_safe(FILE *out, const char *text) {
    print_column(out, text, 0);
}

void print_column(FILE *out, const char *text, int width) {
    int used = 0;
    while (*text != '\0') {
        char shown[TEXT_SHOWN_MAX + 1];
        size_t len = text_show_one(&text, shown);
        fputs(shown, out);
        used += shown[0] == '\\' ? (int)len : 1;
    }
    for (; used < width; used++)
        fputc(' ', out);
}

void print_time(uint64_t time_ms, char out[PRINT_TIME]) {
    time_t seconds = (time_t)(time_ms / 1000);
    struct tm utc;
    if (gmtime_r(&seconds, &utc) == NULL ||
        strftime(out, PRINT_TIME, "%Y-%m-%d %H:%M:%SZ", &utc) == 0)
        snprintf(out, PRINT_TIME, "?");
}

void print_size(uint64_t bytes, char out[PRINT_SIZE]) {
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    double size = (double)bytes;
    unsigned unit = 0;
    for (; size >= 1000 && unit < 6; unit++)
        size /= 1000;
    snprintf(out, PRINT_SIZE, unit == 0 ? "%.0f %s" : "%.1f %s", size, units[unit]);
}

json_t *print_json_text(const char *text) {
    size_t len = strlen(text), used = 0;
    char *clean = malloc(3 * len + 1);
    if (clean == NULL)
        return NULL;
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0';) {
        uint32_t character;
        size_t taken = 1;
        bool valid = utf8_read(at, &character, &taken);
        memcpy(clean + used, valid ? (const char *)at : "\xef\xbf\xbd", valid ? taken : 3);
        used += valid ? taken : 3;
        at += valid ? taken : 1;
    }
    json_t *string = json_stringn(clean, used);
    free(clean);
    return string;
}

result print_json(json_t *value) {
    if (value == NULL)
        return FAIL(NO_MEMORY, "no memory for the answer");
    int written = json_dumpf(value, stdout, JSON_ENSURE_ASCII | JSON_INDENT(2));
    json_decref(value);
    if (written != 0 || putchar('\n') == EOF)
        return FAIL(IO, "stdout cannot be written to");
    return OK;
}
