/* For other handlers that take messages in: what follows once there is a text. */
#pragma once

#include "api/call.h"

/* Checks the text, len bytes of malloc'd memory (consumed), finds the write key in head, query or text, and has the messages stored; the answer comes after
 * the commit. type: that of a message without one, static; NULL: the text is a batch. The result is the handler's: return it. A handler that is run again
 * after HANDLED_ELSEWHERE (c->collect is set) goes on with collect_go_on. */
enum handled collect_text(struct call *c, const char *type, char *text, size_t len);
enum handled collect_go_on(struct call *c, const char *type);
/* Has the messages of the body that was opened (c->collect) stored for c->key's source; the answer comes after the commit. At most items_max of them. */
enum handled collect_store(struct call *c, const char *type, size_t items_max);
