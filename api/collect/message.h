/* One item of a batch → one message or one reject. The rules are api.md's ("Collect") and protocol.md's (§3). Used by batch.c only.
 *
 * Codes of rejects, in the order in which they are looked for:
 *     not_an_object         the item is no JSON object
 *     too_large             over the limit, the batch's default context counted
 *     bad_number            a JSON number outside the form of language.md ("Values") anywhere in it
 *     unknown_type          type is missing or none of the six
 *     id_too_long           userId, anonymousId, previousId or groupId over 256 bytes
 *     no_user_anon_id       neither userId, anonymousId nor an email address, or (alias) no userId
 *     missing_previous_id   alias without previousId
 *     missing_group_id      group without groupId
 *     missing_event         track without an event, or it is no string or empty
 *     name_too_long         an event's name over 1,024 characters
 *     reserved_name         an event named like a reserved event
 *     bad_timestamp         the timestamp is no instant, or before 1970
 *     too_old               at or before the retention's floor
 *     bad_properties, bad_traits, bad_context   neither an object nor null
 *     too_many_properties   more than 10,000 members in one of them
 * and of lines of a file invalid_json. */
#pragma once

#include "api/collect/arena.h"
#include "api/collect/batch.h"
#include "server/base/json_scan.h"

enum {
    COLLECT_ID_MAX = 256,           /* bytes of an external id */
    COLLECT_NAME_MAX = 1024,        /* characters of an event's name: as long as a string of a definition */
    COLLECT_PROPERTIES_MAX = 10000, /* members of properties, traits or context */
    COLLECT_ITEM_SLACK = 480        /* bytes of the arena for an item beyond twice its own: brackets, keys, an address, an email address */
};

/* What the items of one job share. */
struct collector {
    const struct collect_call *call;
    struct ingest_job *job;
    size_t rejects_room;
    struct arena arena;
    int64_t arrived_us;    /* one for all, so that all of a batch are shifted alike */
    bool trusts_clock;     /* sentAt is not looked at (a file) */
    bool bad_numbers;      /* some item may hold a bad number: each is to be asked */
    bool exponents;        /* some item may hold a number that is much longer when written out */
    int64_t sent_us;       /* the batch's sentAt, for items without one, or INSTANT_NONE */
    struct json defaults;  /* the batch's context: an object or JSON_T_NONE */
    bool bad_defaults;     /* a bad number in it */
    struct span ip_member; /* "ip":"…", or none */
};

/* Adds to the job the item's message or reject. The job's arrays have room for one more message. */
void collect_item(struct collector *collector, struct json item);
/* Adds a reject with the item's text. */
void collect_reject(struct collector *collector, const char *code, const char *detail, struct span payload);
