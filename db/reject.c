/* Rows of the reject log. The one idea: a reject may hold whatever a client sent, so its texts are made into UTF-8 without NUL here,
 * where they are written; a reject must never be the reason that its neighbours are not stored. Why something is rejected is decided
 * elsewhere. */
#include "db/reject.h"

#include <string.h>

#include "server/base/utf8.h"

DB_STATEMENT(reject_add, "ZITTT",
             "INSERT INTO reject (at, source_id, code, detail, payload)"
             " SELECT * FROM unnest($1::timestamptz[], $2::integer[], $3::text[], $4::text[], $5::text[])");
DB_STATEMENT(reject_list, "ll",
             "SELECT r.reject_id, r.at, s.name, r.code, r.detail, r.payload FROM reject r LEFT JOIN source s USING (source_id)"
             " WHERE r.reject_id < $1 ORDER BY r.reject_id DESC LIMIT $2");

static const char replacement[] = "\xef\xbf\xbd";

/* Appends text as UTF-8 without NUL, at most max bytes of it, whole characters. */
static void add_clean(struct buf *out, struct span text, size_t max)
{
    const char *at = text.at, *end = at + text.len;

    while (at < end) {
        size_t len = *at ? utf8_char(at, end) : 0;
        const char *from = len ? at : replacement;

        if (out->len + (len ? len : sizeof replacement - 1) > max)
            return;
        buf_add(out, from, len ? len : sizeof replacement - 1);
        at += len ? len : 1;
    }
}

static void add_text(struct db_args *args, struct span text, size_t max)
{
    AUTO_BUF struct buf clean = BUF_INIT(REJECT_PAYLOAD_MAX);

    add_clean(&clean, text, max);
    db_array_text(args, buf_text(&clean), clean.len);
}

void db_reject_send(struct db *db, const struct reject *const *rejects, size_t n)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    DB_ARRAY(&args, 'Z', i, n, db_array_instant(&args, rejects[i]->received_us));
    DB_ARRAY(&args, 'I', i, n, db_array_int(&args, rejects[i]->source_id));
    DB_ARRAY(&args, 'T', i, n, db_array_text(&args, rejects[i]->code, strlen(rejects[i]->code)));
    db_array_begin(&args, 'T');
    for (size_t i = 0; i < n; i++)
        add_text(&args, (struct span){.at = rejects[i]->detail, .len = strlen(rejects[i]->detail)}, sizeof rejects[i]->detail);
    db_array_end(&args);
    DB_ARRAY(&args, 'T', i, n, add_text(&args, rejects[i]->payload, REJECT_PAYLOAD_MAX));
    db_send(db, &reject_add, &args);
}

enum db_status db_reject_list(struct db *db, int64_t before_id, size_t limit, struct db_rows *ret_rows)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_long(&args, before_id);
    db_arg_long(&args, (int64_t)limit);
    return db_run(db, &reject_list, &args, ret_rows);
}
