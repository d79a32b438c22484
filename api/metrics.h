/* Numbers of the HTTP face, counted by any thread without a lock, printed as Prometheus text. */
#pragma once

#include "api/call.h"

struct metrics;

/* All zero. The caller's, to metrics_free. */
struct metrics *metrics_new(void);
void metrics_free(struct metrics *metrics);
/* A request has ended: route NULL when none fitted, status 0 when the client was gone. */
void metrics_request(struct metrics *metrics, const struct route *route, unsigned status, int64_t took_us);
/* n messages were not stored for their source's privacy policy. */
void metrics_dropped(struct metrics *metrics, size_t n);
/* What became of webhooks: messages made of their events, events that mean nothing to us, and requests that were refused. */
enum hook_count { HOOK_COUNT_MAPPED, HOOK_COUNT_IGNORED, HOOK_COUNT_REFUSED, HOOK_COUNTS };
void metrics_hook(struct metrics *metrics, enum hook_count count, size_t n);
/* Appends all of it. */
void metrics_print(const struct metrics *metrics, struct buf *text);
