/* Finds its way in a checked JSON text. The one idea: a value is a span, and skipping one costs a glance at its quotes and brackets, so
 * reading a message is one walk over its members without a tree. It never looks past the end it was given, and trusts json_check for
 * all else. */
#include <stdlib.h>

#include "server/base/alloc.h"
#include "server/base/hex.h"
#include "server/base/json_scan.h"
#include "server/base/json_swar.h"
#include "server/base/utf8.h"

/* Bytes that may follow a number or word, white space being all that is <= ' '. */
static inline bool ends_scalar(char c)
{
    return (unsigned char)c <= ' ' || c == ',' || c == ']' || c == '}';
}

/* From the opening quote to behind the closing one. */
static const char *skip_string(const char *at, const char *end)
{
    at++;
    for (;;) {
        for (; end - at >= 8; at += 8) {
            uint64_t word = swar_load(at);
            uint64_t found = swar_equal(word, '"') | swar_equal(word, '\\');

            if (found) {
                at += swar_first(found);
                break;
            }
        }
        while (at < end && *at != '"' && *at != '\\')
            at++;
        if (at >= end)
            return end;
        if (*at == '"')
            return at + 1;
        at += 2;
    }
}

/* From the opening bracket to behind its closing one. '[' and ']' differ from '{' and '}' by one bit. */
static const char *skip_container(const char *at, const char *end)
{
    size_t depth = 0;

    while (at < end) {
        char c = *at;

        if (c == '"') {
            at = skip_string(at, end);
            continue;
        }
        at++;
        if ((c | 0x20) == '{')
            depth++;
        else if ((c | 0x20) == '}' && --depth == 0)
            break;
    }
    return at;
}

static const char *skip_scalar(const char *at, const char *end)
{
    while (at < end && !ends_scalar(*at))
        at++;
    return at;
}

static enum json_type type_of(char c)
{
    switch (c) {
    case '{':
        return JSON_T_OBJECT;
    case '[':
        return JSON_T_ARRAY;
    case '"':
        return JSON_T_STRING;
    case 't':
        return JSON_T_TRUE;
    case 'f':
        return JSON_T_FALSE;
    case 'n':
        return JSON_T_NULL;
    default:
        return JSON_T_NUMBER;
    }
}

struct json json_value(const char *at, const char *end)
{
    struct json value = JSON_NONE;
    const char *after;

    while (at < end && (unsigned char)*at <= ' ')
        at++;
    if (at == end)
        return value;
    value.type = type_of(*at);
    if (value.type == JSON_T_OBJECT || value.type == JSON_T_ARRAY)
        after = skip_container(at, end);
    else if (value.type == JSON_T_STRING)
        after = skip_string(at, end);
    else
        after = skip_scalar(at, end);
    value.at = at;
    value.len = (size_t)(after - at);
    return value;
}

static bool is_container(struct json value)
{
    return value.type == JSON_T_OBJECT || value.type == JSON_T_ARRAY;
}

struct json_iter json_iter(struct json container)
{
    if (!is_container(container))
        return (struct json_iter){.at = NULL, .end = NULL};
    return (struct json_iter){.at = container.at + 1, .end = container.at + container.len - 1};
}

bool json_next_element(struct json_iter *iter, struct json *ret_value)
{
    struct json value;

    while (iter->at < iter->end && ((unsigned char)*iter->at <= ' ' || *iter->at == ','))
        iter->at++;
    value = json_value(iter->at, iter->end);
    if (value.type == JSON_T_NONE)
        return false;
    iter->at = value.at + value.len;
    *ret_value = value;
    return true;
}

bool json_next_member(struct json_iter *iter, struct json *ret_key, struct json *ret_value)
{
    struct json key;

    if (!json_next_element(iter, &key))
        return false;
    while (*iter->at != ':')
        iter->at++;
    iter->at++;
    *ret_value = json_value(iter->at, iter->end);
    *ret_key = key;
    iter->at = ret_value->at + ret_value->len;
    return true;
}

struct json json_get(struct json object, const char *key)
{
    struct json_iter iter = json_iter(object);
    struct json name, value, found = JSON_NONE;

    if (object.type != JSON_T_OBJECT)
        return found;
    while (json_next_member(&iter, &name, &value))
        if (json_is(name, key))
            found = value;
    return found;
}

size_t json_count(struct json container)
{
    struct json_iter iter = json_iter(container);
    struct json name, value;
    size_t n = 0;

    if (container.type == JSON_T_OBJECT) {
        while (json_next_member(&iter, &name, &value))
            n++;
    } else {
        while (json_next_element(&iter, &value))
            n++;
    }
    return n;
}

static unsigned code_unit(const char *at)
{
    return (unsigned)(hex_digit(at[0]) << 12 | hex_digit(at[1]) << 8 | hex_digit(at[2]) << 4 | hex_digit(at[3]));
}

/* Code point to UTF-8; how many bytes. */
static size_t encode(unsigned code, char ret_bytes[4])
{
    size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};

    for (size_t i = n - 1; i > 0; i--, code >>= 6)
        ret_bytes[i] = (char)(0x80 | (code & 0x3f));
    ret_bytes[0] = (char)(lead[n] | code);
    return n;
}

/* Decodes the escape at *at and passes it; how many bytes of UTF-8 it is. */
static size_t decode_escape(const char **at, char ret_bytes[4])
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    char c = (*at)[1];
    unsigned code;

    *at += 2;
    if (c != 'u') {
        const char *special = strchr(from, c);

        ret_bytes[0] = special ? to[special - from] : c;
        return 1;
    }
    code = code_unit(*at);
    *at += 4;
    if (code >= 0xd800 && code <= 0xdbff) {
        code = 0x10000 + ((code - 0xd800) << 10) + (code_unit(*at + 2) - 0xdc00);
        *at += 6;
    }
    return encode(code, ret_bytes);
}

/* Between the quotes; nothing when it is no string. */
static struct json_iter inside(struct json string)
{
    if (string.type != JSON_T_STRING)
        return (struct json_iter){.at = NULL, .end = NULL};
    return (struct json_iter){.at = string.at + 1, .end = string.at + string.len - 1};
}

bool json_is(struct json string, const char *text)
{
    const char *at = inside(string).at, *end = inside(string).end;

    if (!at)
        return false;
    while (at < end) {
        char bytes[4];
        size_t n;

        if (*at != '\\') {
            if (*at++ != *text++)
                return false;
            continue;
        }
        n = decode_escape(&at, bytes);
        if (strncmp(text, bytes, n) != 0)
            return false;
        text += n;
    }
    return *text == '\0';
}

size_t json_decode_to(struct json string, char *ret_text)
{
    const char *at = inside(string).at, *end = inside(string).end;
    char *out = ret_text;

    while (at < end) {
        const char *escape = memchr(at, '\\', (size_t)(end - at));
        size_t n = (size_t)((escape ? escape : end) - at);

        memcpy(out, at, n);
        out += n;
        at += n;
        if (escape)
            out += decode_escape(&at, out);
    }
    return (size_t)(out - ret_text);
}

void json_decode(struct json string, struct buf *buf)
{
    char *room = buf_room(buf, string.len);

    if (room)
        buf_added(buf, json_decode_to(string, room));
}

char *json_text(struct json string)
{
    struct buf buf = BUF_INIT(string.len); /* no escape is shorter than what it stands for */

    json_decode(string, &buf);
    return buf_take(&buf);
}

size_t json_length(struct json string)
{
    const char *at = inside(string).at, *end = inside(string).end;
    size_t n = 0;

    for (; at < end; n++) {
        char bytes[4];

        if (*at == '\\')
            (void)decode_escape(&at, bytes);
        else
            at += utf8_char(at, end);
    }
    return n;
}

bool json_int(struct json number, int64_t low, int64_t high, int64_t *ret_value)
{
    const char *at = number.at;
    bool negative;
    int64_t value = 0;

    if (number.type != JSON_T_NUMBER)
        return false;
    negative = *at == '-';
    for (at += negative; at < number.at + number.len; at++) {
        int digit = *at - '0';

        if (digit < 0 || digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, digit, &value)) /* downwards, where there is one number more */
            return false;
    }
    if (!negative && value == INT64_MIN)
        return false;
    value = negative ? value : -value;
    if (value < low || value > high)
        return false;
    *ret_value = value;
    return true;
}

bool json_has_bad_number(struct json value)
{
    const char *at = value.at, *end = value.type == JSON_T_NONE ? value.at : value.at + value.len;

    while (at < end) {
        const char *from = at;

        if (*at == '"') {
            at = skip_string(at, end);
        } else if (*at == '-' || (*at >= '0' && *at <= '9')) {
            at = skip_scalar(at, end);
            if (!json_number_ok(from, (size_t)(at - from)))
                return true;
        } else {
            at++;
        }
    }
    return false;
}

/* The number after its "e"; not more than two digits count. */
static size_t exponent_of(const char *at, const char *end)
{
    size_t exponent = 0;

    at += at < end && (*at == '+' || *at == '-');
    for (int i = 0; i < 2 && at < end && *at >= '0' && *at <= '9'; i++, at++)
        exponent = exponent * 10 + (size_t)(*at - '0');
    return exponent;
}

size_t json_written_out(struct json value)
{
    const char *at = value.at, *end = value.type == JSON_T_NONE ? value.at : value.at + value.len;
    size_t more = 0;

    while (at < end) {
        if (*at == '"') {
            at = skip_string(at, end);
        } else if (*at == '-' || (*at >= '0' && *at <= '9')) {
            for (const char *stop = skip_scalar(at, end); at < stop; at++)
                if (*at == 'e' || *at == 'E')
                    more += exponent_of(at + 1, stop);
        } else {
            at++;
        }
    }
    return more;
}
