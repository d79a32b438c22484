/* The log: one line an event on stderr, logfmt by default, JSON by a setting. Any thread.
 *
 *     log_info("segment built", LOG_FIELD("segment", LOG_TEXT(key)), LOG_FIELD("took_ms", LOG_INT(ms)), );
 *
 * prints  ts=… level=info msg="segment built" segment=big_spenders took_ms=12 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

struct log_value {
    const char *text; /* NULL: the number counts */
    int64_t number;
};

struct log_field {
    const char *key; /* NULL ends the list */
    struct log_value value;
};

static inline struct log_value log_text(const char *text)
{
    return (struct log_value){.text = text ? text : ""};
}
#define LOG_TEXT(t) log_text(t)
#define LOG_INT(n)  ((struct log_value){.number = (int64_t)(n)})
#define LOG_FIELD(k, v)                                                                                                                    \
    {                                                                                                                                      \
        .key = (k), .value = v                                                                                                             \
    }

/* Sets the form ("logfmt" or "json") and the least level ("debug" "info" "warn" "error") for the whole process;
 * before any thread starts. Returns 0, or -1 when a name is unknown. */
int log_setup(const char *format, const char *level);

/* Writes one line. fields ends with a NULL key. Values are escaped; msg is a static sentence, lower case, no full stop. */
void log_write(enum log_level level, const char *msg, const struct log_field *fields);

#define LOG_AT(level, msg, ...) log_write((level), (msg), (const struct log_field[]){__VA_ARGS__{.key = NULL}})
/* Use: log_warn("cannot connect", LOG_FIELD("attempt", LOG_INT(3)),); the list may be empty. */
#define log_debug(msg, ...) LOG_AT(LOG_LEVEL_DEBUG, msg, __VA_ARGS__)
#define log_info(msg, ...)  LOG_AT(LOG_LEVEL_INFO, msg, __VA_ARGS__)
#define log_warn(msg, ...)  LOG_AT(LOG_LEVEL_WARN, msg, __VA_ARGS__)
#define log_error(msg, ...) LOG_AT(LOG_LEVEL_ERROR, msg, __VA_ARGS__)
