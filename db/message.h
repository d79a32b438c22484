/* One checked message on its way to the store, and the job that carries those of one request. Plain data: api/collect fills it,
 * server/writer queues it, db/ingest stores it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/id.h"
#include "server/base/instant.h"

enum message_kind { MESSAGE_EVENT, MESSAGE_IDENTIFY, MESSAGE_ALIAS, MESSAGE_GROUP };

/* The names under which the last three are stored; their ids are fixed by the first migration. */
#define NAME_IDENTIFY "$identify"
#define NAME_ALIAS    "$alias"
#define NAME_GROUP    "$group"
/* The event that counts once for each order_id of a person. */
#define NAME_ORDER "Order Completed"
enum { NAME_ID_IDENTIFY = 1, NAME_ID_ALIAS = 2, NAME_ID_GROUP = 3, NAME_ID_FIRST_EVENT = 4 };

/* A span of bytes, borrowed from the job or static. at NULL: not given. */
struct span {
    const char *at;
    size_t len;
};

/* What an external id is, the strongest first: of the ids of a message the strongest says whose it is (db/identity.h). */
enum person_kind { PERSON_USER, PERSON_EMAIL, PERSON_ANONYMOUS };
#define PERSON_KINDS 3
/* "user", "email", "anonymous": as hashed into raw ids and stored. */
static inline const char *person_kind_text(enum person_kind kind)
{
    return kind == PERSON_USER ? "user" : kind == PERSON_EMAIL ? "email" : "anonymous";
}

/* An external id as it came, decoded, 1–256 bytes, and its hash. external.at NULL: the message has none. */
struct person {
    struct span external;
    struct id raw;
};

struct message {
    enum message_kind kind;
    struct person user;
    struct person anonymous; /* of an alias: the previousId */
    struct person email;     /* lower case; of an identify that has one in its traits, else only of a message without user and anonymous */
    struct span name;        /* the event's name, decoded; of identify, alias and group the reserved one */
    struct id message_id;    /* hash of the whole messageId, random when there was none */
    int64_t ts_us;           /* as stored */
    int64_t own_ts_us;       /* the client's timestamp to the µs, INSTANT_NONE when missing */
    int64_t received_us;     /* grows by at least 1 µs from message to message */
    struct span properties;  /* a JSON object as text or NULL; of identify its traits, of group groupId and traits, of alias previousId */
    struct span context;     /* a JSON object as text or NULL */
    struct span order_id;    /* of an event NAME_ORDER: its usable order_id as JSON, a string that is not empty or a number; or NULL */
    struct span consent;     /* of an identify: a JSON object as text, channel to "granted", "denied" or null (unknown); or NULL */
    bool opted_out; /* the browser sent Global Privacy Control or Do Not Track: consent third_party is denied unless stated otherwise */
    int32_t source_id;
};

/* The message's id of that kind; without external.at there is none. */
static inline const struct person *message_person(const struct message *message, enum person_kind kind)
{
    return kind == PERSON_USER ? &message->user : kind == PERSON_EMAIL ? &message->email : &message->anonymous;
}

/* Odd: stored under another instant than its own, so a retry cannot be found by it (docs/exactness.md). */
static inline bool message_is_odd(const struct message *message)
{
    return message->ts_us != message->own_ts_us;
}

struct reject {
    const char *code; /* static: "no_user_anon_id", "missing_event", … */
    char detail[160];
    struct span payload; /* as sent; the log keeps its first 2 KiB */
    int64_t received_us;
    int32_t source_id;
};

enum ingest_result {
    INGEST_STORED,     /* committed; doubles and rejects are part of it */
    INGEST_UNAVAILABLE /* not known to be stored: send again later */
};

/* What one request or one chunk of an import asks to be stored. Made by its owner, lent to the writer until `done` is called, once, on
 * a writer thread; then it is the owner's again. Spans point into `body` or `arena`. */
struct ingest_job {
    struct message *messages; /* owned */
    size_t n_messages;
    struct reject *rejects; /* owned */
    size_t n_rejects;
    char *body;   /* owned: the request's text */
    char *arena;  /* owned, may be NULL: texts that are not in the body as such */
    size_t bytes; /* of body and arena, for the queue's bound */
    void (*done)(struct ingest_job *job, enum ingest_result result);
    void *owner;             /* for done */
    size_t n_dropped;        /* items that were left out at once: the source's privacy policy */
    size_t n_stored;         /* filled by the writer before done: new messages, */
    size_t n_duplicate;      /* doubles, */
    size_t n_rejected;       /* and rejects, those found by PostgreSQL included, */
    size_t n_unnamed;        /* of them too_many_names */
    struct ingest_job *next; /* the queue's */
};

/* Frees the job and all it owns. */
void ingest_job_free(struct ingest_job *job);
