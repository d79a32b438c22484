/* Starting and stopping: the listening socket, one daemon of libmicrohttpd for each loop on a dup of it, and the options that make the
 * library do what http.h says. One socket and not SO_REUSEPORT: a second process must not bind silently, and closing one of several
 * sockets would reset its backlog. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/address.h"
#include "server/base/alloc.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/http/private.h"

enum { BACKLOG = 1024 };

struct http {
    struct loop *loops[HTTP_LOOPS_MAX];
    unsigned n_loops;
    unsigned port;
};

/* --- libmicrohttpd --- */

static size_t keep_escapes(void *closure, struct MHD_Connection *connection, char *text)
{
    (void)closure;
    (void)connection;
    return strlen(text);
}

static void log_library(void *closure, const char *fmt, va_list args) PRINTF_LIKE(2, 0);
static void log_library(void *closure, const char *fmt, va_list args)
{
    char text[256];

    (void)closure;
    (void)vsnprintf(text, sizeof text, fmt, args);
    text[strcspn(text, "\n")] = '\0';
    log_debug("libmicrohttpd", LOG_FIELD("text", LOG_TEXT(text)), );
}

static void print_address(const struct sockaddr *address, char ret_text[INET6_ADDRSTRLEN])
{
    ret_text[0] = '\0';
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)address;

        (void)inet_ntop(AF_INET, &v4->sin_addr, ret_text, INET6_ADDRSTRLEN);
    } else if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const void *)address;

        if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
            (void)inet_ntop(AF_INET, v6->sin6_addr.s6_addr + 12, ret_text, INET6_ADDRSTRLEN);
        else
            (void)inet_ntop(AF_INET6, &v6->sin6_addr, ret_text, INET6_ADDRSTRLEN);
    }
}

static void conn_open(struct loop *loop, struct MHD_Connection *connection, void **context)
{
    struct conn *conn = mem_zalloc(sizeof *conn);

    conn->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    print_address(MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr, conn->address);
    conn->deadline_us = clock_mono_us() + atomic_load(&loop->read_us) + loop->config.idle_timeout_s * US_PER_S;
    conn->next = loop->conns;
    if (conn->next)
        conn->next->prev = conn;
    loop->conns = conn;
    atomic_fetch_add(&loop->n_connections, 1);
    *context = conn;
}

static void conn_close(struct loop *loop, struct conn *conn)
{
    if (conn->next)
        conn->next->prev = conn->prev;
    if (conn->prev)
        conn->prev->next = conn->next;
    else
        loop->conns = conn->next;
    atomic_fetch_sub(&loop->n_connections, 1);
    free(conn);
}

static void on_connection(void *closure, struct MHD_Connection *connection, void **context, enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        conn_open(closure, connection, context);
    else
        conn_close(closure, *context);
}

struct MHD_Daemon *daemon_start(struct loop *loop)
{
    const struct http_config *config = &loop->config;
    unsigned share = config->connections / config->loops;
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;

    /* The logger comes first, so that the others' complaints reach it. */
    return MHD_start_daemon(flags, 0, NULL, NULL, request_on_data, loop, MHD_OPTION_EXTERNAL_LOGGER, log_library, NULL,
                            MHD_OPTION_LISTEN_SOCKET, loop->listen_fd, MHD_OPTION_URI_LOG_CALLBACK, request_on_line, loop,
                            MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_NOTIFY_COMPLETED, request_on_completed, loop,
                            MHD_OPTION_NOTIFY_CONNECTION, on_connection, loop, MHD_OPTION_CONNECTION_TIMEOUT, config->idle_timeout_s,
                            MHD_OPTION_CONNECTION_LIMIT, share ? share : 1, MHD_OPTION_PER_IP_CONNECTION_LIMIT, config->connections_per_ip,
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_POOL, MHD_OPTION_END);
}

/* --- Listening --- */

static int bind_one(const struct addrinfo *address)
{
    int fd = socket(address->ai_family, address->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1, error;

    if (fd < 0)
        return -1;
    if (!setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) && !bind(fd, address->ai_addr, address->ai_addrlen) &&
        !listen(fd, BACKLOG))
        return fd;
    error = errno;
    (void)close(fd);
    errno = error;
    return -1;
}

static int open_socket(const char *listen)
{
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char host[ADDRESS_HOST_MAX];
    const char *port, *why;
    int error, fd = -1;

    if (!address_split(listen, host, &port)) {
        log_error("cannot listen", LOG_FIELD("address", LOG_TEXT(listen)), LOG_FIELD("error", LOG_TEXT("not of the form host:port")), );
        return -1;
    }
    error = getaddrinfo(*host ? host : NULL, port, &hints, &found);
    if (error) {
        why = gai_strerror(error);
    } else {
        fd = bind_one(found);
        why = strerror(errno);
        freeaddrinfo(found);
    }
    if (fd < 0)
        log_error("cannot listen", LOG_FIELD("address", LOG_TEXT(listen)), LOG_FIELD("error", LOG_TEXT(why)), );
    return fd;
}

static unsigned port_of(int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;

    if (getsockname(fd, (struct sockaddr *)&address, &len))
        return 0;
    return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port : ((struct sockaddr_in *)&address)->sin_port);
}

/* --- Life --- */

struct http *http_start(const struct http_config *config, const struct http_hooks *hooks)
{
    struct http *http;
    int fd;

    ASSERT(config->loops >= 1 && config->loops <= HTTP_LOOPS_MAX);
    fd = open_socket(config->listen);
    if (fd < 0)
        return NULL;
    http = mem_zalloc(sizeof *http);
    http->port = port_of(fd);
    while (http->n_loops < config->loops) {
        int own_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        struct loop *loop = own_fd < 0 ? NULL : loop_start(config, hooks, own_fd);

        if (!loop)
            break;
        http->loops[http->n_loops++] = loop;
    }
    (void)close(fd);
    if (http->n_loops == config->loops)
        return http;
    http_stop(http, 0);
    return NULL;
}

unsigned http_port(const struct http *http)
{
    return http->port;
}

void http_quiesce(struct http *http)
{
    for (unsigned i = 0; i < http->n_loops; i++)
        loop_quiesce(http->loops[i]);
}

void http_stop(struct http *http, unsigned timeout_ms)
{
    int64_t stop_at_us = clock_mono_us() + timeout_ms * US_PER_MS;

    if (!http)
        return;
    for (unsigned i = 0; i < http->n_loops; i++)
        loop_ask_stop(http->loops[i], stop_at_us);
    for (unsigned i = 0; i < http->n_loops; i++)
        loop_join(http->loops[i]);
    free(http);
}

struct http_stats http_stats(const struct http *http)
{
    struct http_stats stats = {.connections = 0};

    for (unsigned i = 0; i < http->n_loops; i++) {
        stats.connections += atomic_load(&http->loops[i]->n_connections);
        stats.suspended += atomic_load(&http->loops[i]->n_suspended);
    }
    return stats;
}
