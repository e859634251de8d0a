/*
 * Structured log lines on stderr, one event a line: time, level, event, key=value pairs.
 * Never a secret, never an image's ID or an object's name.
 */
#ifndef MYELIN_BASE_LOG_H
#define MYELIN_BASE_LOG_H

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

/* Lines below `level` are dropped; LOG_INFO at the start. */
void log_set_level(enum log_level level);

/* log_event(LOG_INFO, "prepared", "put=%s objects=%u", ...): `event` is one word, `format` gives
 * the pairs. What a terminal acts on is escaped (text.h). Safe from any thread. */
void log_event(enum log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
