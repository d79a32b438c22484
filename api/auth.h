/* Who calls: the key of a request, from the places where its face looks for it. Any thread. */
#pragma once

#include "api/call.h"

enum auth {
    AUTH_NONE,    /* no key was shown */
    AUTH_UNKNOWN, /* one that we do not know */
    AUTH_OK       /* c->key is set */
};

/* The API key: Authorization: Bearer. */
enum auth auth_manage(struct call *c);
/* The write key of the head: X-Write-Key, Authorization: Basic, ?writeKey=, in this order (protocol.md, section 1); the first place that has one decides. */
enum auth auth_collect(struct call *c);
/* A write key from anywhere else. Our keys have no colon, and clients that want `id:secret` take KEY:ANYTHING or ANYTHING:KEY (so does Basic). */
enum auth auth_key(struct call *c, const char *text, size_t len);
