/* GET of the script for web pages. The one idea: web/tracker/dist/c.js is part of the program, so the script is always the one that this server was
 * tested with. It is answered on the loop thread, and its name in the route table is the default of a setting: lists of ad blockers go by paths, so a
 * shop must be able to choose others. Building the script is make check-tracker's. */
#include "api/tracker.h"

#include <string.h>

#include "api/handlers.h"

#define SCRIPT_PATH "/c.js"

static const char script[] = {
#include "tracker.inc"
};

/* A trailing slash is none, as everywhere. */
static bool is_path(const char *path, const char *wanted)
{
    size_t len = strlen(wanted);

    return len && strncmp(path, wanted, len) == 0 && (!path[len] || strcmp(path + len, "/") == 0);
}

const char *tracker_route(const struct api_config *config, const char *method, const char *path, unsigned *faces)
{
    size_t len = strlen(config->collect_prefix);

    if (is_path(path, config->tracker_path))
        return SCRIPT_PATH;
    if (is_path(path, SCRIPT_PATH))
        return "";
    if (is_path(path, config->collect_prefix))
        return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0 ? "/v1/visitor/segments" : "/v1/b";
    if (!len || strncmp(path, config->collect_prefix, len) != 0 || path[len] != '/')
        return path;
    *faces &= 1U << FACE_COLLECT;
    return path + len;
}

enum handled api_tracker(struct call *c)
{
    AUTO_BUF struct buf text = BUF_INIT(sizeof script);

    if (!request_header(c->rq,
                        "Origin")) /* else dispatch.c has said so: a cache must not give this answer to a page that reads the script */
        reply_header(c->rq, "Vary", "Origin");
    reply_header(c->rq, "Cache-Control", "public, max-age=3600");
    reply_header(c->rq, "X-Content-Type-Options", "nosniff");
    reply_header(c->rq, "Cross-Origin-Resource-Policy", "cross-origin");
    buf_add(&text, script, sizeof script);
    return answer_tagged(c, "text/javascript; charset=utf-8", &text);
}
