/* Keystores open with their passphrase only, and passphrases come from a file or a terminal. */
#include "system_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>

#include "system/passphrase.h"

enum { QUICK_OPS = 1, QUICK_MEMORY = 8 << 20 };

static struct keystore alice;
static struct passphrase *right, *wrong;

static int start(void **state) {
    if (fixture_start(state) != 0)
        return -1;
    void *secrets = NULL;
    snprintf(alice.user, sizeof alice.user, "alice");
    if (secret_new(sizeof *alice.secrets, &secrets) != OK ||
        passphrase_from(view_of_string("correct horse"), &right) != OK ||
        passphrase_from(view_of_string("correct hors"), &wrong) != OK ||
        ca_issue_user(fixture_ca, &fixture_request, 0, &alice.certificate) != OK)
        return -1;
    alice.secrets = secrets;
    alice.secrets->a3 = fixture_secret.a3;
    alice.secrets->identity = fixture_key;
    memcpy(alice.trust.ca_key, fixture_description.ca_key, 32);
    memcpy(alice.trust.system_id, fixture_description.system->id.data, 16);
    return 0;
}

static int stop(void **state) {
    keystore_free(&alice);
    secret_free(right);
    secret_free(wrong);
    return fixture_stop(state);
}

static void create_quickly(const char *path) {
    EXPECT_OK(keystore_create_with_limits(path, &alice, right, QUICK_OPS, QUICK_MEMORY));
}

static void keystore_survives_writing(void **state) {
    (void)state;
    AUTO_KEYSTORE struct keystore opened = {0};
    const char *path = fixture_path("home/alice.keystore");
    EXPECT_OK(keystore_create(path, &alice, right));
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(stat(fixture_path("home"), &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    EXPECT_OK(keystore_open(path, "alice", right, &opened));
    assert_true(scalar_equal(&opened.secrets->a3, &fixture_secret.a3));
    assert_memory_equal(opened.secrets->identity.expanded, fixture_key.expanded, 64);
    assert_memory_equal(&opened.trust, &alice.trust, sizeof alice.trust);
    assert_true(view_equal(bytes_view(&opened.certificate), bytes_view(&alice.certificate)));
    AUTO_BYTES struct bytes file = fixture_read(path);
    AUTO_FORMAT Myelin__Keystore *parsed = NULL;
    EXPECT_OK(keystore_parse(bytes_view(&file), &parsed));
    assert_int_equal(parsed->ops_limit, 3);
    assert_int_equal(parsed->memory_limit, 64 << 20);
    assert_null(memmem(file.data, file.len, fixture_key.seed, 32));
}

static void keystores_are_never_replaced(void **state) {
    (void)state;
    const char *path = fixture_path("once.keystore");
    create_quickly(path);
    AUTO_BYTES struct bytes before = fixture_read(path);
    EXPECT(keystore_create_with_limits(path, &alice, wrong, QUICK_OPS, QUICK_MEMORY), CONFLICT,
           "never replaced");
    AUTO_BYTES struct bytes after = fixture_read(path);
    assert_true(view_equal(bytes_view(&before), bytes_view(&after)));
}

static void wrong_passphrase_is_denied(void **state) {
    (void)state;
    AUTO_KEYSTORE struct keystore opened = {0};
    const char *path = fixture_path("wrong.keystore");
    create_quickly(path);
    EXPECT(keystore_open(path, "alice", wrong, &opened), DENIED,
           "wrong passphrase for alice's keystore, or the file was altered");
    EXPECT(keystore_open(path, "bob", right, &opened), DENIED, "of alice, not of bob");
    EXPECT(keystore_open(fixture_path("no.keystore"), "bob", right, &opened), NOT_FOUND,
           "myelin enroll bob");
    assert_null(opened.secrets);
}

/* Any flipped bit and any cut is noticed. */
static void damaged_keystores_do_not_open(void **state) {
    (void)state;
    const char *path = fixture_path("damaged.keystore");
    create_quickly(path);
    AUTO_BYTES struct bytes file = fixture_read(path);
    for (size_t i = 0; i < file.len; i++) {
        AUTO_KEYSTORE struct keystore opened = {0};
        file.data[i] ^= (uint8_t)(1 << (i % 8));
        fixture_write(path, bytes_view(&file));
        result read = keystore_open(path, "alice", right, &opened);
        if (read != DENIED && read != INTEGRITY)
            fail_msg("byte %zu: %s, %s", i, result_name(read), error_text());
        fixture_says(read == INTEGRITY ? "damaged.keystore" : "alice");
        assert_null(opened.secrets);
        file.data[i] ^= (uint8_t)(1 << (i % 8));
    }
    for (size_t len = 0; len < file.len; len++) {
        AUTO_KEYSTORE struct keystore opened = {0};
        fixture_write(path, view_of(file.data, len));
        EXPECT(keystore_open(path, "alice", right, &opened), INTEGRITY, "damaged.keystore");
    }
    AUTO_KEYSTORE struct keystore opened = {0};
    fixture_write(path, bytes_view(&file));
    EXPECT_OK(keystore_open(path, "alice", right, &opened));
}

/* A file that asks for much memory is refused before any is taken. */
static void hostile_limits_are_refused(void **state) {
    (void)state;
    const char *path = fixture_path("greedy.keystore");
    EXPECT(keystore_create_with_limits(path, &alice, right, 1, UINT64_C(1) << 40), INVALID,
           "memory_limit");
    EXPECT(keystore_create_with_limits(path, &alice, right, 1000, 8 << 20), INVALID, "ops_limit");
    assert_int_not_equal(access(path, F_OK), 0);
    create_quickly(path);
    AUTO_BYTES struct bytes file = fixture_read(path);
    AUTO_FORMAT Myelin__Keystore *parsed = NULL;
    EXPECT_OK(keystore_parse(bytes_view(&file), &parsed));
    parsed->memory_limit = UINT64_C(1) << 40;
    size_t len = format_packed_bytes(parsed);
    EXPECT_OK(bytes_reserve(&file, 8 + len));
    format_pack_to(parsed, file.data + 8);
    file.len = 8 + len;
    fixture_write(path, bytes_view(&file));
    AUTO_KEYSTORE struct keystore opened = {0};
    EXPECT(keystore_open(path, "alice", right, &opened), INTEGRITY, "memory_limit");
}

/* The certificate must be for the identity key in the box. */
static void parts_must_belong_together(void **state) {
    (void)state;
    AUTO_KEYSTORE struct keystore mixed = {0};
    AUTO_KEYSTORE struct keystore opened = {0};
    void *secrets = NULL;
    const char *path = fixture_path("mixed.keystore");
    mixed = alice;
    mixed.certificate = (struct bytes){0};
    EXPECT_OK(bytes_append(&mixed.certificate, bytes_view(&alice.certificate)));
    EXPECT_OK(secret_new(sizeof *mixed.secrets, &secrets));
    mixed.secrets = secrets;
    mixed.secrets->a3 = fixture_secret.a3;
    sign_key_random(&mixed.secrets->identity);
    EXPECT_OK(keystore_create_with_limits(path, &mixed, right, QUICK_OPS, QUICK_MEMORY));
    EXPECT(keystore_open(path, "alice", right, &opened), INTEGRITY, "not for the identity key");
    assert_null(opened.secrets);
}

static void passphrases_can_be_changed(void **state) {
    (void)state;
    AUTO_KEYSTORE struct keystore opened = {0};
    bool is_wiped = false;
    const char *path = fixture_path("changed.keystore");
    create_quickly(path);
    EXPECT(keystore_change_passphrase(path, "alice", wrong, right, &is_wiped), DENIED,
           "wrong passphrase");
    EXPECT(keystore_change_passphrase(path, "alice", right, right, &is_wiped), INVALID,
           "is the old one");
    EXPECT_OK(keystore_open(path, "alice", right, &opened));
    keystore_free(&opened);
    EXPECT_OK(keystore_change_passphrase(path, "alice", right, wrong, &is_wiped));
    assert_true(is_wiped);
    EXPECT(keystore_open(path, "alice", right, &opened), DENIED, "wrong passphrase");
    EXPECT_OK(keystore_open(path, "alice", wrong, &opened));
    assert_true(scalar_equal(&opened.secrets->a3, &fixture_secret.a3));
}

/* Who has the file open sees what becomes of the blocks that no folder names any more. */
static void a_changed_keystore_is_overwritten(void **state) {
    (void)state;
    bool is_wiped = false;
    uint8_t left[4096];
    const char *path = fixture_path("wiped.keystore");
    create_quickly(path);
    AUTO_FD int old = open(path, O_RDONLY);
    EXPECT_OK(keystore_change_passphrase(path, "alice", right, wrong, &is_wiped));
    assert_true(is_wiped);
    ssize_t got = read(old, left, sizeof left);
    assert_in_range(got, 100, sizeof left);
    for (ssize_t i = 0; i < got; i++)
        assert_int_equal(left[i], 0);
}

/* A backup that is a link to the file is the user's own. */
static void a_linked_keystore_is_left(void **state) {
    (void)state;
    AUTO_KEYSTORE struct keystore opened = {0};
    bool is_wiped = true;
    const char *path = fixture_path("linked.keystore");
    create_quickly(path);
    assert_int_equal(link(path, fixture_path("linked.backup")), 0);
    EXPECT_OK(keystore_change_passphrase(path, "alice", right, wrong, &is_wiped));
    assert_false(is_wiped);
    fixture_says("another link");
    EXPECT_OK(keystore_open(fixture_path("linked.backup"), "alice", right, &opened));
}

/* Two changes at once: one after the other, and the later one finds the passphrase changed. */
static void changes_wait_for_each_other(void **state) {
    (void)state;
    AUTO_KEYSTORE struct keystore opened = {0};
    bool is_wiped = false;
    int lock = -1;
    const char *path = fixture_path("locked.keystore");
    create_quickly(path);
    fixture_write(fixture_path("alice.keystore.0123456789abcdef.tmp"), view_of_string("left"));
    EXPECT_OK(keystore_lock(path, "alice", &lock));
    assert_int_not_equal(access(fixture_path("alice.keystore.0123456789abcdef.tmp"), F_OK), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(lock);
        _exit(keystore_change_passphrase(path, "alice", right, wrong, &is_wiped) == OK ? 0 : 1);
    }
    int status = 0;
    struct timespec moment = {.tv_nsec = 300000000};
    nanosleep(&moment, NULL);
    assert_int_equal(waitpid(child, &status, WNOHANG), 0);
    EXPECT_OK(keystore_open(path, "alice", right, &opened));
    close(lock);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Until the manager has answered: without certificate, with a1 and a2; neither kind is taken for
 * the other. */
static void a_requests_keystore_has_all_secrets(void **state) {
    (void)state;
    AUTO_KEYSTORE struct keystore opened = {0};
    AUTO_SECRET struct secret_key *secret = NULL;
    struct keystore asking = alice;
    asking.certificate = (struct bytes){0};
    const char *path = fixture_path("asking.keystore");
    EXPECT_OK(keystore_create_request(path, &asking, &fixture_secret, right));
    EXPECT(keystore_create_request(path, &asking, &fixture_secret, right), CONFLICT, "replaced");
    EXPECT(keystore_open_request(path, "alice", wrong, &opened, &secret), DENIED, "passphrase");
    assert_null(secret);
    EXPECT(keystore_open(path, "alice", right, &opened), INTEGRITY, "no certificate yet");
    EXPECT_OK(keystore_open_request(path, "alice", right, &opened, &secret));
    assert_true(scalar_equal(&secret->a1, &fixture_secret.a1));
    assert_true(scalar_equal(&secret->a2, &fixture_secret.a2));
    assert_true(scalar_equal(&secret->a3, &fixture_secret.a3));
    assert_memory_equal(opened.secrets->identity.seed, fixture_key.seed, SIGN_SEED_BYTES);
    assert_int_equal(opened.certificate.len, 0);
    create_quickly(fixture_path("no-asking.keystore"));
    AUTO_KEYSTORE struct keystore none = {0};
    AUTO_SECRET struct secret_key *nothing = NULL;
    EXPECT(
        keystore_open_request(fixture_path("no-asking.keystore"), "alice", right, &none, &nothing),
        INTEGRITY, "has a certificate");
}

static void a_destroyed_keystore_is_overwritten(void **state) {
    (void)state;
    uint8_t left[4096];
    const char *path = fixture_path("destroyed.keystore");
    create_quickly(path);
    AUTO_FD int old = open(path, O_RDONLY);
    EXPECT_OK(keystore_destroy(path));
    EXPECT_OK(keystore_destroy(path));
    assert_int_not_equal(access(path, F_OK), 0);
    ssize_t got = read(old, left, sizeof left);
    assert_in_range(got, 100, sizeof left);
    for (ssize_t i = 0; i < got; i++)
        assert_int_equal(left[i], 0);
}

static void homes_are_found(void **state) {
    (void)state;
    char path[256], small[16];
    assert_int_equal(setenv("MYELIN_HOME", "/somewhere", 1), 0);
    EXPECT_OK(keystore_path("alice", path, sizeof path));
    assert_string_equal(path, "/somewhere/alice.keystore");
    EXPECT(keystore_path("../alice", path, sizeof path), INVALID, "is not a name");
    EXPECT(keystore_path("alice", small, sizeof small), INVALID, "too long");
    assert_int_equal(unsetenv("MYELIN_HOME"), 0);
    assert_int_equal(setenv("HOME", "/home/a", 1), 0);
    EXPECT_OK(keystore_home(path, sizeof path));
    assert_string_equal(path, "/home/a/.myelin");
    assert_int_equal(unsetenv("HOME"), 0);
    EXPECT(keystore_home(path, sizeof path), INVALID, "MYELIN_HOME");
}

/* ------------------------------------------------------------------ passphrases */

/* What the file gives; NULL with the result in *out_result. */
static struct passphrase *ask_file(struct view contents, result *out_result) {
    struct passphrase *passphrase = NULL;
    fixture_write(fixture_path("passphrase"), contents);
    assert_int_equal(setenv("MYELIN_PASSPHRASE_FILE", fixture_path("passphrase"), 1), 0);
    *out_result = passphrase_ask("alice", false, &passphrase);
    assert_int_equal(unsetenv("MYELIN_PASSPHRASE_FILE"), 0);
    return passphrase;
}

static void passphrase_is_the_first_line(void **state) {
    (void)state;
    char longest[PASSPHRASE_MAX + 2];
    memset(longest, 'p', sizeof longest);
    longest[PASSPHRASE_MAX] = '\n';
    const struct {
        struct view file;
        size_t len;
    } good[] = {
        {view_of_string("two words"), 9},
        {view_of_string("two words\n"), 9},
        {view_of_string("two words\r\n"), 9},
        {view_of_string("first\nsecond\n"), 5},
        {view_of_string(" kept "), 6},
        {view_of(longest, PASSPHRASE_MAX), PASSPHRASE_MAX},
        {view_of(longest, PASSPHRASE_MAX + 1), PASSPHRASE_MAX},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        result read;
        AUTO_SECRET struct passphrase *got = ask_file(good[i].file, &read);
        EXPECT_OK(read);
        assert_int_equal(got->len, good[i].len);
        assert_memory_equal(got->text, good[i].file.data, good[i].len);
    }
}

static void bad_passphrase_files_are_refused(void **state) {
    (void)state;
    char long_line[PASSPHRASE_MAX + 1];
    memset(long_line, 'p', sizeof long_line);
    const struct {
        struct view file;
        const char *text;
    } bad[] = {{view_of_string(""), "empty"},
               {view_of_string("\nsecond\n"), "empty"},
               {view_of_string("\r\n"), "empty"},
               {view_of(long_line, sizeof long_line), "at most 1024"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        result read;
        assert_null(ask_file(bad[i].file, &read));
        assert_int_equal(read, INVALID);
        fixture_says(bad[i].text);
        fixture_says("passphrase");
    }
    AUTO_SECRET struct passphrase *none = NULL;
    assert_int_equal(setenv("MYELIN_PASSPHRASE_FILE", "/nonexistent", 1), 0);
    EXPECT(passphrase_ask("alice", false, &none), NOT_FOUND, "MYELIN_PASSPHRASE_FILE");
    assert_int_equal(setenv("MYELIN_PASSPHRASE_FILE", "/tmp", 1), 0);
    EXPECT(passphrase_ask("alice", false, &none), IO, "/tmp");
    assert_int_equal(unsetenv("MYELIN_PASSPHRASE_FILE"), 0);
    EXPECT(passphrase_from(view_of_string(""), &none), INVALID, "empty");
}

/* In a child with a terminal of its own: exit status 0 where the answer was `expected`. */
static int ask_in_child(bool is_new, const char *expected) {
    AUTO_SECRET struct passphrase *got = NULL;
    result read = passphrase_ask("alice", is_new, &got);
    struct termios after;
    AUTO_FD int tty = open("/dev/tty", O_RDWR);
    if (tty < 0 || tcgetattr(tty, &after) != 0 || (after.c_lflag & ECHO) == 0)
        return 3; /* echo was not given back */
    if (expected == NULL)
        return read == INVALID ? 0 : 1;
    return read == OK && got->len == strlen(expected) && memcmp(got->text, expected, got->len) == 0
               ? 0
               : 2;
}

/* Waits for the prompt's colon before each line is typed; returns the child's exit status and all
 * that the terminal showed. */
static int type_at_terminal(bool is_new, const char *expected, const char *const lines[],
                            size_t count, char *shown, size_t size) {
    int master = -1;
    pid_t child = forkpty(&master, NULL, NULL, NULL);
    assert_true(child >= 0);
    if (child == 0)
        _exit(ask_in_child(is_new, expected));
    size_t len = 0, typed = 0, prompts = 0;
    for (;;) {
        ssize_t got = read(master, shown + len, size - 1 - len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0 || len + (size_t)got >= size - 1)
            break;
        for (ssize_t i = 0; i < got; i++)
            prompts += shown[len + (size_t)i] == ':';
        len += (size_t)got;
        for (; typed < prompts && typed < count; typed++)
            EXPECT_OK(file_write_all(master, view_of_string(lines[typed]), "terminal"));
    }
    shown[len] = '\0';
    close(master);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void terminal_asks_without_echo(void **state) {
    (void)state;
    char shown[4096];
    static const char *const once[] = {"open sesame\r"};
    assert_int_equal(type_at_terminal(false, "open sesame", once, 1, shown, sizeof shown), 0);
    assert_non_null(strstr(shown, "Passphrase for alice: "));
    assert_null(strstr(shown, "sesame"));
    static const char *const corrected[] = {"old\x15opem\x7fn\r"};
    assert_int_equal(type_at_terminal(false, "open", corrected, 1, shown, sizeof shown), 0);
    static const char *const twice[] = {"new one\r", "new one\r"};
    assert_int_equal(type_at_terminal(true, "new one", twice, 2, shown, sizeof shown), 0);
    assert_non_null(strstr(shown, "New passphrase for alice: "));
    assert_non_null(strstr(shown, "once more"));
}

static void terminal_refuses(void **state) {
    (void)state;
    char shown[4096], long_line[PASSPHRASE_MAX + 3];
    static const char *const different[] = {"new one\r", "new two\r"};
    assert_int_equal(type_at_terminal(true, NULL, different, 2, shown, sizeof shown), 0);
    static const char *const empty[] = {"\r"};
    assert_int_equal(type_at_terminal(false, NULL, empty, 1, shown, sizeof shown), 0);
    static const char *const interrupted[] = {"abc\x03"};
    assert_int_equal(type_at_terminal(false, NULL, interrupted, 1, shown, sizeof shown), 0);
    memset(long_line, 'x', sizeof long_line);
    long_line[PASSPHRASE_MAX + 1] = '\r';
    long_line[PASSPHRASE_MAX + 2] = '\0';
    const char *const too_long[] = {long_line};
    assert_int_equal(type_at_terminal(false, NULL, too_long, 1, shown, sizeof shown), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keystore_survives_writing),
        cmocka_unit_test(keystores_are_never_replaced),
        cmocka_unit_test(wrong_passphrase_is_denied),
        cmocka_unit_test(damaged_keystores_do_not_open),
        cmocka_unit_test(hostile_limits_are_refused),
        cmocka_unit_test(parts_must_belong_together),
        cmocka_unit_test(passphrases_can_be_changed),
        cmocka_unit_test(a_changed_keystore_is_overwritten),
        cmocka_unit_test(a_linked_keystore_is_left),
        cmocka_unit_test(changes_wait_for_each_other),
        cmocka_unit_test(a_requests_keystore_has_all_secrets),
        cmocka_unit_test(a_destroyed_keystore_is_overwritten),
        cmocka_unit_test(homes_are_found),
        cmocka_unit_test(passphrase_is_the_first_line),
        cmocka_unit_test(bad_passphrase_files_are_refused),
        cmocka_unit_test(terminal_asks_without_echo),
        cmocka_unit_test(terminal_refuses),
    };
    return cmocka_run_group_tests_name("keystore", tests, start, stop);
}
