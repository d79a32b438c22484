/* What other processes (and PostgreSQL on their behalf) tell this one, and a poll each second behind it. */
#pragma once

#include "db/conn.h"
#include "server/keys.h"

struct notify;

struct notify_config {
    const char *url;      /* borrowed */
    struct db_gate *gate; /* borrowed; NULL: none */
    struct keys *keys;
    struct db_clock *clock;
    void (*on_touched)(void *context); /* there is something for the worker */
    void (*on_change)(void *context);  /* the feed has grown */
    void *context;                     /* both are called on the notify thread and must not block */
};

struct notify *notify_start(const struct notify_config *config);
void notify_stop(struct notify *notify);
/* Has the database answered within the last seconds? Any thread. */
bool notify_is_up(const struct notify *notify);
