/* Trusted proxies. The one idea: only what a trusted proxy has written is believed, and that is the right end of the list: so the list is read from there,
 * and the first address that is no proxy's is the client. Whatever a client wrote itself stands to the left of it and is not
 * looked at. */
#include "server/base/proxies.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

enum { V4_OFFSET = 12, V4_BITS = 96, ALL_BITS = 128 };

/* Into 16 bytes. *ret_v4: it was an IPv4 address. */
static bool read_address(const char *text, uint8_t ret_address[16], bool *ret_v4)
{
    static const uint8_t mapped[V4_OFFSET] = {[10] = 0xff, [11] = 0xff};

    memcpy(ret_address, mapped, sizeof mapped);
    *ret_v4 = inet_pton(AF_INET, text, ret_address + V4_OFFSET) == 1;
    return *ret_v4 || inet_pton(AF_INET6, text, ret_address) == 1;
}

static bool read_network(char *text, struct proxies *proxies)
{
    char *slash = strchr(text, '/'), *end;
    unsigned long bits, most;
    bool v4;

    if (slash)
        *slash = '\0';
    if (proxies->n == PROXIES_MAX || !read_address(text, proxies->at[proxies->n].address, &v4))
        return false;
    most = v4 ? ALL_BITS - V4_BITS : ALL_BITS;
    bits = slash ? strtoul(slash + 1, &end, 10) : most;
    if (slash && (slash[1] < '0' || slash[1] > '9' || *end || bits > most))
        return false;
    proxies->at[proxies->n++].bits = (unsigned)bits + (v4 ? V4_BITS : 0);
    return true;
}

bool proxies_read(const char *list, struct proxies *ret_proxies)
{
    struct proxies proxies = {.n = 0};
    char text[PROXY_ADDRESS_MAX + 4];

    for (list += strspn(list, ", "); *list; list += strspn(list, ", ")) {
        size_t len = strcspn(list, ", ");

        if (len >= sizeof text)
            return false;
        memcpy(text, list, len);
        text[len] = '\0';
        if (!read_network(text, &proxies))
            return false;
        list += len;
    }
    *ret_proxies = proxies;
    return true;
}

static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;

    return memcmp(a, b, whole) == 0 && (!rest || !((a[whole] ^ b[whole]) >> (8 - rest)));
}

bool proxies_have(const struct proxies *proxies, const char *address)
{
    uint8_t bytes[16];
    bool v4;

    if (!proxies->n || !read_address(address, bytes, &v4))
        return false;
    for (size_t i = 0; i < proxies->n; i++)
        if (same_bits(proxies->at[i].address, bytes, proxies->at[i].bits))
            return true;
    return false;
}

/* An address as proxies write it: "192.0.2.1", "192.0.2.1:5000", "2001:db8::1", "[2001:db8::1]:5000". */
static bool cut_address(const char *at, size_t len, char ret_address[PROXY_ADDRESS_MAX])
{
    uint8_t bytes[16];
    const char *colon, *end;
    bool v4;

    while (len && (*at == ' ' || *at == '\t')) {
        at++;
        len--;
    }
    while (len && (at[len - 1] == ' ' || at[len - 1] == '\t'))
        len--;
    if (len && *at == '[') {
        end = memchr(at, ']', len);
        at++;
        len = end ? (size_t)(end - at) : 0;
    } else {
        colon = memchr(at, ':', len);
        if (colon && !memchr(colon + 1, ':', len - (size_t)(colon + 1 - at)))
            len = (size_t)(colon - at);
    }
    if (!len || len >= PROXY_ADDRESS_MAX)
        return false;
    memcpy(ret_address, at, len);
    ret_address[len] = '\0';
    return read_address(ret_address, bytes, &v4);
}

bool proxies_unwind(const struct proxies *proxies, const char *forwarded, size_t len, char address[PROXY_ADDRESS_MAX])
{
    while (proxies_have(proxies, address)) {
        char before[PROXY_ADDRESS_MAX];
        size_t from = len;

        while (from && forwarded[from - 1] != ',')
            from--;
        if (!cut_address(forwarded + from, len - from, before))
            return len == 0; /* an empty value: the one before; else somebody wrote what is no address */
        memcpy(address, before, sizeof before);
        if (from == 0)
            return proxies_have(proxies, address);
        len = from - 1;
    }
    return false;
}
