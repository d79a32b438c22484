/* Jobs out of texts, for the tests of api/collect. Texts are written with ' for ". The clock stands in the year 2100, past every wall
 * clock, so stamps are NOW_US + 1, + 2, …: the first is the arrival's, one more is each item's. */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "api/collect/batch.h"
#include "server/base/alloc.h"
#include "tests/unit/run.h"

#define NOW_US     INT64_C(4102444800000000) /* 2100-01-01 */
#define ARRIVED_US (NOW_US + 1)

struct asked {
    struct collect_call call;
    struct db_clock clock;
    char code[32]; /* of the body's error, "" when there was none */
};

/* A call as a server's SDK makes it. Its clock is the asked's own, so it must not be copied. */
static inline void ask(struct asked *asked, const char *type)
{
    *asked = (struct asked){.call = {.type = type,
                                     .source_id = 7,
                                     .clock = &asked->clock,
                                     .floor_us = INT64_MIN,
                                     .message_max = COLLECT_MESSAGE_MAX,
                                     .items_max = COLLECT_ITEMS_MAX}};
    atomic_store(&asked->clock.last_us, NOW_US);
}

/* The text, ' made ", as malloc'd memory of exactly its length. */
static inline char *unquoted(const char *text, size_t len)
{
    char *copy = mem_alloc(len);

    for (size_t i = 0; i < len; i++)
        copy[i] = text[i] == '\'' ? '"' : text[i];
    return copy;
}

/* NULL when the body is refused. Freed by job_free. */
static inline struct ingest_job *job_of(struct asked *asked, const char *text)
{
    struct collect *collect = NULL;
    struct ingest_job *job = NULL;
    struct err err = ERR_INIT;

    atomic_store(&asked->clock.last_us, NOW_US);
    asked->code[0] = '\0';
    if (!collect_open(unquoted(text, strlen(text)), strlen(text), &collect, &err) || !collect_build(&collect, &asked->call, &job, &err)) {
        ck_assert_ptr_nonnull(err.code);
        memcpy(asked->code, err.code, strlen(err.code) + 1);
    }
    return job;
}

static inline struct ingest_job *job_of_lines(struct asked *asked, const char *text)
{
    atomic_store(&asked->clock.last_us, NOW_US);
    return collect_lines(unquoted(text, strlen(text)), strlen(text), &asked->call);
}

static inline void job_free(struct ingest_job *job)
{
    if (!job)
        return;
    free(job->messages);
    free(job->rejects);
    free(job->body);
    free(job->arena);
    free(job);
}

static inline void assert_span(struct span span, const char *text)
{
    char *want = unquoted(text, strlen(text));

    ck_assert_msg(span.len == strlen(text) && memcmp(span.at, want, span.len) == 0, "%.*s is not %s", (int)span.len, span.at, text);
    free(want);
}

/* The one message of a job. */
static inline const struct message *message_of(const struct ingest_job *job)
{
    ck_assert_ptr_nonnull(job);
    ck_assert_msg(job->n_rejects == 0, "%s", job->n_rejects ? job->rejects[0].code : "");
    ck_assert_uint_eq(job->n_messages, 1);
    return &job->messages[0];
}

/* The item, sent to the endpoint, is rejected with the code. */
static inline void assert_rejected(const char *type, const char *text, const char *code)
{
    struct asked asked;
    struct ingest_job *job;

    ask(&asked, type);
    job = job_of(&asked, text);
    ck_assert_ptr_nonnull(job);
    ck_assert_msg(job->n_messages == 0 && job->n_rejects == 1, "%s was taken", text);
    ck_assert_msg(strcmp(job->rejects[0].code, code) == 0, "%s: %s", text, job->rejects[0].code);
    ck_assert_int_eq(job->rejects[0].source_id, 7);
    ck_assert(job->rejects[0].detail[0]);
    assert_span(job->rejects[0].payload, text);
    job_free(job);
}
