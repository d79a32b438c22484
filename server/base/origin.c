/* Origins and patterns as texts. The one idea: a wildcard stands only for whole labels at the front of the host, so that what comes after it is compared to
 * the end of the origin, port included, and no host of somebody else can end in it. Nothing is resolved or
 * normalised: browsers send origins in one form. */
#include "server/base/origin.h"

#include <string.h>
#include <strings.h>

static const char host_chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._";

bool origin_pattern_ok(const char *pattern)
{
    static const char scheme_chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+.-";
    size_t scheme = strspn(pattern, scheme_chars);
    const char *host = pattern + scheme + 3;
    size_t len;

    if (strcmp(pattern, "null") == 0)
        return true;
    if (!scheme || strncmp(pattern + scheme, "://", 3) != 0)
        return false;
    if (strncmp(host, "*.", 2) == 0)
        host += 2;
    len = *host == '[' ? strspn(host + 1, "0123456789abcdefABCDEF:.") + 1 : strspn(host, host_chars);
    if (*host == '[')
        len = len > 1 && host[len] == ']' ? len + 1 : 0;
    if (!len || *host == '.')
        return false;
    host += len;
    return !*host || (*host == ':' && host[1] && !host[1 + strspn(host + 1, "0123456789")]);
}

bool origin_matches(const char *pattern, const char *origin)
{
    const char *star = strstr(pattern, "://*.");
    const char *rest;
    size_t head, tail, len = strlen(origin);

    if (!star)
        return strcasecmp(pattern, origin) == 0;
    head = (size_t)(star - pattern) + 3;
    rest = star + 4; /* ".shop.example" */
    tail = strlen(rest);
    if (len <= head + tail || strncasecmp(pattern, origin, head) != 0 || strcasecmp(origin + len - tail, rest) != 0)
        return false;
    return strspn(origin + head, host_chars) >= len - head - tail && origin[head] != '.';
}
