/* Writes JSON. The one idea: a flag says whether the next thing needs a comma, so callers only name keys and values.
 * Invariant: a buffer that did not overflow holds JSON, if the caller closes what it opens and gives UTF-8.
 * It escapes what RFC 8259 asks for and nothing else; it does not check nesting. */
#include "server/base/json_write.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "server/base/attr.h"
#include "server/base/instant.h"

static void begin(struct json_out *out)
{
    if (out->comma)
        buf_add_char(out->buf, ',');
    out->comma = true;
}

static char short_escape(unsigned char c)
{
    switch (c) {
    case '"':
    case '\\':
        return (char)c;
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return 0;
    }
}

static void add_quoted(struct buf *buf, const char *text, size_t len)
{
    size_t from = 0;

    buf_add_char(buf, '"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        buf_add(buf, text + from, i - from);
        from = i + 1;
        if (short_escape(c))
            buf_addf(buf, "\\%c", short_escape(c));
        else
            buf_addf(buf, "\\u%04x", c);
    }
    buf_add(buf, text + from, len - from);
    buf_add_char(buf, '"');
}

void json_open(struct json_out *out, char bracket)
{
    ASSERT(bracket == '{' || bracket == '[');
    begin(out);
    buf_add_char(out->buf, bracket);
    out->comma = false;
}

void json_close(struct json_out *out, char bracket)
{
    ASSERT(bracket == '}' || bracket == ']');
    buf_add_char(out->buf, bracket);
    out->comma = true;
}

void json_key(struct json_out *out, const char *key)
{
    begin(out);
    add_quoted(out->buf, key, strlen(key));
    buf_add_char(out->buf, ':');
    out->comma = false;
}

void json_put_text_len(struct json_out *out, const char *text, size_t len)
{
    begin(out);
    add_quoted(out->buf, text, len);
}

void json_put_text(struct json_out *out, const char *text)
{
    if (text)
        json_put_text_len(out, text, strlen(text));
    else
        json_put_null(out);
}

void json_put_int(struct json_out *out, int64_t number)
{
    begin(out);
    buf_add_int(out->buf, number);
}

void json_put_bool(struct json_out *out, bool value)
{
    begin(out);
    buf_add_text(out->buf, value ? "true" : "false");
}

void json_put_null(struct json_out *out)
{
    begin(out);
    buf_add_text(out->buf, "null");
}

void json_put_raw(struct json_out *out, const char *json, size_t len)
{
    begin(out);
    buf_add(out->buf, json, len);
}

void json_add_text(struct json_out *out, const char *key, const char *text)
{
    json_key(out, key);
    json_put_text(out, text);
}

void json_add_int(struct json_out *out, const char *key, int64_t number)
{
    json_key(out, key);
    json_put_int(out, number);
}

void json_add_bool(struct json_out *out, const char *key, bool value)
{
    json_key(out, key);
    json_put_bool(out, value);
}

void json_add_null(struct json_out *out, const char *key)
{
    json_key(out, key);
    json_put_null(out);
}

void json_add_real(struct json_out *out, const char *key, double number)
{
    json_key(out, key);
    if (!isfinite(number)) {
        json_put_null(out);
        return;
    }
    begin(out);
    buf_addf(out->buf, "%.6g", number);
}

void json_add_instant(struct json_out *out, const char *key, int64_t us)
{
    char text[INSTANT_TEXT];

    json_key(out, key);
    if (us != INSTANT_NONE)
        instant_print(us, text);
    json_put_text(out, us == INSTANT_NONE ? NULL : text);
}

void json_add_raw(struct json_out *out, const char *key, const char *json)
{
    json_key(out, key);
    if (json)
        json_put_raw(out, json, strlen(json));
    else
        json_put_null(out);
}
