/* The gate of connections. The one idea: a state, and an eventfd that is readable from the break on and is never read, so that every poll
 * beside it ends. Invariant: once broken it stays so.
 * It knows no connection: these ask it (db/conn.c, connect.c). */
#include "db/gate.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "server/base/alloc.h"
#include "server/base/attr.h"
#include "server/base/clock.h"

enum state { CLOSED, OPEN, BROKEN };

struct db_gate {
    _Atomic(enum state) state; /* written under mtx */
    int fd;
    pthread_mutex_t mtx;
    pthread_cond_t moved;
};

struct db_gate *db_gate_new(void)
{
    struct db_gate *gate = mem_zalloc(sizeof *gate);

    gate->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (gate->fd < 0)
        BUG("no more files");
    pthread_mutex_init(&gate->mtx, NULL);
    pthread_cond_init(&gate->moved, NULL);
    return gate;
}

void db_gate_free(struct db_gate *gate)
{
    if (!gate)
        return;
    close(gate->fd);
    pthread_cond_destroy(&gate->moved);
    pthread_mutex_destroy(&gate->mtx);
    free(gate);
}

static void move(struct db_gate *gate, enum state state)
{
    pthread_mutex_lock(&gate->mtx);
    if (atomic_load(&gate->state) != BROKEN)
        atomic_store(&gate->state, state);
    pthread_cond_broadcast(&gate->moved);
    pthread_mutex_unlock(&gate->mtx);
}

void db_gate_open(struct db_gate *gate)
{
    move(gate, OPEN);
}

void db_gate_await(struct db_gate *gate)
{
    if (!gate)
        return;
    pthread_mutex_lock(&gate->mtx);
    while (atomic_load(&gate->state) == CLOSED)
        pthread_cond_wait(&gate->moved, &gate->mtx);
    pthread_mutex_unlock(&gate->mtx);
}

bool db_gate_is_open(const struct db_gate *gate)
{
    return atomic_load(&gate->state) == OPEN;
}

void db_gate_break(struct db_gate *gate)
{
    uint64_t one = 1;

    move(gate, BROKEN);
    if (write(gate->fd, &one, sizeof one) != sizeof one)
        BUG("eventfd");
}

void db_gate_join(struct db_gate *gate, pthread_t thread, int64_t until_us)
{
    int64_t at_us = clock_wall_us() + until_us - clock_mono_us(); /* a clock that is set meanwhile makes it sooner or later, no more */
    struct timespec at = {.tv_sec = at_us / US_PER_S, .tv_nsec = at_us % US_PER_S * 1000};

    if (gate && pthread_timedjoin_np(thread, NULL, &at) == 0)
        return;
    if (gate)
        db_gate_break(gate);
    (void)pthread_join(thread, NULL);
}

int db_gate_fd(const struct db_gate *gate)
{
    return gate->fd;
}
