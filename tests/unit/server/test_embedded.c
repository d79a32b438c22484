/* The embedded cluster, for real: made once, used by several, stopped by
 * the last, restarted when killed, taken over from a cohortd that was
 * killed. */
#include "server/embedded.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "db/conn.h"
#include "db/migrate.h"
#include "server/base/alloc.h"
#include "server/base/log.h"
#include "tests/unit/run.h"

static char top[64]; /* of the test that runs, a process of its own */
static char home[96];

static void begin(void)
{
    ck_assert_int_eq(log_setup("logfmt", "error"), 0);
    (void)snprintf(top, sizeof top, "/tmp/cohortd-embedded.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(top));
    ck_assert_int_eq(chmod(top, 0755), 0);
    (void)snprintf(home, sizeof home, "%s/some/home", top);
}

static void end(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        (void)execl("/bin/rm", "rm", "-rf", "--", top, (char *)NULL);
        _exit(1);
    }
    (void)waitpid(pid, NULL, 0);
}

static int64_t ask(const char *url, const char *sql)
{
    struct db_config config = {.url = url, .role = "test", .bare = true};
    struct db *db = db_new(&config);
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    int64_t answer = -1;

    if (db_connect(db) == DB_OK && db_run_sql(db, sql, NULL, &rows) == DB_OK)
        answer = db_int(&rows, 0, 0);
    db_free(db);
    return answer;
}

static pid_t postmaster(void)
{
    char path[128], text[32] = "0";
    FILE *file;

    (void)snprintf(path, sizeof path, "%s/data/postmaster.pid", home);
    file = fopen(path, "re");
    if (!file)
        return 0;
    (void)!fgets(text, sizeof text, file);
    (void)fclose(file);
    return (pid_t)strtol(text, NULL, 10);
}

START_TEST(test_made_once_and_found_again)
{
    struct embedded *embedded = embedded_start(home);

    ck_assert_ptr_nonnull(embedded);
    ck_assert_int_eq(db_migrate(embedded_url(embedded)), DB_OK);
    ck_assert_int_eq(ask(embedded_url(embedded),
                         "SELECT (current_setting('fsync') = 'on' AND current_setting('wal_compression') = 'lz4'"
                         " AND current_setting('listen_addresses') = '' AND current_setting('lc_collate') = 'C.UTF-8')::int"),
                     1);
    embedded_stop(embedded);
    ck_assert_int_eq(postmaster(), 0);
    embedded = embedded_start(home);
    ck_assert_ptr_nonnull(embedded);
    ck_assert_int_ge(ask(embedded_url(embedded), "SELECT count(*) FROM schema_migration"), 1);
    embedded_stop(embedded);
}
END_TEST

START_TEST(test_the_last_one_out_stops_it)
{
    struct embedded *first = embedded_start(home), *second = embedded_start(home);

    ck_assert_ptr_nonnull(first);
    ck_assert_ptr_nonnull(second);
    ck_assert_str_eq(embedded_url(first), embedded_url(second));
    embedded_stop(first); /* who started it goes first */
    ck_assert_int_eq(ask(embedded_url(second), "SELECT 1"), 1);
    embedded_stop(second);
    ck_assert_int_eq(postmaster(), 0);
}
END_TEST

START_TEST(test_killed_and_started_again)
{
    struct embedded *embedded = embedded_start(home);
    int64_t until_us = clock_mono_us() + 90 * US_PER_S;
    pid_t old = postmaster();

    ck_assert_int_eq(kill(old, SIGKILL), 0);
    while (postmaster() == old || ask(embedded_url(embedded), "SELECT 1") != 1) {
        ck_assert(clock_mono_us() < until_us);
        (void)poll(NULL, 0, 20);
    }
    embedded_stop(embedded);
    ck_assert_int_eq(postmaster(), 0);
}
END_TEST

START_TEST(test_left_by_a_killed_one)
{
    struct embedded *embedded;
    int status;
    pid_t child = fork(), left;

    if (child == 0)
        _exit(embedded_start(home) ? 0 : 1); /* and never stops it */
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    left = postmaster();
    ck_assert_int_gt(left, 0);
    embedded = embedded_start(home);
    ck_assert_ptr_nonnull(embedded);
    ck_assert_int_eq(postmaster(), left);
    ck_assert_int_eq(ask(embedded_url(embedded), "SELECT 1"), 1);
    embedded_stop(embedded);
    ck_assert_int_eq(postmaster(), 0);
}
END_TEST

START_TEST(test_a_stale_pid_file)
{
    struct embedded *embedded = embedded_start(home);
    char path[128];
    FILE *file;

    embedded_stop(embedded);
    (void)snprintf(path, sizeof path, "%s/data/postmaster.pid", home);
    file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    (void)fprintf(file, "%ld\n%s/data\n0\n5432\n%s\n\n0 0\nready\n", (long)getpid(), home, home);
    (void)fclose(file);
    embedded = embedded_start(home);
    ck_assert_ptr_nonnull(embedded);
    ck_assert_int_eq(ask(embedded_url(embedded), "SELECT 1"), 1);
    embedded_stop(embedded);
}
END_TEST

START_TEST(test_a_long_path)
{
    struct embedded *embedded;
    char path[400];

    (void)snprintf(path, sizeof path, "%s/%0150d", top, 7);
    embedded = embedded_start(path);
    ck_assert_ptr_nonnull(embedded);
    ck_assert_int_eq(ask(embedded_url(embedded), "SELECT 1"), 1);
    embedded_stop(embedded);
}
END_TEST

START_TEST(test_an_impossible_place)
{
    ck_assert_ptr_null(embedded_start("/proc/nowhere/home"));
}
END_TEST

RUN_TESTS_WITH(begin, end, "embedded", test_made_once_and_found_again, test_the_last_one_out_stops_it, test_killed_and_started_again,
               test_left_by_a_killed_one, test_a_stale_pid_file, test_a_long_path, test_an_impossible_place)
