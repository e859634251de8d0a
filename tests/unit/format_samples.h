/*
 * What the valid messages of format_samples_*.h are made of, for tests of src/format. Each call
 * fills the same static memory anew, so a test may break what it got as it likes.
 */
#ifndef MYELIN_TESTS_FORMAT_SAMPLES_H
#define MYELIN_TESTS_FORMAT_SAMPLES_H

#include <string.h>

#include "format/format.h"

enum { SAMPLE_N = 3, SAMPLE_K = 2 };

/* Bytes that differ from place to place; `first` tells samples apart. */
static inline ProtobufCBinaryData sample_bytes(uint8_t first, size_t len) {
    static uint8_t pool[32][1024];
    static unsigned next;
    uint8_t *bytes = pool[next++ % 32];
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(first + i);
    return (ProtobufCBinaryData){len, bytes};
}

static char sample_alice[] __attribute__((unused)) = "alice";
static char sample_bob[] __attribute__((unused)) = "bob";
static char *sample_names[SAMPLE_N];
static ProtobufCBinaryData sample_hashes[SAMPLE_N], sample_rows[SAMPLE_N];

static inline char **sample_servers(void) {
    static char names[SAMPLE_N][16];
    for (int i = 0; i < SAMPLE_N; i++) {
        memcpy(names[i], "storage-1", 10);
        names[i][8] = (char)('1' + i);
        sample_names[i] = names[i];
        sample_hashes[i] = sample_bytes((uint8_t)(10 * i), 32);
        sample_rows[i] = sample_bytes((uint8_t)(i + 1), SAMPLE_K);
    }
    return sample_names;
}

static inline Myelin__Signed *sample_signed(void) {
    static Myelin__Signed record;
    myelin__signed__init(&record);
    record.body = sample_bytes(1, 40);
    record.signature = sample_bytes(2, 64);
    return &record;
}

#endif
