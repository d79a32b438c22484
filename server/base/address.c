/* Cuts an address at its last colon, so that the colons of an IPv6 address in its brackets do no harm. Strict, as a setting
 * should be: the port must be written, and be one. Whether the host exists is for who listens to find
 * out. */
#include "server/base/address.h"

#include <stdlib.h>
#include <string.h>

enum { PORT_DIGITS_MAX = 5, PORT_MAX = 65535 };

static bool is_port(const char *text)
{
    size_t digits = strspn(text, "0123456789");

    return digits && digits <= PORT_DIGITS_MAX && !text[digits] && strtoul(text, NULL, 10) <= PORT_MAX;
}

bool address_split(const char *text, char ret_host[ADDRESS_HOST_MAX], const char **ret_port)
{
    const char *colon = strrchr(text, ':');
    size_t len;

    if (!colon || !is_port(colon + 1))
        return false;
    len = (size_t)(colon - text);
    if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
        text++;
        len -= 2;
    }
    if (len >= ADDRESS_HOST_MAX)
        return false;
    memcpy(ret_host, text, len);
    ret_host[len] = '\0';
    *ret_port = colon + 1;
    return true;
}
