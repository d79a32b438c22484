/* The bare libmicrohttpd that cohortd is measured beside: the library's own epoll threads read a POST's whole body into memory and
 * answer {"success":true} at once. No parsing, no storing: what is left of a request's cost when the service does nothing.
 * It keeps one buffer for each request and frees it at the end; it checks nothing and is for bench/run alone.
 *   echo PORT THREADS
 */
#include <microhttpd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct body {
    char *data;
    size_t len;
};

static enum MHD_Result answer(struct MHD_Connection *connection)
{
    static const char text[] = "{\"success\":true}";
    struct MHD_Response *response = MHD_create_response_from_buffer(sizeof(text) - 1, (void *)(size_t)text, MHD_RESPMEM_PERSISTENT);
    enum MHD_Result result;

    if (response == NULL)
        return MHD_NO;
    result = MHD_add_response_header(response, "Content-Type", "application/json");
    if (result == MHD_YES)
        result = MHD_queue_response(connection, MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *data, size_t *size, void **state)
{
    struct body *body = *state;
    char *grown;

    (void)context;
    (void)url;
    (void)method;
    (void)version;
    if (body == NULL) {
        *state = calloc(1, sizeof(*body));
        return *state != NULL ? MHD_YES : MHD_NO;
    }
    if (*size == 0)
        return answer(connection);
    grown = realloc(body->data, body->len + *size);
    if (grown == NULL)
        return MHD_NO;
    memcpy(grown + body->len, data, *size);
    body->data = grown;
    body->len += *size;
    *size = 0;
    return MHD_YES;
}

static void on_completed(void *context, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode code)
{
    struct body *body = *state;

    (void)context;
    (void)connection;
    (void)code;
    if (body != NULL)
        free(body->data);
    free(body);
}

int main(int argc, char **argv)
{
    struct MHD_Daemon *daemon;
    sigset_t stop;
    int signal_number;

    if (argc != 3)
        return 2;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    pthread_sigmask(SIG_BLOCK, &stop, NULL);
    daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, (uint16_t)strtoul(argv[1], NULL, 10), NULL, NULL, on_request, NULL,
                              MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_THREAD_POOL_SIZE,
                              (unsigned)strtoul(argv[2], NULL, 10), MHD_OPTION_END);
    if (daemon == NULL) {
        fprintf(stderr, "echo: cannot listen on port %s\n", argv[1]);
        return 1;
    }
    sigwait(&stop, &signal_number);
    MHD_stop_daemon(daemon);
    return 0;
}
