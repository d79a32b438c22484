/* LISTEN: cohortd_touched wakes the worker, cohortd_change the calls that wait for the feed, cohortd_keys has the keys read again. The one idea: a
 * notification only saves time. Each second, and after every reconnect, the thread looks for itself (the feed's last number, the keys), so a lost one costs
 * a second and nothing else. Each minute it measures the database's clock. One thread, one connection. */
#include "server/notify.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "db/feed.h"
#include "server/base/alloc.h"
#include "server/base/log.h"

enum { POLL_MS = 1000, CHANNEL_MAX = 64 };
#define CLOCK_US     (60 * US_PER_S)
#define UP_US        (3 * US_PER_S)
#define RECONNECT_MS 250

struct notify {
    struct notify_config config;
    pthread_t thread;
    int stop_fd;
    _Atomic bool stopping;
    _Atomic int64_t answered_us; /* monotonic */
    _Atomic bool read_only;      /* as of the last answer */
    /* owned by the thread */
    struct db *db;
    int64_t last_seq;
    int64_t polled_us;
    int64_t clock_us;
};

static enum db_status listen_to(struct db *db)
{
    static const char *const listens[] = {"LISTEN cohortd_touched", "LISTEN cohortd_change", "LISTEN cohortd_keys"};

    for (size_t i = 0; i < ARRAY_LEN(listens); i++) {
        enum db_status status = db_run_sql(db, listens[i], NULL, NULL);

        if (status != DB_OK)
            return status;
    }
    return DB_OK;
}

/* Looks for itself what notifications would have said. */
static enum db_status look(struct notify *notify)
{
    int64_t seq = 0, now_us = clock_mono_us();
    enum db_status status;

    notify->polled_us = now_us;
    status = db_feed_last(notify->db, &seq);
    if (status != DB_OK)
        return status;
    if (seq != notify->last_seq)
        notify->config.on_change(notify->config.context);
    notify->last_seq = seq;
    status = keys_load(notify->config.keys, notify->db);
    if (status == DB_OK && now_us - notify->clock_us > CLOCK_US) {
        status = db_measure_clock(notify->db);
        notify->clock_us = now_us;
    }
    if (status == DB_OK) {
        atomic_store(&notify->read_only, db_is_read_only(notify->db));
        atomic_store(&notify->answered_us, clock_mono_us());
    }
    return status;
}

static void act(struct notify *notify, const char *channel)
{
    if (strcmp(channel, "cohortd_touched") == 0)
        notify->config.on_touched(notify->config.context);
    else if (strcmp(channel, "cohortd_change") == 0)
        notify->config.on_change(notify->config.context);
    else if (strcmp(channel, "cohortd_keys") == 0 && keys_load(notify->config.keys, notify->db) != DB_OK)
        log_warn("keys not read again", );
}

/* Waits for the stop signal alone. */
static void pause_ms(struct notify *notify, int ms)
{
    struct pollfd fd = {.fd = notify->stop_fd, .events = POLLIN};

    (void)poll(&fd, 1, ms);
}

static bool connected(struct notify *notify)
{
    if (db_is_connected(notify->db))
        return true;
    if (db_connect(notify->db) != DB_OK || listen_to(notify->db) != DB_OK) {
        db_disconnect(notify->db);
        atomic_store(&notify->answered_us, -UP_US); /* not up, and no need to wait until that shows */
        return false;
    }
    notify->polled_us = 0;
    return true;
}

static void *run_thread(void *context)
{
    struct notify *notify = context;
    char channel[CHANNEL_MAX];

    db_gate_await(notify->config.gate);
    while (!atomic_load(&notify->stopping)) {
        enum db_status status = DB_OK;

        if (!connected(notify)) {
            pause_ms(notify, RECONNECT_MS);
            continue;
        }
        if (clock_passed(notify->polled_us, POLL_MS))
            status = look(notify);
        if (status == DB_OK)
            status = db_wait_notify(notify->db, notify->stop_fd, POLL_MS, channel, sizeof channel);
        if (status == DB_OK)
            act(notify, channel);
    }
    return NULL;
}

struct notify *notify_start(const struct notify_config *config)
{
    struct notify *notify = mem_zalloc(sizeof *notify);
    struct db_config db = {.url = config->url,
                           .role = "notify",
                           .statement_timeout_ms = 5000,
                           .wait_timeout_ms = 5000,
                           .gate = config->gate,
                           .clock = config->clock};

    notify->config = *config;
    notify->db = db_new(&db);
    notify->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (notify->stop_fd < 0 || pthread_create(&notify->thread, NULL, run_thread, notify) != 0)
        BUG("no more threads or files");
    return notify;
}

void notify_stop(struct notify *notify)
{
    uint64_t one = 1;

    atomic_store(&notify->stopping, true);
    if (write(notify->stop_fd, &one, sizeof one) != sizeof one)
        BUG("eventfd");
    pthread_join(notify->thread, NULL);
    close(notify->stop_fd);
    db_free(notify->db);
    free(notify);
}

const char *notify_not_ready(const struct notify *notify)
{
    if (clock_mono_us() - atomic_load(&notify->answered_us) >= UP_US)
        return "the database cannot be reached\n";
    return atomic_load(&notify->read_only) ? "the database is read-only\n" : NULL;
}
