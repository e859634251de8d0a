/* A segment of an access log: read to its end or its first damage, and never past either. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/chain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void file_close(FILE **file) {
    if (*file != NULL)
        fclose(*file);
}

/* Reads records; gives back how many bytes were good ones. */
static uint64_t read_all(FILE *segment, bool after_damage) {
    struct chain_head head = {0};
    uint64_t good = 0, last = 0;
    for (;;) {
        enum chain_found found = CHAIN_END;
        AUTO_FORMAT Myelin__AuditBody *body = NULL;
        uint64_t bytes = 0;
        if (chain_read(segment, after_damage && good == 0, &head, &found, &body, &bytes) != OK)
            return good;
        if (found != CHAIN_RECORD)
            return good;
        if (body == NULL || head.sequence <= last)
            abort();
        last = head.sequence;
        good += bytes;
    }
}

static void read_copy(const uint8_t *data, size_t size, bool after_damage) {
    /* fmemopen wants memory that it could write to. */
    uint8_t *copy = malloc(size);
    if (copy == NULL)
        abort();
    memcpy(copy, data, size);
    {
        __attribute__((cleanup(file_close))) FILE *segment = fmemopen(copy, size, "rb");
        if (segment == NULL || fseek(segment, CHAIN_MAGIC_BYTES, SEEK_SET) < 0)
            abort();
        if (read_all(segment, after_damage) > size)
            abort();
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size <= CHAIN_MAGIC_BYTES)
        return 0;
    read_copy(data, size, false);
    read_copy(data, size, true);
    return 0;
}
