/* The writers against a real PostgreSQL: batches, jobs given back once, a database that is away, a refused batch, draining. */
#include "server/writer.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "db/conn.h"
#include "db/migrate.h"
#include "server/base/alloc.h"
#include "server/base/log.h"
#include "tests/unit/run.h"

struct seen {
    atomic_size_t stored;      /* jobs given back as stored, */
    atomic_size_t unavailable; /* and not */
    atomic_size_t calls;
    atomic_size_t woken;
};

static struct ingest_job *new_job(size_t n, const char *id)
{
    struct ingest_job *job = mem_zalloc(sizeof *job);

    job->messages = mem_grow(NULL, n + 1, sizeof *job->messages);
    for (size_t i = 0; i < n; i++) {
        char text[64];
        int len = snprintf(text, sizeof text, "%s %zu", id, i);
        struct message *message = &job->messages[job->n_messages++];

        *message = (struct message){.kind = MESSAGE_EVENT, .source_id = 1, .name = {.at = "Seen", .len = 4}};
        message->user = (struct person){.external = {.at = "u", .len = 1}, .raw = id_person("user", "u", 1)};
        message->message_id = id_hash(text, (size_t)len);
        message->ts_us = message->own_ts_us = message->received_us = INT64_C(1790000000000000) + (int64_t)i;
    }
    job->bytes = 100;
    return job;
}

static void on_stored(struct ingest_job *const *jobs, size_t n, enum ingest_result result, void *context)
{
    struct seen *seen = context;

    atomic_fetch_add(&seen->calls, 1);
    atomic_fetch_add(result == INGEST_STORED ? &seen->stored : &seen->unavailable, n);
    for (size_t i = 0; i < n; i++)
        ingest_job_free(jobs[i]);
}

static void on_wake(void *context)
{
    struct seen *seen = context;

    atomic_fetch_add(&seen->woken, 1);
}

/* Waits until a count is reached, at most a minute. */
static void wait_for(atomic_size_t *count, size_t n)
{
    int64_t until_us = clock_mono_us() + 60 * US_PER_S;

    while (atomic_load(count) < n) {
        ck_assert(clock_mono_us() < until_us);
        (void)poll(NULL, 0, 2);
    }
}

static int64_t ask(const char *sql)
{
    struct db_config config = {.url = run_database(), .role = "test", .bare = true};
    struct db *db = db_new(&config);
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    int64_t answer;

    ck_assert_int_eq(db_connect(db), DB_OK);
    ck_assert_int_eq(db_run_sql(db, sql, NULL, &rows), DB_OK);
    answer = db_int(&rows, 0, 0);
    db_free(db);
    return answer;
}

static void begin(void)
{
    struct db_config config = {.url = run_database(), .role = "test", .bare = true};
    struct db *db = db_new(&config);

    ck_assert_int_eq(log_setup("logfmt", "error"), 0);
    ck_assert_int_eq(db_connect(db), DB_OK);
    ck_assert_int_ne(db_script(db, "DROP SCHEMA public CASCADE; CREATE SCHEMA public"), DB_ERROR);
    ck_assert_int_eq(db_migrate(run_database()), DB_OK);
    ck_assert_int_ne(db_script(db, "INSERT INTO source (name) VALUES ('shop')"), DB_ERROR);
    db_free(db);
}

static struct writer *start(struct seen *seen, unsigned threads)
{
    struct writer_config config = {
        .url = run_database(), .threads = threads, .notify = true, .stored = on_stored, .wake_worker = on_wake, .context = seen};

    return writer_start(&config);
}

START_TEST(test_many_jobs_few_commits)
{
    enum { JOBS = 500, EACH = 4 };
    struct seen seen = {.stored = 0};
    struct writer *writer = start(&seen, 2);
    struct db_config config = {.url = run_database(), .role = "test", .bare = true};
    struct db *locked = db_new(&config);
    struct writer_stats stats;

    ck_assert_int_eq(db_connect(locked), DB_OK);
    ck_assert_int_ne(db_script(locked, "BEGIN; LOCK TABLE event IN EXCLUSIVE MODE"), DB_ERROR); /* until all wait */
    for (int i = 0; i < JOBS; i++) {
        char id[16];

        (void)snprintf(id, sizeof id, "%d", i / 2); /* each twice */
        ck_assert(writer_submit(writer, new_job(EACH, id)));
    }
    ck_assert_int_ne(db_script(locked, "COMMIT"), DB_ERROR);
    db_free(locked);
    wait_for(&seen.stored, JOBS);
    stats = writer_stats(writer);
    ck_assert_uint_eq(stats.stored, JOBS * EACH / 2);
    ck_assert_uint_eq(stats.duplicate, JOBS * EACH / 2);
    ck_assert_uint_eq(stats.waiting_messages, 0);
    ck_assert_uint_lt(stats.batches, JOBS / 4);
    ck_assert(stats.connected);
    ck_assert_uint_eq(atomic_load(&seen.calls), stats.batches);
    wait_for(&seen.woken, stats.batches);
    writer_stop(writer, 1000);
    writer_free(writer);
    ck_assert_int_eq(ask("SELECT count(*) FROM event"), JOBS * EACH / 2);
}
END_TEST

START_TEST(test_jobs_wait_while_the_database_is_away)
{
    struct seen seen = {.stored = 0};
    struct writer *writer = start(&seen, 1);

    ck_assert(writer_submit(writer, new_job(1, "before")));
    wait_for(&seen.stored, 1);
    /* As good as away: nobody else may connect, and those who are, are not. */
    ck_assert_int_ge(
        ask("SELECT count(*) FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cohortd writer') t"),
        1);
    for (int i = 0; i < 10; i++)
        ck_assert(writer_submit(writer, new_job(1, "after")));
    wait_for(&seen.stored, 11);
    writer_stop(writer, 1000);
    writer_free(writer);
    ck_assert_int_eq(ask("SELECT count(*) FROM event"), 2);
}
END_TEST

static void *stop_it(void *writer)
{
    writer_stop(writer, 300);
    writer_free(writer);
    return NULL;
}

START_TEST(test_what_cannot_be_stored_is_given_up_at_the_stop)
{
    struct seen seen = {.stored = 0};
    struct writer_config config = {
        .url = "postgresql://app@/postgres?host=/nonexistent", .threads = 1, .stored = on_stored, .context = &seen};
    struct writer *writer = writer_start(&config);
    pthread_t stopper;

    for (int i = 0; i < 3; i++)
        ck_assert(writer_submit(writer, new_job(1, "b")));
    ck_assert_int_eq(pthread_create(&stopper, NULL, stop_it, writer), 0);
    wait_for(&seen.unavailable, 3);
    ck_assert_int_eq(pthread_join(stopper, NULL), 0);
    ck_assert_uint_eq(atomic_load(&seen.stored), 0);
}
END_TEST

START_TEST(test_stop_stores_what_waits)
{
    enum { JOBS = 300 };
    struct seen seen = {.stored = 0};
    struct writer *writer = start(&seen, 1);

    for (int i = 0; i < JOBS; i++) {
        char id[16];

        (void)snprintf(id, sizeof id, "%d", i);
        ck_assert(writer_submit(writer, new_job(5, id)));
    }
    writer_stop(writer, 60000);
    writer_free(writer);
    ck_assert_uint_eq(atomic_load(&seen.stored), JOBS);
    ck_assert_int_eq(ask("SELECT count(*) FROM event"), JOBS * 5);
}
END_TEST

START_TEST(test_others_hear_of_it)
{
    struct seen seen = {.stored = 0};
    struct db_config config = {.url = run_database(), .role = "listener", .bare = true};
    struct db *db = db_new(&config);
    struct writer *writer = start(&seen, 1);
    char channel[64] = "";

    ck_assert_int_eq(db_connect(db), DB_OK);
    ck_assert_int_eq(db_run_sql(db, "LISTEN cohortd_touched", NULL, NULL), DB_OK);
    ck_assert(writer_submit(writer, new_job(1, "a")));
    ck_assert_int_eq(db_wait_notify(db, -1, 60000, channel, sizeof channel), DB_OK);
    ck_assert_str_eq(channel, "cohortd_touched");
    writer_stop(writer, 1000);
    writer_free(writer);
    db_free(db);
}
END_TEST

RUN_TESTS_WITH(begin, NULL, "writer", test_many_jobs_few_commits, test_jobs_wait_while_the_database_is_away,
               test_what_cannot_be_stored_is_given_up_at_the_stop, test_stop_stores_what_waits, test_others_hear_of_it)
