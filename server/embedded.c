/* The embedded cluster's life. The one idea: the last one out turns off the light. Each cohortd that uses the cluster holds a shared
 * lock on home/users.lock; starting and stopping happen under an exclusive one on home/start.lock, and who stops must be the only user.
 * The kernel lets go of the locks of a killed process, so nothing is left to be cleaned up, and a cluster that a killed cohortd left
 * running is used, and stopped, by the next one. A thread restarts it when it dies. */
#include "server/embedded.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/base/alloc.h"
#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/postmaster.h"

enum {
    STEP_MS = 20,       /* between looks at a server that starts */
    START_S = 900,      /* recovery of a large log */
    START_AGAIN_S = 30, /* a killed server's children hold its memory for a moment: try again so long */
    STOP_FAST_S = 60,
    STOP_HARD_S = 10,
    AGAIN_MS = 1000 /* between restarts of a server that does not stay */
};

struct embedded {
    struct postmaster pm;
    char *url; /* owned */
    int users; /* the lock file */
    int stop;  /* eventfd: the thread is to end */
    pthread_t thread;
    /* owned by the thread, and by start and stop while it does not run */
    pid_t pid;
    int pidfd;
    bool child;
};

static bool failed(const char *what, const char *path)
{
    log_error(what, LOG_FIELD("path", LOG_TEXT(path)), LOG_FIELD("why", LOG_TEXT(strerror(errno))), );
    return false;
}

/* --- The directory --- */

static bool make_parents(const char *dir)
{
    char path[PATH_MAX];

    (void)snprintf(path, sizeof path, "%s", dir);
    for (char *at = strchr(path + 1, '/'); at; at = strchr(at + 1, '/')) {
        *at = '\0';
        if (mkdir(path, 0755) != 0 && errno != EEXIST)
            return failed("cannot make a directory", path);
        *at = '/';
    }
    return true;
}

static bool choose_user(struct postmaster *pm)
{
    struct passwd *user;

    pm->uid = geteuid();
    pm->gid = getegid();
    if (pm->uid != 0)
        return true;
    user = getpwnam("postgres");
    if (!user) {
        log_error("PostgreSQL does not run as root, and there is no user postgres; give a DATABASE_URL", );
        return false;
    }
    pm->uid = user->pw_uid;
    pm->gid = user->pw_gid;
    return true;
}

static bool make_home(struct postmaster *pm, const char *dir)
{
    struct stat now;

    if (strlen(dir) >= PATH_MAX || !make_parents(dir))
        return false;
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return failed("cannot make the data directory", dir);
    if (!realpath(dir, pm->home) || stat(pm->home, &now) != 0)
        return failed("cannot find the data directory", dir);
    if (geteuid() == 0 && now.st_uid != pm->uid && chown(pm->home, pm->uid, pm->gid) != 0)
        return failed("cannot hand the data directory over to the user postgres", pm->home);
    (void)snprintf(pm->data, sizeof pm->data, "%s/data", pm->home);
    return true;
}

/* An address of a Unix socket holds some 100 bytes. */
static bool choose_socket(struct postmaster *pm)
{
    char dir[] = "/tmp/cohortd-XXXXXX";

    if (*pm->socket)
        return true; /* as before: the URL has it */
    if (strlen(pm->home) + strlen("/.s.PGSQL.5432.lock") < sizeof((struct sockaddr_un *)NULL)->sun_path) {
        (void)snprintf(pm->socket, sizeof pm->socket, "%s", pm->home);
        return true;
    }
    if (!mkdtemp(dir) || (geteuid() == 0 && chown(dir, pm->uid, pm->gid) != 0))
        return failed("cannot make a directory for the socket", dir);
    (void)snprintf(pm->socket, sizeof pm->socket, "%s", dir);
    return true;
}

/* --- Locks --- */

static int lock_file(const struct postmaster *pm, const char *name, int operation)
{
    char path[PATH_MAX + 32];
    int fd;

    (void)snprintf(path, sizeof path, "%s/%s", pm->home, name);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || flock(fd, operation) != 0) {
        (void)failed("cannot lock", path);
        if (fd >= 0)
            (void)close(fd);
        return -1;
    }
    return fd;
}

/* --- The server --- */

/* Waits until the process ends, at most timeout_ms. True: it has ended. */
static bool wait_end(const struct embedded *embedded, int timeout_ms)
{
    struct pollfd fd = {.fd = embedded->pidfd, .events = POLLIN};

    return poll(&fd, 1, timeout_ms) > 0;
}

static void forget(struct embedded *embedded)
{
    if (embedded->pidfd >= 0)
        (void)close(embedded->pidfd);
    if (embedded->child)
        (void)waitpid(embedded->pid, NULL, 0);
    embedded->pidfd = -1;
    embedded->pid = 0;
    embedded->child = false;
}

static bool watch(struct embedded *embedded, pid_t pid, bool child)
{
    embedded->pid = pid;
    embedded->child = child;
    embedded->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    return embedded->pidfd >= 0;
}

enum start { START_READY, START_DIED, START_LATE };

static enum start wait_ready(const struct embedded *embedded)
{
    int64_t until_us = clock_mono_us() + START_S * US_PER_S;

    while (!postmaster_is_ready(&embedded->pm, embedded->pid)) {
        if (wait_end(embedded, STEP_MS))
            return START_DIED;
        if (clock_mono_us() > until_us)
            return START_LATE;
    }
    return START_READY;
}

static bool start_once(struct embedded *embedded)
{
    pid_t pid = postmaster_running(&embedded->pm);
    bool running = pid > 0;

    if (!running) {
        if (!choose_socket(&embedded->pm))
            return false;
        pid = postmaster_spawn(&embedded->pm);
    }
    if (pid <= 0 || !watch(embedded, pid, !running))
        return false;
    switch (wait_ready(embedded)) {
    case START_READY:
        (void)postmaster_running(&embedded->pm); /* where its socket is */
        log_info(running ? "using the PostgreSQL that runs" : "PostgreSQL is up", LOG_FIELD("pid", LOG_INT(pid)), );
        return true;
    case START_DIED:
        forget(embedded);
        return false;
    case START_LATE:
        log_error("PostgreSQL does not accept connections; see postgres.log", LOG_FIELD("path", LOG_TEXT(embedded->pm.home)), );
        forget(embedded);
        return false;
    }
    BUG("impossible start");
}

/* Under the lock on start.lock. */
static bool start_locked(struct embedded *embedded)
{
    int64_t until_us = clock_mono_us() + START_AGAIN_S * US_PER_S;

    if (!postmaster_find(&embedded->pm) || !postmaster_init(&embedded->pm))
        return false;
    while (!start_once(embedded)) {
        if (clock_mono_us() > until_us) {
            log_error("PostgreSQL does not start; see postgres.log", LOG_FIELD("path", LOG_TEXT(embedded->pm.home)), );
            return false;
        }
        (void)poll(NULL, 0, 10 * STEP_MS);
    }
    return true;
}

static bool start(struct embedded *embedded)
{
    int fd = lock_file(&embedded->pm, "start.lock", LOCK_EX);
    bool started = fd >= 0 && start_locked(embedded);

    if (started && embedded->users < 0)
        embedded->users = lock_file(&embedded->pm, "users.lock", LOCK_SH);
    if (fd >= 0)
        (void)close(fd);
    return started && embedded->users >= 0;
}

/* --- When it dies --- */

/* Waits for the server's end; false: the thread is to stop. */
static bool wait_death(const struct embedded *embedded)
{
    struct pollfd fds[2] = {{.fd = embedded->stop, .events = POLLIN}, {.fd = embedded->pidfd, .events = POLLIN}};

    while (poll(fds, embedded->pidfd >= 0 ? 2 : 1, embedded->pidfd >= 0 ? -1 : AGAIN_MS) < 0 && errno == EINTR)
        continue;
    return !fds[0].revents;
}

static void *keep_alive(void *context)
{
    struct embedded *embedded = context;

    while (wait_death(embedded)) {
        if (embedded->pidfd >= 0)
            log_error("PostgreSQL has died; starting it again", );
        forget(embedded);
        if (!start(embedded))
            log_error("PostgreSQL could not be started again", );
    }
    return NULL;
}

/* --- From outside --- */

static char *make_url(const struct postmaster *pm)
{
    AUTO_BUF struct buf url = BUF_INIT(4 * PATH_MAX);

    buf_add_text(&url, "postgresql://cohortd@/postgres?port=5432&host=");
    for (const char *at = pm->socket; *at; at++) {
        if (strchr("/-._~", *at) || (*at >= '0' && *at <= '9') || (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z'))
            buf_add_char(&url, *at);
        else
            buf_addf(&url, "%%%02X", (unsigned)(unsigned char)*at);
    }
    return buf_take(&url);
}

static void release(struct embedded *embedded)
{
    if (embedded->users >= 0)
        (void)close(embedded->users);
    if (embedded->pidfd >= 0)
        (void)close(embedded->pidfd);
    (void)close(embedded->stop);
    free(embedded->url);
    free(embedded);
}

struct embedded *embedded_start(const char *dir)
{
    struct embedded *embedded = mem_zalloc(sizeof *embedded);

    embedded->users = embedded->pidfd = -1;
    embedded->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!choose_user(&embedded->pm) || !make_home(&embedded->pm, dir) || !start(embedded)) {
        release(embedded);
        return NULL;
    }
    embedded->url = make_url(&embedded->pm);
    ASSERT(pthread_create(&embedded->thread, NULL, keep_alive, embedded) == 0);
    return embedded;
}

const char *embedded_url(const struct embedded *embedded)
{
    return embedded->url;
}

static void shut_down(struct embedded *embedded)
{
    if (kill(embedded->pid, SIGINT) == 0 && !wait_end(embedded, STOP_FAST_S * 1000)) {
        log_warn("PostgreSQL does not stop; stopping it hard", );
        (void)kill(embedded->pid, SIGQUIT);
        if (!wait_end(embedded, STOP_HARD_S * 1000))
            return;
    }
    forget(embedded);
    if (strcmp(embedded->pm.socket, embedded->pm.home) != 0)
        (void)rmdir(embedded->pm.socket);
    log_info("PostgreSQL is stopped", );
}

void embedded_stop(struct embedded *embedded)
{
    int fd;

    if (!embedded)
        return;
    ASSERT(eventfd_write(embedded->stop, 1) == 0);
    (void)pthread_join(embedded->thread, NULL);
    fd = lock_file(&embedded->pm, "start.lock", LOCK_EX);
    if (fd >= 0 && embedded->pid > 0 && flock(embedded->users, LOCK_EX | LOCK_NB) == 0)
        shut_down(embedded);
    if (fd >= 0)
        (void)close(fd);
    release(embedded);
}
