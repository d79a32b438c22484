/* From a text to a job. The one idea: the body is checked once, cut into items without copying, and handed on whole with the job, whose
 * spans point into it. What only the batch knows (its sentAt, its default context) goes to every item. Invariant: the arena never runs
 * out. An item writes its own bytes at most twice (context.traits of an identify: as context and as traits; context.consent with the
 * signal: twice in the context), its consent once more, and that may be twice as long (true becomes "granted"); the same of the
 * defaults; and a constant (an email address among it). What is wrong with one item is message.c's. */
#include "api/collect/batch.h"

#include <stdlib.h>
#include <string.h>

#include "api/collect/item.h"
#include "server/base/alloc.h"
#include "server/base/utf8.h"

/* Default contexts are written out for every item: a small body of many items must not become a large job. Go's is 60 bytes. */
enum { DEFAULTS_TOTAL_MAX = 16 << 20, ADDRESS_MAX = 64 };

struct collect {
    char *body; /* owned */
    size_t len;
    struct json root; /* an object */
    struct json_numbers numbers;
};

/* The members of a batch that mean something. */
struct envelope {
    struct json items;
    size_t n_items;
    struct json context;
    struct json sent_at;
};

bool collect_open(char *body, size_t len, struct collect **ret_collect, struct err *err)
{
    struct collect collect = {.body = body, .len = len};
    struct json_flaw flaw;

    if (!json_check_numbers(body, len, &collect.root, &collect.numbers, &flaw)) {
        free(body);
        return err_set(err, "invalid_json", "", "%s at byte %zu", flaw.what, flaw.offset);
    }
    if (collect.root.type != JSON_T_OBJECT) {
        free(body);
        return err_set(err, "not_an_object", "", "the body is not a JSON object");
    }
    *ret_collect = mem_alloc(sizeof collect);
    **ret_collect = collect;
    return true;
}

void collect_free(struct collect *collect)
{
    if (!collect)
        return;
    free(collect->body);
    free(collect);
}

char *collect_write_key(const struct collect *collect)
{
    struct json key = json_get(collect->root, "writeKey");

    return key.type == JSON_T_STRING && key.len > 2 ? json_text(key) : NULL;
}

static bool read_envelope(struct json root, size_t items_max, struct envelope *ret_envelope, struct err *err)
{
    struct json_iter iter = json_iter(root);
    struct json key, value;

    while (json_next_member(&iter, &key, &value)) {
        if (json_is(key, "batch"))
            ret_envelope->items = value;
        else if (json_is(key, "context"))
            ret_envelope->context = value;
        else if (json_is(key, "sentAt"))
            ret_envelope->sent_at = value;
    }
    if (ret_envelope->items.type != JSON_T_ARRAY)
        return err_set(err, "missing_batch", "/batch", "batch is missing or not an array");
    ret_envelope->n_items = json_count(ret_envelope->items);
    if (ret_envelope->n_items > items_max)
        return err_set(err, "batch_too_long", "/batch", "the batch has more than %zu items", items_max);
    return true;
}

static bool read_defaults(struct json context, size_t n_items, struct json *ret_defaults, struct err *err)
{
    *ret_defaults = JSON_NONE;
    if (is_missing(context))
        return true;
    if (context.type != JSON_T_OBJECT)
        return err_set(err, "bad_context", "/context", "it is neither an object nor null");
    if (context.len > DEFAULTS_TOTAL_MAX / (n_items ? n_items : 1))
        return err_set(err, "context_too_large", "/context", "it is too large for a batch of %zu items", n_items);
    *ret_defaults = context;
    return true;
}

/* "ip":"…", in the arena's first bytes. Anything that is no address is left out: the text may come from a header. */
static struct span ip_member(struct arena *arena, const char *ip)
{
    const char *from;
    size_t len = ip ? strspn(ip, "0123456789abcdefABCDEF.:") : 0;

    if (!len || len > ADDRESS_MAX || ip[len])
        return (struct span){.at = NULL, .len = 0};
    from = arena_end(arena);
    arena_add_text(arena, "\"ip\":\"");
    arena_add(arena, ip, len);
    arena_add_text(arena, "\"");
    return arena_since(arena, from);
}

/* A job for at most n_items out of a text, which becomes the job's. */
static struct collector begin(const struct collect_call *call, char *body, size_t len, size_t n_items, struct json defaults)
{
    struct collector collector = {
        .call = call, .defaults = defaults, .sent_us = INSTANT_NONE, .arrived_us = db_clock_stamp_us(call->clock)};

    collector.job = mem_zalloc(sizeof *collector.job);
    collector.job->body = body;
    collector.job->bytes = len;
    collector.job->messages = mem_grow(NULL, n_items, sizeof *collector.job->messages);
    collector.arena.size = 4 * len + (n_items + 1) * (COLLECT_ITEM_SLACK + 4 * defaults.len);
    collector.ip_member = ip_member(&collector.arena, call->ip);
    return collector;
}

static struct ingest_job *finish(struct collector *collector)
{
    collector->job->arena = collector->arena.at;
    collector->job->bytes += collector->arena.used;
    return collector->job;
}

static bool build(struct collect *collect, const struct collect_call *call, struct ingest_job **ret_job, struct err *err)
{
    struct envelope envelope = {.n_items = 1, .items = JSON_NONE, .context = JSON_NONE, .sent_at = JSON_NONE};
    struct json defaults = JSON_NONE, item;
    struct collector collector;
    struct json_iter iter;

    if (!call->type && (!read_envelope(collect->root, call->items_max, &envelope, err) ||
                        !read_defaults(envelope.context, envelope.n_items, &defaults, err)))
        return false;
    collector = begin(call, collect->body, collect->len, envelope.n_items, defaults);
    collect->body = NULL;
    collector.bad_numbers = collect->numbers.bad > 0;
    collector.exponents = collect->numbers.with_exponents > 0;
    collector.bad_defaults = collector.bad_numbers && json_has_bad_number(defaults);
    collector.sent_us = item_instant(envelope.sent_at);
    if (call->type)
        collect_item(&collector, collect->root);
    iter = json_iter(envelope.items);
    while (json_next_element(&iter, &item))
        collect_item(&collector, item);
    *ret_job = finish(&collector);
    return true;
}

bool collect_build(struct collect **collect, const struct collect_call *call, struct ingest_job **ret_job, struct err *err)
{
    bool ok = build(*collect, call, ret_job, err);

    collect_free(*collect);
    *collect = NULL;
    return ok;
}

/* What the reject log can hold: UTF-8 without NUL. */
static void clean_line(char *line, size_t len)
{
    char *end = line + len;

    while (line < end) {
        size_t n = utf8_char(line, end);

        if (!n || !*line)
            *line = '?';
        line += n ? n : 1;
    }
}

static void collect_line(struct collector *collector, char *line, size_t len)
{
    struct json_flaw flaw;
    struct json item;
    struct json_numbers numbers;

    while (len && (unsigned char)*line <= ' ') {
        line++;
        len--;
    }
    if (!len)
        return;
    if (json_check_numbers(line, len, &item, &numbers, &flaw)) {
        collector->bad_numbers = numbers.bad > 0;
        collector->exponents = numbers.with_exponents > 0;
        collect_item(collector, item);
        return;
    }
    clean_line(line, len);
    collect_reject(collector, "invalid_json", flaw.what, (struct span){.at = line, .len = len});
}

struct ingest_job *collect_lines(char *text, size_t len, const struct collect_call *call)
{
    struct collector collector;
    size_t n_lines = 1;
    char *end = text + len;

    for (const char *at = text; (at = memchr(at, '\n', (size_t)(end - at))); at++)
        n_lines++;
    collector = begin(call, text, len, n_lines, JSON_NONE);
    collector.trusts_clock = true;
    for (char *line = text, *after; line < end; line = after + (after < end)) {
        after = memchr(line, '\n', (size_t)(end - line));
        if (!after)
            after = end;
        collect_line(&collector, line, (size_t)(after - line));
    }
    return finish(&collector);
}
