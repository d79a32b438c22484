/* What browsers need of an answer to read it (protocol.md, section 6). */
#pragma once

#include "api/call.h"

/* Before the answer, and again in the `expired` hook: lets any page read it, credentials or not, and see when to come again. Who may send is the source's
 * to say (allowed origins), and a page that may not must still read the refusal, or its SDK sends again and again. */
void cors_add(struct call *c);
/* Answers a preflight: 204, whatever headers are asked for. After cors_add. */
void cors_preflight(struct call *c);
