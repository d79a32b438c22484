/* The log: one line an event, written with one write(2), so that lines of several threads and processes never mix.
 * The form and the least level are the process's one piece of shared state, set before any thread starts and only read after.
 * A value's text is cut at a limit and its bytes are escaped, so nothing a client sends can start a line of its own or break
 * a JSON reader. It does not rotate or ship: stderr belongs to the supervisor. */
#include "server/base/log.h"

#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "server/base/attr.h"
#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/instant.h"
#include "server/base/json_write.h"
#include "server/base/utf8.h"

enum {
    LOG_TEXT_MAX = 2048,    /* bytes of a value: enough for a statement, too little to flood the log */
    LOG_LINE_MAX = 64 << 10 /* a line of many long values, all bytes escaped, still fits */
};

static const char *const level_names[] = {"debug", "info", "warn", "error"};

static struct {
    bool json;
    enum log_level least;
} logger = {.json = false, .least = LOG_LEVEL_INFO};

int log_setup(const char *format, const char *level)
{
    bool json = strcmp(format, "json") == 0;

    if (!json && strcmp(format, "logfmt") != 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
        if (strcmp(level, level_names[i]) == 0) {
            logger.json = json;
            logger.least = (enum log_level)i;
            return 0;
        }
    }
    return -1;
}

/* Keeps at most LOG_TEXT_MAX bytes of text, each that is not UTF-8 replaced. */
static void clean_text(struct buf *buf, const char *text)
{
    const char *end = text + strnlen(text, LOG_TEXT_MAX);

    while (text < end) {
        size_t n = utf8_char(text, end);

        if (n)
            buf_add(buf, text, n);
        else
            buf_add_text(buf, "\xef\xbf\xbd");
        text += n ? n : 1;
    }
}

static bool is_bare(const char *text)
{
    for (const char *at = text; *at; at++)
        if ((unsigned char)*at <= ' ' || *at == '"' || *at == '=' || *at == '\\' || *at == 0x7f)
            return false;
    return *text != '\0';
}

/* A JSON string is a quoted logfmt value, too: so both forms escape alike. */
static void put_text(struct json_out *out, const char *text, bool quoted)
{
    struct buf clean AUTO_BUF = BUF_INIT(4 * LOG_TEXT_MAX);

    clean_text(&clean, text);
    if (quoted || !is_bare(buf_text(&clean)))
        json_put_text(out, buf_text(&clean));
    else
        buf_add(out->buf, clean.data, clean.len);
}

static void write_json(struct buf *line, const char *ts, enum log_level level, const char *msg, const struct log_field *fields)
{
    struct json_out out = JSON_OUT(line);

    json_open(&out, '{');
    json_add_text(&out, "ts", ts);
    json_add_text(&out, "level", level_names[level]);
    json_add_text(&out, "msg", msg);
    for (; fields->key; fields++) {
        json_key(&out, fields->key);
        if (fields->value.text)
            put_text(&out, fields->value.text, true);
        else
            json_put_int(&out, fields->value.number);
    }
    json_close(&out, '}');
}

static void write_logfmt(struct buf *line, const char *ts, enum log_level level, const char *msg, const struct log_field *fields)
{
    struct json_out out = JSON_OUT(line);

    buf_addf(line, "ts=%s level=%s msg=", ts, level_names[level]);
    put_text(&out, msg, true);
    for (; fields->key; fields++) {
        out.comma = false;
        buf_addf(line, " %s=", fields->key);
        if (fields->value.text)
            put_text(&out, fields->value.text, false);
        else
            buf_add_int(line, fields->value.number);
    }
}

void log_write(enum log_level level, const char *msg, const struct log_field *fields)
{
    struct buf line AUTO_BUF = BUF_INIT(LOG_LINE_MAX);
    char ts[INSTANT_TEXT];
    ssize_t written;

    if (level < logger.least)
        return;
    instant_print(clock_wall_us(), ts);
    if (logger.json)
        write_json(&line, ts, level, msg, fields);
    else
        write_logfmt(&line, ts, level, msg, fields);
    buf_add_char(&line, '\n');
    written = write(STDERR_FILENO, buf_text(&line), line.len);
    (void)written; /* nowhere to complain */
}
