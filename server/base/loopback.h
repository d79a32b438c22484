/* A tiny HTTP/1.1 client for our own server on this machine or network: the health check and the demo. No TLS, one request a connection. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "server/base/attr.h"
#include "server/base/buf.h"

struct loopback_request {
    const char *host; /* "127.0.0.1", "::1", a name */
    const char *port;
    const char *method;
    const char *path;
    const char *key;  /* sent as Basic, or NULL */
    const char *body; /* JSON, or NULL */
    size_t body_len;
    unsigned timeout_ms; /* for the whole exchange */
};

/* Sends it and reads the answer's status; *ret_answer gets what came, head and body, as far as it fits. False: no answer in time. Blocks. */
bool loopback_send(const struct loopback_request *request, unsigned *ret_status, struct buf *ret_answer) MUST_CHECK;
/* Splits "http://host:port/…" or "host:port" into host and port (without brackets, 80 when none). False: it is no such text, or too long. */
enum { LOOPBACK_HOST = 256, LOOPBACK_PORT = 8 };
bool loopback_split(const char *url, char ret_host[LOOPBACK_HOST], char ret_port[LOOPBACK_PORT]) MUST_CHECK;
