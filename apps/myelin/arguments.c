#include "arguments.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

const struct option_help option_helps[OPTION_COUNT] = {
    [OPTION_SYSTEM] = {"--system DIR-or-FILE", "the system (or MYELIN_SYSTEM)"},
    [OPTION_USER] = {"--user NAME", "who you are (or MYELIN_USER; not needed with one keystore)"},
    [OPTION_HELP] = {"--help", "this text"},
    [OPTION_VERSION] = {"--version", "the version"},
    [OPTION_JSON] = {"--json", "the answer as JSON"},
    [OPTION_ID] = {"--id ID", "the image's ID; DICOM files have their StudyInstanceUID"},
    [OPTION_DISPERSE] = {"--disperse HOW", "who encodes: you (symbols, the default) or the servers "
                                           "(blocks)"},
    [OPTION_COPIES] = {"--copies V", "with blocks: how many servers get each block"},
    [OPTION_COMPRESS] = {"--compress HOW", "auto (the default), none, zstd, shuffle or jpegls"},
    [OPTION_FROM] = {"--from NAME", "the owner who forwarded it; with revoke, the recipient"},
    [OPTION_TO] = {"--to NAME...", "the recipients"},
    [OPTION_OBJECT] = {"--object NAME...", "delete these objects of the image, which stays"},
    [OPTION_RECOVER_KEY] = {"--recover-key",
                            "put your key together here to forward; weaker: see docs/SCHEME.md"},
    [OPTION_U] = {"--u U", "storage servers that each key server asks first"},
    [OPTION_HIDDEN] = {"--hidden", "take hidden names (.name) from other owners, too"},
    [OPTION_OUT] = {"-o DIR", "the folder for the objects; the current one if not given"},
    [OPTION_STORAGE] = {"--storage N", "storage servers (6)"},
    [OPTION_K] = {"--k K", "storage servers needed to read an image (3)"},
    [OPTION_KEY] = {"--key M", "key servers (5)"},
    [OPTION_THRESHOLD] = {"--threshold T", "key servers needed to open an image (3)"},
    [OPTION_AMONG] = {"--among NAME...", "the key servers; all if not given"},
    [OPTION_RENEW] = {"--renew", "a new certificate for a user that is enrolled"},
    [OPTION_REQUEST] = {"--request FILE",
                        "write what a manager elsewhere is to certify; then send it"},
    [OPTION_CERTIFICATE] = {"--certificate FILE", "the certificate that he sent back"},
    [OPTION_ALL] = {"--all", "of all users: for the manager, in his system's folder"},
    [OPTION_DETACH] = {"--detach", "leave the servers running in the background"},
    [OPTION_ADDRESSES] = {"--addresses LIST",
                          "HOST:PORT of each server, storage first, commas between"},
    [OPTION_SLOTS] = {"--slots n", "storage servers that each image lies on (all)"},
    [OPTION_ADDRESS] = {"--address HOST:PORT", "where the server listens (a free loopback port)"},
    [OPTION_WEIGHT] = {"--weight W", "its part of the slots beside the others' (100)"},
    [OPTION_DOMAIN] = {"--domain NAME", "what it fails together with: a site, a provider"},
    [OPTION_IDENTITY] =
        {"--identity HEX",
         "the Ed25519 public key that the server made itself; its certificate alone "
         "is written"},
    [OPTION_FORCE] = {"--force", "though slots are still on their way, or the server is dead"},
    [OPTION_CHECK] = {"--check", "check these segments of a key server's log, without a server"},
    [OPTION_HEAD] = {"--head FILE|SEQ:HASH", "the log must have this entry: others' heads, or one"},
    [OPTION_HEADS] = {"--heads", "print the newest head seen of each key server's log"},
    [OPTION_EXPORT] = {"--export FORM",
                       "for an audit repository: syslog (DICOM, RFC 5424) or json"},
    [OPTION_SERVER] = {"--server NAME", "with --check: whose log it is"},
    [OPTION_FORGET] = {"--forget NAME", "forget what this key server showed of its log"},
};

enum { LONG_BASE = 256 }; /* getopt's codes for long options start here */

static const struct option long_options[] = {
    {"system", required_argument, NULL, LONG_BASE + OPTION_SYSTEM},
    {"user", required_argument, NULL, LONG_BASE + OPTION_USER},
    {"help", no_argument, NULL, LONG_BASE + OPTION_HELP},
    {"version", no_argument, NULL, LONG_BASE + OPTION_VERSION},
    {"json", no_argument, NULL, LONG_BASE + OPTION_JSON},
    {"id", required_argument, NULL, LONG_BASE + OPTION_ID},
    {"disperse", required_argument, NULL, LONG_BASE + OPTION_DISPERSE},
    {"copies", required_argument, NULL, LONG_BASE + OPTION_COPIES},
    {"compress", required_argument, NULL, LONG_BASE + OPTION_COMPRESS},
    {"from", required_argument, NULL, LONG_BASE + OPTION_FROM},
    {"to", required_argument, NULL, LONG_BASE + OPTION_TO},
    {"object", required_argument, NULL, LONG_BASE + OPTION_OBJECT},
    {"recover-key", no_argument, NULL, LONG_BASE + OPTION_RECOVER_KEY},
    {"u", required_argument, NULL, LONG_BASE + OPTION_U},
    {"hidden", no_argument, NULL, LONG_BASE + OPTION_HIDDEN},
    {"storage", required_argument, NULL, LONG_BASE + OPTION_STORAGE},
    {"k", required_argument, NULL, LONG_BASE + OPTION_K},
    {"key", required_argument, NULL, LONG_BASE + OPTION_KEY},
    {"threshold", required_argument, NULL, LONG_BASE + OPTION_THRESHOLD},
    {"among", required_argument, NULL, LONG_BASE + OPTION_AMONG},
    {"renew", no_argument, NULL, LONG_BASE + OPTION_RENEW},
    {"request", required_argument, NULL, LONG_BASE + OPTION_REQUEST},
    {"certificate", required_argument, NULL, LONG_BASE + OPTION_CERTIFICATE},
    {"all", no_argument, NULL, LONG_BASE + OPTION_ALL},
    {"check", no_argument, NULL, LONG_BASE + OPTION_CHECK},
    {"head", required_argument, NULL, LONG_BASE + OPTION_HEAD},
    {"heads", no_argument, NULL, LONG_BASE + OPTION_HEADS},
    {"export", required_argument, NULL, LONG_BASE + OPTION_EXPORT},
    {"server", required_argument, NULL, LONG_BASE + OPTION_SERVER},
    {"forget", required_argument, NULL, LONG_BASE + OPTION_FORGET},
    {"detach", no_argument, NULL, LONG_BASE + OPTION_DETACH},
    {"addresses", required_argument, NULL, LONG_BASE + OPTION_ADDRESSES},
    {"slots", required_argument, NULL, LONG_BASE + OPTION_SLOTS},
    {"address", required_argument, NULL, LONG_BASE + OPTION_ADDRESS},
    {"weight", required_argument, NULL, LONG_BASE + OPTION_WEIGHT},
    {"domain", required_argument, NULL, LONG_BASE + OPTION_DOMAIN},
    {"identity", required_argument, NULL, LONG_BASE + OPTION_IDENTITY},
    {"force", no_argument, NULL, LONG_BASE + OPTION_FORCE},
    {0},
};

void arguments_free(struct arguments *arguments) {
    free(arguments->words);
    free(arguments->recipients);
    *arguments = (struct arguments){0};
}

/* ------------------------------------------------------------------ one by one */

struct parsing {
    struct arguments *arguments;
    bool after_to; /* the last thing was --to, --among or --object NAME, or a name after it */
};

/* The first word is the command; words after --to, --among and --object are names. */
static void take_word(struct parsing *parsing, const char *word) {
    struct arguments *arguments = parsing->arguments;
    if (arguments->command == NULL) {
        arguments->command = word;
        parsing->after_to = false;
    } else if (parsing->after_to) {
        arguments->recipients[arguments->recipient_count++] = word;
    } else {
        arguments->words[arguments->word_count++] = word;
    }
}

static result take_option(struct parsing *parsing, enum cli_option option, const char *value) {
    struct arguments *arguments = parsing->arguments;
    bool takes_names = option == OPTION_TO || option == OPTION_AMONG || option == OPTION_OBJECT;
    if (arguments->values[option] != NULL && !takes_names)
        return FAIL(INVALID, "%s is given twice", option_helps[option].name);
    arguments->values[option] = value != NULL ? value : "";
    parsing->after_to = takes_names;
    if (takes_names)
        arguments->recipients[arguments->recipient_count++] = value;
    return OK;
}

static result take(struct parsing *parsing, int code, const char *value, const char *given) {
    switch (code) {
    case 1:
        take_word(parsing, value);
        return OK;
    case 'o':
        return take_option(parsing, OPTION_OUT, value);
    case 'h':
        return take_option(parsing, OPTION_HELP, NULL);
    case ':':
        return FAIL(INVALID, "%s needs a value", given);
    default:
        if (code >= LONG_BASE)
            return take_option(parsing, (enum cli_option)(code - LONG_BASE), value);
        return FAIL(INVALID, "%s is no option", given);
    }
}

result arguments_parse(int argc, char *const argv[], struct arguments *out_arguments) {
    AUTO_ARGUMENTS struct arguments arguments = {0};
    arguments.words = calloc((size_t)argc + 1, sizeof *arguments.words);
    arguments.recipients = calloc((size_t)argc + 1, sizeof *arguments.recipients);
    if (arguments.words == NULL || arguments.recipients == NULL)
        return FAIL(NO_MEMORY, "out of memory");
    struct parsing parsing = {.arguments = &arguments};
    optind = 0; /* glibc: start over, whatever was parsed before */
    opterr = 0;
    for (;;) {
        int at = optind > 0 ? optind : 1;
        int code = getopt_long(argc, argv, "-:o:h", long_options, NULL);
        if (code == -1)
            break;
        TRY(take(&parsing, code, optarg, at < argc ? argv[at] : ""));
    }
    for (int i = optind; i < argc; i++)
        take_word(&parsing, argv[i]);
    /* "forward --to bob ID": the ID, which comes last, is none of the names. */
    if (arguments.word_count == 0 && arguments.recipient_count > 1)
        arguments.words[arguments.word_count++] = arguments.recipients[--arguments.recipient_count];
    *out_arguments = arguments;
    arguments = (struct arguments){0};
    return OK;
}

/* ------------------------------------------------------------------ for a command */

result arguments_check(const struct arguments *arguments, uint64_t allowed, size_t least,
                       size_t most) {
    for (unsigned i = 0; i < OPTION_COUNT; i++)
        if (arguments->values[i] != NULL && (allowed & OPTION_BIT(i)) == 0)
            return FAIL(INVALID, "'%s' takes no %s", arguments->command, option_helps[i].name);
    if (arguments->word_count < least)
        return FAIL(INVALID, "'%s' needs %zu argument%s more", arguments->command,
                    least - arguments->word_count, least - arguments->word_count == 1 ? "" : "s");
    if (arguments->word_count > most)
        return FAIL(INVALID, "'%s': '%s' is an argument too many", arguments->command,
                    arguments->words[most]);
    return OK;
}

result arguments_number(const struct arguments *arguments, enum cli_option option,
                        unsigned fallback, unsigned *out_number) {
    const char *value = arguments->values[option];
    *out_number = fallback;
    if (value == NULL)
        return OK;
    unsigned number = 0;
    for (const char *digit = value; *digit != '\0'; digit++) {
        if (*digit < '0' || *digit > '9' || digit - value > 2)
            number = 256;
        if (number < 256)
            number = 10 * number + (unsigned)(*digit - '0');
    }
    if (number < 1 || number > 255)
        return FAIL(INVALID, "%s: '%s' is no number from 1 to 255", option_helps[option].name,
                    value);
    *out_number = number;
    return OK;
}
