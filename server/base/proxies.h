/* Whose word on the address of a client counts: the proxies in front of us. Pure; any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/attr.h"

enum { PROXIES_MAX = 64, PROXY_ADDRESS_MAX = 46 /* bytes of an address as text, its NUL counted */ };

/* Networks; IPv4 stands as ::ffff:a.b.c.d. */
struct proxies {
    struct {
        uint8_t address[16];
        unsigned bits;
    } at[PROXIES_MAX];
    size_t n;
};

/* Reads "10.0.0.0/8, ::1" (commas, spaces or both between; without a length: that address alone). False: something in it is none, or they are too many. */
bool proxies_read(const char *list, struct proxies *ret_proxies) MUST_CHECK;
/* Is the address, as text, one of them? */
bool proxies_have(const struct proxies *proxies, const char *address);
/* Steps once through the values of X-Forwarded-For, from the right: each proxy wrote at the right end of the list whom it was asked by. forwarded (of len
 * bytes) is one value; *address is the peer, then what was found so far. True: it still is a proxy's, go on with the value before. */
bool proxies_unwind(const struct proxies *proxies, const char *forwarded, size_t len, char address[PROXY_ADDRESS_MAX]);
