/* Any bytes as a webhook of each provider, or as an entry of one's own and a webhook of it: verifying and mapping end, and what is made
 * is a batch that collect takes, within its limits. The first byte chooses the provider; '~': an entry, a NUL, a body. */
#include <stdint.h>
#include <string.h>

#include "api/collect/batch.h"
#include "api/hooks/hook.h"
#include "server/base/alloc.h"
#include "server/base/json_scan.h"

enum { PROVIDERS_MAX = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *find_header(void *context, const char *name)
{
    (void)context;
    return strchr(name, 'T') ? "orders/create" : "1700000000"; /* topics; ids, times and signatures */
}

static const char *find_query(void *context, const char *name)
{
    (void)context;
    return *name == 't' ? "k" : NULL;
}

static struct json checked(char *text, size_t len)
{
    size_t bad_numbers;
    struct json_flaw flaw;
    struct json root;

    return json_check(text, len, &root, &bad_numbers, &flaw) ? root : JSON_NONE;
}

static void check_batch(struct hook_batch *batch)
{
    struct db_clock clock = {0};
    struct collect_call call = {
        .clock = &clock, .source_id = 1, .floor_us = INT64_MIN, .message_max = COLLECT_MESSAGE_MAX, .items_max = 2 * HOOK_EVENTS_MAX};
    struct collect *collect;
    struct ingest_job *job;
    struct err err = ERR_INIT;

    ASSERT(batch->len <= HOOK_BATCH_MAX && batch->messages <= 2 * HOOK_EVENTS_MAX && strlen(batch->text) == batch->len);
    ASSERT(collect_open(batch->text, batch->len, &collect, &err));
    ASSERT(collect_build(&collect, &call, &job, &err));
    ASSERT(job->n_messages + job->n_rejects == batch->messages);
    free(job->messages);
    free(job->rejects);
    free(job->body);
    free(job->arena);
    free(job);
    vec_free(&batch->addresses);
}

static void take(struct json entry, const char *body, size_t len)
{
    static const char *const secrets[] = {"k", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "arn:aws:sns:eu-west-1:123456789012:mail"};
    struct hook_request request = {.body = body,
                                   .len = len,
                                   .url = "https://x/v1/hooks/y",
                                   .now_us = INT64_C(1700000000000000),
                                   .provider = "p",
                                   .secrets = secrets,
                                   .n_secrets = 3,
                                   .header = find_header,
                                   .query = find_query};
    struct err err = ERR_INIT;
    struct hook_batch batch;
    struct hook_probe probe;
    struct hook_once once;
    struct hook_sns sns;
    const char *why = NULL;

    if (hook_is_sns(entry) && hook_sns_read(&request, &sns, &why) == HOOK_GENUINE)
        hook_sns_release(&sns);
    (void)!hook_verify(entry, &request, &once, &why);
    ASSERT(why);
    (void)hook_is_ping(entry, &request);
    if (hook_probe(entry, &request, "y", &probe))
        free(probe.text);
    if (hook_map(entry, &request, &batch, &err))
        check_batch(&batch);
    else
        ASSERT(err.code && err.detail[0]);
}

static void take_own(char *text, size_t entry_len, size_t len)
{
    struct json entry = checked(text, entry_len);
    struct err err = ERR_INIT;

    if (!hook_check(entry, "/hook", &err)) {
        ASSERT(err.code && err.detail[0]);
        return;
    }
    take(entry, text + entry_len + 1, len - entry_len - 1);
}

/* The table's entries, read once. */
static struct json entry_of(size_t i)
{
    static struct json entries[PROVIDERS_MAX];
    static size_t n;
    struct json_iter iter;
    struct json provider;

    if (!n) {
        size_t len;
        const char *table = hook_providers(&len);
        static char *copy; /* reachable to the end */

        copy = mem_strndup(table, len);
        iter = json_iter(checked(copy, len));
        while (n < PROVIDERS_MAX && json_next_element(&iter, &provider))
            entries[n++] = json_get(provider, "hook");
    }
    return entries[i % n];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text AUTO_FREE = mem_strndup((const char *)data, size);
    const char *end;

    if (size < 1)
        return 0;
    if (*data == '~') {
        end = memchr(text + 1, '\0', size - 1);
        if (end)
            take_own(text + 1, (size_t)(end - text - 1), size - 1);
        return 0;
    }
    take(entry_of((size_t)(*data - 'a')), text + 1, size - 1);
    return 0;
}
