/* One item, one message or reject. The one idea: the item's members are found in one walk, then each rule looks at its own, in a fixed
 * order, and the first that refuses names the code. Texts stay where they are in the body unless they have escapes.
 * Invariant: whatever an item holds, its neighbours are not touched. Storing and deduplicating are the database's. */
#include "api/collect/message.h"

#include <stddef.h>
#include <string.h>

#include "api/collect/item.h"
#include "api/collect/when.h"
#include "server/base/alloc.h"

enum { INSTANT_LEN_MAX = 64 }; /* no instant is longer, escapes and all, that anyone sends */

static const struct {
    const char *key;
    size_t len;
    size_t at;
} known_fields[] = {
#define FIELD(key, member)                                                                                                                 \
    {                                                                                                                                      \
        key, sizeof(key) - 1, offsetof(struct fields, member)                                                                              \
    }
    FIELD("type", type),
    FIELD("event", event),
    FIELD("userId", user_id),
    FIELD("anonymousId", anonymous_id),
    FIELD("messageId", message_id),
    FIELD("timestamp", timestamp),
    FIELD("sentAt", sent_at),
    FIELD("properties", properties),
    FIELD("context", context),
    FIELD("traits", traits),
    FIELD("originalTimestamp", original_timestamp),
    FIELD("previousId", previous_id),
    FIELD("groupId", group_id),
    FIELD("name", name),
    FIELD("category", category),
#undef FIELD
};

static const struct {
    const char *name;
    enum call_type type;
    enum message_kind kind;
    const char *event; /* NULL: the call's own */
} types[] = {
    {"track", CALL_TRACK, MESSAGE_EVENT, NULL},
    {"page", CALL_PAGE, MESSAGE_EVENT, "Page Viewed"},
    {"screen", CALL_SCREEN, MESSAGE_EVENT, "Screen Viewed"},
    {"identify", CALL_IDENTIFY, MESSAGE_IDENTIFY, NAME_IDENTIFY},
    {"alias", CALL_ALIAS, MESSAGE_ALIAS, NAME_ALIAS},
    {"group", CALL_GROUP, MESSAGE_GROUP, NAME_GROUP},
};

bool item_refuse(struct item *item, const char *code, const char *detail)
{
    item->code = code;
    item->detail = detail;
    return false;
}

struct span item_text(struct arena *arena, struct json value)
{
    char *room;

    if (value.type == JSON_T_NUMBER)
        return (struct span){.at = value.at, .len = value.len};
    if (value.type != JSON_T_STRING)
        return (struct span){.at = NULL, .len = 0};
    if (!memchr(value.at, '\\', value.len))
        return (struct span){.at = value.at + 1, .len = value.len - 2};
    room = arena_room(arena, value.len);
    arena_added(arena, json_decode_to(value, room));
    return arena_since(arena, room);
}

int64_t item_instant(struct json value)
{
    char text[INSTANT_LEN_MAX];
    enum instant_form form;
    int64_t us;

    if (value.type != JSON_T_STRING || value.len > sizeof text)
        return INSTANT_NONE;
    if (!instant_read(text, json_decode_to(value, text), &us, &form))
        return INSTANT_NONE;
    return us;
}

static void read_field(struct fields *fields, struct json key, struct json value)
{
    bool escaped = memchr(key.at, '\\', key.len) != NULL;

    for (size_t i = 0; i < ARRAY_LEN(known_fields); i++) {
        bool same = escaped ? json_is(key, known_fields[i].key)
                            : key.len - 2 == known_fields[i].len && memcmp(key.at + 1, known_fields[i].key, key.len - 2) == 0;

        if (same) {
            *(struct json *)(void *)((char *)fields + known_fields[i].at) = value;
            return;
        }
    }
}

/* With its numbers written out: a few bytes must not become megabytes for who reads them. */
static bool too_large(const struct item *item)
{
    const struct collector *in = item->in;
    size_t len = item->json.len + in->defaults.len;

    if (in->exponents)
        len += json_written_out(item->json) + json_written_out(in->defaults);
    return len > in->call->message_max;
}

static bool read_fields(struct item *item)
{
    const struct collector *in = item->in;
    struct json_iter iter = json_iter(item->json);
    struct json key, value;

    if (item->json.type != JSON_T_OBJECT)
        return item_refuse(item, "not_an_object", "the item is not a JSON object");
    while (json_next_member(&iter, &key, &value))
        read_field(&item->fields, key, value);
    if (too_large(item))
        return item_refuse(item, "too_large", "the item, with the batch's context, is over the size limit");
    if (in->bad_defaults || (in->bad_numbers && json_has_bad_number(item->json)))
        return item_refuse(item, "bad_number", "a number has over 50 characters or an exponent of over two digits");
    return true;
}

static bool read_type(struct item *item)
{
    struct json type = item->fields.type;
    const char *endpoint = item->in->call->type;
    bool missing = is_missing(type);

    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (missing ? endpoint && strcmp(endpoint, types[i].name) == 0 : json_is(type, types[i].name)) {
            item->type = types[i].type;
            item->message.kind = types[i].kind;
            if (types[i].event)
                item->message.name = (struct span){.at = types[i].event, .len = strlen(types[i].event)};
            return true;
        }
    }
    return item_refuse(item, "unknown_type", missing ? "type is missing" : "type is none of track, identify, page, screen, group, alias");
}

static bool is_reserved(struct span name)
{
    static const char *const reserved[] = {NAME_IDENTIFY, NAME_ALIAS, NAME_GROUP};

    for (size_t i = 0; i < ARRAY_LEN(reserved); i++)
        if (strlen(reserved[i]) == name.len && memcmp(reserved[i], name.at, name.len) == 0)
            return true;
    return false;
}

static bool read_event(struct item *item)
{
    struct json event = item->fields.event;

    if (item->type != CALL_TRACK)
        return true;
    if (event.type != JSON_T_STRING || event.len == 2)
        return item_refuse(item, "missing_event", "event is missing, empty or not a string");
    if (event.len - 2 > COLLECT_NAME_MAX && json_length(event) > COLLECT_NAME_MAX)
        return item_refuse(item, "name_too_long", "the event's name is longer than 1,024 characters");
    item->message.name = item_text(&item->in->arena, event);
    if (is_reserved(item->message.name))
        return item_refuse(item, "reserved_name", "the event's name is reserved");
    return true;
}

static int64_t sent_us(const struct item *item)
{
    int64_t us;

    if (item->in->trusts_clock)
        return INSTANT_NONE;
    us = item_instant(item->fields.sent_at);
    return us == INSTANT_NONE ? item->in->sent_us : us;
}

static bool read_time(struct item *item)
{
    const struct fields *fields = &item->fields;
    struct message *message = &item->message;
    struct json own = is_missing(fields->original_timestamp) ? fields->timestamp : fields->original_timestamp;

    message->own_ts_us = item_instant(own);
    if (!is_missing(own) && message->own_ts_us == INSTANT_NONE)
        return item_refuse(item, "bad_timestamp", "the timestamp is not an instant");
    message->ts_us = when_stored(message->own_ts_us, sent_us(item), item->in->arrived_us, message->received_us);
    if (message->ts_us < 0)
        return item_refuse(item, "bad_timestamp", "the timestamp is before 1970");
    if (message->ts_us <= item->in->call->floor_us)
        return item_refuse(item, "too_old", "the timestamp is beyond the retention");
    return true;
}

/* The whole text is hashed: ids of some SDKs differ only past the first hundred bytes. */
static struct id message_id(struct item *item)
{
    struct span text = item_text(&item->in->arena, item->fields.message_id);

    return text.len ? id_hash(text.at, text.len) : id_random();
}

static void add_reject(struct collector *in, struct reject reject, const char *detail)
{
    struct ingest_job *job = in->job;

    if (job->n_rejects == in->rejects_room) {
        in->rejects_room = in->rejects_room ? 2 * in->rejects_room : 4;
        job->rejects = mem_grow(job->rejects, in->rejects_room, sizeof *job->rejects);
    }
    reject.source_id = in->call->source_id;
    memcpy(reject.detail, detail, strnlen(detail, sizeof reject.detail - 1) + 1);
    reject.detail[sizeof reject.detail - 1] = '\0';
    job->rejects[job->n_rejects++] = reject;
}

void collect_reject(struct collector *collector, const char *code, const char *detail, struct span payload)
{
    add_reject(collector, (struct reject){.code = code, .payload = payload, .received_us = db_clock_stamp_us(collector->call->clock)},
               detail);
}

void collect_item(struct collector *collector, struct json json)
{
    const struct collect_call *call = collector->call;
    struct item item = {.in = collector, .json = json};
    bool readable = read_fields(&item);

    item.message.opted_out = call->privacy != PRIVACY_IGNORE && (call->opted_out || item_opted_out(&item));
    if (item.message.opted_out && call->privacy == PRIVACY_DROP) {
        collector->job->n_dropped++; /* nor a reject: its log keeps what was sent */
        return;
    }
    item.message.source_id = call->source_id;
    item.message.received_us = db_clock_stamp_us(call->clock);
    if (readable && read_type(&item) && item_people(&item) && read_event(&item) && read_time(&item) && item_payload(&item)) {
        item.message.message_id = message_id(&item);
        collector->job->messages[collector->job->n_messages++] = item.message;
        return;
    }
    add_reject(collector,
               (struct reject){.code = item.code, .payload = {.at = json.at, .len = json.len}, .received_us = item.message.received_us},
               item.detail);
}
