/* From specs to JSON. The one idea: a value is copied as it stands in the body, byte for byte, unless its spec asks for a conversion; a
 * conversion that cannot be made leaves a text as it is and an amount out, for half an amount is worse than none. Money is never a
 * double. It does not know what the members mean. */
#include "api/hooks/value.h"

#include <string.h>

#include "api/hooks/amount.h"
#include "server/base/alloc.h"
#include "server/base/instant.h"

enum { TEXT_MAX = 1 << 20, AMOUNT_TEXT_MAX = 64, UNIT_DIGITS_S = 6, UNIT_DIGITS_MS = 3 };

/* The text of a string or number, decoded. */
static void add_text(struct json value, struct buf *text)
{
    if (value.type == JSON_T_STRING)
        json_decode(value, text);
    else
        buf_add(text, value.at, value.len);
}

static bool read_amount(struct json value, struct amount *ret_amount)
{
    bool quoted = value.type == JSON_T_STRING;

    if (!quoted && value.type != JSON_T_NUMBER)
        return false;
    return amount_read(value.at + quoted, value.len - 2 * quoted, ret_amount);
}

/* --- Sums --- */

struct sum {
    struct amount total;
    bool minus;
    bool some;
    bool bad;
};

static bool add_one(void *context, struct json value)
{
    struct sum *sum = context;
    struct amount amount;

    if (look_blank(value))
        return true;
    sum->bad = !read_amount(value, &amount) || !amount_add(&sum->total, amount, sum->minus);
    sum->some = true;
    return !sum->bad;
}

static void add_paths(struct look *look, struct json paths, struct sum *sum)
{
    struct json_iter iter = json_iter(paths);
    struct json path;

    while (paths.type == JSON_T_ARRAY && !sum->bad && json_next_element(&iter, &path))
        look_each(look, path, add_one, sum);
}

/* The amount of {path} or {sum, minus}; false: there is none. */
static bool find_amount(struct look *look, struct json spec, struct amount *ret_amount)
{
    struct json sums = json_get(spec, "sum"), minus = json_get(spec, "minus");
    struct sum sum = {.some = false};

    if (sums.type == JSON_T_NONE && minus.type == JSON_T_NONE)
        return read_amount(look_first(look, json_get(spec, "path")), ret_amount);
    sum.minus = sums.type == JSON_T_NONE;
    add_paths(look, sum.minus ? minus : sums, &sum);
    if (!sum.some)
        return false;
    if (!sum.minus) {
        sum.minus = true;
        add_paths(look, minus, &sum);
    }
    *ret_amount = sum.total;
    return !sum.bad;
}

/* Decimals of the minor unit: the entry's own exceptions, then ISO 4217. */
static unsigned decimals_of(struct look *look, struct json spec)
{
    struct json own_currency = json_get(spec, "currency"), own_decimals = json_get(spec, "decimals");
    struct json currency = look_first(look, own_currency.type != JSON_T_NONE ? own_currency : json_get(look->money, "currency"));
    struct json exceptions = own_decimals.type != JSON_T_NONE ? own_decimals : json_get(look->money, "decimals");
    char name[4] = "";
    int64_t own;

    if (currency.type != JSON_T_STRING || currency.len != 5)
        return 2;
    for (size_t i = 0; i < 3; i++)
        name[i] = (char)(currency.at[1 + i] & ~0x20);
    return json_int(json_get(exceptions, name), 0, 4, &own) ? (unsigned)own : amount_decimals(name, 3);
}

static bool put_amount(struct look *look, struct json spec, bool minor, struct json_out *out)
{
    AUTO_BUF struct buf text = BUF_INIT(AMOUNT_TEXT_MAX);
    struct amount amount;

    if (!find_amount(look, spec, &amount))
        return false;
    if (minor)
        amount.scale += decimals_of(look, spec);
    amount_print(amount, &text);
    json_put_raw(out, buf_text(&text), text.len);
    return true;
}

/* --- Conversions --- */

static void put_upper(struct json value, struct json_out *out)
{
    AUTO_BUF struct buf text = BUF_INIT(TEXT_MAX);

    add_text(value, &text);
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] >= 'a' && text.data[i] <= 'z')
            text.data[i] = (char)(text.data[i] - 'a' + 'A');
    json_put_text_len(out, buf_text(&text), text.len);
}

static void put_text(struct json value, struct json_out *out)
{
    AUTO_BUF struct buf text = BUF_INIT(TEXT_MAX);

    if (value.type != JSON_T_NUMBER) {
        json_put_raw(out, value.at, value.len);
        return;
    }
    add_text(value, &text);
    json_put_text_len(out, buf_text(&text), text.len);
}

static void put_number(struct json value, struct json_out *out)
{
    if (value.type == JSON_T_STRING && json_number_ok(value.at + 1, value.len - 2))
        json_put_raw(out, value.at + 1, value.len - 2);
    else
        json_put_raw(out, value.at, value.len);
}

static void put_bool(struct json value, struct json_out *out)
{
    if (value.type == JSON_T_STRING)
        json_put_bool(out, json_is(value, "true") || json_is(value, "1") || json_is(value, "yes"));
    else
        json_put_bool(out, value.type == JSON_T_TRUE || (value.type == JSON_T_NUMBER && !(value.len == 1 && *value.at == '0')));
}

/* --- Arrays of objects --- */

struct each {
    struct look look; /* a copy whose `here` is the element */
    struct json specs;
    struct json_out *out;
};

static bool put_element(void *context, struct json element)
{
    struct each *each = context;

    each->look.here = element;
    json_open(each->out, '{');
    value_members(&each->look, each->specs, each->out);
    json_close(each->out, '}');
    return buf_ok(each->out->buf);
}

static void put_each(struct look *look, struct json path, struct json specs, struct json_out *out)
{
    struct each each = {.look = *look, .specs = specs, .out = out};

    json_open(out, '[');
    look_each(look, path, put_element, &each);
    json_close(out, ']');
}

static bool none_found(void *context, struct json value)
{
    (void)value;
    *(bool *)context = false;
    return false;
}

/* --- Specs --- */

/* Has the spec a value? If so the key is written, and then the value must be. */
static void put_converted(struct json value, struct json as, struct json_out *out)
{
    if (json_is(as, "number"))
        put_number(value, out);
    else if (json_is(as, "text"))
        put_text(value, out);
    else if (json_is(as, "upper"))
        put_upper(value, out);
    else if (json_is(as, "bool"))
        put_bool(value, out);
    else
        json_put_raw(out, value.at, value.len);
}

static void put_member(struct look *look, const char *key, struct json spec, struct json_out *out)
{
    struct json value = json_get(spec, "value"), each = json_get(spec, "each"), as = json_get(spec, "as");
    bool minor = as.type == JSON_T_STRING && json_is(as, "minor_units"), none = true;
    struct json_out before = *out;
    size_t length = out->buf->len;

    if (!look_holds(look, json_get(spec, "when")))
        return;
    if (each.type != JSON_T_NONE) {
        look_each(look, each, none_found, &none);
        if (none)
            return;
        json_key(out, key);
        put_each(look, each, json_get(spec, "properties"), out);
        return;
    }
    if (minor || json_get(spec, "sum").type != JSON_T_NONE || json_get(spec, "minus").type != JSON_T_NONE) {
        json_key(out, key);
        if (put_amount(look, spec, minor, out) || !buf_ok(out->buf))
            return;
        out->buf->len = length;
        out->comma = before.comma;
        return;
    }
    if (value.type == JSON_T_NONE)
        value = look_first(look, json_get(spec, "path"));
    if (look_blank(value))
        return;
    json_key(out, key);
    put_converted(value, as.type == JSON_T_STRING ? as : (struct json){.type = JSON_T_STRING, .at = "\"\"", .len = 2}, out);
}

static void put_path(struct look *look, const char *key, struct json path, struct json_out *out)
{
    struct json value = look_first(look, path);

    if (look_blank(value))
        return;
    json_key(out, key);
    json_put_raw(out, value.at, value.len);
}

void value_members(struct look *look, struct json specs, struct json_out *out)
{
    struct json_iter iter = json_iter(specs);
    struct json key, spec;

    while (specs.type == JSON_T_OBJECT && json_next_member(&iter, &key, &spec)) {
        char *name AUTO_FREE = json_text(key);

        if (spec.type == JSON_T_OBJECT)
            put_member(look, name, spec, out);
        else
            put_path(look, name, spec, out);
    }
}

/* --- Instants --- */

/* digits × 10^-scale of a unit that has 10^unit_digits µs. */
static int64_t amount_us(struct amount amount, unsigned unit_digits)
{
    int64_t us = amount.digits;

    for (; amount.scale > unit_digits; amount.scale--)
        us /= 10;
    for (; unit_digits > amount.scale; unit_digits--)
        if (__builtin_mul_overflow(us, 10, &us))
            return INSTANT_NONE;
    return us;
}

int64_t value_instant(struct look *look, struct json spec)
{
    static const int64_t last_us = INT64_C(253402300799999999); /* year 9999 */
    struct json value = look_first(look, json_get(spec, "path")), unit = json_get(spec, "unit");
    bool ms = unit.type == JSON_T_STRING && json_is(unit, "ms");
    enum instant_form form;
    struct amount amount;
    int64_t us = INSTANT_NONE;

    if (unit.type == JSON_T_STRING && (ms || json_is(unit, "s"))) {
        if (read_amount(value, &amount))
            us = amount_us(amount, ms ? UNIT_DIGITS_MS : UNIT_DIGITS_S);
    } else if (value.type == JSON_T_STRING && !instant_read(value.at + 1, value.len - 2, &us, &form)) {
        us = INSTANT_NONE;
    }
    return us >= 0 && us <= last_us ? us : INSTANT_NONE;
}

bool value_template(struct look *look, struct json template, struct buf *text)
{
    struct template at;
    struct template_part part;

    if (template.type != JSON_T_STRING)
        return false;
    at = (struct template){.at = template.at + 1, .end = template.at + template.len - 1};
    while (template_next(&at, &part)) {
        struct json value;

        if (!part.name) {
            buf_add(text, part.at, part.len);
            continue;
        }
        value = look_text(look, part.at, part.len);
        if (value.type != JSON_T_STRING && value.type != JSON_T_NUMBER)
            return false;
        add_text(value, text);
    }
    return buf_ok(text);
}
