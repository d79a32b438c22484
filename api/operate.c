/* /healthz, /readyz, /metrics: for orchestrators and Prometheus,
 * without a key, on the loop thread, so they answer while the
 * database hangs. */
#include <string.h>

#include "api/handlers.h"
#include "api/metrics.h"

static enum handled answer_text(struct call *c, unsigned status, const char *text)
{
    reply_header(c->rq, "Cache-Control", "no-store");
    reply_static(c->rq, status, "text/plain; charset=utf-8", text, strlen(text));
    return HANDLED_ANSWERED;
}

enum handled api_healthz(struct call *c)
{
    return answer_text(c, 200, "ok\n");
}

/* The reason is a static text. */
enum handled api_readyz(struct call *c)
{
    const char *reason = c->ports->not_ready(c->ports->app);

    if (!reason)
        return answer_text(c, 200, "ready\n");
    reply_header(c->rq, "Retry-After", "1");
    return answer_text(c, 503, reason);
}

enum handled api_metrics(struct call *c)
{
    AUTO_BUF struct buf text = BUF_INIT(ANSWER_MAX);

    metrics_print(c->api->metrics, &text);
    c->ports->metrics(c->ports->app, &text);
    reply_body(c->rq, 200, "text/plain; version=0.0.4; charset=utf-8", &text);
    return HANDLED_ANSWERED;
}
