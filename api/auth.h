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
/* Whose write key is it, by what find makes of the call, and may it be used from where it is? True: c->key is set. False: *ret_handled is what the handler
 * returns: the call is answered, or the handler is to be run again on a query thread. */
bool auth_write(struct call *c, enum auth (*find)(struct call *c), enum handled *ret_handled) MUST_CHECK;
/* A write key from anywhere else. Our keys have no colon, and clients that want `id:secret` take KEY:ANYTHING or ANYTHING:KEY (so does Basic). */
enum auth auth_key(struct call *c, const char *text, size_t len);
