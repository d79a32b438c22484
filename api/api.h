/* The HTTP contract (openapi.yaml) as hooks of server/http: what the process sees of api/. */
#pragma once

#include <stddef.h>

#include "db/message.h"
#include "server/base/ports.h"
#include "server/http/http.h"

struct api;

struct api_config {
    const char *public_url;     /* "https://events.shop.example", the beginning of absolute URLs; NULL or "": as the request's Host says */
    const char *version;        /* of the program */
    const char *tracker_path;   /* where the script for web pages is; "": nowhere */
    const char *collect_prefix; /* a neutral path for events (api/tracker.h); "": none */
    size_t body_max;            /* bytes of a body, decompressed */
    size_t message_max;         /* bytes of one message */
    unsigned timeout_ms;        /* after which a waiting request gets 503 */
    bool operate_apart;         /* /healthz, /readyz and /metrics are served by a listener of their own */
};

/* ports is copied; the texts of config are borrowed. Start and end of the process. */
struct api *api_new(const struct api_config *config, const struct ports *ports);
/* After the last request has ended. */
void api_free(struct api *api);

/* What the writers call when jobs of ours are stored, or are not. Any thread. */
void api_ingest_done(struct ingest_job *const *jobs, size_t n, enum ingest_result result);

/* The hooks of the main listener, and of the one that serves only the operate face. Valid as long as api. */
struct http_hooks api_hooks(struct api *api);
struct http_hooks api_operate_hooks(struct api *api);
