/* Properties, traits and context as they are stored. The one idea: objects are merged as texts, by writing their members one after the
 * other, for in jsonb the last of two equal keys wins; so nothing is decoded and the client's numbers keep their digits. Where nothing
 * is to be merged the client's own span is used. Merging is shallow. */
#include "api/collect/item.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* An object being written into the arena. */
struct merge {
    struct arena *arena;
    const char *from;
    bool comma;
};

static struct merge merge_open(struct arena *arena)
{
    struct merge merge = {.arena = arena, .from = arena_end(arena), .comma = false};

    arena_add_text(arena, "{");
    return merge;
}

static void merge_text(struct merge *merge, const char *text, size_t len)
{
    if (merge->comma)
        arena_add_text(merge->arena, ",");
    arena_add(merge->arena, text, len);
    merge->comma = true;
}

/* The members of an object, or of JSON_NONE. */
static void merge_members(struct merge *merge, struct json object)
{
    struct json_iter iter = json_iter(object);
    struct json key, value;

    if (json_next_member(&iter, &key, &value))
        merge_text(merge, object.at + 1, object.len - 2);
}

/* key is written as it is, with quotes and colon. */
static void merge_member(struct merge *merge, const char *key, struct json value)
{
    merge_text(merge, key, strlen(key));
    if (value.type == JSON_T_NUMBER)
        arena_add_text(merge->arena, "\"");
    arena_add(merge->arena, value.at, value.len);
    if (value.type == JSON_T_NUMBER)
        arena_add_text(merge->arena, "\"");
}

static struct span merge_close(struct merge *merge)
{
    arena_add_text(merge->arena, "}");
    return arena_since(merge->arena, merge->from);
}

static struct span span_of(struct json value)
{
    return (struct span){.at = value.at, .len = value.len};
}

/* An object, or JSON_NONE in place of null. */
static bool read_object(struct item *item, struct json value, const char *code, struct json *ret_object)
{
    enum { MEMBER_BYTES_MIN = 5 }; /* "":0, */

    *ret_object = JSON_NONE;
    if (is_missing(value))
        return true;
    if (value.type != JSON_T_OBJECT)
        return item_refuse(item, code, "it is neither an object nor null");
    if (value.len > (size_t)COLLECT_PROPERTIES_MAX * MEMBER_BYTES_MIN && json_count(value) > COLLECT_PROPERTIES_MAX)
        return item_refuse(item, "too_many_properties", "an object has more than 10,000 members");
    *ret_object = value;
    return true;
}

static bool is_given(struct json text)
{
    return text.type == JSON_T_STRING && text.len > 2;
}

/* Of an order: what it is known by, if that is usable. */
static struct span order_id(const struct item *item, struct json properties)
{
    struct span name = item->message.name;
    struct json id;

    if (name.len != strlen(NAME_ORDER) || memcmp(name.at, NAME_ORDER, name.len) != 0)
        return (struct span){.at = NULL, .len = 0};
    id = json_get(properties, "order_id");
    return is_given(id) || id.type == JSON_T_NUMBER ? span_of(id) : (struct span){.at = NULL, .len = 0};
}

/* page and screen: the call's own name and category stand among the properties, and win. */
static bool event_properties(struct item *item)
{
    const struct fields *fields = &item->fields;
    struct json properties;
    struct merge merge;

    if (!read_object(item, fields->properties, "bad_properties", &properties))
        return false;
    item->message.properties = span_of(properties);
    item->message.order_id = order_id(item, properties);
    if (item->type == CALL_TRACK || (!is_given(fields->name) && !is_given(fields->category)))
        return true;
    merge = merge_open(&item->in->arena);
    merge_members(&merge, properties);
    if (is_given(fields->name))
        merge_member(&merge, "\"name\":", fields->name);
    if (is_given(fields->category))
        merge_member(&merge, "\"category\":", fields->category);
    item->message.properties = merge_close(&merge);
    return true;
}

/* Of the merged context. */
static struct json context_get(const struct item *item, struct json context, const char *key)
{
    struct json value = json_get(context, key);

    return value.type == JSON_T_NONE ? json_get(item->in->defaults, key) : value;
}

/* Of the traits as they are merged below. */
static void identify_consent(struct item *item, struct json context, struct json traits, struct json below)
{
    struct json stated = json_get(traits, "consent");

    if (stated.type == JSON_T_NONE)
        stated = json_get(below, "consent");
    item_consent(item, stated, json_get(context_get(item, context, "consent"), "categoryPreferences"));
}

/* identify: the traits in the context (some SDKs send them only there) under those of the call. */
static bool identify_traits(struct item *item, struct json context)
{
    struct json traits, below = context_get(item, context, "traits");
    struct merge merge;

    if (below.type != JSON_T_OBJECT)
        below = JSON_NONE;
    if (!read_object(item, item->fields.traits, "bad_traits", &traits) || !read_object(item, below, "bad_traits", &below))
        return false;
    identify_consent(item, context, traits, below);
    if (traits.type == JSON_T_NONE || below.type == JSON_T_NONE) {
        item->message.properties = span_of(traits.type == JSON_T_NONE ? below : traits);
        return true;
    }
    merge = merge_open(&item->in->arena);
    merge_members(&merge, below);
    merge_members(&merge, traits);
    item->message.properties = merge_close(&merge);
    return true;
}

static bool group_properties(struct item *item)
{
    struct json traits;
    struct merge merge;

    if (!read_object(item, item->fields.traits, "bad_traits", &traits))
        return false;
    merge = merge_open(&item->in->arena);
    merge_member(&merge, "\"groupId\":", item->fields.group_id);
    if (traits.type == JSON_T_OBJECT)
        merge_member(&merge, "\"traits\":", traits);
    item->message.properties = merge_close(&merge);
    return true;
}

static bool alias_properties(struct item *item)
{
    struct merge merge = merge_open(&item->in->arena);

    merge_member(&merge, "\"previousId\":", item->fields.previous_id);
    item->message.properties = merge_close(&merge);
    return true;
}

/* Is it a back end's library: "analytics-python", "@rudderstack/rudder-sdk-node", "Analytics.NET"? Those of browsers and apps end otherwise. */
static bool is_server_library(struct json name)
{
    static const char *const ends[] = {"node", "python", "ruby", "go", "php", "java", "net", "csharp", "clojure", "rust", "elixir"};
    const char *text = name.at;
    size_t len = name.len - 1, end = len; /* the closing quote is not looked at, and the other ends the word */

    if (name.type != JSON_T_STRING)
        return false;
    while (end && isalnum((unsigned char)text[end - 1]))
        end--;
    for (size_t i = 0; i < ARRAY_LEN(ends); i++)
        if (len - end == strlen(ends[i]) && strncasecmp(text + end, ends[i], len - end) == 0)
            return true;
    return false;
}

static bool is_client_side(const struct item *item, struct json context)
{
    bool direct = item->in->call->sender != SENDER_CLIENT && context_get(item, context, "direct").type == JSON_T_TRUE;

    switch (item->in->call->sender) {
    case SENDER_SERVER:
        return direct;
    case SENDER_UNKNOWN:
        return direct || !is_server_library(json_get(context_get(item, context, "library"), "name"));
    case SENDER_CLIENT:
        return true;
    }
    BUG("impossible sender");
}

static bool wants_ip(const struct item *item, struct json context)
{
    struct json ip;

    if (!item->in->ip_member.at || !is_client_side(item, context))
        return false;
    ip = context_get(item, context, "ip");
    return is_missing(ip);
}

static bool says_gpc(struct json consent)
{
    return json_get(consent, "gpc").type == JSON_T_TRUE;
}

bool item_opted_out(const struct item *item)
{
    return says_gpc(context_get(item, item->fields.context, "consent"));
}

/* "consent" with what it has already, and gpc: the last of two equal keys wins. */
static void merge_gpc(struct merge *merge, struct json consent)
{
    struct merge inner;

    merge_text(merge, "\"consent\":", 10);
    inner = merge_open(merge->arena);
    merge_members(&inner, consent.type == JSON_T_OBJECT ? consent : JSON_NONE);
    merge_text(&inner, "\"gpc\":true", 10);
    (void)merge_close(&inner);
}

static void store_context(struct item *item, struct json context)
{
    struct json defaults = item->in->defaults;
    struct json consent = item->message.opted_out ? context_get(item, context, "consent") : JSON_NONE;
    bool ip = wants_ip(item, context), gpc = item->message.opted_out && !says_gpc(consent);
    struct merge merge;

    if (!ip && !gpc && (context.type == JSON_T_NONE || defaults.type == JSON_T_NONE)) {
        item->message.context = span_of(context.type == JSON_T_NONE ? defaults : context);
        return;
    }
    merge = merge_open(&item->in->arena);
    merge_members(&merge, defaults);
    merge_members(&merge, context);
    if (ip)
        merge_text(&merge, item->in->ip_member.at, item->in->ip_member.len);
    if (gpc)
        merge_gpc(&merge, consent);
    item->message.context = merge_close(&merge);
}

static bool read_properties(struct item *item, struct json context)
{
    switch (item->type) {
    case CALL_TRACK:
    case CALL_PAGE:
    case CALL_SCREEN:
        return event_properties(item);
    case CALL_IDENTIFY:
        return identify_traits(item, context);
    case CALL_ALIAS:
        return alias_properties(item);
    case CALL_GROUP:
        return group_properties(item);
    }
    BUG("impossible call_type");
}

bool item_payload(struct item *item)
{
    struct json context;

    if (!read_object(item, item->fields.context, "bad_context", &context) || !read_properties(item, context))
        return false;
    store_context(item, context);
    return true;
}
