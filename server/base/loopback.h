/* A tiny blocking HTTP/1.1 client for a server on this machine: for `cohortd healthcheck` and `cohortd demo`, not for the world. No TLS, no
 * redirects, a connection for each request. Any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "server/base/attr.h"
#include "server/base/buf.h"
#include "server/base/err.h"

enum { LOOPBACK_REPLY_MAX = 16 << 20 }; /* bytes, head included */

struct loopback_request {
    const char
        *address; /* "127.0.0.1:8080", "[::1]:80"; what stands for all addresses (":80", "0.0.0.0:80", "[::]:80") is asked on loopback */
    const char *method;        /* "GET", "POST" */
    const char *path;          /* with its query, percent-encoded */
    const char *authorization; /* the header's value, or NULL */
    const char *content_type;  /* of the body, or NULL */
    const void *body;          /* len bytes */
    size_t len;
    unsigned timeout_ms; /* for all of it */
};

struct loopback_reply {
    unsigned status;
    struct buf body; /* buf_release is the caller's */
};

/* Sends the request and reads the whole answer. False, with *ret_err telling why (code "unreachable", "timeout" or "bad_reply"), when there is none;
 * an answer of any status is true. */
bool loopback_ask(const struct loopback_request *request, struct loopback_reply *ret_reply, struct err *ret_err) MUST_CHECK;
