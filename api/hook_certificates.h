/* The certificates that Amazon SNS signs with, kept by URL: each is fetched once, not for each notification. Any thread; a lock is held
 * for the look-up, never while fetching. */
#pragma once

#include <stdbool.h>

#include "server/base/attr.h"
#include "server/base/buf.h"

struct hook_certificates;

/* Empty. The caller's, to hook_certificates_free. */
struct hook_certificates *hook_certificates_new(void);
void hook_certificates_free(struct hook_certificates *certificates);
/* Appends what is kept under the URL; false: nothing. */
bool hook_certificates_find(struct hook_certificates *certificates, const char *url, struct buf *pem) MUST_CHECK;
/* Keeps a certificate that has verified a signature; the oldest of 16 makes room. */
void hook_certificates_keep(struct hook_certificates *certificates, const char *url, const struct buf *pem);
