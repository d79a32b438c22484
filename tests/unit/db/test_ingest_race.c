/* The ingest transaction when things happen at once or go wrong: two connections with the same messages, a stress of events beside
 * merges, a backend killed before and between the trips, a reply to COMMIT that is lost. The last one runs through a proxy of its own
 * on a Unix socket. */
#include "tests/unit/db/store.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Waits until SQL gives other than 0, at most a minute. */
static void wait_for(const char *sql)
{
    int64_t until = clock_mono_us() + 60 * US_PER_S;

    while (!ask(sql)) {
        ck_assert(clock_mono_us() < until);
        (void)poll(NULL, 0, 2);
    }
}

/* --- A client on a thread of its own --- */

struct client {
    pthread_t thread;
    const char *url;
    const struct say *says;
    size_t n;
    enum db_status status;
    size_t stored, duplicate;
    struct db *db; /* kept for a second call */
    struct name_cache *names;
};

static void *client_run(void *context)
{
    struct client *client = context;
    struct ingest_job *job = say_job(client->says, client->n);

    if (!client->db) {
        client->db = store_open(client->url ? client->url : run_database());
        client->names = name_cache_new(NAMES_MAX_DEFAULT);
    }
    client->status = db_connect(client->db);
    if (client->status == DB_OK)
        client->status = db_ingest(client->db, client->names, &job, 1);
    client->stored = job->n_stored;
    client->duplicate = job->n_duplicate;
    ingest_job_free(job);
    return NULL;
}

static void client_start(struct client *client)
{
    ck_assert_int_eq(pthread_create(&client->thread, NULL, client_run, client), 0);
}

static void client_end(struct client *client, enum db_status expected)
{
    ck_assert_int_eq(pthread_join(client->thread, NULL), 0);
    ck_assert_int_eq(client->status, expected);
}

static void client_release(struct client *client)
{
    db_free(client->db);
    name_cache_free(client->names);
}

/* --- Two at once --- */

START_TEST(test_the_same_in_two_processes_at_once)
{
    enum { ROUNDS = 40, N = 8 };

    for (int round = 0; round < ROUNDS; round++) {
        char ids[N][32];
        struct say says[N] = {{.user = "u", .event = "Seen", .at = round},
                              {.user = "u", .event = "Seen", .at = round, .no_own = true},
                              {.user = "u", .json = "{\"a\":1}", .at = round},
                              {.user = "u", .anonymous = "a", .event = "Seen", .at = round},
                              {.anonymous = "b", .event = "Seen", .at = round},
                              {.user = "v", .event = "New Name", .at = round, .own = round + 60, .odd = true},
                              {.event = "Seen", .at = round},
                              {.event = "Seen", .at = round}};
        struct client clients[2] = {{.says = says, .n = N}, {.says = says, .n = N}};

        for (int i = 0; i < N; i++) {
            (void)snprintf(ids[i], sizeof ids[i], "%d-%d", round, i);
            says[i].id = ids[i];
        }
        says[6].user = ids[6]; /* a new user, a new visitor */
        says[7].anonymous = ids[7];
        for (int i = 0; i < 2; i++)
            client_start(&clients[i]);
        for (int i = 0; i < 2; i++)
            client_end(&clients[i], DB_OK);
        ck_assert_uint_eq(clients[0].stored + clients[1].stored, N);
        ck_assert_uint_eq(clients[0].duplicate + clients[1].duplicate, N);
        ck_assert_int_eq(ask("SELECT count(*) FROM event"), (round + 1) * N);
        for (int i = 0; i < 2; i++)
            client_release(&clients[i]);
    }
    ck_assert_int_eq(ask("SELECT sum(n)::bigint FROM touched, unnest(stat_events) n"), ROUNDS * (N - 1));
    expect_sound();
}
END_TEST

/* --- A stress of ingest beside merges --- */

enum { STRESS_THREADS = 3, STRESS_BATCHES = 60, STRESS_BATCH = 25, STRESS_PEOPLE = 30 };
struct stress {
    pthread_t thread;
    uint32_t seed;
    unsigned number;
    unsigned retries;
};

static uint32_t draw(struct stress *stress, uint32_t n)
{
    stress->seed = stress->seed * 1664525u + 1013904223u;
    return (stress->seed >> 8) % n;
}

static void *stress_run(void *context)
{
    struct stress *stress = context;
    struct db *db = store_open(run_database());
    struct name_cache *names = name_cache_new(NAMES_MAX_DEFAULT);

    for (int batch = 0; batch < STRESS_BATCHES; batch++) {
        struct say says[STRESS_BATCH];
        char texts[STRESS_BATCH][3][48];
        struct ingest_job *job;

        for (int i = 0; i < STRESS_BATCH; i++) {
            uint32_t kind = draw(stress, 10);

            (void)snprintf(texts[i][0], sizeof texts[i][0], "u%u", draw(stress, STRESS_PEOPLE));
            (void)snprintf(texts[i][1], sizeof texts[i][1], "a%u", draw(stress, STRESS_PEOPLE * 4));
            (void)snprintf(texts[i][2], sizeof texts[i][2], "%u %d %d", stress->number, batch, i);
            says[i] = (struct say){.id = texts[i][2], .event = "Seen", .at = batch * STRESS_BATCH + i};
            if (kind < 3 || kind == 9)
                says[i].user = texts[i][0];
            if (kind >= 2)
                says[i].anonymous = kind == 9 ? NULL : texts[i][1];
            if (kind == 2)
                says[i].event = NULL;
            says[i].no_own = kind == 5;
        }
        job = say_job(says, STRESS_BATCH);
        while (db_ingest(db, names, &job, 1) != DB_OK)
            stress->retries++;
        if (job->n_stored != STRESS_BATCH)
            stress->retries += 1000;
        ingest_job_free(job);
    }
    db_free(db);
    name_cache_free(names);
    return NULL;
}

START_TEST(test_events_beside_merges)
{
    struct stress all[STRESS_THREADS];

    for (unsigned i = 0; i < STRESS_THREADS; i++) {
        all[i] = (struct stress){.seed = 7 + i, .number = i};
        ck_assert_int_eq(pthread_create(&all[i].thread, NULL, stress_run, &all[i]), 0);
    }
    for (int i = 0; i < STRESS_THREADS; i++) {
        ck_assert_int_eq(pthread_join(all[i].thread, NULL), 0);
        ck_assert_uint_eq(all[i].retries, 0);
    }
    ck_assert_int_eq(ask("SELECT count(*) FROM event"), STRESS_THREADS * STRESS_BATCHES * STRESS_BATCH);
    ck_assert_int_gt(ask("SELECT count(*) FROM merge_log WHERE events > 0"), 0);
    ck_assert_int_eq(ask("SELECT count(*) FROM merge_log GROUP BY gone HAVING count(*) > 1 UNION ALL SELECT 0 LIMIT 1"), 0);
    expect_sound();
}
END_TEST

/* --- What is lost with a connection --- */

/* pg_locks, not pg_stat_activity, which stands still within a transaction. */
#define A_CLIENT_WAITS "SELECT count(*) FROM pg_locks WHERE NOT granted"

static void kill_client(void)
{
    ck_assert_int_eq(ask("SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE NOT granted"), 1);
}

static const struct say two_says[2] = {{.user = "u", .json = "{\"a\":1}", .at = 1, .id = "m1"},
                                       {.user = "u", .anonymous = "a", .event = "Seen", .at = 2, .id = "m2"}};

START_TEST(test_killed_while_it_reads)
{
    struct client client = {.says = two_says, .n = 2};

    TELL(1, 0, {.user = "w", .event = "Seen", .at = 1});
    store_run("BEGIN; SELECT pg_advisory_xact_lock(1668246386, g) FROM generate_series(0, 255) g");
    client_start(&client);
    wait_for(A_CLIENT_WAITS);
    kill_client();
    client_end(&client, DB_RETRY);
    store_run("COMMIT");
    ck_assert_int_eq(ask("SELECT count(*) FROM event"), 1);
    client_start(&client);
    client_end(&client, DB_OK);
    ck_assert_uint_eq(client.stored, 2);
    client_release(&client);
    expect_sound();
}
END_TEST

START_TEST(test_killed_while_it_writes)
{
    struct client client = {.says = two_says, .n = 2};

    TELL(1, 0, {.user = "u", .event = "Seen", .at = 1});
    TELL(1, 0, {.anonymous = "a", .event = "Seen", .at = 1});
    store_run("BEGIN; SELECT FROM profile WHERE user_id = 'u' FOR UPDATE"); /* between the trips: the locks are held, the writes wait */
    client_start(&client);
    wait_for(A_CLIENT_WAITS);
    kill_client();
    client_end(&client, DB_RETRY);
    store_run("COMMIT");
    ck_assert_int_eq(ask("SELECT count(*) FROM event"), 2);
    ck_assert_int_eq(ask("SELECT count(*) FROM merge_log"), 0);
    expect_sound();
    client_start(&client);
    client_end(&client, DB_OK);
    ck_assert_uint_eq(client.stored, 2);
    ck_assert_int_eq(ask("SELECT count(*) FROM event"), 4);
    client_release(&client);
    expect_sound();
}
END_TEST

/* --- A proxy that loses the reply to COMMIT --- */

struct proxy {
    pthread_t thread;
    char dir[64];
    char url[256];
    struct sockaddr_un server;
    int listener;
    atomic_int cuts; /* replies still to be lost */
    atomic_bool stop;
};

static int dial(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(connect(fd, (const struct sockaddr *)address, sizeof *address), 0);
    return fd;
}

/* Passes bytes on until an end closes, or a COMMIT is to go unanswered. */
static void proxy_pair(struct proxy *proxy, int client, int server)
{
    char bytes[65536];
    bool cut = false;

    while (!atomic_load(&proxy->stop)) {
        struct pollfd fds[2] = {{.fd = client, .events = POLLIN}, {.fd = server, .events = POLLIN}};

        if (poll(fds, 2, 50) <= 0)
            continue;
        for (int i = 0; i < 2; i++) {
            ssize_t n = fds[i].revents ? read(fds[i].fd, bytes, sizeof bytes) : -1;

            if (n == 0 || (i == 1 && n > 0 && cut))
                return;
            if (n > 0)
                ck_assert_int_eq(write(fds[!i].fd, bytes, (size_t)n), n);
            if (i == 0 && n > 0 && memmem(bytes, (size_t)n, "COMMIT", 6) && atomic_load(&proxy->cuts) > 0) {
                atomic_fetch_sub(&proxy->cuts, 1);
                cut = true;
            }
        }
    }
}

static void *proxy_run(void *context)
{
    struct proxy *proxy = context;

    while (!atomic_load(&proxy->stop)) {
        struct pollfd fd = {.fd = proxy->listener, .events = POLLIN};
        int client, server;

        if (poll(&fd, 1, 50) <= 0)
            continue;
        client = accept(proxy->listener, NULL, NULL);
        server = dial(&proxy->server);
        proxy_pair(proxy, client, server);
        (void)close(client);
        (void)close(server);
    }
    return NULL;
}

static void proxy_start(struct proxy *proxy)
{
    const char *host = strstr(run_database(), "host=");
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    ck_assert_ptr_nonnull(host);
    *proxy = (struct proxy){.dir = "/tmp/cohortd-proxy.XXXXXX", .server = {.sun_family = AF_UNIX}};
    ck_assert_ptr_nonnull(mkdtemp(proxy->dir));
    (void)snprintf(proxy->server.sun_path, sizeof proxy->server.sun_path, "%s/.s.PGSQL.5432", host + 5);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s/.s.PGSQL.5432", proxy->dir);
    (void)snprintf(proxy->url, sizeof proxy->url, "%.*shost=%s", (int)(host - run_database()), run_database(), proxy->dir);
    proxy->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(proxy->listener, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(proxy->listener, 8), 0);
    ck_assert_int_eq(pthread_create(&proxy->thread, NULL, proxy_run, proxy), 0);
}

static void proxy_end(struct proxy *proxy)
{
    char path[128];

    atomic_store(&proxy->stop, true);
    (void)pthread_join(proxy->thread, NULL);
    (void)close(proxy->listener);
    (void)snprintf(path, sizeof path, "%s/.s.PGSQL.5432", proxy->dir);
    (void)unlink(path);
    (void)rmdir(proxy->dir);
}

START_TEST(test_a_lost_reply_to_commit)
{
    struct proxy proxy;
    struct client client = {.says = two_says, .n = 2, .url = proxy.url};

    TELL(1, 0, {.anonymous = "a", .event = "Seen", .at = 1});
    proxy_start(&proxy);
    atomic_store(&proxy.cuts, 1);
    client_start(&client);
    client_end(&client, DB_RETRY);
    wait_for("SELECT count(*) FROM event WHERE name_id = 1"); /* it is committed all the same */
    TELL(1, 0, {.user = "u", .json = "{\"a\":2}", .at = 3});
    client_start(&client);
    client_end(&client, DB_OK);
    ck_assert_uint_eq(client.stored, 0);
    ck_assert_uint_eq(client.duplicate, 2);
    ck_assert_int_eq(ask("SELECT count(*) FROM event"), 4);
    expect_text("SELECT traits::text FROM profile", "{\"a\": 2}");
    client_release(&client);
    proxy_end(&proxy);
    expect_sound();
}
END_TEST

RUN_TESTS_WITH(store_begin, store_end, "ingest_race", test_the_same_in_two_processes_at_once, test_events_beside_merges,
               test_killed_while_it_reads, test_killed_while_it_writes, test_a_lost_reply_to_commit)
