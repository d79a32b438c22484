/* "host:port" as our settings write it. Pure; any thread. */
#pragma once

#include <stdbool.h>

#include "server/base/attr.h"

enum { ADDRESS_HOST_MAX = 256 };

/* Splits "127.0.0.1:8080", "localhost:80", "[::1]:0" or ":80" (an empty host). The host is copied without its brackets, *ret_port points into
 * text. False when it has no port of 0 to 65535. */
bool address_split(const char *text, char ret_host[ADDRESS_HOST_MAX], const char **ret_port) MUST_CHECK;
