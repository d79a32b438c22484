/* Consent as people's identify calls carry it. The one idea: what arrives in several forms (traits.consent with words, booleans or null, and
 * Segment's context.consent.categoryPreferences) leaves here as one: an object of channel to "granted", "denied" or null. A channel with a bad
 * name or state is left out and harms no other. What a statement means beside an older one is db/consent.c's. */
#include "api/collect/consent.h"

#include <string.h>

#include "api/collect/item.h"

bool consent_channel_ok(struct span channel)
{
    if (channel.len == 0 || channel.len > CONSENT_CHANNEL_MAX)
        return false;
    for (size_t i = 0; i < channel.len; i++)
        if ((unsigned char)channel.at[i] < 0x20 || channel.at[i] == 0x7f)
            return false;
    return true;
}

bool consent_key_ok(struct json key)
{
    enum { ESCAPED_MAX = 6 }; /* bytes that one may be written with: \u0041 */
    char text[CONSENT_CHANNEL_MAX * ESCAPED_MAX + 2];

    if (key.len > sizeof text)
        return false;
    return consent_channel_ok((struct span){.at = text, .len = json_decode_to(key, text)});
}

const char *consent_state(struct json value)
{
    if (value.type == JSON_T_NULL)
        return "null";
    if (value.type == JSON_T_TRUE || (value.type == JSON_T_STRING && json_is(value, "granted")))
        return "\"granted\"";
    if (value.type == JSON_T_FALSE || (value.type == JSON_T_STRING && json_is(value, "denied")))
        return "\"denied\"";
    return NULL;
}

/* Appends the channels of an object, the first hundred; *n counts what was written in all. */
static void add_channels(struct arena *arena, struct json object, size_t *n)
{
    struct json_iter iter = json_iter(object);
    struct json key, value;

    while (object.type == JSON_T_OBJECT && *n < CONSENT_CHANNELS_MAX && json_next_member(&iter, &key, &value)) {
        const char *state = consent_state(value);

        if (!state || !consent_key_ok(key))
            continue;
        arena_add_text(arena, *n ? "," : "{");
        arena_add(arena, key.at, key.len);
        arena_add_text(arena, ":");
        arena_add_text(arena, state);
        ++*n;
    }
}

void item_consent(struct item *item, struct json stated, struct json categories)
{
    struct arena *arena = &item->in->arena;
    const char *from;
    size_t n = 0;

    if (stated.type != JSON_T_OBJECT && categories.type != JSON_T_OBJECT)
        return;
    from = arena_end(arena);
    add_channels(arena, categories, &n);
    add_channels(arena, stated, &n);
    if (n == 0)
        return;
    arena_add_text(arena, "}");
    item->message.consent = arena_since(arena, from);
}
