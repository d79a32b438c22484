/* Fetching a small document over HTTPS. */
#pragma once

#include <stdbool.h>

#include "server/base/attr.h"
#include "server/base/buf.h"

/* Before the first thread of the process; and after the last. */
void fetch_begin(void);
void fetch_end(void);
/* GETs an https URL into *body, at most its maximum: verified TLS, no redirects, 5 s in all. False: anything but a 200, logged.
 * SSL_CERT_FILE names other certificate authorities than the system's, https_proxy a proxy, as everywhere. Blocks; any thread but a
 * loop's. */
bool fetch_https(const char *url, struct buf *body) MUST_CHECK;
