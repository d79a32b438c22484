/* Any request target as a pixel's: what its query means is JSON, an object of texts, and goes on into a job or is refused; ?data= gives bytes only where
 * it is base64. The first byte chooses the call's type. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/collect/batch.h"
#include "api/collect/flat.h"
#include "server/base/alloc.h"
#include "server/base/json_scan.h"
#include "server/http/private.h"

enum { MESSAGE_MAX = 100000, JSON_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct flat {
    struct flat_pair pairs[FLAT_PAIRS_MAX];
    size_t n;
};

static bool take_pair(void *context, const char *name, const char *value)
{
    struct flat *flat = context;

    if (flat->n == FLAT_PAIRS_MAX)
        return false;
    flat->pairs[flat->n] = (struct flat_pair){.name = name, .value = value, .order = flat->n};
    flat->n++;
    return true;
}

/* Consumes the text. */
static void collect(char *text, size_t len, const char *type)
{
    struct db_clock clock = {0};
    struct collect_call call = {.type = type,
                                .ip = "192.0.2.1",
                                .sender = SENDER_CLIENT,
                                .privacy = PRIVACY_FIRST_PARTY,
                                .opted_out = true,
                                .clock = &clock,
                                .floor_us = INT64_MIN,
                                .message_max = MESSAGE_MAX,
                                .items_max = COLLECT_ITEMS_MAX};
    struct collect *collect = NULL;
    struct ingest_job *job = NULL;
    struct err err = ERR_INIT;

    if (!collect_open(text, len, &collect, &err))
        return;
    free(collect_write_key(collect));
    if (!collect_build(&collect, &call, &job, &err))
        return;
    ASSERT(job->n_messages + job->n_rejects == 1 && job->n_dropped == 0);
    free(job->messages);
    free(job->rejects);
    free(job->body);
    free(job->arena);
    free(job);
}

static void check_object(const char *text, size_t len, unsigned depth)
{
    struct json_iter iter;
    struct json_flaw flaw;
    struct json root, key, value;
    char *copy AUTO_FREE = mem_strndup(text, len);
    size_t bad_numbers;

    ASSERT(depth <= FLAT_DEPTH_MAX + 1);
    ASSERT(json_check(copy, len, &root, &bad_numbers, &flaw) && root.type == JSON_T_OBJECT && bad_numbers == 0);
    iter = json_iter(root);
    while (json_next_member(&iter, &key, &value)) {
        ASSERT(key.len > 2 && (value.type == JSON_T_STRING || value.type == JSON_T_OBJECT));
        if (value.type == JSON_T_OBJECT)
            check_object(value.at, value.len, depth + 1);
    }
}

static void check_query(const struct request *rq, const char *type)
{
    const char *data = request_query(rq, "data");
    struct buf json = BUF_INIT(JSON_MAX);
    struct flat flat = {.n = 0};
    size_t len = 0;
    char *bytes;

    request_each_query(rq, take_pair, &flat);
    flat_write(flat.pairs, flat.n, &json);
    ASSERT(buf_ok(&json));
    check_object(buf_text(&json), json.len, 0);
    len = json.len;
    collect(buf_take(&json), len, type);
    bytes = data ? flat_data(data, &len) : NULL;
    if (!bytes)
        return;
    ASSERT(len && len <= strlen(data) * 3 / 4);
    collect(bytes, len, type);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const types[] = {"track", "identify", "page", "screen", "group", "alias"};
    static struct request rq; /* large; nothing in it outlives the call */
    char *target;

    if (!size)
        return 0;
    target = mem_strndup((const char *)data + 1, size - 1);
    memset(&rq, 0, sizeof rq);
    head_take_uri(&rq, target);
    check_query(&rq, types[data[0] % ARRAY_LEN(types)]);
    request_free_texts(&rq);
    free(target);
    return 0;
}
