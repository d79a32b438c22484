/* Sources. The one idea: a source's settings are read together from a new one's body and from a patch (RFC 7396: null is the default again), and hold in
 * this process before the answer, for the keys that carry them are read again. A source is named by its
 * name for good. */
#include <string.h>

#include "api/body.h"
#include "api/handlers.h"
#include "api/hook_settings.h"
#include "api/once.h"
#include "api/page.h"
#include "api/text.h"
#include "db/source.h"
#include "server/base/alloc.h"
#include "server/base/origin.h"

enum { SOURCE_NAME_LENGTH = 100, ORIGINS_MAX = 100, ORIGIN_LENGTH = 300, URL_LENGTH = 4096 };

/* Where the provider is to send to. */
static void put_hook_url(const struct call *c, struct json_out *out, const struct source_row *row)
{
    AUTO_BUF struct buf url = BUF_INIT(URL_LENGTH);

    page_base(c, &url);
    buf_add_text(&url, "/v1/hooks/");
    text_percent(&url, row->name);
    json_add_text(out, "hook_url", row->provider ? buf_text(&url) : NULL);
}

static void put_source(const struct call *c, struct json_out *out, const struct source_row *row)
{
    struct db_array origins = db_array(row->rows, row->row, SOURCE_ORIGINS);

    json_open(out, '{');
    json_add_text(out, "name", row->name);
    json_key(out, "allowed_origins");
    json_open(out, '[');
    while (origins.left) {
        size_t len;
        const char *origin = db_array_next_text(&origins, &len);

        json_put_text_len(out, origin ? origin : "", len);
    }
    json_close(out, ']');
    json_add_text(out, "privacy", row->privacy);
    json_add_text(out, "provider", row->provider);
    json_add_raw(out, "hook", row->hook);
    put_hook_url(c, out, row);
    json_add_int(out, "secrets", row->n_secrets);
    json_add_instant(out, "created_at", row->created_us);
    json_close(out, '}');
}

enum handled api_source_list(struct call *c)
{
    AUTO_BUF struct buf text = BUF_INIT(ANSWER_MAX);
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    struct json_out out = JSON_OUT(&text);
    enum db_status status;
    struct page page;
    size_t n;

    if (!page_read(c, &page))
        return HANDLED_ANSWERED;
    status = db_source_list(c->db, page.place, page.limit + 1, &rows);
    if (status != DB_OK && status != DB_NONE)
        return answer_status(c, status);
    n = db_rows_count(&rows);
    page_begin(&out);
    json_open(&out, '[');
    for (size_t i = 0; i < n && i < (size_t)page.limit; i++) {
        struct source_row row = db_source_row(&rows, i);

        put_source(c, &out, &row);
    }
    json_close(&out, ']');
    return page_end(c, &out, n > (size_t)page.limit ? db_source_row(&rows, n - 2).name : NULL);
}

/* A body of a POST or a PATCH, its settings as they are to be stored. */
struct source_input {
    struct json name, origins, privacy; /* as they stand in the body */
    struct texts texts;
    char *privacy_text;
    struct hook_settings hook;
    struct source_edit edit;
};

static void input_release(struct source_input *in)
{
    texts_release(&in->texts);
    free(in->privacy_text);
    hook_settings_release(&in->hook);
}

static bool read_origins(struct source_input *in, struct err *err)
{
    static const struct texts_limit limit = {.n = ORIGINS_MAX, .length = ORIGIN_LENGTH};

    if (in->origins.type == JSON_T_ARRAY && !body_texts(in->origins, "/allowed_origins", &limit, &in->texts, err))
        return false;
    for (size_t i = 0; i < in->texts.n; i++) {
        char pointer[40];

        (void)snprintf(pointer, sizeof pointer, "/allowed_origins/%zu", i);
        if (!origin_pattern_ok(in->texts.at[i]))
            return err_set(err, "bad_value", pointer, "must be an origin such as https://shop.example or https://*.shop.example");
    }
    in->edit.has_origins = in->origins.type != JSON_T_NONE;
    in->edit.origins = (const char *const *)in->texts.at;
    in->edit.n_origins = in->texts.n;
    return true;
}

static bool read_privacy(struct source_input *in, struct err *err)
{
    if (in->privacy.type == JSON_T_NONE)
        return true;
    if (in->privacy.type == JSON_T_STRING && !json_is(in->privacy, "ignore") && !json_is(in->privacy, "first_party") &&
        !json_is(in->privacy, "drop"))
        return err_set(err, "bad_value", "/privacy", "privacy is ignore, first_party or drop");
    in->privacy_text = in->privacy.type == JSON_T_NULL ? mem_strdup("first_party") : json_text(in->privacy);
    in->edit.privacy = in->privacy_text;
    return true;
}

/* name: is the body of a new source, which has one? */
static bool read_input(struct json body, bool name, struct source_input *in, struct err *err)
{
    const struct body_field fields[] = {{"allowed_origins", MEMBER_TEXTS | MEMBER_NULL, &in->origins},
                                        {"privacy", MEMBER_TEXT | MEMBER_NULL, &in->privacy},
                                        {"provider", MEMBER_TEXT | MEMBER_NULL, &in->hook.provider},
                                        {"secret", MEMBER_TEXT | MEMBER_NULL, &in->hook.secret},
                                        {"secrets", MEMBER_TEXTS | MEMBER_NULL, &in->hook.secrets},
                                        {"hook", MEMBER_OBJECT | MEMBER_NULL, &in->hook.hook},
                                        {"name", MEMBER_TEXT, &in->name}};

    return body_read(body, fields, ARRAY_LEN(fields) - !name, err) && read_origins(in, err) && read_privacy(in, err);
}

enum handled api_source_create(struct call *c)
{
    CLEANUP(input_release) struct source_input in = {.privacy_text = NULL};
    AUTO_BUF struct buf text = BUF_INIT(ANSWER_MAX);
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    struct json_out out = JSON_OUT(&text);
    char *name AUTO_FREE = NULL;
    struct err err = ERR_INIT;
    struct source_row row;
    enum db_status status;

    if (!once_begin(c))
        return HANDLED_ANSWERED;
    if (!read_input(c->body, true, &in, &err))
        return answer_problem(c, PROBLEM_INVALID, &err);
    name = body_name(in.name, "/name", SOURCE_NAME_LENGTH, &err);
    if (!name || (hook_settings_given(&in.hook) && !hook_settings_read(&in.hook, name, NULL, &in.edit, &err)))
        return answer_problem(c, PROBLEM_INVALID, &err);
    status = db_source_insert(c->db, name, &in.edit, &rows);
    if (status == DB_NONE)
        return answer_problem(c, PROBLEM_NAME_TAKEN, NULL);
    if (status != DB_OK)
        return answer_status(c, status);
    row = db_source_row(&rows, 0);
    put_source(c, &out, &row);
    return answer_json(c, 201, &text);
}

/* What is given of the webhooks is read over what is stored. */
static enum db_status read_hook_patch(struct call *c, struct source_input *in, struct err *err)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status;

    if (!hook_settings_given(&in->hook))
        return DB_OK;
    status = db_source_hook(c->db, call_param(c, 0), &rows);
    if (status == DB_OK && !hook_settings_read(&in->hook, call_param(c, 0), &rows, &in->edit, err))
        return DB_NONE; /* err says why */
    return status;
}

enum handled api_source_patch(struct call *c)
{
    CLEANUP(input_release) struct source_input in = {.privacy_text = NULL};
    AUTO_BUF struct buf text = BUF_INIT(ANSWER_MAX);
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    struct json_out out = JSON_OUT(&text);
    struct err err = ERR_INIT;
    struct source_row row;
    enum db_status status;

    if (!read_input(c->body, false, &in, &err))
        return answer_problem(c, PROBLEM_INVALID, &err);
    status = read_hook_patch(c, &in, &err);
    if (err.code)
        return answer_problem(c, PROBLEM_INVALID, &err);
    if (status != DB_OK)
        return answer_status(c, status);
    status = db_source_update(c->db, call_param(c, 0), &in.edit, &rows);
    if (status != DB_OK)
        return answer_status(c, status);
    c->ports->keys_changed(c->ports->app, c->db);
    row = db_source_row(&rows, 0);
    put_source(c, &out, &row);
    return answer_json(c, 200, &text);
}

enum handled api_source_delete(struct call *c)
{
    bool in_use;
    enum db_status status = db_source_delete(c->db, call_param(c, 0), &in_use);

    if (in_use)
        return answer_problem_detail(c, PROBLEM_SOURCE_IN_USE, "the source has keys that work, or has sent something");
    return status == DB_OK ? answer_empty(c, 204) : answer_status(c, status);
}
