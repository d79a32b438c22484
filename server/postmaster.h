/* Programs of PostgreSQL as child processes: initdb, and the server itself. For embedded.c alone. */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "server/base/attr.h"

/* A cluster and who runs it. Paths are absolute. */
struct postmaster {
    char home[PATH_MAX];     /* the data directory of cohortd: locks, log, socket */
    char data[PATH_MAX + 8]; /* the cluster, home/data */
    char bin[PATH_MAX];      /* where initdb and postgres are */
    char socket[PATH_MAX];   /* the socket's directory: home, or one of our own under /tmp where home is too long for an address */
    uid_t uid;               /* who they run as: root's PostgreSQL is the user postgres' */
    gid_t gid;
};

/* Chooses the programs: those of the cluster's version, else the newest in the usual places, else those on the PATH. False (logged):
 * none. */
bool postmaster_find(struct postmaster *pm) MUST_CHECK;
/* Makes the cluster unless there is one: all of it or, whenever the process dies, nothing. False: logged. */
bool postmaster_init(const struct postmaster *pm) MUST_CHECK;
/* The process that serves the cluster now, whoever started it; 0: none. Its socket's directory goes to pm->socket. */
pid_t postmaster_running(struct postmaster *pm);
/* Starts the server as a child, in a session of its own, so that a Ctrl-C on the terminal does not reach it. -1: logged. Any thread. */
pid_t postmaster_spawn(const struct postmaster *pm);
/* Does the process accept connections? */
bool postmaster_is_ready(const struct postmaster *pm, pid_t pid);
