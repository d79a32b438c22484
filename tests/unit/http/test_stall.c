/* The stall that this server's own loop is for: with exactly 128 (256, …) ready connections and suspended requests, libmicrohttpd's
 * own epoll threads (0.9.75) sleep for good within two seconds. Here so many clients post in lockstep, and answers never end. */
#include <sys/epoll.h>

#include "tests/unit/http/support.h"

enum { SLICE_MS = 200, SLICES = 15, CLIENTS_MAX = 256 };

static struct app app;
static const char post[] = "POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 300\r\n\r\n"
                           "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
                           "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
                           "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789";

/* Reads what has come; true when an answer is whole (its body ends with the post's last digits). */
static bool take(int fd, struct buf *got)
{
    (void)read_more(fd, got);
    if (got->len < 400 || memcmp(got->data + got->len - 10, "0123456789", 10))
        return false;
    ck_assert(starts_with(got->data, "HTTP/1.1 200"));
    buf_clear(got);
    return true;
}

/* Runs n clients for a while; each slice of time lasts until it has answers. In lockstep all post at once, when the last answer is in. */
static void run_clients(int n, bool lockstep)
{
    int poller = epoll_create1(EPOLL_CLOEXEC), fds[CLIENTS_MAX], waiting = n;
    struct buf got[CLIENTS_MAX];
    int64_t slice_us = clock_mono_us();
    unsigned answers = 0, slices = 0;

    for (int i = 0; i < n; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)i};

        fds[i] = client_open(&app);
        buf_init(&got[i], 1 << 20);
        ck_assert(!epoll_ctl(poller, EPOLL_CTL_ADD, fds[i], &event));
    }
    for (int i = 0; i < n; i++)
        client_send(fds[i], post);
    while (slices < SLICES) {
        struct epoll_event events[CLIENTS_MAX];
        int ready = epoll_wait(poller, events, CLIENTS_MAX, SLICE_MS);

        for (int k = 0; k < ready; k++) {
            int i = (int)events[k].data.u32;

            if (!take(fds[i], &got[i]))
                continue;
            answers++;
            waiting--;
            if (!lockstep)
                client_send(fds[i], post);
        }
        if (lockstep && !waiting) {
            waiting = n;
            for (int i = 0; i < n; i++)
                client_send(fds[i], post);
        }
        ck_assert_msg(clock_mono_us() - slice_us < PATIENCE_MS * US_PER_MS, "no answer in slice %u of %d clients", slices, n);
        if (answers && clock_mono_us() - slice_us >= SLICE_MS * US_PER_MS) {
            slice_us = clock_mono_us();
            answers = 0;
            slices++;
        }
    }
    for (int i = 0; i < n; i++) {
        (void)close(fds[i]);
        buf_release(&got[i]);
    }
    (void)close(poller);
}

static void start(void)
{
    struct http_config config = test_config();

    app_start(&app, &config);
}

static void stop(void)
{
    app_stop(&app);
}

START_TEST(test_128_in_lockstep)
{
    run_clients(128, true);
}
END_TEST

START_TEST(test_128_at_will)
{
    run_clients(128, false);
}
END_TEST

START_TEST(test_256_in_lockstep)
{
    run_clients(256, true);
}
END_TEST

START_TEST(test_256_at_will)
{
    run_clients(256, false);
}
END_TEST

RUN_TESTS_WITH(start, stop, "stall", test_128_in_lockstep, test_128_at_will, test_256_in_lockstep, test_256_at_will)
