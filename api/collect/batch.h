/* From the text of one request, or of a piece of a file, to the job that the writer stores. Pure: no I/O but the clock that is passed in.
 *
 *     collect_open → collect_write_key, if no header has the key → collect_build        (HTTP)
 *     collect_lines                                                                       (import)
 *
 * What is wrong with a whole body is an error (400): invalid_json, not_an_object, missing_batch, batch_too_long, bad_context,
 * context_too_large. What is wrong with one item makes a reject of that item and harms no neighbour; the codes are in message.h. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/message.h"
#include "server/base/attr.h"
#include "server/base/clock.h"
#include "server/base/err.h"
#include "server/base/ports.h"

/* The defaults of api.md: real orders exceed 32 KiB; 2,500 items is what Segment takes. */
enum { COLLECT_MESSAGE_MAX = 128 << 10, COLLECT_ITEMS_MAX = 2500 };

enum sender {
    SENDER_UNKNOWN, /* an item's context.library says: anything but a server's library is a client */
    SENDER_SERVER,  /* a back end: the address is its own */
    SENDER_CLIENT
};

/* How a request is to be read; all borrowed. */
struct collect_call {
    /* The endpoint's type, which an item without one has: "track", "identify", "page", "screen", "group" or "alias".
     * The body is the item. NULL: a batch. */
    const char *type;
    const char *ip;         /* the sender's address, NULL when unknown; goes into context.ip, where it has none, */
    enum sender sender;     /* of what a browser or an app itself sent (or says so: context.direct is true) */
    enum privacy privacy;   /* of the source: what the signal means, in the request … */
    bool opted_out;         /* … whose head has it, or in an item (context.consent.gpc is true) */
    int32_t source_id;      /* of the write key */
    struct db_clock *clock; /* stamps each message's receivedAt */
    int64_t floor_us;       /* messages at or before it are too old (retention); INT64_MIN: none are */
    size_t message_max;     /* bytes of an item, a batch's default context counted */
    size_t items_max;       /* items of a batch */
};

struct collect; /* a checked body */

/* Validates a body of len bytes, malloc'd, which is consumed either way. On true *ret_collect is the caller's. Any thread. */
bool collect_open(char *body, size_t len, struct collect **ret_collect, struct err *err) MUST_CHECK;
void collect_free(struct collect *collect);

/* The body's own `writeKey`, decoded, malloc'd, the caller's; NULL when it has none. */
char *collect_write_key(const struct collect *collect);

/* Makes the job: a message or a reject for each item, in order, each with a receivedAt of its own; of an item that the source's policy drops there is
 * neither (job->n_dropped). Consumes *collect either way (it is NULL
 * after). On true *ret_job is the caller's, `done` and `owner` not set; it may hold no message at all. Any thread. */
bool collect_build(struct collect **collect, const struct collect_call *call, struct ingest_job **ret_job, struct err *err) MUST_CHECK;

/* Makes the job of whole lines of NDJSON, len bytes of malloc'd text, which is consumed: an item a line, empty lines skipped, a line
 * that is no JSON a reject (invalid_json). items_max does not count. An item's `sentAt` is ignored: a file's says nothing about the
 * clock of who wrote the timestamps. */
struct ingest_job *collect_lines(char *text, size_t len, const struct collect_call *call);
