/* Our own loop around libmicrohttpd: poll on its epoll descriptor and on an eventfd, then MHD_run until nothing is left to do at once.
 * (Its own epoll threads, 0.9.75, wait again without a deadline whenever exactly 128 events were ready, and with suspended connections then
 * sleep for good.) All suspending and resuming happens here: other threads put requests on the ready list and write the eventfd when that
 * list was empty. Deadlines of suspended requests are ours, for a suspended connection has none. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/alloc.h"
#include "server/base/clock.h"
#include "server/base/id.h"
#include "server/base/log.h"
#include "server/http/private.h"

enum {
    RUNS_MAX = 64,            /* of MHD_run before the eventfd, the clock and a wish to stop are looked at again */
    ACCEPT_RUNS_MAX = 100,    /* of MHD_run, to accept what waits when the server stops accepting */
    TICK_LEAST_US = 10 * 1000 /* deadlines are kept to this */
};

void loop_ref(struct loop *loop)
{
    atomic_fetch_add(&loop->refs, 1);
}

void loop_unref(struct loop *loop)
{
    if (atomic_fetch_sub(&loop->refs, 1) > 1)
        return;
    (void)pthread_mutex_destroy(&loop->mtx);
    (void)close(loop->wake_fd);
    free(loop);
}

bool loop_is_own_thread(const struct loop *loop)
{
    return pthread_equal(loop->self, pthread_self());
}

/* --- Waking --- */

static void wake(struct loop *loop)
{
    uint64_t one = 1;

    while (write(loop->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
        continue;
}

/* Puts the leading requests of one loop on its list; returns how many these are. */
static size_t push_ready(struct request *const *rqs, size_t n)
{
    struct loop *loop = rqs[0]->loop;
    bool was_empty, ended;
    size_t i = 0;

    loop_ref(loop); /* the requests may be gone, and the loop with them, as soon as the lock is free */
    (void)pthread_mutex_lock(&loop->mtx);
    was_empty = !loop->ready;
    ended = loop->ended;
    do {
        struct request *rq = rqs[i];

        if (ended)
            continue;
        if (rq->queued) {
            request_unref(rq); /* not the last: the list holds one */
            continue;
        }
        rq->queued = true;
        rq->next_ready = NULL;
        *loop->ready_end = rq;
        loop->ready_end = &rq->next_ready;
    } while (++i < n && rqs[i]->loop == loop);
    (void)pthread_mutex_unlock(&loop->mtx);
    for (size_t k = 0; ended && k < i; k++) {
        request_deliver(rqs[k]);
        request_unref(rqs[k]);
    }
    if (was_empty && !ended)
        wake(loop);
    loop_unref(loop);
    return i;
}

void loop_ready(struct request *const *rqs, size_t n)
{
    while (n) {
        size_t pushed = push_ready(rqs, n);

        rqs += pushed;
        n -= pushed;
    }
}

static struct request *pop_ready(struct loop *loop)
{
    struct request *rq;

    (void)pthread_mutex_lock(&loop->mtx);
    rq = loop->ready;
    if (rq) {
        loop->ready = rq->next_ready;
        if (!loop->ready)
            loop->ready_end = &loop->ready;
        rq->queued = false;
    }
    (void)pthread_mutex_unlock(&loop->mtx);
    return rq;
}

static void take_ready(struct loop *loop)
{
    struct request *rq;

    while ((rq = pop_ready(loop))) {
        request_deliver(rq);
        request_unref(rq);
    }
}

/* --- Waiting requests --- */

void loop_suspend(struct loop *loop, struct request *rq, int64_t deadline_us)
{
    ASSERT(!rq->is_suspended && !loop->ending);
    rq->is_suspended = true;
    rq->deadline_us = deadline_us;
    rq->prev_waiting = NULL;
    rq->next_waiting = loop->waiting;
    if (loop->waiting)
        loop->waiting->prev_waiting = rq;
    loop->waiting = rq;
    if (deadline_us && deadline_us < loop->next_tick_us)
        loop->next_tick_us = deadline_us;
    atomic_fetch_add(&loop->n_suspended, 1);
    MHD_suspend_connection(rq->connection);
}

void loop_resume(struct loop *loop, struct request *rq)
{
    rq->is_suspended = false;
    if (rq->next_waiting)
        rq->next_waiting->prev_waiting = rq->prev_waiting;
    if (rq->prev_waiting)
        rq->prev_waiting->next_waiting = rq->next_waiting;
    else
        loop->waiting = rq->next_waiting;
    atomic_fetch_sub(&loop->n_suspended, 1);
    MHD_resume_connection(rq->connection);
}

/* Answers those whose deadline has passed. */
static void tick(struct loop *loop, int64_t now_us)
{
    int64_t next_us = INT64_MAX;
    struct request *next;

    if (now_us < loop->next_tick_us)
        return;
    for (struct request *rq = loop->waiting; rq; rq = next) {
        next = rq->next_waiting;
        if (!rq->deadline_us)
            continue;
        if (rq->deadline_us <= now_us)
            request_expire(rq);
        else if (rq->deadline_us < next_us)
            next_us = rq->deadline_us;
    }
    loop->next_tick_us = next_us < now_us + TICK_LEAST_US ? now_us + TICK_LEAST_US : next_us;
}

/* Has the client hung up? libmicrohttpd does not watch a suspended connection. One that has only ended its sending counts as gone, as
 * libmicrohttpd would have it once it is resumed. */
static bool has_hung_up(const struct conn *conn)
{
    struct pollfd fd = {.fd = conn->fd, .events = POLLRDHUP};

    return poll(&fd, 1, 0) > 0;
}

/* Notes the waiting clients that are gone, and breaks off connections that take too long to send a request or to take an answer. */
static void watch(struct loop *loop, int64_t now_us)
{
    struct request *next;

    if (now_us < loop->next_watch_us)
        return;
    loop->next_watch_us = now_us + HTTP_WATCH_US;
    for (struct request *rq = loop->waiting; rq; rq = next) {
        next = rq->next_waiting;
        if (atomic_load(&rq->over) || !has_hung_up(rq->conn))
            continue;
        atomic_store(&rq->over, true);
        if (rq->stage == STAGE_ANSWERED)
            loop_resume(loop, rq); /* a stream: its reader finds out */
    }
    for (struct conn *conn = loop->conns; conn; conn = conn->next)
        if (conn->deadline_us && conn->deadline_us < now_us)
            (void)shutdown(conn->fd, SHUT_RDWR); /* libmicrohttpd closes it when it sees that */
}

/* --- Running --- */

static bool has_work(struct loop *loop, int64_t *ret_wait_us)
{
    MHD_UNSIGNED_LONG_LONG wait_ms;

    *ret_wait_us = INT64_MAX;
    if (MHD_get_timeout(loop->daemon, &wait_ms) != MHD_YES)
        return false;
    *ret_wait_us = wait_ms > INT32_MAX ? INT64_MAX : (int64_t)wait_ms * US_PER_MS;
    return !wait_ms;
}

static int wait_ms(struct loop *loop, int64_t limit_us)
{
    int64_t now_us = clock_mono_us();
    int64_t wait_us, own_us = INT64_MAX;

    if (has_work(loop, &wait_us))
        return 0;
    if (loop->waiting)
        own_us = loop->next_tick_us;
    if (loop->conns && loop->next_watch_us < own_us)
        own_us = loop->next_watch_us;
    if (limit_us < own_us)
        own_us = limit_us;
    if (own_us <= now_us)
        return 0;
    if (own_us != INT64_MAX && own_us - now_us < wait_us)
        wait_us = own_us - now_us;
    return wait_us == INT64_MAX ? -1 : (int)((wait_us + US_PER_MS - 1) / US_PER_MS);
}

/* One turn: waits, at most until limit_us (monotonic), and does all there is to do. */
static void turn(struct loop *loop, int64_t limit_us)
{
    struct pollfd fds[2] = {{.fd = loop->mhd_fd, .events = POLLIN}, {.fd = loop->wake_fd, .events = POLLIN}};
    uint64_t n_wakes;
    int64_t now_us, unused;
    unsigned runs = 0;

    if (poll(fds, ARRAY_LEN(fds), wait_ms(loop, limit_us)) > 0 && fds[1].revents)
        (void)!read(loop->wake_fd, &n_wakes, sizeof n_wakes); /* before the list is taken: a later push writes anew */
    do {
        take_ready(loop);
        (void)MHD_run(loop->daemon);
        now_us = clock_mono_us();
        tick(loop, now_us);
        watch(loop, now_us);
    } while (has_work(loop, &unused) && ++runs < RUNS_MAX);
}

static int64_t stop_at(struct loop *loop)
{
    int64_t at_us;

    (void)pthread_mutex_lock(&loop->mtx);
    at_us = loop->stop_at_us;
    (void)pthread_mutex_unlock(&loop->mtx);
    return at_us;
}

/* Stops accepting, after what already waits in the backlog: its clients have a connection and would see it reset. */
static void quiesce(struct loop *loop)
{
    struct pollfd fd = {.fd = loop->listen_fd, .events = POLLIN};

    if (loop->listen_fd < 0)
        return;
    for (unsigned i = 0; i < ACCEPT_RUNS_MAX && poll(&fd, 1, 0) > 0; i++)
        (void)MHD_run(loop->daemon);
    (void)MHD_quiesce_daemon(loop->daemon);
    (void)close(loop->listen_fd);
    loop->listen_fd = -1;
}

/* Lets what runs be answered; then what still waits is answered `expired`, streams are broken off, and all of it may leave. */
static void drain(struct loop *loop, int64_t stop_at_us)
{
    int64_t flushed_at_us;
    struct request *next;

    while (loop->active && clock_mono_us() < stop_at_us)
        turn(loop, stop_at_us);
    take_ready(loop);
    loop->ending = true;
    for (struct request *rq = loop->waiting; rq; rq = next) {
        next = rq->next_waiting;
        if (rq->stage == STAGE_RUN)
            request_expire(rq);
        else
            loop_resume(loop, rq);
    }
    flushed_at_us = clock_mono_us() + HTTP_FLUSH_MS * US_PER_MS;
    while (loop->active && clock_mono_us() < flushed_at_us)
        turn(loop, flushed_at_us);
}

static void *run_loop(void *context)
{
    struct loop *loop = context;
    int64_t stop_at_us;

    loop->self = pthread_self();
    while (!(stop_at_us = stop_at(loop))) {
        if (atomic_load(&loop->draining))
            quiesce(loop);
        turn(loop, INT64_MAX);
    }
    quiesce(loop);
    drain(loop, stop_at_us);
    MHD_stop_daemon(loop->daemon); /* nothing is suspended: it would abort */
    ASSERT(!loop->active && !atomic_load(&loop->n_body_bytes) && !loop->conns && !loop->waiting);
    (void)pthread_mutex_lock(&loop->mtx);
    loop->ended = true;
    (void)pthread_mutex_unlock(&loop->mtx);
    take_ready(loop);
    return NULL;
}

/* --- Life --- */

static bool start_thread(struct loop *loop)
{
    sigset_t all, before;
    int error;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the main thread's */
    error = pthread_create(&loop->thread, NULL, run_loop, loop);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return !error;
}

struct loop *loop_start(const struct http_config *config, const struct http_hooks *hooks, int listen_fd)
{
    struct loop *loop = mem_zalloc(sizeof *loop);
    uint64_t random;

    loop->hooks = *hooks;
    loop->config = *config;
    loop->listen_fd = listen_fd;
    loop->ready_end = &loop->ready;
    loop->next_tick_us = INT64_MAX;
    atomic_init(&loop->refs, 1);
    atomic_init(&loop->read_us, HTTP_READ_US);
    atomic_init(&loop->stall_us, HTTP_STALL_US);
    atomic_init(&loop->bodies_max, HTTP_BODIES_MAX);
    random_bytes(&random, sizeof random);
    (void)snprintf(loop->id_prefix, sizeof loop->id_prefix, "%016" PRIx64, random);
    (void)pthread_mutex_init(&loop->mtx, NULL);
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    loop->daemon = loop->wake_fd < 0 ? NULL : daemon_start(loop);
    if (!loop->daemon) {
        log_error("cannot start an http loop", LOG_FIELD("error", LOG_TEXT(strerror(errno))), );
        goto fail;
    }
    loop->mhd_fd = MHD_get_daemon_info(loop->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    if (start_thread(loop))
        return loop;
    log_error("cannot start an http thread", );
    MHD_stop_daemon(loop->daemon); /* closes listen_fd */
    listen_fd = -1;
fail:
    if (listen_fd >= 0)
        (void)close(listen_fd);
    loop_unref(loop);
    return NULL;
}

void loop_quiesce(struct loop *loop)
{
    atomic_store(&loop->draining, true);
    wake(loop);
}

void loop_ask_stop(struct loop *loop, int64_t stop_at_us)
{
    (void)pthread_mutex_lock(&loop->mtx);
    loop->stop_at_us = stop_at_us;
    (void)pthread_mutex_unlock(&loop->mtx);
    loop_quiesce(loop);
}

void loop_join(struct loop *loop)
{
    (void)pthread_join(loop->thread, NULL);
    loop_unref(loop);
}
