/* The process's own numbers as Prometheus text: queues, writers, worker, listener. */
#pragma once

#include "server/base/buf.h"
#include "server/http/http.h"
#include "server/query_pool.h"
#include "server/worker.h"
#include "server/writer.h"

struct metrics_sources {
    const struct http *http; /* NULL: still starting */
    struct query_pool *pool;
    struct writer *writer;
    struct worker *worker;
};

/* Appends what the process itself counts, as Prometheus text. Any thread. */
void metrics_append(const struct metrics_sources *sources, struct buf *text);
