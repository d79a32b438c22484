/* Cross-origin answers. The one idea: the collect face hides nothing and trusts no cookie, so the origin is simply echoed ("*" would not do for requests
 * with credentials, which beacons are). Vary stands in every answer, or a cache gives a page what was meant for another. It refuses nobody: that is the
 * source's origins' business. */
#include "api/cors.h"

#include <string.h>

enum { ECHO_MAX = 4096 /* bytes of a header that is repeated: with more the answer would not fit the memory of a connection */ };

/* What SDKs ask for, should a preflight not say. */
#define KNOWN_HEADERS                                                                                                                      \
    "Authorization, Content-Type, X-Retry-Count, AnonymousId, SentAt, X-Write-Key, X-Enable-Debug, X-IP-Policy, Rsa-Recovered, "           \
    "Rsa-Retry-Attempt, Rsa-Since-Last-Attempt, Rsa-Since-First-Attempt, Rsa-Retry-Reason"

void cors_add(struct call *c)
{
    const char *origin = request_header(c->rq, "Origin");

    reply_header(c->rq, "Vary", "Origin");
    if (!origin || strlen(origin) > ECHO_MAX)
        return;
    reply_header(c->rq, "Access-Control-Allow-Origin", origin);
    reply_header(c->rq, "Access-Control-Allow-Credentials", "true");
    reply_header(c->rq, "Access-Control-Expose-Headers", "Retry-After, X-Request-Id");
}

void cors_preflight(struct call *c)
{
    const char *asked = request_header(c->rq, "Access-Control-Request-Headers");

    reply_header(c->rq, "Access-Control-Allow-Methods", "GET, HEAD, POST, OPTIONS");
    reply_header(c->rq, "Access-Control-Allow-Headers", asked && *asked && strlen(asked) <= ECHO_MAX ? asked : KNOWN_HEADERS);
    reply_header(c->rq, "Access-Control-Max-Age", "7200");
    reply_empty(c->rq, 204);
}
