/* myelin: one table of commands. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/secret.h"
#include "cli.h"
#include "flow/patience.h"
#include "print.h"

enum { ANY = 1 << 20 }; /* words */

#define BIT(name) OPTION_BIT(OPTION_##name)

static const struct command commands[] = {
    {"up",
     "DIR [--storage N] [--slots n] [--k K] [--key M] [--threshold T] [--addresses LIST] "
     "[--detach]",
     "make a system in DIR where there is none, and run its servers",
     "The servers listen on loopback; DIR/run has their pid files, DIR their logs. Without\n"
     "--detach they run until Control-C. A second 'up' starts those that do not run.\n"
     "With --addresses each has its own, and only those of this machine are started here: the "
     "others\n"
     "run elsewhere, each with its DIR/config folder and DIR/system.myelin.\n",
     BIT(STORAGE) | BIT(SLOTS) | BIT(K) | BIT(KEY) | BIT(THRESHOLD) | BIT(ADDRESSES) | BIT(DETACH),
     1, 1, command_up},
    {"down", "DIR", "stop the servers of the system in DIR", "", 0, 1, 1, command_down},
    {"enroll", "NAME [--request FILE | [--renew] [--certificate FILE]]",
     "become a user: keys, certificate, shares at the key servers",
     "The keystore goes to MYELIN_HOME (~/.myelin), under a passphrase that is asked for or read\n"
     "from the file MYELIN_PASSPHRASE_FILE. Takes the folder of the system with its manager.\n"
     "Where that is elsewhere, --request writes a file for him, who answers it with 'myelin "
     "system\n"
     "certify'; with his answer, --certificate, it goes on. Tell him the fingerprint by another "
     "way.\n"
     "--renew: the certificate again, for 730 days from now; keys, shares, images and forwards "
     "stay.\n",
     BIT(RENEW) | BIT(REQUEST) | BIT(CERTIFICATE), 1, 1, command_enroll},
    {"passphrase", "", "change the passphrase of your keystore",
     "Asks for the old one and, twice, for the new one; MYELIN_PASSPHRASE_FILE has the old one "
     "and\n"
     "MYELIN_NEW_PASSPHRASE_FILE the new one, where they are set. Interrupted at any point, the "
     "keystore\n"
     "opens with one of the two. Backups of it open with the old one as ever.\n",
     0, 0, 0, command_passphrase},
    {"put", "[--id ID] [--compress HOW] [--disperse HOW [--copies V]] PATH...",
     "store files as an image",
     "DICOM files make one image a study, its StudyInstanceUID the ID, unless --id says "
     "otherwise;\n"
     "other files need --id. A folder stands for all files below it. Prints each image's ID.\n"
     "With --disperse blocks each of the k sealed blocks goes to V servers chosen at random, and\n"
     "each server encodes by itself; V times the image is sent, not n / k times. V is at least\n"
     "n - k + 1, at most n, and 5 (n / k) ln k or what of that is possible unless given.\n",
     BIT(ID) | BIT(DISPERSE) | BIT(COPIES) | BIT(COMPRESS) | BIT(JSON), 1, ANY, command_put},
    {"get", "ID [--from OWNER] [--hidden] [-o DIR] [--u U]",
     "fetch an image, your own or one forwarded to you",
     "Files get their original names and bytes; none that exists is replaced, and none is written\n"
     "through a link. Those that are there already, byte for byte, are not fetched again. Without\n"
     "--u as many storage servers are asked as t key servers need to see enough different ones.\n",
     BIT(FROM) | BIT(HIDDEN) | BIT(OUT) | BIT(U) | BIT(JSON), 1, 1, command_get},
    {"forward", "ID --to NAME... [--recover-key]", "let others read an image",
     "All recipients are looked up before the first one gets anything.\n",
     BIT(TO) | BIT(RECOVER_KEY) | BIT(JSON), 1, 1, command_forward},
    {"revoke", "ID --from NAME", "take a forward back",
     "Servers refuse him from now on; what he has read he has. Exit code 3 where no server knows "
     "of\n"
     "such a forward. Run it again where some could not be told.\n",
     BIT(FROM), 1, 1, command_revoke},
    {"ls", "", "list your images", "", BIT(JSON), 0, 0, command_ls},
    {"inbox", "", "list what was forwarded to you", "", BIT(JSON), 0, 0, command_inbox},
    {"show", "ID [--from OWNER]", "list an image's objects", "", BIT(FROM) | BIT(JSON), 1, 1,
     command_show},
    {"rm", "ID [--object NAME...]", "remove an image from all servers, or objects of it",
     "With --object the image stays without these objects, at its recipients' too, and nothing in "
     "it\n"
     "can have their names again. Run it again where some servers could not be told.\n",
     BIT(OBJECT), 1, 1, command_rm},
    {"verify", "[ID]", "check every slice of an image, or of all your images, at every server",
     "Exit code 6 where something is lost, stale or bad; the servers are named.\n", BIT(JSON), 0, 1,
     command_verify},
    {"repair", "[ID]", "have servers make good what they lost of an image, or of all your images",
     "Verifies, has each server at which something is lost, stale or bad mend its own store from "
     "any\n"
     "k others, and verifies again. It takes no key and nobody's passphrase but yours, to ask. "
     "Exit\n"
     "code 6 where something stays so, 5 where too few good servers are left or reachable.\n",
     BIT(JSON), 0, 1, command_repair},
    {"status", "", "ask every server whether it is well", "", BIT(JSON), 0, 0, command_status},
    {"audit", "[ID [--from OWNER]] | --check FILE... | --heads | --forget KEY-SERVER",
     "who opened what and when, by the key servers' logs",
     "Each log must still have the entries whose heads were seen before; --head adds those of "
     "other\n"
     "users (their MYELIN_HOME/SYSTEM.heads). --check needs no server: FILE is a segment of a log "
     "or\n"
     "a folder of them, archived ones too, and --head says what it must hold. Exit code 6 where a\n"
     "log does not hold; the key server, or file, offset and entry, are named.\n",
     BIT(FROM) | BIT(JSON) | BIT(CHECK) | BIT(HEAD) | BIT(HEADS) | BIT(EXPORT) | BIT(SERVER) |
         BIT(FORGET),
     0, ANY, command_audit},
    {"shares",
     "show | refresh [--all] | replace KEY-SERVER |\n"
     "                     reshare [--threshold T] [--among KEY-SERVER...]",
     "give the key servers new shares, one of them its lost share again, or others the shares",
     "'show' tells which key servers hold your shares. 'refresh' makes shares that were stolen\n"
     "before worthless. 'replace' is for a key server that lost its disk. 'reshare' gives shares "
     "to\n"
     "the key servers named, any T of which can open then, and takes them from all others; "
     "without\n"
     "options it is the system's T and all. The last two are for one's own shares alone. Nobody\n"
     "learns the key, images and forwards stay as they are. After an interruption the old shares\n"
     "work or the new ones; run it again. T shares kept from before a resharing open as ever.\n",
     BIT(ALL) | BIT(JSON) | BIT(THRESHOLD) | BIT(AMONG), 1, 2, command_shares},
    {"system",
     "show | status | add-storage NAME | drain NAME | activate NAME | remove NAME |\n"
     "       replace OLD NEW | weight NAME W | add-key NAME | settle | publish |\n"
     "       certify REQUEST [CERTIFICATE] | renew NAME CERTIFICATE",
     "servers come and go: the manager's changes of the system, in its folder",
     "Each change makes the next version of the system description and brings it to all servers;\n"
     "clients and servers that were away pick it up by themselves. The storage servers then move\n"
     "slots to where they belong, while puts and gets go on. 'status' says how many have to; once\n"
     "none has, 'settle' makes it the end of the move, and the next change can come. A server "
     "that\n"
     "has to go is drained, or replaced, first. --force is for servers that are dead.\n"
     "'certify' shows whose request it is, with its fingerprint, and writes the certificate that\n"
     "answers it; 'renew' writes a user's or server's certificate anew, for 730 days from now.\n",
     BIT(ADDRESS) | BIT(WEIGHT) | BIT(DOMAIN) | BIT(IDENTITY) | BIT(FORCE) | BIT(JSON), 1, 3,
     command_system},
};

enum { COMMANDS = sizeof commands / sizeof *commands };

static const uint64_t ALWAYS = BIT(SYSTEM) | BIT(USER) | BIT(HELP);

static const char ENVIRONMENT[] =
    "MYELIN_SYSTEM, MYELIN_USER, MYELIN_HOME (keystores) and MYELIN_PASSPHRASE_FILE say what is\n"
    "not on the command line. Exit codes: 0 done, 2 usage, 3 not found, 4 denied, 5 too few\n"
    "servers, 6 integrity, 7 local input or output, 1 anything else.\n";

static result print_help(void) {
    puts("Usage: myelin COMMAND [OPTION...] [ARGUMENT...]\n\n"
         "Medical images kept in clouds that nobody has to trust.\n");
    for (unsigned i = 0; i < COMMANDS; i++)
        printf("  %-10s  %s\n", commands[i].name, commands[i].summary);
    printf("\n'myelin COMMAND --help' says more.\n%s", ENVIRONMENT);
    return OK;
}

static result print_command_help(const struct command *command) {
    printf("Usage: myelin %s%s%s\n\n%s.\n%s\n", command->name, command->words[0] != '\0' ? " " : "",
           command->words, command->summary, command->details);
    for (unsigned i = 0; i < OPTION_COUNT; i++)
        if (((command->options | ALWAYS) & OPTION_BIT(i)) != 0)
            printf("  %-22s %s\n", option_helps[i].name, option_helps[i].text);
    return OK;
}

static const struct command *find_command(const char *name) {
    for (unsigned i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

/* What an old version of the system description can be the reason of. */
static bool may_be_outdated(result code) {
    return code == CONFLICT || code == NOT_FOUND || code == QUORUM || code == DENIED ||
           code == INTEGRITY;
}

/* By what a command does: no table of commands need say it of each. */
static enum cli_version version_of(const struct command *command) {
    if (command->run == command_verify || command->run == command_repair ||
        command->run == command_status)
        return VERSION_FIRST;
    if (command->run == command_put || command->run == command_audit ||
        command->run == command_shares || command->run == command_system)
        return VERSION_ANY;
    return VERSION_RETRY;
}

static bool is_listing(const struct command *command) {
    return command->run == command_ls || command->run == command_inbox ||
           command->run == command_show;
}

/* A session that is still there afterwards is the user's own; the command's error stays. */
static result run_by_newest(struct cli *cli, const struct command *command) {
    char why[ERROR_TEXT_BYTES];
    bool changed = false;
    cli->looks_up = version_of(command) == VERSION_FIRST;
    result done = command->run(cli);
    memcpy(why, error_text(), sizeof why);
    if (cli->session != NULL && !cli_is_interrupted() &&
        session_catch_up(cli->session, &changed) == OK && changed && may_be_outdated(done) &&
        version_of(command) == VERSION_RETRY)
        return command->run(cli);
    return done == OK ? OK : error_set(done, "%s", why);
}

/* What reads waits for servers so long and no longer, again by a newer version or not. */
static result run_command(struct cli *cli, const struct command *command) {
    if (command->run != command_get && !is_listing(command))
        return run_by_newest(cli, command);
    AUTO_PATIENCE struct patience patience;
    patience_begin(&patience, is_listing(command) ? PATIENCE_OF_LIST : PATIENCE_OF_GET);
    return run_by_newest(cli, command);
}

static result run(struct cli *cli) {
    const struct arguments *arguments = cli->arguments;
    if (arguments->values[OPTION_VERSION] != NULL && arguments->command == NULL)
        return puts("myelin " MYELIN_VERSION) < 0 ? FAIL(IO, "stdout cannot be written to") : OK;
    if (arguments->command == NULL)
        return arguments->values[OPTION_HELP] != NULL
                   ? print_help()
                   : FAIL(INVALID, "no command: see 'myelin --help'");
    const struct command *command = find_command(arguments->command);
    if (command == NULL)
        return FAIL(INVALID, "'%s' is no command: see 'myelin --help'", arguments->command);
    if (arguments->values[OPTION_HELP] != NULL)
        return print_command_help(command);
    result checked =
        arguments_check(arguments, command->options | ALWAYS, command->least, command->most);
    if (checked != OK)
        return FAIL(checked, "%s: see 'myelin %s --help'", error_text(), command->name);
    TRY(secret_start());
    return run_command(cli, command);
}

/* The one line on stderr, after the warnings. */
static int report(result failed, const char *why) {
    fputs("myelin: ", stderr);
    print_safe(stderr, cli_is_interrupted() ? "interrupted" : why);
    fputc('\n', stderr);
    return cli_is_interrupted() ? 1 : result_exit_code(failed);
}

int main(int argc, char *argv[]) {
    signal(SIGPIPE, SIG_IGN);
    AUTO_ARGUMENTS struct arguments arguments = {0};
    struct cli cli = {.arguments = &arguments};
    result done = arguments_parse(argc, argv, &arguments);
    if (done == OK) {
        cli.json = arguments.values[OPTION_JSON] != NULL;
        done = run(&cli);
    }
    char why[ERROR_TEXT_BYTES];
    memcpy(why, error_text(), sizeof why);
    if (cli.session != NULL)
        cli_end(&cli);
    if (fflush(stdout) != 0 && done == OK)
        return report(IO, "stdout cannot be written to");
    return done == OK ? 0 : report(done, why);
}
