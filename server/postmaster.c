/* PostgreSQL's programs. The one idea: everything a child needs (arguments, environment, ids) is made before the fork, so that the
 * child calls only what is safe there, whichever thread forks. What the server is told stands on its command line, so a new program's
 * settings hold for an old cluster, too. Who is told when it dies, and who stops it, is embedded.c's. */
#include "server/postmaster.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/base/alloc.h"
#include "server/base/buf.h"
#include "server/base/log.h"

enum { ARGS_MAX = 48, PID_FILE_MAX = 4096, TEXT_MAX = PATH_MAX + 64 };
#define MB (INT64_C(1) << 20)

static void log_errno(const char *what, const char *path)
{
    log_error(what, LOG_FIELD("path", LOG_TEXT(path)), LOG_FIELD("why", LOG_TEXT(strerror(errno))), );
}

/* --- Finding the programs --- */

static bool has_programs(const char *bin)
{
    char path[TEXT_MAX];

    (void)snprintf(path, sizeof path, "%s/postgres", bin);
    if (access(path, X_OK) != 0)
        return false;
    (void)snprintf(path, sizeof path, "%s/initdb", bin);
    return access(path, X_OK) == 0;
}

static bool choose(struct postmaster *pm, const char *bin)
{
    if (!has_programs(bin))
        return false;
    (void)snprintf(pm->bin, sizeof pm->bin, "%s", bin);
    return true;
}

/* The major version of the cluster, 0: there is none. */
static long cluster_version(const struct postmaster *pm)
{
    char path[TEXT_MAX], text[16] = "";
    int fd;

    (void)snprintf(path, sizeof path, "%s/PG_VERSION", pm->data);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    if (read(fd, text, sizeof text - 1) < 0)
        text[0] = '\0';
    (void)close(fd);
    return strtol(text, NULL, 10);
}

static bool choose_newest(struct postmaster *pm)
{
    glob_t found = {.gl_pathc = 0};
    long best = 0;

    (void)glob("/usr/lib/postgresql/*/bin", 0, NULL, &found);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        long version = strtol(found.gl_pathv[i] + strlen("/usr/lib/postgresql/"), NULL, 10);

        if (version > best && choose(pm, found.gl_pathv[i]))
            best = version;
    }
    globfree(&found);
    return best > 0;
}

static bool choose_on_path(struct postmaster *pm)
{
    const char *at = getenv("PATH");

    while (at && *at) {
        size_t len = strcspn(at, ":");
        char bin[PATH_MAX];

        (void)snprintf(bin, sizeof bin, "%.*s", (int)len, at);
        if (len && choose(pm, bin))
            return true;
        at += len + (at[len] == ':');
    }
    return false;
}

bool postmaster_find(struct postmaster *pm)
{
    char bin[64];
    long version = cluster_version(pm);

    (void)snprintf(bin, sizeof bin, "/usr/lib/postgresql/%ld/bin", version);
    if ((version && choose(pm, bin)) || (!version && choose_newest(pm)) || choose_on_path(pm))
        return true;
    log_error("PostgreSQL's programs are not installed; give a DATABASE_URL, or install postgresql", );
    return false;
}

/* --- Children --- */

struct child {
    char *texts[ARGS_MAX]; /* owned; NULL ends them */
    size_t n;
    int log; /* stdout and stderr, or -1 */
};

static void add_arg(struct child *child, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void add_arg(struct child *child, const char *fmt, ...)
{
    char text[2 * TEXT_MAX];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    ASSERT(child->n + 1 < ARGS_MAX);
    child->texts[child->n++] = mem_strdup(text);
    child->texts[child->n] = NULL;
}

static void child_release(struct child *child)
{
    for (size_t i = 0; i < child->n; i++)
        free(child->texts[i]);
    if (child->log >= 0)
        (void)close(child->log);
}

static int open_log(const struct postmaster *pm)
{
    char path[TEXT_MAX];
    int fd;

    (void)snprintf(path, sizeof path, "%s/postgres.log", pm->home);
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0 && geteuid() == 0 && fchown(fd, pm->uid, pm->gid) != 0)
        log_errno("cannot hand the log over", path);
    return fd;
}

/* In the child: only what is safe after a fork. */
static void become(const struct postmaster *pm, const struct child *child)
{
    char locale[] = "LC_ALL=C.UTF-8", path[] = "PATH=/usr/bin:/bin";
    char *const environment[] = {locale, path, NULL};
    static const char closed[] = "the data directory is closed to the user postgres; all above it must let him pass\n";
    sigset_t none;
    int null = open("/dev/null", O_RDONLY);

    (void)sigemptyset(&none);
    (void)signal(SIGPIPE, SIG_DFL);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)setsid();
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(child->log, STDOUT_FILENO) < 0 || dup2(child->log, STDERR_FILENO) < 0)
        _exit(126);
    if (geteuid() == 0 && (setgroups(0, NULL) != 0 || setgid(pm->gid) != 0 || setuid(pm->uid) != 0))
        _exit(126);
    if (chdir(pm->home) != 0) {
        (void)!write(STDERR_FILENO, closed, sizeof closed - 1);
        _exit(126);
    }
    (void)execve(child->texts[0], child->texts, environment);
    _exit(127);
}

static pid_t launch(const struct postmaster *pm, struct child *child)
{
    pid_t pid;

    child->log = open_log(pm);
    if (child->log < 0) {
        log_errno("cannot write PostgreSQL's log", pm->home);
        return -1;
    }
    pid = fork();
    if (pid == 0)
        become(pm, child);
    if (pid < 0)
        log_errno("cannot start a process", child->texts[0]);
    return pid;
}

/* --- initdb --- */

static void remove_tree(const struct postmaster *pm, const char *path)
{
    struct child child = {.log = -1};
    pid_t pid;

    add_arg(&child, "/bin/rm");
    add_arg(&child, "-rf");
    add_arg(&child, "--");
    add_arg(&child, "%s", path);
    pid = launch(pm, &child);
    if (pid > 0)
        (void)waitpid(pid, NULL, 0);
    child_release(&child);
}

static bool run_initdb(const struct postmaster *pm, const char *data)
{
    struct child child = {.log = -1};
    int status = -1;
    pid_t pid;

    add_arg(&child, "%s/initdb", pm->bin);
    add_arg(&child, "--pgdata=%s", data);
    add_arg(&child, "--username=cohortd");
    add_arg(&child, "--auth=trust"); /* the socket's permissions say who may connect */
    add_arg(&child, "--encoding=UTF8");
    add_arg(&child, "--locale=C.UTF-8");
    add_arg(&child, "--no-instructions");
    pid = launch(pm, &child);
    if (pid > 0)
        (void)waitpid(pid, &status, 0);
    child_release(&child);
    return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool postmaster_init(const struct postmaster *pm)
{
    char made[PATH_MAX + 16];

    if (cluster_version(pm))
        return true;
    log_info("making a PostgreSQL cluster", LOG_FIELD("path", LOG_TEXT(pm->data)), );
    (void)snprintf(made, sizeof made, "%s.new", pm->data);
    if (access(made, F_OK) == 0)
        remove_tree(pm, made);
    if (!run_initdb(pm, made)) {
        log_error("initdb failed; see postgres.log", LOG_FIELD("path", LOG_TEXT(pm->home)), );
        return false;
    }
    if (rename(made, pm->data) != 0) {
        log_errno("cannot move the new cluster into place", pm->data);
        return false;
    }
    return true;
}

/* --- The server --- */

/* postmaster.pid: pid, data directory, start, port, socket directory, addresses, shared memory, state; a line each. */
struct pid_file {
    char text[PID_FILE_MAX];
    const char *lines[8];
};

static bool read_pid_file(const struct postmaster *pm, struct pid_file *ret_file)
{
    char path[TEXT_MAX], *at;
    ssize_t n = -1;
    int fd;

    (void)snprintf(path, sizeof path, "%s/postmaster.pid", pm->data);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        n = read(fd, ret_file->text, sizeof ret_file->text - 1);
        (void)close(fd);
    }
    if (n <= 0)
        return false;
    ret_file->text[n] = '\0';
    at = ret_file->text;
    for (size_t i = 0; i < ARRAY_LEN(ret_file->lines); i++) {
        char *end = strchr(at, '\n');

        ret_file->lines[i] = at;
        if (end)
            *end = '\0';
        at = end ? end + 1 : at + strlen(at);
    }
    return true;
}

/* Is that process the server of this cluster, and not another that has got its number? A server works in its data directory. */
static bool is_ours(const struct postmaster *pm, pid_t pid)
{
    char link[64], cwd[PATH_MAX];
    ssize_t n;

    (void)snprintf(link, sizeof link, "/proc/%ld/cwd", (long)pid);
    n = readlink(link, cwd, sizeof cwd - 1);
    if (n < 0)
        return false;
    cwd[n] = '\0';
    return strcmp(cwd, pm->data) == 0;
}

pid_t postmaster_running(struct postmaster *pm)
{
    struct pid_file file;
    char path[TEXT_MAX];
    pid_t pid;

    if (!read_pid_file(pm, &file))
        return 0;
    pid = (pid_t)labs(strtol(file.lines[0], NULL, 10));
    if (pid > 0 && is_ours(pm, pid)) {
        if (*file.lines[4])
            (void)snprintf(pm->socket, sizeof pm->socket, "%s", file.lines[4]);
        return pid;
    }
    /* Left by one that was killed. PostgreSQL removes it by itself, unless another process of this user has got the number by now. */
    (void)snprintf(path, sizeof path, "%s/postmaster.pid", pm->data);
    if (unlink(path) != 0)
        log_errno("cannot remove a stale file", path);
    return 0;
}

bool postmaster_is_ready(const struct postmaster *pm, pid_t pid)
{
    struct pid_file file;

    return read_pid_file(pm, &file) && strtol(file.lines[0], NULL, 10) == pid && strncmp(file.lines[7], "ready", 5) == 0;
}

/* An eighth of the machine's memory, within reason. */
static int64_t shared_buffers_mb(void)
{
    struct sysinfo info;
    int64_t mb = 128;

    if (sysinfo(&info) == 0)
        mb = (int64_t)info.totalram * (int64_t)info.mem_unit / MB / 8;
    return mb < 32 ? 32 : mb > 1024 ? 1024 : mb;
}

static void add_setting(struct child *child, const char *name, const char *value)
{
    add_arg(child, "-c");
    add_arg(child, "%s=%s", name, value);
}

pid_t postmaster_spawn(const struct postmaster *pm)
{
    static const char *const settings[][2] = {
        {"port", "5432"}, /* the socket's name; nothing listens on the network: */
        {"listen_addresses", ""},
        {"unix_socket_permissions", "0700"},
        {"fsync", "on"},
        {"max_connections", "100"},
        {"wal_compression", "lz4"}, /* the default made ingest five times slower after a checkpoint */
        {"max_wal_size", "2GB"},
        {"random_page_cost", "1.1"},
        {"logging_collector", "off"},
        {"log_min_messages", "warning"},
        {"log_error_verbosity", "terse"}, /* no customer's data in the log */
        {"log_min_error_statement", "panic"},
    };
    struct child child = {.log = -1};
    pid_t pid;

    add_arg(&child, "%s/postgres", pm->bin);
    add_arg(&child, "-D");
    add_arg(&child, "%s", pm->data);
    add_setting(&child, "unix_socket_directories", pm->socket);
    add_arg(&child, "-c");
    add_arg(&child, "shared_buffers=%lldMB", (long long)shared_buffers_mb());
    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        add_setting(&child, settings[i][0], settings[i][1]);
    pid = launch(pm, &child);
    child_release(&child);
    return pid;
}
