/* Clients that do anything at any time, a worker that answers late, twice too late or by a stream, and a server that stops in the midst of it:
 * nothing may crash, leak, race (the sanitizers' business) or stay open; every request that was begun is done; every state is freed once. */
#include "tests/unit/http/support.h"

enum { CLIENT_THREADS = 4, LOOPS = 2, RUN_MS = 1500, ENOUGH = 100 /* answers */ };

static struct app app;
static _Atomic bool enough;
static _Atomic unsigned n_states, n_begun, n_answers;

static unsigned next_random(unsigned *seed)
{
    *seed = *seed * 1103515245u + 12345u;
    return *seed >> 16;
}

static void free_state(void *state)
{
    free(state);
    atomic_fetch_sub(&n_states, 1);
}

static void begin(struct request *rq, void *context)
{
    atomic_fetch_add(&n_begun, 1);
    atomic_fetch_add(&n_states, 1);
    request_set_state(rq, mem_strdup(request_path(rq)), free_state);
    app_begin(rq, context);
}

/* On the worker: what the path asks for. */
static void work(struct app *unused, struct request *rq)
{
    const char *path = request_path(rq);
    struct stream *stream;
    char piece[3000] = "";

    (void)unused;
    ck_assert_str_eq(request_state(rq), path);
    if (starts_with(path, "/later/slow"))
        (void)poll(NULL, 0, 3);
    if (!starts_with(path, "/later/stream")) {
        if (!request_is_over(rq) || starts_with(path, "/later/always"))
            echo(rq);
        request_finish(rq);
        return;
    }
    stream = reply_stream(rq, 200, "text/plain");
    request_finish(rq);
    for (int i = 0; i < 100; i++)
        if (!stream_write(stream, piece, sizeof piece))
            break;
    stream_end(stream, true);
}

static const char *const requests[] = {
    "POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody",
    "POST /later/slow?timeout=2 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody",
    "GET /later/always?timeout=1 HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /later/stream HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /later/stream?timeout=1 HTTP/1.0\r\n\r\n",
    "POST /before HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "GET /show?a=1&b=%32 HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /big HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n",
    "POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789",
    "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnone",
    "POST /limit/2 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\nbody",
    "HEAD /later/stream HTTP/1.1\r\nHost: a\r\n\r\n",
    "garbage\r\n\r\n",
};

/* One connection's life: some requests, perhaps cut in the middle, some reading, perhaps a reset at the end. */
static void live(unsigned *seed)
{
    struct linger reset = {.l_onoff = 1};
    int fd = client_try(&app);
    unsigned n = next_random(seed) % 6;
    char some[8192];

    if (fd < 0)
        return;
    for (unsigned i = 0; i <= n; i++) {
        const char *text = requests[next_random(seed) % ARRAY_LEN(requests)];
        size_t len = strlen(text);

        if (next_random(seed) % 5 == 0)
            len = next_random(seed) % len;
        if (send(fd, text, len, MSG_NOSIGNAL) < 0)
            break;
        if (next_random(seed) % 2 && recv(fd, some, sizeof some, len < strlen(text) ? MSG_DONTWAIT : 0) > 0)
            atomic_fetch_add(&n_answers, 1);
    }
    if (next_random(seed) % 4 == 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    (void)close(fd);
}

static void *be_clients(void *context)
{
    unsigned seed = *(unsigned *)context;

    while (!atomic_load(&enough))
        live(&seed);
    return NULL;
}

static void start(void)
{
    struct http_config config = test_config();
    struct http_hooks hooks = test_hooks(&app);

    config.loops = LOOPS;
    config.connections = 64;
    config.idle_timeout_s = 2;
    hooks.begin = begin;
    atomic_store(&n_begun, 0);
    atomic_store(&n_answers, 0);
    app_start_with(&app, &config, &hooks);
    app.work = work;
}

/* As long as RUN_MS is not over, so that the test's length does not depend on the machine, unless that is very slow. */
static void run_clients(unsigned least)
{
    int64_t until_us = clock_mono_us() + PATIENCE_MS * US_PER_MS;
    static unsigned seeds[CLIENT_THREADS] = {1, 22, 333, 4444};
    pthread_t threads[CLIENT_THREADS];

    atomic_store(&enough, false);
    for (int i = 0; i < CLIENT_THREADS; i++)
        ck_assert(!pthread_create(&threads[i], NULL, be_clients, &seeds[i]));
    (void)poll(NULL, 0, RUN_MS);
    while (atomic_load(&n_answers) <= least && clock_mono_us() < until_us)
        (void)poll(NULL, 0, 5);
    atomic_store(&enough, true);
    for (int i = 0; i < CLIENT_THREADS; i++)
        (void)pthread_join(threads[i], NULL);
}

START_TEST(everything_that_begins_ends)
{
    start();
    run_clients(ENOUGH);
    app_stop(&app);
    ck_assert_uint_eq(atomic_load(&n_states), 0);
    ck_assert_uint_eq(app.n_done, atomic_load(&n_begun));
    ck_assert_uint_gt(atomic_load(&n_answers), ENOUGH);
}
END_TEST

static void *be_clients_until_stopped(void *context)
{
    run_clients(0);
    return context;
}

START_TEST(a_stop_in_the_midst_ends_everything_too)
{
    int64_t until_us;
    pthread_t clients;

    start();
    ck_assert(!pthread_create(&clients, NULL, be_clients_until_stopped, NULL));
    until_us = clock_mono_us() + PATIENCE_MS * US_PER_MS;
    while (atomic_load(&n_answers) < ENOUGH && clock_mono_us() < until_us)
        (void)poll(NULL, 0, 1);
    http_stop(app.http, 20);
    app_stop_worker(&app);
    (void)pthread_join(clients, NULL);
    ck_assert_uint_eq(atomic_load(&n_states), 0);
    ck_assert_uint_eq(app.n_done, atomic_load(&n_begun));
}
END_TEST

RUN_TESTS("chaos", everything_that_begins_ends, a_stop_in_the_midst_ends_everything_too)
