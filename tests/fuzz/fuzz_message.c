/* Any bytes as a request's body or a file's lines: whatever comes of them keeps what the store relies on. Each item is a message or a
 * reject; every span lies in the body or the arena (or is static); texts are UTF-8; properties and context are JSON objects without a
 * bad number; times are in range and stamps grow. The first byte chooses the endpoint, the second the call's other sides. */
#include <stdint.h>
#include <string.h>

#include "api/collect/batch.h"
#include "server/base/alloc.h"
#include "server/base/json_scan.h"
#include "server/base/utf8.h"

enum { MESSAGE_MAX = 4000, ITEMS_MAX = 50, NAME_CHARS_MAX = 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_span(const struct ingest_job *job, size_t body_len, struct span span)
{
    bool in_body = span.at >= job->body && span.at + span.len <= job->body + body_len;
    bool in_arena = job->arena && span.at >= job->arena && span.at + span.len <= job->arena + (job->bytes - body_len);

    ASSERT(in_body || in_arena);
}

static void check_object(const struct ingest_job *job, size_t body_len, struct span span)
{
    char *copy AUTO_FREE = mem_alloc(span.len);
    struct json_flaw flaw;
    struct json root;
    size_t bad_numbers;

    if (!span.at)
        return;
    check_span(job, body_len, span);
    memcpy(copy, span.at, span.len);
    ASSERT(json_check(copy, span.len, &root, &bad_numbers, &flaw));
    ASSERT(root.type == JSON_T_OBJECT && bad_numbers == 0);
    ASSERT(memcmp(copy, span.at, span.len) == 0);
}

static void check_person(const struct ingest_job *job, size_t body_len, const struct person *person)
{
    if (!person->external.at)
        return;
    check_span(job, body_len, person->external);
    ASSERT(person->external.len >= 1 && person->external.len <= 256);
    ASSERT(utf8_ok(person->external.at, person->external.len));
    ASSERT(!memchr(person->external.at, '\0', person->external.len));
}

static void check_message(const struct ingest_job *job, size_t body_len, const struct message *message)
{
    check_person(job, body_len, &message->user);
    check_person(job, body_len, &message->anonymous);
    check_person(job, body_len, &message->email);
    ASSERT(message->user.external.at || message->anonymous.external.at || message->email.external.at);
    ASSERT(message->name.len >= 1 && message->name.len <= 4 * NAME_CHARS_MAX);
    ASSERT(utf8_ok(message->name.at, message->name.len) && !memchr(message->name.at, '\0', message->name.len));
    ASSERT((message->kind == MESSAGE_IDENTIFY) == (message->name.len == 9 && memcmp(message->name.at, NAME_IDENTIFY, 9) == 0));
    ASSERT(message->ts_us >= 0 && message->ts_us <= message->received_us);
    check_object(job, body_len, message->consent);
    ASSERT(!message->consent.at || message->kind == MESSAGE_IDENTIFY);
    check_object(job, body_len, message->properties);
    check_object(job, body_len, message->context);
}

static void check_job(const struct ingest_job *job, size_t body_len)
{
    int64_t last_us = 0;

    ASSERT(job->bytes >= body_len);
    for (size_t i = 0; i < job->n_messages; i++) {
        ASSERT(job->messages[i].received_us > last_us);
        last_us = job->messages[i].received_us;
        check_message(job, body_len, &job->messages[i]);
    }
    last_us = 0;
    for (size_t i = 0; i < job->n_rejects; i++) {
        const struct reject *reject = &job->rejects[i];

        ASSERT(reject->received_us > last_us);
        last_us = reject->received_us;
        ASSERT(reject->code && reject->detail[0] && memchr(reject->detail, '\0', sizeof reject->detail));
        check_span(job, body_len, reject->payload);
        ASSERT(utf8_ok(reject->payload.at, reject->payload.len) && !memchr(reject->payload.at, '\0', reject->payload.len));
    }
}

/* NULL when the whole body is refused. */
static struct ingest_job *build(char *body, size_t len, const struct collect_call *call)
{
    struct collect *collect = NULL;
    struct ingest_job *job = NULL;
    struct err err = ERR_INIT;

    if (!collect_open(body, len, &collect, &err)) {
        ASSERT(err.code && err.detail[0]);
        return NULL;
    }
    free(collect_write_key(collect));
    if (!collect_build(&collect, call, &job, &err))
        ASSERT(err.code && err.detail[0] && !job);
    ASSERT(!collect);
    return job;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const types[] = {NULL, "track", "identify", "page", "screen", "group", "alias", NULL};
    struct db_clock clock = {0};
    struct collect_call call = {.clock = &clock, .source_id = 1, .floor_us = INT64_MIN, .message_max = MESSAGE_MAX, .items_max = ITEMS_MAX};
    struct ingest_job *job;
    char *body;

    if (size < 2)
        return 0;
    call.type = types[data[0] & 7];
    call.sender = data[1] & 1 ? SENDER_CLIENT : SENDER_UNKNOWN;
    call.privacy = (enum privacy)((data[1] >> 3) % 3);
    call.opted_out = data[1] & 32;
    call.ip = data[1] & 2 ? "2001:db8::1" : NULL;
    if (data[1] & 4)
        call.floor_us = INT64_C(1000000000000000);
    body = mem_alloc(size - 2);
    if (size > 2)
        memcpy(body, data + 2, size - 2);
    job = (data[0] & 7) == 7 ? collect_lines(body, size - 2, &call) : build(body, size - 2, &call);
    if (!job)
        return 0;
    check_job(job, size - 2);
    free(job->messages);
    free(job->rejects);
    free(job->body);
    free(job->arena);
    free(job);
    return 0;
}
