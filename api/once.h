/* Idempotency-Key: a creating request that is sent again gets the answer of the first one and creates nothing. On a query thread. */
#pragma once

#include "api/call.h"

/* First thing in a handler that creates. True: go on (the key is this call's, or there is none). False: answered. */
bool once_begin(struct call *c) MUST_CHECK;
/* The answer to come holds a secret: it is not kept, and a repeated request is told only that it was carried out. */
void once_hide(struct call *c);

/* For dispatch.c: the handler is done; when it has created nothing, the key is free again. */
void once_end(struct call *c);
void once_free(struct once *once);
