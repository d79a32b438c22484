/* The process's numbers for Prometheus. The one idea: each part keeps its own counters and hands out a copy; here they get names, units and a sentence, in
 * one table a part, so what is exported can be read in one place.
 * Requests are counted by the API (api/metrics.c). */
#include "server/metrics.h"

#include <inttypes.h>

struct number {
    const char *name; /* after cohortd_ */
    const char *type;
    const char *help;
    double value;
};

static void print(struct buf *text, const struct number *numbers, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_addf(text, "# HELP cohortd_%s %s\n# TYPE cohortd_%s %s\ncohortd_%s %.17g\n", numbers[i].name, numbers[i].help, numbers[i].name,
                 numbers[i].type, numbers[i].name, numbers[i].value);
}

static void print_listener(const struct metrics_sources *sources, struct buf *text)
{
    struct http_stats http = sources->http ? http_stats(sources->http) : (struct http_stats){.connections = 0};
    struct query_pool_stats pool = query_pool_stats(sources->pool);
    const struct number numbers[] = {
        {"http_connections", "gauge", "Open connections.", (double)http.connections},
        {"http_suspended", "gauge", "Requests that wait for another thread.", (double)http.suspended},
        {"query_waiting", "gauge", "Queries that wait for a thread.", (double)pool.waiting},
        {"query_parked", "gauge", "Calls that wait for the feed.", (double)pool.parked},
    };

    print(text, numbers, ARRAY_LEN(numbers));
}

static void print_writer(const struct writer_stats *stats, struct buf *text)
{
    const struct number numbers[] = {
        {"ingest_waiting_messages", "gauge", "Messages that wait to be stored.", (double)stats->waiting_messages},
        {"ingest_waiting_bytes", "gauge", "Their bytes.", (double)stats->waiting_bytes},
        {"ingest_batches_total", "counter", "Transactions committed.", (double)stats->batches},
        {"ingest_stored_total", "counter", "Messages stored.", (double)stats->stored},
        {"ingest_duplicate_total", "counter", "Messages that were there already.", (double)stats->duplicate},
        {"ingest_rejected_total", "counter", "Messages refused.", (double)stats->rejected},
        {"ingest_too_many_names_total", "counter", "Of them because their source has too many event names (--names-max).",
         (double)stats->unnamed},
        {"ingest_given_up_total", "counter", "Requests that were not stored: nobody waited any more, or the database refused.",
         (double)stats->given_up},
        {"ingest_retries_total", "counter", "Attempts that failed and were made again.", (double)stats->retries},
        {"ingest_connected", "gauge", "1: the last attempt reached the database.", stats->connected},
    };

    print(text, numbers, ARRAY_LEN(numbers));
}

static void print_commit(const struct writer_stats *stats, struct buf *text)
{
    uint64_t n = 0;

    buf_add_text(text, "# HELP cohortd_ingest_commit_seconds From taking a batch to its commit.\n"
                       "# TYPE cohortd_ingest_commit_seconds histogram\n");
    for (size_t i = 0; i < WRITER_BUCKETS; i++) {
        n += stats->commit_bucket[i];
        if (i < WRITER_BUCKETS - 1)
            buf_addf(text, "cohortd_ingest_commit_seconds_bucket{le=\"%g\"} %" PRIu64 "\n", writer_bucket_ms[i] / 1e3, n);
        else
            buf_addf(text, "cohortd_ingest_commit_seconds_bucket{le=\"+Inf\"} %" PRIu64 "\n", n);
    }
    buf_addf(text, "cohortd_ingest_commit_seconds_sum %.6f\ncohortd_ingest_commit_seconds_count %" PRIu64 "\n",
             (double)stats->commit_us / 1e6, n);
}

static void print_worker(const struct worker_stats *stats, struct buf *text)
{
    const struct number numbers[] = {
        {"worker_leads", "gauge", "1: this process's worker leads.", stats->leads},
        {"worker_as_of_seconds", "gauge", "Members are right at this instant (Unix time).", (double)stats->as_of_us / 1e6},
        {"worker_lag_seconds", "gauge", "From the writing of the oldest row a tick took to its commit, last time.",
         (double)stats->lag_us / 1e6},
        {"worker_ticks_total", "counter", "Ticks committed.", (double)stats->ticks},
        {"worker_tick_seconds_total", "counter", "Time in them.", (double)stats->tick_us / 1e6},
        {"worker_tick_seconds_max", "gauge", "The longest.", (double)stats->tick_max_us / 1e6},
        {"worker_failed_ticks_total", "counter", "Ticks rolled back.", (double)stats->failed_ticks},
        {"worker_touched_total", "counter", "Pairs, facts and profiles taken from the queue.", (double)stats->touched},
        {"worker_evaluated_total", "counter", "Profiles times versions evaluated.", (double)stats->evaluated},
        {"worker_decided_total", "counter", "Of these decided by names and times of events alone.", (double)stats->decided},
        {"worker_changes_total", "counter", "Changes written to the feed by ticks.", (double)stats->changes},
        {"worker_builds_total", "counter", "Versions that went live.", (double)stats->builds},
        {"worker_build_slices_total", "counter", "Slices of builds.", (double)stats->build_slices},
        {"worker_history_seconds_total", "counter", "Time spent on sizes from before a segment was there.",
         (double)stats->history_us / 1e6},
        {"worker_failed_versions_total", "counter", "Versions that failed.", (double)stats->failed},
        {"worker_set_aside_total", "counter", "Profiles set aside because they were too dear.", (double)stats->set_aside},
        {"membership_audited_total", "counter", "Profiles times versions compared by the audit.", (double)stats->audited},
        {"membership_drift_total", "counter", "Of them different from a fresh evaluation: must stay 0.", (double)stats->drift},
    };

    print(text, numbers, ARRAY_LEN(numbers));
}

void metrics_append(const struct metrics_sources *sources, struct buf *text)
{
    struct writer_stats writer = writer_stats(sources->writer);
    struct worker_stats worker;

    worker_stats(sources->worker, &worker);
    print_listener(sources, text);
    print_writer(&writer, text);
    print_commit(&writer, text);
    print_worker(&worker, text);
}
