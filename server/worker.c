/* The worker's thread. The one idea: one loop that does the most urgent thing and comes back: a tick when it was woken (not more often
 * than it pays) or a second has passed; a slice of a build; a chore; an audit. All that it knows is a cache of the tables, so whatever
 * fails (the connection, a statement, the lead), it drops what it knows and begins again. It waits only on its eventfd, with a deadline.
 * The lease is in db/tick.c. */
#include "server/worker.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "db/change.h"
#include "db/conn.h"
#include "db/erasure.h"
#include "db/tick.h"
#include "db/version.h"
#include "server/audit.h"
#include "server/base/alloc.h"
#include "server/base/log.h"
#include "server/build.h"
#include "server/careful.h"
#include "server/history.h"
#include "server/roster.h"
#include "server/tick.h"
#include "server/versions.h"

enum {
    IDLE_MS = 1000,    /* a tick at least so often: as_of moves */
    TICK_MIN_MS = 20,  /* from the start of a tick to the next: under load a tick takes what has gathered, */
    PAUSE_MAX_MS = 50, /* and pauses twice as long as it took, at most so long: ingest needs the processor, too */
    LOOK_MIN_MS = 100, /* the same between looks for new versions */
    CHORES_MS = 1000,
    BACKOFF_MIN_MS = 50,
    BACKOFF_MAX_MS = 5000,
    WAIT_TIMEOUT_MS = 300000, /* for one answer of the database: a swap of millions takes a while */
    SWEEP_ROWS = 10000,
    FEED_DAYS = 30,
    PRUNE_ROWS = 10000
};

#define STOP_US (5 * US_PER_S)

struct worker {
    struct worker_config config;
    pthread_t thread;
    int wake_fd;
    atomic_bool stop;
    pthread_mutex_t mtx;
    /* guarded by mtx */
    struct worker_stats stats;
    /* owned by the thread */
    struct db *db;
    struct roster roster;
    struct tick tick;
    struct build build;
    struct history history;
    int64_t epoch;
    bool leads;
    bool woken;
    bool wants_look;     /* woken since versions were looked for */
    bool building;       /* the last look for something to build found something */
    bool swap;           /* a build is complete: tick */
    bool more;           /* the last tick left something */
    unsigned backoff_ms; /* 0: all is well */
    int64_t tick_gap_ms; /* from the start of the last tick to the next, at least */
    int64_t tick_us;     /* by the monotonic clock: when the last tick began, */
    int64_t look_us;     /* versions were looked for, */
    int64_t chores_us;   /* chores were done, */
    int64_t audit_us;    /* something was audited, */
    int64_t busy_us;     /* a tick took something from the queue */
};

/* --- Waiting --- */

void worker_wake(struct worker *worker)
{
    uint64_t one = 1;

    if (write(worker->wake_fd, &one, sizeof one) < 0 && errno != EAGAIN)
        log_warn("cannot wake the worker", LOG_FIELD("errno", LOG_INT(errno)), );
}

/* Until woken or timeout_ms have passed. */
static void wait_wake(struct worker *worker, int64_t timeout_ms)
{
    struct pollfd fd = {.fd = worker->wake_fd, .events = POLLIN};
    uint64_t count;

    if (timeout_ms < 0)
        timeout_ms = 0;
    if (poll(&fd, 1, (int)timeout_ms) > 0 && read(worker->wake_fd, &count, sizeof count) == sizeof count)
        worker->woken = worker->wants_look = true;
}

/* Waking does not shorten this one. */
static void wait_out(struct worker *worker, int64_t ms)
{
    int64_t until_us = clock_mono_us() + ms * US_PER_MS;

    while (!atomic_load(&worker->stop) && clock_mono_us() < until_us)
        wait_wake(worker, (until_us - clock_mono_us()) / US_PER_MS + 1);
}

static void fail_once(struct worker *worker)
{
    worker->backoff_ms = worker->backoff_ms ? worker->backoff_ms * 2 : BACKOFF_MIN_MS;
    if (worker->backoff_ms > BACKOFF_MAX_MS)
        worker->backoff_ms = BACKOFF_MAX_MS;
    wait_out(worker, worker->backoff_ms);
}

/* --- The lead --- */

static void lose_lead(struct worker *worker, const char *why)
{
    if (!worker->leads)
        return;
    log_info("worker no longer leads", LOG_FIELD("why", LOG_TEXT(why)), LOG_FIELD("epoch", LOG_INT(worker->epoch)), );
    build_release(&worker->build);
    tick_release(&worker->tick);
    roster_drop(&worker->roster, worker->db);
    worker->leads = false;
    pthread_mutex_lock(&worker->mtx);
    worker->stats.leads = false;
    pthread_mutex_unlock(&worker->mtx);
}

static enum db_status take_lead(struct worker *worker)
{
    enum db_status status = db_worker_lead(worker->db, &worker->epoch);

    if (status != DB_OK)
        return status;
    log_info("worker leads", LOG_FIELD("epoch", LOG_INT(worker->epoch)), );
    worker->leads = true;
    tick_init(&worker->tick, worker->db, &worker->roster, worker->epoch);
    build_init(&worker->build, worker->db, &worker->roster, worker->epoch);
    history_init(&worker->history, worker->db, &worker->roster, worker->epoch);
    worker->tick_us = worker->look_us = worker->chores_us = 0;
    worker->woken = worker->wants_look = true;
    pthread_mutex_lock(&worker->mtx);
    worker->stats.leads = true;
    pthread_mutex_unlock(&worker->mtx);
    return DB_OK;
}

/* --- Looks and chores --- */

/* For those who wait for the feed, and for edits of lists. */
static void tell(struct worker *worker, int64_t max_seq)
{
    if (worker->config.changed)
        worker->config.changed(worker->config.context, max_seq);
    if (db_tick_notify(worker->db, max_seq) == DB_ERROR)
        log_warn("cannot notify of changes", );
}

static enum db_status look(struct worker *worker)
{
    bool changed;
    enum db_status status;

    worker->wants_look = false;
    status = versions_look(&worker->tick.differ, worker->epoch, &changed);
    worker->look_us = clock_mono_us();
    worker->building |= changed;
    return status;
}

static enum db_status sweep(struct db *db)
{
    return db_versions_sweep(db, SWEEP_ROWS);
}

static enum db_status prune_feed(struct worker *worker)
{
    if (worker->tick.differ.as_of_us == 0)
        return DB_OK;
    return db_change_prune(worker->db, worker->tick.differ.as_of_us - FEED_DAYS * 86400 * US_PER_S, PRUNE_ROWS);
}

static enum db_status do_chores(struct worker *worker)
{
    struct db_chores chores;
    enum db_status status = db_chores_read(worker->db, &chores);

    worker->chores_us = clock_mono_us();
    if (status == DB_OK && chores.retry) {
        status = db_frame_run(worker->db, worker->epoch, db_versions_retry);
        worker->look_us = 0;
    }
    if (status == DB_OK && chores.sweep)
        status = db_frame_run(worker->db, worker->epoch, sweep);
    if (status == DB_OK)
        status = history_chore(&worker->history);
    if (status == DB_OK)
        status = prune_feed(worker);
    if (status == DB_OK)
        status = db_erasure_chore(worker->db);
    if (status == DB_OK || status == DB_NONE)
        status = db_worker_unblock(worker->db);
    return status;
}

/* --- Ticks, builds, audits --- */

static void count_tick(struct worker *worker, const struct tick_result *result, int64_t took_us)
{
    struct worker_stats *stats = &worker->stats;

    pthread_mutex_lock(&worker->mtx);
    stats->as_of_us = result->as_of_us;
    if (result->oldest_us != INSTANT_NONE)
        stats->lag_us = result->clock_us + took_us - result->oldest_us;
    stats->ticks++;
    stats->tick_us += (uint64_t)took_us;
    if ((uint64_t)took_us > stats->tick_max_us)
        stats->tick_max_us = (uint64_t)took_us;
    stats->touched += result->touched;
    stats->evaluated += result->evaluated;
    stats->decided += result->decided;
    stats->changes += result->changes;
    stats->builds += result->swapped;
    stats->failed += result->failed;
    stats->set_aside += result->set_aside;
    pthread_mutex_unlock(&worker->mtx);
}

static enum db_status tick_once(struct worker *worker)
{
    struct tick_result result;
    enum db_status status;
    int64_t took_ms;

    worker->tick_us = clock_mono_us();
    worker->woken = worker->swap = false;
    status = tick_run(&worker->tick, INSTANT_NONE, &result);
    if (status == DB_NONE)
        return DB_NONE;
    if (status != DB_OK) {
        pthread_mutex_lock(&worker->mtx);
        worker->stats.failed_ticks++;
        pthread_mutex_unlock(&worker->mtx);
        return status;
    }
    took_ms = (clock_mono_us() - worker->tick_us) / US_PER_MS;
    worker->tick_gap_ms = took_ms + (2 * took_ms < PAUSE_MAX_MS ? 2 * took_ms : PAUSE_MAX_MS);
    if (worker->tick_gap_ms < TICK_MIN_MS)
        worker->tick_gap_ms = TICK_MIN_MS;
    count_tick(worker, &result, clock_mono_us() - worker->tick_us);
    worker->more = result.more;
    if (result.touched)
        worker->busy_us = clock_mono_us();
    worker->building |= result.swapped > 0; /* what waited for it may be built now */
    if (result.max_seq || result.lists.applied)
        tell(worker, result.max_seq);
    if (worker->config.ticked)
        worker->config.ticked(worker->config.context, result.as_of_us);
    return DB_OK;
}

static enum db_status build_once(struct worker *worker)
{
    bool complete = false, set_aside = false;
    enum db_status status;

    worker->build.set_aside = false;
    status = build_step(&worker->build, &complete);
    worker->building = status == DB_OK;
    worker->swap |= complete;
    if (status == DB_NONE)
        return DB_OK;
    if (status == DB_OK && worker->build.set_aside) { /* ticks leave it out, and try it again */
        set_aside = true;
        status = careful_load(&worker->tick.differ);
        if (status != DB_OK)
            roster_drop(&worker->roster, worker->db);
    }
    pthread_mutex_lock(&worker->mtx);
    worker->stats.build_slices += status == DB_OK;
    worker->stats.set_aside += set_aside;
    pthread_mutex_unlock(&worker->mtx);
    return status;
}

static enum db_status audit_once(struct worker *worker)
{
    struct audit_result result = {0};
    enum db_status status = audit_sample(worker->db, &worker->tick);

    worker->audit_us = clock_mono_us();
    if (status == DB_OK)
        status = audit_step(worker->db, &worker->roster, &result);
    pthread_mutex_lock(&worker->mtx);
    worker->stats.audited += result.compared;
    worker->stats.drift += result.drift;
    pthread_mutex_unlock(&worker->mtx);
    return status;
}

static enum db_status history_once(struct worker *worker)
{
    int64_t began_us = clock_mono_us();
    enum db_status status = history_step(&worker->history, worker->tick.differ.as_of_us);

    pthread_mutex_lock(&worker->mtx);
    worker->stats.history_us += (uint64_t)(clock_mono_us() - began_us);
    pthread_mutex_unlock(&worker->mtx);
    return status;
}

static bool tick_is_due(const struct worker *worker)
{
    bool wanted = worker->woken || worker->more || worker->swap || clock_passed(worker->tick_us, IDLE_MS);

    return wanted && (worker->more || clock_passed(worker->tick_us, worker->tick_gap_ms));
}

static int64_t until_urgent_ms(const struct worker *worker)
{
    int64_t tick_ms = (worker->woken || worker->swap ? worker->tick_gap_ms : IDLE_MS) - (clock_mono_us() - worker->tick_us) / US_PER_MS;
    int64_t look_ms = LOOK_MIN_MS - (clock_mono_us() - worker->look_us) / US_PER_MS;

    return worker->wants_look && look_ms < tick_ms ? look_ms : tick_ms;
}

/* The most urgent thing, and one more slice of a build; or waits until something is urgent. DB_NONE: no longer the leader. */
static enum db_status step(struct worker *worker)
{
    bool wants_audit = worker->config.audit_ms && clock_passed(worker->audit_us, worker->config.audit_ms);
    enum db_status status = DB_OK;
    bool ticked = false;

    wait_wake(worker, 0); /* what is done below must not keep a tick from being seen to be due */
    if (clock_passed(worker->chores_us, CHORES_MS))
        status = do_chores(worker);
    if (status == DB_OK && (!worker->roster.loaded || !worker->roster.dates_loaded ||
                            clock_passed(worker->look_us, worker->wants_look ? LOOK_MIN_MS : IDLE_MS)))
        status = look(worker);
    if (status == DB_OK && worker->roster.loaded && tick_is_due(worker)) {
        status = tick_once(worker);
        ticked = true;
    }
    if (status != DB_OK || !worker->leads || !worker->roster.loaded)
        return status;
    if (worker->building && !worker->tick.catching_up)
        return build_once(worker);
    if (history_wants(&worker->history, !worker->woken && !worker->more && clock_passed(worker->busy_us, IDLE_MS), clock_mono_us()))
        return history_once(worker);
    if (!ticked && wants_audit)
        return audit_once(worker);
    if (!worker->more)
        wait_wake(worker, until_urgent_ms(worker));
    return DB_OK;
}

static enum db_status run_once(struct worker *worker)
{
    enum db_status status;

    if (!db_is_connected(worker->db)) {
        lose_lead(worker, "connection lost");
        roster_drop(&worker->roster, worker->db);
        status = db_connect(worker->db);
        if (status != DB_OK)
            return DB_RETRY;
    }
    if (!worker->leads) {
        status = take_lead(worker);
        if (status != DB_NONE)
            return status;
        wait_out(worker, IDLE_MS);
        return db_worker_unblock(worker->db);
    }
    status = step(worker);
    if (status == DB_NONE) /* a frame without our epoch */
        lose_lead(worker, "another one leads");
    return status;
}

static void *run(void *context)
{
    struct worker *worker = context;

    db_gate_await(worker->config.gate);
    while (!atomic_load(&worker->stop)) {
        enum db_status status = run_once(worker);

        if (status == DB_OK || status == DB_NONE) {
            worker->backoff_ms = 0;
            continue;
        }
        db_rollback(worker->db);
        fail_once(worker);
    }
    if (worker->leads && db_is_connected(worker->db))
        db_worker_resign(worker->db, worker->epoch);
    lose_lead(worker, "stopping");
    return NULL;
}

/* --- Start and stop --- */

struct worker *worker_start(const struct worker_config *config)
{
    struct worker *worker = mem_zalloc(sizeof *worker);
    struct db_config db = {.url = config->url,
                           .role = "worker",
                           .wait_timeout_ms = WAIT_TIMEOUT_MS,
                           .worker = true,
                           .gate = config->gate,
                           .clock = config->clock};

    worker->config = *config;
    worker->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    ASSERT(worker->wake_fd >= 0);
    atomic_init(&worker->stop, false);
    ASSERT(pthread_mutex_init(&worker->mtx, NULL) == 0);
    worker->db = db_new(&db);
    roster_init(&worker->roster);
    if (pthread_create(&worker->thread, NULL, run, worker) != 0)
        BUG("cannot start the worker's thread");
    return worker;
}

void worker_stop(struct worker *worker)
{
    if (!worker)
        return;
    atomic_store(&worker->stop, true);
    worker_wake(worker);
    db_gate_join(worker->config.gate, worker->thread, clock_mono_us() + STOP_US);
    roster_release(&worker->roster, worker->db);
    db_free(worker->db);
    close(worker->wake_fd);
    pthread_mutex_destroy(&worker->mtx);
    free(worker);
}

void worker_stats(struct worker *worker, struct worker_stats *ret_stats)
{
    pthread_mutex_lock(&worker->mtx);
    *ret_stats = worker->stats;
    pthread_mutex_unlock(&worker->mtx);
}
