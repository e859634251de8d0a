/*
 * The command line: options stand anywhere, before or after the command's name.
 */
#ifndef MYELIN_CLI_ARGUMENTS_H
#define MYELIN_CLI_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/result.h"

enum cli_option {
    OPTION_SYSTEM,
    OPTION_USER,
    OPTION_HELP,
    OPTION_VERSION,
    OPTION_JSON,
    OPTION_ID,
    OPTION_DISPERSE,
    OPTION_COPIES,
    OPTION_COMPRESS,
    OPTION_FROM,
    OPTION_TO,
    OPTION_OBJECT,
    OPTION_RECOVER_KEY,
    OPTION_U,
    OPTION_HIDDEN,
    OPTION_OUT,
    OPTION_STORAGE,
    OPTION_K,
    OPTION_KEY,
    OPTION_THRESHOLD,
    OPTION_DETACH,
    OPTION_ADDRESSES,
    OPTION_SLOTS,
    OPTION_ADDRESS,
    OPTION_WEIGHT,
    OPTION_DOMAIN,
    OPTION_IDENTITY,
    OPTION_FORCE,
    OPTION_ALL,
    OPTION_CHECK,
    OPTION_HEAD,
    OPTION_HEADS,
    OPTION_EXPORT,
    OPTION_SERVER,
    OPTION_FORGET,
    OPTION_AMONG,
    OPTION_RENEW,
    OPTION_REQUEST,
    OPTION_CERTIFICATE,
    OPTION_COUNT
};

/* A set of options. */
#define OPTION_BIT(option) (UINT64_C(1) << (option))

/* What the texts of --help say of an option. */
struct option_help {
    const char *name; /* "--id ID" */
    const char *text;
};
extern const struct option_help option_helps[OPTION_COUNT];

/* Everything borrows from argv but the two arrays. */
struct arguments {
    const char *command;              /* NULL: none was given */
    const char *values[OPTION_COUNT]; /* NULL: not given; "" for options without a value */
    const char **words;               /* what follows the command */
    size_t word_count;
    const char **recipients; /* --to NAME..., --among NAME..., --object NAME...: names may follow
                                one, or each have its own */
    size_t recipient_count;
};

#define AUTO_ARGUMENTS __attribute__((cleanup(arguments_free)))
void arguments_free(struct arguments *arguments);

/* Splits a command line. INVALID, saying what is wrong, for an unknown option, one that lacks its
 * value or has one too many, or one given twice; NO_MEMORY. */
MUST_CHECK result arguments_parse(int argc, char *const argv[], struct arguments *out_arguments);

/* INVALID unless the options given are among `allowed` and there are `least` to `most` words. */
MUST_CHECK result arguments_check(const struct arguments *arguments, uint64_t allowed, size_t least,
                                  size_t most);

/* The value of an option as a number of 1 to 255; `fallback` where it was not given. INVALID. */
MUST_CHECK result arguments_number(const struct arguments *arguments, enum cli_option option,
                                   unsigned fallback, unsigned *out_number);

#endif
