/* Content negotiation (RFC 9110, section 12.5.1). The one idea: each offered type gets the weight of the most specific range of
 * the Accept header that covers it, and the heaviest wins, the earlier one on a tie. Parameters of a range other than q are not
 * looked at. */
#include "api/negotiate.h"

#include <string.h>
#include <strings.h>

enum { WEIGHT_ONE = 1000 };

static const char *const names[TYPE_COUNT] = {
    [TYPE_JSON] = "application/json", [TYPE_NDJSON] = "application/x-ndjson", [TYPE_CSV] = "text/csv",
    [TYPE_TEXT] = "text/plain",       [TYPE_EVENTS] = "text/event-stream",
};

const char *negotiate_name(enum answer_type type)
{
    return names[type];
}

static bool offers(const char *types, enum answer_type type)
{
    const char *at = types ? strstr(types, names[type]) : NULL;

    return types ? at != NULL : type == TYPE_JSON;
}

/* "q=0.5" in thousandths; anything that is no weight counts as one. */
static int read_weight(const char *at, size_t len)
{
    const char *q = NULL;
    int weight, digit = 100;

    for (size_t i = 0; i + 2 < len; i++)
        if (at[i] == ';' || at[i] == ' ')
            if ((at[i + 1] | 0x20) == 'q' && at[i + 2] == '=')
                q = at + i + 3;
    if (!q || q >= at + len)
        return WEIGHT_ONE;
    weight = *q == '0' ? 0 : WEIGHT_ONE;
    if (weight || q + 1 >= at + len || q[1] != '.')
        return weight;
    for (q += 2; q < at + len && *q >= '0' && *q <= '9' && digit; q++, digit /= 10)
        weight += (*q - '0') * digit;
    return weight;
}

/* How closely a range covers a type: 3 itself, 2 its kind, 1 everything, 0 not at all. */
static int closeness(const char *range, size_t len, const char *type)
{
    size_t kind = (size_t)(strchr(type, '/') - type) + 1;

    if (len == 3 && strncmp(range, "*/*", 3) == 0)
        return 1;
    if (len == kind + 1 && range[kind] == '*' && strncasecmp(range, type, kind) == 0)
        return 2;
    return len == strlen(type) && strncasecmp(range, type, len) == 0 ? 3 : 0;
}

static int weight_of(const char *accept, const char *type)
{
    int best = 0, weight = 0;

    while (*accept) {
        size_t len = strcspn(accept, ","), range;
        const char *at = accept + strspn(accept, " \t");
        int close;

        range = strcspn(at, " \t;,");
        close = closeness(at, range, type);
        if (close > best) {
            best = close;
            weight = read_weight(accept, len);
        }
        accept += len + (accept[len] == ',');
    }
    return weight;
}

bool negotiate_accept(const char *accept, const char *types, enum answer_type *ret_type)
{
    const char *first = NULL;
    int best = 0;

    for (enum answer_type type = 0; type < TYPE_COUNT; type++) {
        const char *place = types ? strstr(types, names[type]) : names[type];
        int weight = !offers(types, type) ? 0 : accept && *accept ? weight_of(accept, names[type]) : WEIGHT_ONE;

        if (weight > best || (weight && weight == best && types && place < first)) {
            best = weight;
            first = place;
            *ret_type = type;
        }
    }
    return best > 0;
}

bool negotiate_format(const char *format, const char *types, enum answer_type *ret_type)
{
    static const struct {
        const char *format;
        enum answer_type type;
    } formats[] = {{"json", TYPE_JSON}, {"ndjson", TYPE_NDJSON}, {"csv", TYPE_CSV}};

    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        if (strcmp(format, formats[i].format) == 0 && offers(types, formats[i].type)) {
            *ret_type = formats[i].type;
            return true;
        }
    }
    return false;
}

static bool is_type(const char *content_type, const char *type)
{
    size_t len = content_type ? strcspn(content_type, " \t;") : 0;

    return len == strlen(type) && strncasecmp(content_type, type, len) == 0;
}

bool negotiate_is(const char *content_type, enum answer_type type)
{
    return is_type(content_type, names[type]);
}

bool negotiate_body(const char *content_type, enum body_kind kind)
{
    switch (kind) {
    case BODY_NONE:
        return true;
    case BODY_JSON:
        return negotiate_is(content_type, TYPE_JSON);
    case BODY_PATCH:
        return negotiate_is(content_type, TYPE_JSON) || is_type(content_type, "application/merge-patch+json");
    case BODY_MEMBERS:
        return negotiate_is(content_type, TYPE_NDJSON) || negotiate_is(content_type, TYPE_CSV);
    }
    BUG("impossible body_kind");
}
