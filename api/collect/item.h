/* An item while it is read: what message.c (the whole), person.c (ids) and payload.c (properties, context) share. For these and
 * batch.c only. */
#pragma once

#include <stdbool.h>

#include "api/collect/message.h"
#include "api/collect/person.h"

/* The members of an item that mean something here, JSON_T_NONE where missing. */
struct fields {
    struct json type;
    struct json event;
    struct json user_id;
    struct json anonymous_id;
    struct json previous_id;
    struct json group_id;
    struct json message_id;
    struct json timestamp;
    struct json original_timestamp;
    struct json sent_at;
    struct json properties;
    struct json traits;
    struct json context;
    struct json name;
    struct json category;
};

enum call_type { CALL_TRACK, CALL_PAGE, CALL_SCREEN, CALL_IDENTIFY, CALL_ALIAS, CALL_GROUP };

struct item {
    struct collector *in;
    struct json json;
    struct fields fields;
    enum call_type type;
    struct message message; /* becomes the job's when nothing is refused */
    const char *code;       /* why it is refused, */
    const char *detail;     /* in words; both static */
};

/* In messages null means the same as nothing. */
static inline bool is_missing(struct json value)
{
    return value.type == JSON_T_NONE || value.type == JSON_T_NULL;
}

/* Notes why; returns false, so that a check can end with `return item_refuse(…)`. */
bool item_refuse(struct item *item, const char *code, const char *detail);

/* The content of a string, decoded (into the arena where it has escapes); the text of a number as it stands; else no span. */
struct span item_text(struct arena *arena, struct json value);
/* The instant that a string holds; INSTANT_NONE when it is none. A text without an offset is UTC. */
int64_t item_instant(struct json value);

/* Read userId, anonymousId, previousId, groupId by api.md's "Ids" into the message. */
bool item_people(struct item *item);
/* Does the item, or the batch, say that its person opted out (context.consent.gpc is true)? */
bool item_opted_out(const struct item *item);
/* consent.c: gives the message the channels of both objects (others are ignored), those of `stated` going before. */
void item_consent(struct item *item, struct json stated, struct json categories);
/* Reads properties or traits (with the consent in them) and context into the message. */
bool item_payload(struct item *item);
