/* For tests of what is stored: an empty, migrated database for each test, messages in a line, answers of SQL. */
#pragma once

#include <stdio.h>
#include <string.h>

#include "db/ingest.h"
#include "db/migrate.h"
#include "server/base/alloc.h"
#include "server/base/log.h"
#include "tests/unit/run.h"

#define T0 INT64_C(1790000000000000) /* 2026-09-21T13:33:20Z */

static struct db *store_db; /* of the test that runs, a process of its own */
static struct name_cache *store_names;
static _Atomic int64_t store_stamps; /* how many messages have been made: received_at grows from one to the next */

static inline struct db *store_open(const char *url)
{
    struct db_config config = {.url = url, .role = "test", .keyed = true};
    struct db *db = db_new(&config);

    ck_assert_int_eq(db_connect(db), DB_OK);
    return db;
}

static inline void store_run(const char *sql)
{
    enum db_status status = db_script(store_db, sql);

    ck_assert(status == DB_OK || status == DB_NONE);
}

static inline void store_begin(void)
{
    struct db_config config = {.url = run_database(), .role = "test", .bare = true};

    ck_assert_int_eq(log_setup("logfmt", "warn"), 0);
    store_db = db_new(&config);
    ck_assert_int_eq(db_connect(store_db), DB_OK);
    store_run("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    db_free(store_db);
    ck_assert_int_eq(db_migrate(run_database()), DB_OK);
    store_db = store_open(run_database());
    store_names = name_cache_new(NAMES_MAX_DEFAULT);
    store_run("INSERT INTO source (name) VALUES ('shop')");
}

static inline void store_end(void)
{
    db_free(store_db);
    name_cache_free(store_names);
}

/* The first column of the first row, an integer. */
static inline int64_t ask(const char *sql)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;

    ck_assert_int_eq(db_run_sql(store_db, sql, NULL, &rows), DB_OK);
    return db_int(&rows, 0, 0);
}

/* The same as text, malloc'd. */
static inline char *ask_text(const char *sql)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;

    ck_assert_int_eq(db_run_sql(store_db, sql, NULL, &rows), DB_OK);
    return mem_strdup(db_text(&rows, 0, 0) ? db_text(&rows, 0, 0) : "(null)");
}

static inline void expect_text(const char *sql, const char *expected)
{
    char *text AUTO_FREE = ask_text(sql);

    ck_assert_str_eq(text, expected);
}

/* The properties of an order, of an id as JSON, without spaces. */
#define ORDER(id) "{\"order_id\":" id "}"
enum { ORDER_ID_AT = 12 };

/* A message; what is left out is missing. Times in seconds after T0. */
struct say {
    const char *user;
    const char *anonymous;
    const char *email;
    const char *event;   /* NULL: identify; "$alias", "$group": those */
    const char *id;      /* messageId; NULL: random */
    const char *json;    /* properties or traits; ORDER(id) makes an event NAME_ORDER an order */
    const char *consent; /* what is stated; NULL: nothing */
    bool opted_out;
    int64_t at;  /* stored ts */
    int64_t own; /* the client's timestamp, if it is another: */
    bool odd;    /* `own` counts */
    bool no_own; /* it has none */
};

static inline struct person say_person(const char *kind, const char *external)
{
    if (!external)
        return (struct person){.external = {.at = NULL}};
    return (struct person){.external = {.at = external, .len = strlen(external)}, .raw = id_person(kind, external, strlen(external))};
}

static inline struct message say_message(const struct say *say, int64_t received_us)
{
    static const struct {
        const char *name;
        enum message_kind kind;
    } reserved[] = {{NAME_IDENTIFY, MESSAGE_IDENTIFY}, {NAME_ALIAS, MESSAGE_ALIAS}, {NAME_GROUP, MESSAGE_GROUP}};
    struct message message = {.kind = MESSAGE_EVENT, .source_id = 1, .received_us = received_us};
    const char *name = say->event ? say->event : NAME_IDENTIFY;

    for (size_t i = 0; i < ARRAY_LEN(reserved); i++)
        if (strcmp(reserved[i].name, name) == 0)
            message.kind = reserved[i].kind;
    message.user = say_person("user", say->user);
    message.anonymous = say_person("anonymous", say->anonymous);
    message.email = say_person("email", say->email);
    message.name = (struct span){.at = name, .len = strlen(name)};
    message.message_id = say->id ? id_hash(say->id, strlen(say->id)) : id_random();
    message.ts_us = T0 + say->at * US_PER_S;
    message.own_ts_us = say->no_own ? INSTANT_NONE : say->odd ? T0 + say->own * US_PER_S : message.ts_us;
    message.consent = (struct span){.at = say->consent, .len = say->consent ? strlen(say->consent) : 0};
    message.opted_out = say->opted_out;
    if (strcmp(name, NAME_ORDER) == 0 && say->json && strncmp(say->json, ORDER(""), ORDER_ID_AT) == 0)
        message.order_id = (struct span){.at = say->json + ORDER_ID_AT, .len = strlen(say->json) - ORDER_ID_AT - 1};
    message.properties = (struct span){.at = say->json, .len = say->json ? strlen(say->json) : 0};
    return message;
}

static inline struct ingest_job *say_job(const struct say *says, size_t n)
{
    struct ingest_job *job = mem_zalloc(sizeof *job);

    job->messages = mem_grow(NULL, n + 1, sizeof *job->messages);
    for (size_t i = 0; i < n; i++)
        job->messages[job->n_messages++] = say_message(&says[i], T0 + 86400 * US_PER_S + store_stamps++);
    return job;
}

struct told {
    size_t stored, duplicate, rejected;
};

static inline struct told tell_on(struct db *db, struct name_cache *names, const struct say *says, size_t n)
{
    struct ingest_job *job = say_job(says, n);
    struct told told;

    ck_assert_int_eq(db_ingest(db, names, &job, 1), DB_OK);
    told = (struct told){.stored = job->n_stored, .duplicate = job->n_duplicate, .rejected = job->n_rejected};
    ingest_job_free(job);
    return told;
}

/* Stores messages as one batch, and expects so many to be new, doubles, rejected. */
static inline void tell(const struct say *says, size_t n, size_t stored, size_t duplicate)
{
    struct told told = tell_on(store_db, store_names, says, n);

    ck_assert_uint_eq(told.stored, stored);
    ck_assert_uint_eq(told.duplicate, duplicate);
    ck_assert_uint_eq(told.rejected, n - stored - duplicate);
}
#define TELL(stored, duplicate, ...)                                                                                                       \
    tell((struct say[]){__VA_ARGS__}, sizeof((struct say[]){__VA_ARGS__}) / sizeof(struct say), (stored), (duplicate))

/* Each order of a person is one row, and one event. */
#define STORED_ORDERS                                                                                                                       \
    "(SELECT e.profile_id, order_hash(e.properties -> 'order_id') AS order_hash, e.name_id, e.ts, e.message_id, e.received_at FROM event e" \
    " JOIN event_name n USING (name_id) WHERE n.name = '" NAME_ORDER "' AND order_hash(e.properties -> 'order_id') IS NOT NULL)"

static inline void expect_sound_orders(void)
{
    ck_assert_int_eq(ask("SELECT count(*) FROM (" STORED_ORDERS " EXCEPT ALL SELECT * FROM order_seen) AS o"), 0);
    ck_assert_int_eq(ask("SELECT count(*) FROM (SELECT * FROM order_seen EXCEPT ALL " STORED_ORDERS ") AS o"), 0);
}

/* What must always hold: every event is under a living profile, no identity points to a dead one, and chains do not exist. */
static inline void expect_sound(void)
{
    ck_assert_int_eq(ask("SELECT count(*) FROM event e WHERE NOT EXISTS (SELECT FROM profile p WHERE p.profile_id = e.profile_id)"), 0);
    ck_assert_int_eq(ask("SELECT count(*) FROM identity i WHERE NOT EXISTS (SELECT FROM profile p WHERE p.profile_id = i.profile_id)"), 0);
    ck_assert_int_eq(ask("SELECT count(*) FROM consent c WHERE NOT EXISTS (SELECT FROM profile p WHERE p.profile_id = c.profile_id)"), 0);
    ck_assert_int_eq(ask("SELECT count(*) FROM identity a JOIN identity b ON b.raw_id = a.profile_id WHERE b.profile_id <> a.profile_id"),
                     0);
    expect_sound_orders();
    ck_assert_int_eq(ask("SELECT count(*) FROM profile p LEFT JOIN (SELECT profile_id, min(ts) AS first FROM event WHERE name_id > 3"
                         " GROUP BY 1) e USING (profile_id) WHERE p.first_seen IS DISTINCT FROM e.first"),
                     0);
    ck_assert_int_eq(
        ask("SELECT count(*) FROM profile p LEFT JOIN (SELECT profile_id, max(ts) AS last FROM event WHERE name_id > 3"
            " GROUP BY 1) e USING (profile_id) WHERE date_trunc('hour', p.last_seen) IS DISTINCT FROM date_trunc('hour', e.last)"),
        0);
}
