#include "system/passphrase.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/file.h"

static result passphrase_new(struct passphrase **out_passphrase) {
    void *block = NULL;
    TRY(secret_new(sizeof(struct passphrase), &block));
    *out_passphrase = block;
    return OK;
}

static result check_length(size_t len, const char *source) {
    if (len == 0)
        return FAIL(INVALID, "%s: an empty passphrase is not accepted", source);
    if (len > PASSPHRASE_MAX)
        return FAIL(INVALID, "%s: a passphrase has at most %d bytes", source, PASSPHRASE_MAX);
    return OK;
}

result passphrase_from(struct view text, struct passphrase **out_passphrase) {
    TRY(check_length(text.len, "passphrase"));
    TRY(passphrase_new(out_passphrase));
    memcpy((*out_passphrase)->text, text.data, text.len);
    (*out_passphrase)->len = text.len;
    return OK;
}

/* Up to the first line end, the end of the file, or one byte more than a passphrase may have and
 * its "\r" needs; a pipe will do. */
static result read_line(int fd, const char *path, char line[PASSPHRASE_MAX + 2], size_t *out_len) {
    size_t len = 0;
    while (len < PASSPHRASE_MAX + 2) {
        ssize_t got = read(fd, line + len, 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return FAIL(IO, "reading the passphrase from %s: %s", path, strerror(errno));
        if (got == 0 || line[len] == '\n')
            break;
        len++;
    }
    if (len > 0 && line[len - 1] == '\r')
        len--;
    *out_len = len;
    return OK;
}

static result read_file(const char *path, const char *variable,
                        struct passphrase **out_passphrase) {
    AUTO_SECRET void *line = NULL;
    size_t len = 0;
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return FAIL(errno == ENOENT ? NOT_FOUND : IO, "the passphrase file %s (%s): %s", path,
                    variable, strerror(errno));
    TRY(secret_new(PASSPHRASE_MAX + 2, &line));
    TRY(read_line(fd, path, line, &len));
    TRY(check_length(len, path));
    return passphrase_from(view_of(line, len), out_passphrase);
}

/* ------------------------------------------------------------------ the terminal */

enum { CONTROL_C = 3, CONTROL_D = 4, BACKSPACE = 8, CONTROL_U = 21, DELETE = 127 };

/* The terminal without echo, and with Control-C as a character: it is always left as it was. */
struct quiet_terminal {
    int fd;
    struct termios before;
};

static void terminal_restore(struct quiet_terminal *terminal) {
    if (terminal->fd < 0)
        return;
    tcsetattr(terminal->fd, TCSAFLUSH, &terminal->before);
    file_close_at(&terminal->fd);
}
#define AUTO_TERMINAL __attribute__((cleanup(terminal_restore)))

static result terminal_open(const char *variable, struct quiet_terminal *terminal) {
    AUTO_FD int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (fd < 0 || tcgetattr(fd, &terminal->before) != 0)
        return FAIL(IO, "there is no terminal to ask for the passphrase at; set %s", variable);
    struct termios quiet = terminal->before;
    quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG);
    quiet.c_cc[VMIN] = 1;
    quiet.c_cc[VTIME] = 0;
    if (tcsetattr(fd, TCSAFLUSH, &quiet) != 0)
        return FAIL(IO, "the terminal's echo cannot be switched off: %s", strerror(errno));
    terminal->fd = fd;
    fd = -1;
    return OK;
}

/* Takes one typed byte; true at the end of the line. */
static bool take_key(char key, struct passphrase *line, bool *is_too_long) {
    if (key == '\n' || key == '\r' || key == CONTROL_D)
        return true;
    if (key == BACKSPACE || key == DELETE)
        line->len -= line->len > 0;
    else if (key == CONTROL_U)
        line->len = 0;
    else if (line->len < PASSPHRASE_MAX)
        line->text[line->len++] = key;
    else
        *is_too_long = true;
    return false;
}

static result type_line(int fd, const char *prompt, struct passphrase *line) {
    bool is_too_long = false;
    char key = 0;
    line->len = 0;
    TRY(file_write_all(fd, view_of_string(prompt), "/dev/tty"));
    do {
        ssize_t got;
        do
            got = read(fd, &key, 1);
        while (got < 0 && errno == EINTR);
        if (got <= 0 || key == CONTROL_C)
            return FAIL(INVALID, "no passphrase was given");
    } while (!take_key(key, line, &is_too_long));
    TRY(file_write_all(fd, view_of_string("\n"), "/dev/tty"));
    return check_length(is_too_long ? PASSPHRASE_MAX + 1 : line->len, "passphrase");
}

static result ask_terminal(const char *user, bool is_new, const char *variable,
                           struct passphrase **out_passphrase) {
    AUTO_TERMINAL struct quiet_terminal terminal = {.fd = -1};
    AUTO_SECRET struct passphrase *first = NULL;
    AUTO_SECRET struct passphrase *second = NULL;
    char prompt[128];
    TRY(terminal_open(variable, &terminal));
    TRY(passphrase_new(&first));
    TRY(passphrase_new(&second));
    snprintf(prompt, sizeof prompt, "%s for %.63s: ", is_new ? "New passphrase" : "Passphrase",
             user);
    TRY(type_line(terminal.fd, prompt, first));
    if (is_new) {
        TRY(type_line(terminal.fd, "The same once more: ", second));
        if (first->len != second->len || !secret_equal(first->text, second->text, first->len))
            return FAIL(INVALID, "the two passphrases differ");
    }
    *out_passphrase = first;
    first = NULL;
    return OK;
}

static result ask(const char *user, bool is_new, const char *variable,
                  struct passphrase **out_passphrase) {
    const char *path = getenv(variable);
    if (path != NULL && path[0] != '\0')
        return read_file(path, variable, out_passphrase);
    return ask_terminal(user, is_new, variable, out_passphrase);
}

result passphrase_ask(const char *user, bool is_new, struct passphrase **out_passphrase) {
    return ask(user, is_new, "MYELIN_PASSPHRASE_FILE", out_passphrase);
}

result passphrase_ask_next(const char *user, struct passphrase **out_passphrase) {
    return ask(user, true, "MYELIN_NEW_PASSPHRASE_FILE", out_passphrase);
}
