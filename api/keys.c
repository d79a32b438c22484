/* Keys. The one idea: a key is shown once, in the answer that made it; lists show its first characters. A
 * change reaches every process by a notification, and this one before the answer.
 * A key is revoked, never deleted. */
#include <stdlib.h>
#include <string.h>

#include "api/body.h"
#include "api/handlers.h"
#include "api/key_make.h"
#include "api/once.h"
#include "api/page.h"
#include "db/key.h"
#include "server/base/alloc.h"

enum { SOURCE_NAME_LENGTH = 100, KEY_NAME_LENGTH = 100 };

/* secret: of a new key, NULL in lists. */
static void put_key(struct json_out *out, const struct key_row *row, const char *secret)
{
    char id[ID_TEXT];

    id_print(&row->key_id, id);
    json_open(out, '{');
    json_add_text(out, "id", id);
    json_add_text(out, "role", row->role);
    json_add_text(out, "source", row->source);
    json_add_text(out, "name", row->name);
    json_add_text(out, "prefix", row->prefix);
    json_add_instant(out, "created_at", row->created_us);
    json_add_instant(out, "revoked_at", row->revoked_us);
    if (secret)
        json_add_text(out, "key", secret);
    json_close(out, '}');
}

enum handled api_key_list(struct call *c)
{
    AUTO_BUF struct buf text = BUF_INIT(ANSWER_MAX);
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    struct json_out out = JSON_OUT(&text);
    enum db_status status;
    char next[ID_TEXT];
    struct page page;
    struct id after;
    size_t n;

    if (!page_read(c, &page))
        return HANDLED_ANSWERED;
    if (!page.first && !id_read(page.place, &after))
        return answer_problem(c, PROBLEM_BAD_CURSOR, NULL);
    status = db_key_list(c->db, page.first ? NULL : &after, page.limit + 1, &rows);
    if (status != DB_OK && status != DB_NONE)
        return answer_status(c, status);
    n = db_rows_count(&rows);
    page_begin(&out);
    json_open(&out, '[');
    for (size_t i = 0; i < n && i < (size_t)page.limit; i++) {
        struct key_row row = db_key_row(&rows, i);

        put_key(&out, &row, NULL);
        id_print(&row.key_id, next);
    }
    json_close(&out, ']');
    return page_end(c, &out, n > (size_t)page.limit ? next : NULL);
}

struct wish {
    char *role;
    char *source; /* NULL unless it is a write key */
    char *name;
};

static void wish_release(struct wish *wish)
{
    free(wish->role);
    free(wish->source);
    free(wish->name);
}

static bool read_wish(struct json body, struct wish *wish, struct err *err)
{
    struct json role, source, name;
    const struct body_field fields[] = {
        {"role", MEMBER_TEXT, &role}, {"source", MEMBER_TEXT | MEMBER_NULL, &source}, {"name", MEMBER_TEXT, &name}};
    bool write;

    if (!body_read(body, fields, ARRAY_LEN(fields), err))
        return false;
    write = json_is(role, "write");
    if (!write && !json_is(role, "read") && !json_is(role, "admin"))
        return err_set(err, "bad_value", "/role", "role is write, read or admin");
    if (write != (source.type == JSON_T_STRING))
        return err_set(err, "bad_value", "/source", "a write key, and no other, belongs to a source");
    wish->role = json_text(role);
    if (write)
        wish->source = body_text(source, "/source", 1, SOURCE_NAME_LENGTH, err);
    wish->name = name.type == JSON_T_NONE ? mem_strdup("") : body_text(name, "/name", 0, KEY_NAME_LENGTH, err);
    return !err->code;
}

enum handled api_key_create(struct call *c)
{
    CLEANUP(wish_release) struct wish wish = {.role = NULL};
    AUTO_BUF struct buf text = BUF_INIT(ANSWER_MAX);
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    struct json_out out = JSON_OUT(&text);
    struct err err = ERR_INIT;
    struct made_key made;
    struct key_row row;
    enum db_status status;

    if (!once_begin(c))
        return HANDLED_ANSWERED;
    once_hide(c);
    if (!read_wish(c->body, &wish, &err))
        return answer_problem(c, PROBLEM_INVALID, &err);
    made = key_make(wish.role);
    status = db_key_insert(
        c->db, &(struct key_new){.role = wish.role, .source = wish.source, .name = wish.name, .prefix = made.prefix, .hash = made.hash},
        &rows);
    if (status == DB_NONE) {
        (void)err_set(&err, "unknown_source", "/source", "there is no such source");
        return answer_problem(c, PROBLEM_INVALID, &err);
    }
    if (status != DB_OK)
        return answer_status(c, status);
    c->ports->keys_changed(c->ports->app, c->db);
    row = db_key_row(&rows, 0);
    put_key(&out, &row, made.text);
    reply_header(c->rq, "Cache-Control", "no-store");
    return answer_json(c, 201, &text);
}

enum handled api_key_delete(struct call *c)
{
    enum db_status status = DB_NONE;
    struct id key_id;

    if (id_read(call_param(c, 0), &key_id))
        status = db_key_revoke(c->db, &key_id);
    if (status != DB_OK)
        return answer_status(c, status);
    c->ports->keys_changed(c->ports->app, c->db);
    return answer_empty(c, 204);
}
