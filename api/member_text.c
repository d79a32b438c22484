/* Members as text. The one idea: a whole segment is written from one snapshot in batches that continue behind the last profile
 * id, so memory stays constant however many members there are; the HTTP stream and `cohortd export` differ only in where the
 * bytes go. */
#include "api/member_text.h"

#include <string.h>

#include "api/collect/csv.h"
#include "api/person.h"
#include "server/base/alloc.h"
#include "server/base/instant.h"
#include "server/base/json_scan.h"

enum { BATCH = 500, BATCH_FIRST = 20, BATCH_BYTES = 1 << 20, PIECE = 64 << 10, TEXT_MAX = 256 << 20 };

void member_put(struct json_out *out, const struct member_row *row)
{
    json_open(out, '{');
    person_put(out, &row->who);
    json_add_instant(out, "entered_at", row->entered_us);
    if (row->traits)
        json_add_raw(out, "traits", row->traits);
    json_close(out, '}');
}

/* RFC 4180, guarded against formulas; NULL is an empty field. */
static void put_field(struct buf *line, const char *text)
{
    bool quote = text && text[strcspn(text, ",\"\r\n")];

    if (quote)
        buf_add_char(line, '"');
    if (text && csv_needs_guard((struct span){.at = text, .len = strlen(text)}))
        buf_add_char(line, '\'');
    for (; text && *text; text++) {
        if (*text == '"')
            buf_add_char(line, '"');
        buf_add_char(line, *text);
    }
    if (quote)
        buf_add_char(line, '"');
}

/* A trait: a string's text, else its JSON; null and none are empty. */
static void put_trait(struct buf *line, struct json value)
{
    char *text AUTO_FREE = NULL;

    if (value.type == JSON_T_NONE || value.type == JSON_T_NULL)
        return;
    text = value.type == JSON_T_STRING ? json_text(value) : mem_strndup(value.at, value.len);
    put_field(line, text);
}

/* The column `email` is that of who is known by an address only. Whoever asks for the trait gets it in the same column. */
static bool is_email(const char *trait)
{
    return strcmp(trait, "email") == 0;
}

static bool asks_for_email(const struct member_export *export)
{
    for (size_t i = 0; i < export->n_traits; i++)
        if (is_email(export->traits[i]))
            return true;
    return false;
}

static void put_csv_row(struct buf *text, const struct member_export *export, const struct member_row *row)
{
    struct json traits = {
        .type = row->traits ? JSON_T_OBJECT : JSON_T_NONE, .at = row->traits, .len = row->traits ? strlen(row->traits) : 0};
    char entered[INSTANT_TEXT] = "";

    if (row->entered_us != INSTANT_NONE)
        instant_print(row->entered_us, entered);
    put_field(text, row->who.user_id);
    buf_add_char(text, ',');
    put_field(text, row->who.anonymous_id);
    buf_addf(text, ",%s,", entered);
    if (row->who.email)
        put_field(text, row->who.email);
    else if (asks_for_email(export))
        put_trait(text, json_get(traits, "email"));
    for (size_t i = 0; i < export->n_traits; i++) {
        if (is_email(export->traits[i]))
            continue;
        buf_add_char(text, ',');
        put_trait(text, json_get(traits, export->traits[i]));
    }
    buf_add_text(text, "\r\n");
}

static void put_csv_head(struct buf *text, const struct member_export *export)
{
    buf_add_text(text, "user_id,anonymous_id,entered_at,email");
    for (size_t i = 0; i < export->n_traits; i++) {
        if (is_email(export->traits[i]))
            continue;
        buf_add_char(text, ',');
        put_field(text, export->traits[i]);
    }
    buf_add_text(text, "\r\n");
}

/* Writes what is gathered if it is worth it. */
static bool pass_on(const struct member_export *export, struct buf *text, size_t least)
{
    bool ok = text->len < least || !text->len || export->write(export->context, text->data, text->len);

    if (text->len >= least)
        buf_clear(text);
    return ok;
}

static bool write_rows(const struct member_export *export, const struct db_rows *rows, struct buf *text)
{
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        struct member_row row = db_member_row(rows, i);
        struct json_out out = JSON_OUT(text);

        if (db_member_is_place(rows, i))
            continue;
        if (export->form == MEMBER_CSV) {
            put_csv_row(text, export, &row);
        } else {
            member_put(&out, &row);
            buf_add_char(text, '\n');
        }
        if (!pass_on(export, text, PIECE))
            return false;
    }
    return true;
}

bool member_export_run(const struct member_export *export)
{
    struct member_query query = {.key = export->key,
                                 .limit = export->n_traits ? BATCH_FIRST : BATCH,
                                 .at_us = export->at_us,
                                 .traits = export->traits,
                                 .n_traits = export->n_traits,
                                 .reachable = export->reachable,
                                 .n_reachable = export->n_reachable};
    AUTO_BUF struct buf text = BUF_INIT(TEXT_MAX);
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status;

    if (export->form == MEMBER_CSV)
        put_csv_head(&text, export);
    while ((status = db_member_more(export->db, &query, &rows)) == DB_OK) {
        if (!write_rows(export, &rows, &text))
            return false;
        query.limit = db_rows_worth(&rows, BATCH_BYTES, BATCH);
        query.after = db_member_row(&rows, db_rows_count(&rows) - 1).profile_id;
    }
    return status == DB_NONE && pass_on(export, &text, 0);
}
