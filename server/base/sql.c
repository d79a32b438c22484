/* A statement under construction. The one idea: a value is only ever a parameter, and the same value is the same parameter,
 * so equal definitions make equal texts. The text itself is its owner's; only parameters are counted here.
 * Knows no connection; db/ binds and runs it. */
#include "server/base/sql.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/alloc.h"

void sql_init(struct sql *sql, size_t first)
{
    *sql = (struct sql){.text = BUF_INIT(SQL_TEXT_MAX), .first = first};
}

void sql_release(struct sql *sql)
{
    for (size_t i = 0; i < sql->n_params; i++) {
        struct sql_param *param = &sql->params[i];

        free(param->text);
        for (size_t k = 0; k < param->n_items; k++)
            free(param->items[k]);
        free(param->items);
    }
    free(sql->params);
    buf_release(&sql->text);
    sql_init(sql, sql->first);
}

static bool text_equal(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool param_equal(const struct sql_param *param, enum sql_type type, const char *text, const char *const *items, size_t n_items)
{
    if (param->type != type || param->n_items != n_items || !text_equal(param->text, text))
        return false;
    for (size_t i = 0; i < n_items; i++)
        if (strcmp(param->items[i], items[i]) != 0)
            return false;
    return true;
}

static struct sql_param *add_param(struct sql *sql, enum sql_type type)
{
    struct sql_param *param;

    sql->params = mem_grow(sql->params, sql->n_params + 1, sizeof *sql->params);
    param = &sql->params[sql->n_params++];
    *param = (struct sql_param){.type = type};
    return param;
}

size_t sql_text(struct sql *sql, enum sql_type type, const char *text)
{
    for (size_t i = 0; i < sql->n_params; i++)
        if (param_equal(&sql->params[i], type, text, NULL, 0))
            return sql->first + i;
    add_param(sql, type)->text = mem_strdup(text);
    return sql->first + sql->n_params - 1;
}

size_t sql_number(struct sql *sql, enum sql_type type, int64_t number)
{
    for (size_t i = 0; i < sql->n_params; i++)
        if (param_equal(&sql->params[i], type, NULL, NULL, 0) && sql->params[i].number == number)
            return sql->first + i;
    add_param(sql, type)->number = number;
    return sql->first + sql->n_params - 1;
}

size_t sql_items(struct sql *sql, enum sql_type type, const char *const *items, size_t n_items)
{
    struct sql_param *param;

    for (size_t i = 0; i < sql->n_params; i++)
        if (param_equal(&sql->params[i], type, NULL, items, n_items))
            return sql->first + i;
    param = add_param(sql, type);
    param->items = mem_grow(NULL, n_items, sizeof *param->items);
    param->n_items = n_items;
    for (size_t i = 0; i < n_items; i++)
        param->items[i] = mem_strdup(items[i]);
    return sql->first + sql->n_params - 1;
}
