/* Any bytes as a definition: a refusal has a code and a pointer; what is accepted compiles for every head, and its SQL is made of the compiler's own
 * letters only: parameters that exist, quotes and brackets in pairs, nothing of the user's. References lead to the definition itself. */
#include <stdint.h>
#include <string.h>

#include "segment/segment.h"
#include "segment/segment_why.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct segment *itself(void *context, const char *key)
{
    return *key == 'l' ? NULL : context;
}

static void check_param(const struct sql *sql, const char *at)
{
    unsigned long n = strtoul(at, NULL, 10);

    ASSERT(n >= 1 && n < sql->first + sql->n_params);
}

static void check_text(const struct sql *sql)
{
    long brackets = 0;
    bool quoted = false;

    for (const char *at = buf_text(&sql->text); *at; at++) {
        ASSERT((*at >= ' ' && *at < 127) && *at != ';' && *at != '\\' && !(at[0] == '-' && at[1] == '-'));
        if (*at == '\'')
            quoted = !quoted;
        if (quoted)
            continue;
        brackets += (*at == '(') - (*at == ')');
        ASSERT(brackets >= 0);
        if (*at == '$')
            check_param(sql, at + 1);
    }
    ASSERT(!quoted && brackets == 0);
}

static void compile(const struct segment *segment, enum segment_head head, const struct segment_others *others)
{
    struct err err = ERR_INIT;
    struct sql sql;

    if (!segment_compile(segment, head, others, &sql, &err)) {
        ASSERT(err.code && (!strcmp(err.code, "segment_cycle") || !strcmp(err.code, "limit")));
        return;
    }
    check_text(&sql);
    sql_release(&sql);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_SEGMENT struct segment *segment = NULL;
    const struct segment_node *nodes;
    struct err err = ERR_INIT;

    if (!segment_parse((const char *)data, size, "UTC", &segment, &err)) {
        ASSERT(err.code && err.detail[0] && (!err.pointer[0] || err.pointer[0] == '/'));
        return 0;
    }
    ASSERT(!err.code);
    for (enum segment_head head = HEAD_CHANGED; head <= HEAD_WHY_NOW; head++) {
        compile(segment, head, NULL);
        compile(segment, head, &(struct segment_others){itself, segment});
    }
    for (size_t i = 1, n = segment_nodes(segment, &nodes); i < n; i++)
        ASSERT(nodes[i].parent < i);
    return 0;
}
