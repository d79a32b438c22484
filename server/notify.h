/* What other processes (and PostgreSQL on their behalf) tell this one, and a poll each second behind it. */
#pragma once

#include "db/conn.h"
#include "server/keys.h"

struct notify;

struct notify_config {
    const char *url;                   /* borrowed */
    struct db_gate *gate;              /* borrowed; NULL: none */
    struct keys *keys;                 /* borrowed: read again when told, and each second */
    struct db_clock *clock;            /* borrowed; NULL: none. Measured each minute */
    void (*on_touched)(void *context); /* there is something for the worker */
    void (*on_change)(void *context);  /* the feed has grown */
    void *context;                     /* both are called on the notify thread and must not block */
};

/* Starts the thread; config is copied. It connects once the gate is open, and again whenever the connection is lost. */
struct notify *notify_start(const struct notify_config *config);
/* Joins the thread and frees. */
void notify_stop(struct notify *notify);
/* NULL when the database has answered within the last seconds and can be written to; else why not, a static line. Any thread. */
const char *notify_not_ready(const struct notify *notify);
