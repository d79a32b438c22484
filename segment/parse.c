/* The parser's small parts. The one idea: a definition is read with the cursor that keeps the client's own bytes, so numbers stay exact
 * decimals, and every member is either asked for or refused. The first error wins and says where. Which conditions there are is in
 * parse_condition.c, which operators in parse_test.c. */
#include "segment/parse.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "segment/path.h"
#include "server/base/buf.h"

/* Keys that a later version of the language will use. */
static const char *const RESERVED[] = {"group", "rank", "entered", "sql"};

static void print_text(struct buf *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '~')
            buf_add_text(out, "~0");
        else if (text[i] == '/')
            buf_add_text(out, "~1");
        else
            buf_add_char(out, text[i]);
    }
}

static void print_spot(struct buf *out, const struct spot *spot)
{
    AUTO_BUF struct buf key = BUF_INIT(spot ? spot->key.len : 0);

    if (!spot)
        return;
    print_spot(out, spot->up);
    buf_add_char(out, '/');
    if (spot->name) {
        print_text(out, spot->name, strlen(spot->name));
    } else if (spot->key.type == JSON_T_STRING) {
        json_decode(spot->key, &key);
        print_text(out, buf_text(&key), key.len);
    } else {
        buf_addf(out, "%zu", spot->index);
    }
}

bool parse_fail(struct parser *parser, const struct spot *spot, const char *code, const char *fmt, ...)
{
    AUTO_BUF struct buf pointer = BUF_INIT(ERR_POINTER_MAX - 1);
    char detail[ERR_DETAIL_MAX];
    va_list args;

    print_spot(&pointer, spot);
    va_start(args, fmt);
    (void)vsnprintf(detail, sizeof detail, fmt, args);
    va_end(args);
    return err_set(parser->err, code, buf_text(&pointer), "%s", detail);
}

const char *parse_pointer(struct parser *parser, const struct spot *spot)
{
    AUTO_BUF struct buf pointer = BUF_INIT(ERR_POINTER_MAX - 1);
    char *copy;

    print_spot(&pointer, spot);
    copy = segment_alloc(parser->segment, pointer.len + 1);
    memcpy(copy, buf_text(&pointer), pointer.len + 1);
    return copy;
}

static bool is_one_of(struct json key, const char *const *keys)
{
    for (; *keys; keys++)
        if (json_is(key, *keys))
            return true;
    return false;
}

static bool fail_unknown(struct parser *parser, const struct spot *spot, struct json key)
{
    struct spot at = {.up = spot, .key = key};

    for (size_t i = 0; i < ARRAY_LEN(RESERVED); i++)
        if (json_is(key, RESERVED[i]))
            return parse_fail(parser, &at, "reserved", "\"%s\" is reserved for a later version", RESERVED[i]);
    if (parse_is_operator(key, ~0U))
        return parse_fail(parser, &at, "unknown_member", "this operator does not apply here");
    return parse_fail(parser, &at, "unknown_member", "there is no such member here");
}

static bool keys_equal(struct json a, struct json b)
{
    AUTO_BUF struct buf text = BUF_INIT(b.len);

    json_decode(b, &text);
    return json_is(a, buf_text(&text));
}

static bool is_double(struct json object, struct json key)
{
    struct json_iter iter = json_iter(object);
    struct json other, value;

    while (json_next_member(&iter, &other, &value)) {
        if (other.at == key.at)
            return false;
        if (keys_equal(other, key))
            return true;
    }
    return false;
}

bool parse_members(struct parser *parser, const struct spot *spot, struct json value, const char *const *keys, unsigned contexts)
{
    struct json_iter iter;
    struct json key, member;

    if (value.type != JSON_T_OBJECT)
        return parse_fail(parser, spot, "wrong_type", "an object is expected");
    iter = json_iter(value);
    while (json_next_member(&iter, &key, &member)) {
        if (!is_one_of(key, keys) && !parse_is_operator(key, contexts))
            return fail_unknown(parser, spot, key);
        if (is_double(value, key))
            return parse_fail(parser, &(struct spot){.up = spot, .key = key}, "duplicate_member", "this member stands here twice");
    }
    return true;
}

bool parse_list(struct parser *parser, const struct spot *spot, struct json value, size_t max)
{
    size_t n;

    if (value.type != JSON_T_ARRAY)
        return parse_fail(parser, spot, "wrong_type", "a list is expected");
    n = json_count(value);
    if (n == 0)
        return parse_fail(parser, spot, "bad_operand", "the list is empty");
    if (n > max)
        return parse_fail(parser, spot, "limit", "the list has %zu items, at most %zu are allowed", n, max);
    return true;
}

bool parse_text(struct parser *parser, const struct spot *spot, struct json value, size_t max, const char **ret_text)
{
    char *text;

    if (value.type != JSON_T_STRING)
        return parse_fail(parser, spot, "wrong_type", "a string is expected");
    if (json_length(value) > max)
        return parse_fail(parser, spot, "limit", "the string has more than %zu characters", max);
    text = segment_alloc(parser->segment, value.len + 1);
    text[json_decode_to(value, text)] = '\0';
    *ret_text = text;
    return true;
}

bool parse_name(struct parser *parser, const struct spot *spot, struct json value, const char **ret_text)
{
    if (!parse_text(parser, spot, value, TEXT_CHARS_MAX, ret_text))
        return false;
    return **ret_text || parse_fail(parser, spot, "bad_operand", "the string is empty");
}

bool parse_path(struct parser *parser, const struct spot *spot, struct json value, const struct path **ret_path)
{
    struct path *path = segment_alloc(parser->segment, sizeof *path);
    const char *text, *code, *why;

    if (!parse_text(parser, spot, value, TEXT_CHARS_MAX, &text))
        return false;
    if (!path_read(parser->segment, text, path, &code, &why))
        return parse_fail(parser, spot, code, "%s", why);
    *ret_path = path;
    return true;
}

bool parse_plain_path(struct parser *parser, const struct spot *spot, struct json value, const struct path **ret_path)
{
    if (!parse_path(parser, spot, value, ret_path))
        return false;
    return !(*ret_path)->many || parse_fail(parser, spot, "bad_path", "one value is meant here, so the path cannot have []");
}

bool parse_duration(struct parser *parser, const struct spot *spot, struct json value, int64_t *ret_us)
{
    const char *text;

    if (!parse_text(parser, spot, value, TEXT_CHARS_MAX, &text))
        return false;
    return duration_read(text, strlen(text), ret_us) ||
           parse_fail(parser, spot, "bad_operand", "a duration is a whole number and one of s m h d w, up to 3650d, for instance \"30d\"");
}

bool parse_duration_member(struct parser *parser, const struct spot *spot, struct json object, const char *key, int64_t *ret_us)
{
    struct json value = json_get(object, key);

    return value.type == JSON_T_NONE || parse_duration(parser, SPOT_MEMBER(spot, key), value, ret_us);
}

bool parse_moment(struct parser *parser, const struct spot *spot, struct json value, struct moment *ret_moment)
{
    const char *text;

    if (!parse_text(parser, spot, value, TEXT_CHARS_MAX, &text))
        return false;
    return instant_read(text, strlen(text), &ret_moment->us, &ret_moment->form) ||
           parse_fail(parser, spot, "bad_operand",
                      "a date or instant is expected, for instance \"2026-01-31\" or \"2026-01-31T12:00:00Z\"");
}
