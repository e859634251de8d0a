#include "audit/segment.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char anchored_magic[CHAIN_MAGIC_BYTES + 1] = "MYELINAM";
static const char first_name[] = "access.log";

enum { HASHED_BYTES = CHAIN_MAGIC_BYTES + 8 + DIGEST_BYTES };

void segment_anchor(const struct chain_head *before, uint8_t out[SEGMENT_ANCHOR_BYTES]) {
    memcpy(out, anchored_magic, CHAIN_MAGIC_BYTES);
    store_be64(out + CHAIN_MAGIC_BYTES, before->sequence);
    memcpy(out + CHAIN_MAGIC_BYTES + 8, before->hash, DIGEST_BYTES);
    digest_sha256(view_of(out, HASHED_BYTES), out + HASHED_BYTES);
}

static result read_anchor(FILE *file, struct segment_start *out_start) {
    uint8_t anchor[SEGMENT_ANCHOR_BYTES], digest[DIGEST_BYTES];
    size_t rest = SEGMENT_ANCHOR_BYTES - CHAIN_MAGIC_BYTES;
    memcpy(anchor, anchored_magic, CHAIN_MAGIC_BYTES);
    if (fread(anchor + CHAIN_MAGIC_BYTES, 1, rest, file) != rest)
        return ferror(file) ? FAIL(IO, "reading a segment: %s", strerror(errno))
                            : FAIL(INTEGRITY, "its anchor is cut off");
    digest_sha256(view_of(anchor, HASHED_BYTES), digest);
    if (memcmp(digest, anchor + HASHED_BYTES, sizeof digest) != 0)
        return FAIL(INTEGRITY, "its anchor is damaged");
    out_start->is_anchored = true;
    out_start->before.sequence = load_be64(anchor + CHAIN_MAGIC_BYTES);
    memcpy(out_start->before.hash, anchor + CHAIN_MAGIC_BYTES + 8, DIGEST_BYTES);
    out_start->bytes = SEGMENT_ANCHOR_BYTES;
    return out_start->before.sequence <= INT64_MAX ? OK : FAIL(INTEGRITY, "its anchor is damaged");
}

result segment_read_start(FILE *file, struct segment_start *out_start) {
    char magic[CHAIN_MAGIC_BYTES];
    *out_start = (struct segment_start){.bytes = CHAIN_MAGIC_BYTES};
    if (fread(magic, 1, sizeof magic, file) != sizeof magic)
        return ferror(file) ? FAIL(IO, "reading a segment: %s", strerror(errno))
                            : FAIL(INTEGRITY, "not an access log");
    if (memcmp(magic, anchored_magic, sizeof magic) == 0)
        return read_anchor(file, out_start);
    return memcmp(magic, chain_magic, sizeof magic) == 0 ? OK
                                                         : FAIL(INTEGRITY, "not an access log");
}

long segment_number(const char *name) {
    size_t len = sizeof first_name - 1;
    if (strncmp(name, first_name, len) != 0)
        return -1;
    if (name[len] == '\0')
        return 0;
    const char *digits = name + len + 1;
    if (name[len] != '.' || digits[0] < '1' || digits[0] > '9')
        return -1;
    long number = 0;
    for (; *digits >= '0' && *digits <= '9' && number <= SEGMENT_NUMBER_MAX; digits++)
        number = 10 * number + (*digits - '0');
    return *digits == '\0' && number <= SEGMENT_NUMBER_MAX ? number : -1;
}

result segment_path(const char *folder, uint32_t number, char *out, size_t size) {
    int length = number == 0 ? snprintf(out, size, "%s/%s", folder, first_name)
                             : snprintf(out, size, "%s/%s.%u", folder, first_name, number);
    if (length < 0 || (size_t)length >= size)
        return FAIL(INVALID, "the path of a store folder is too long");
    return OK;
}

static int ascending(const void *a, const void *b) {
    const uint32_t *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

static void folder_close(DIR **folder) {
    if (*folder != NULL)
        closedir(*folder);
}

static void numbers_free(uint32_t **numbers) {
    free(*numbers);
}

result segment_list(const char *folder, uint32_t **out_numbers, size_t *out_count) {
    __attribute__((cleanup(numbers_free))) uint32_t *numbers = NULL;
    size_t count = 0;
    __attribute__((cleanup(folder_close))) DIR *entries = opendir(folder);
    if (entries == NULL)
        return FAIL(IO, "reading %s: %s", folder, strerror(errno));
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        long number = segment_number(entry->d_name);
        if (number < 0)
            continue;
        uint32_t *grown = realloc(numbers, (count + 1) * sizeof *grown);
        if (grown == NULL)
            return FAIL(NO_MEMORY, "no memory for %zu segments of the access log", count + 1);
        numbers = grown;
        numbers[count++] = (uint32_t)number;
    }
    if (count > 0)
        qsort(numbers, count, sizeof *numbers, ascending);
    *out_numbers = numbers;
    *out_count = count;
    numbers = NULL;
    return OK;
}
