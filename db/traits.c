/* The fold of traits. The one idea: for each trait it is enough to know whether the messages so far have set it, removed it, or only offered a value in case
 * there is none; so a batch means what its messages mean one by one, without the row being read: a removal before a merge lets the other's
 * value in, one after it does not. Values are kept as the client's own bytes. */
#include "db/traits.h"

#include <string.h>

#include "server/base/alloc.h"
#include "server/base/json_scan.h"

void traits_release(struct traits *traits)
{
    vec_free(&traits->all);
    id_map_release(&traits->by_key);
}

/* Two spellings of one key are one trait. */
static struct id hash_of(struct span key)
{
    struct json text = {.type = JSON_T_STRING, .at = key.at, .len = key.len};
    char *room AUTO_FREE = mem_alloc(key.len);

    return id_hash(room, json_decode_to(text, room));
}

/* The trait of that key; a new one has no value yet and *ret_new is true. Good until the next call. */
static struct trait *find(struct traits *traits, struct span key, bool *ret_new)
{
    struct id hash = hash_of(key);
    size_t at = id_map_get(&traits->by_key, &hash);

    *ret_new = at == ID_MAP_NONE;
    if (!*ret_new)
        return &traits->all.at[at];
    id_map_put(&traits->by_key, &hash, traits->all.n);
    *VEC_ADD(&traits->all) = (struct trait){.key = key};
    return &traits->all.at[traits->all.n - 1];
}

/* An object `consent` is kept elsewhere (db/consent.h), and no trait. */
static bool removes(struct json key, struct json value)
{
    struct id hash, consent = id_hash("consent", strlen("consent"));

    if (value.type != JSON_T_OBJECT)
        return value.type == JSON_T_NULL;
    hash = hash_of((struct span){.at = key.at, .len = key.len});
    return id_equal(&hash, &consent);
}

void traits_set(struct traits *traits, struct span object)
{
    struct json_iter iter = json_iter((struct json){.type = JSON_T_OBJECT, .at = object.at, .len = object.len});
    struct json key, value;
    bool new;

    while (json_next_member(&iter, &key, &value)) {
        struct trait *trait = find(traits, (struct span){.at = key.at, .len = key.len}, &new);

        trait->value = (struct span){.at = value.at, .len = value.len};
        trait->state = removes(key, value) ? TRAIT_REMOVED : TRAIT_SET;
    }
}

void traits_merge(struct traits *traits, const struct traits *gone)
{
    for (size_t i = 0; i < gone->all.n; i++) {
        const struct trait *offer = &gone->all.at[i];
        struct trait *trait;
        bool new;

        if (offer->state == TRAIT_REMOVED)
            continue;
        trait = find(traits, offer->key, &new);
        if (!new && trait->state != TRAIT_REMOVED)
            continue;
        trait->value = offer->value;
        trait->state = new ? TRAIT_BELOW : TRAIT_SET;
    }
}

bool traits_write(const struct traits *traits, bool below, struct buf *out)
{
    bool any = false;

    for (size_t i = 0; i < traits->all.n; i++) {
        const struct trait *trait = &traits->all.at[i];

        if ((trait->state == TRAIT_BELOW) != below)
            continue;
        buf_add_char(out, any ? ',' : '{');
        buf_add(out, trait->key.at, trait->key.len);
        buf_add_char(out, ':');
        buf_add(out, trait->value.at, trait->value.len);
        any = true;
    }
    if (any)
        buf_add_char(out, '}');
    return any;
}
