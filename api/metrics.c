/* Requests by route and status class, and how long they took. The one idea: an array parallel to the route table of counters that only grow, so
 * counting is one relaxed addition and printing needs no lock; the sums of one print may differ by the requests of that moment.
 * Numbers of queues, writers and worker are the process's (ports->metrics). */
#include "api/metrics.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "api/routes.h"
#include "server/base/alloc.h"

enum { CLASSES = 6, BUCKETS = 10 };

static const struct {
    int64_t us;
    const char *label;
} bounds[BUCKETS] = {{1000, "0.001"}, {2500, "0.0025"}, {5000, "0.005"}, {10000, "0.01"}, {25000, "0.025"},
                     {100000, "0.1"}, {250000, "0.25"}, {1000000, "1"},  {5000000, "5"},  {INT64_MAX, "+Inf"}};

struct counters {
    _Atomic uint64_t requests[CLASSES]; /* by the first digit of the status; 0: the client was gone */
    _Atomic uint64_t took[BUCKETS];     /* the first bound it is within */
    _Atomic uint64_t took_us;
};

struct metrics {
    size_t n;
    struct counters *counters; /* of each route, and one for no route */
    _Atomic uint64_t dropped;  /* messages */
    _Atomic uint64_t hooks[HOOK_COUNTS];
};

struct metrics *metrics_new(void)
{
    struct metrics *metrics = mem_zalloc(sizeof *metrics);

    (void)routes_all(&metrics->n);
    metrics->counters = mem_zalloc((metrics->n + 1) * sizeof *metrics->counters);
    return metrics;
}

void metrics_free(struct metrics *metrics)
{
    if (!metrics)
        return;
    free(metrics->counters);
    free(metrics);
}

static void add(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static uint64_t get(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void metrics_request(struct metrics *metrics, const struct route *route, unsigned status, int64_t took_us)
{
    size_t n, bucket = 0;
    const struct route *rows = routes_all(&n);
    struct counters *counters = &metrics->counters[route ? (size_t)(route - rows) : n];

    while (took_us > bounds[bucket].us)
        bucket++;
    add(&counters->requests[status / 100 < CLASSES ? status / 100 : CLASSES - 1], 1);
    add(&counters->took[bucket], 1);
    add(&counters->took_us, (uint64_t)(took_us > 0 ? took_us : 0));
}

void metrics_dropped(struct metrics *metrics, size_t n)
{
    if (n)
        add(&metrics->dropped, n);
}

void metrics_hook(struct metrics *metrics, enum hook_count count, size_t n)
{
    add(&metrics->hooks[count], n);
}

static const char *handler_label(size_t i, char *ret_label, size_t size)
{
    size_t n;
    const struct route *rows = routes_all(&n);

    if (i == n)
        return "method=\"\",path=\"\"";
    (void)snprintf(ret_label, size, "method=\"%s\",path=\"%s\"", rows[i].method, rows[i].path);
    return ret_label;
}

static void print_requests(const struct metrics *metrics, struct buf *text)
{
    char room[128];

    buf_add_text(text, "# HELP cohortd_http_requests_total Requests answered, by route and class of status; 0xx: the client was gone.\n"
                       "# TYPE cohortd_http_requests_total counter\n");
    for (size_t i = 0; i <= metrics->n; i++)
        for (int class = 0; class < CLASSES; class ++) {
            uint64_t n = get(&metrics->counters[i].requests[class]);

            if (n)
                buf_addf(text, "cohortd_http_requests_total{%s,status=\"%dxx\"} %" PRIu64 "\n", handler_label(i, room, sizeof room), class,
                         n);
        }
}

static void print_took(const struct metrics *metrics, struct buf *text)
{
    char room[128];

    buf_add_text(text, "# HELP cohortd_http_request_seconds From a request's head to the end of its answer.\n"
                       "# TYPE cohortd_http_request_seconds histogram\n");
    for (size_t i = 0; i <= metrics->n; i++) {
        const struct counters *counters = &metrics->counters[i];
        const char *label = handler_label(i, room, sizeof room);
        uint64_t n = 0;

        for (size_t k = 0; k < BUCKETS; k++)
            n += get(&counters->took[k]);
        if (!n)
            continue;
        n = 0;
        for (size_t k = 0; k < BUCKETS; k++) {
            n += get(&counters->took[k]);
            buf_addf(text, "cohortd_http_request_seconds_bucket{%s,le=\"%s\"} %" PRIu64 "\n", label, bounds[k].label, n);
        }
        buf_addf(text, "cohortd_http_request_seconds_sum{%s} %.6f\n", label, (double)get(&counters->took_us) / 1e6);
        buf_addf(text, "cohortd_http_request_seconds_count{%s} %" PRIu64 "\n", label, n);
    }
}

static void print_hooks(const struct metrics *metrics, struct buf *text)
{
    static const char *const results[HOOK_COUNTS] = {"mapped", "ignored", "refused"};

    buf_add_text(text, "# HELP cohortd_hooks_total Webhooks: messages mapped, events ignored, requests refused for their signature.\n"
                       "# TYPE cohortd_hooks_total counter\n");
    for (size_t i = 0; i < HOOK_COUNTS; i++)
        buf_addf(text, "cohortd_hooks_total{result=\"%s\"} %" PRIu64 "\n", results[i], get(&metrics->hooks[i]));
}

void metrics_print(const struct metrics *metrics, struct buf *text)
{
    print_requests(metrics, text);
    print_took(metrics, text);
    buf_addf(text,
             "# HELP cohortd_privacy_dropped_messages_total Messages not stored because of Global Privacy Control or Do Not Track.\n"
             "# TYPE cohortd_privacy_dropped_messages_total counter\n"
             "cohortd_privacy_dropped_messages_total %" PRIu64 "\n",
             get(&metrics->dropped));
    print_hooks(metrics, text);
}
