/* From a file to people. The one idea: a row is good or told, with its line: nothing is dropped in silence, and a bad row
 * harms no other. A person that is named twice is there once, so who counts them counts people.
 * Whether such people exist, and what becomes of them, is not decided here. */
#include "api/collect/upload.h"

#include <stdlib.h>
#include <string.h>

#include "api/collect/csv.h"
#include "api/collect/item.h"
#include "server/base/utf8.h"

enum { COLUMNS_MAX = 500, COLUMN_NONE = COLUMNS_MAX };

struct reader {
    struct upload *upload;
    struct arena arena;
    size_t rows;
};

static bool refuse(struct reader *reader, size_t line, const char *code, const char *detail)
{
    if (reader->upload->rejected++ < UPLOAD_ERRORS_MAX)
        *VEC_ADD(&reader->upload->errors) = (struct upload_error){.line = line, .code = code, .detail = detail};
    return false;
}

/* False when there are too many. */
static bool count_row(struct reader *reader, struct err *err)
{
    if (reader->rows++ < UPLOAD_ROWS_MAX)
        return true;
    return err_set(err, "limit", "", "the file has more than %d rows", UPLOAD_ROWS_MAX);
}

/* --- Whom a row names --- */

static enum id_verdict judge(struct span text)
{
    return text.len && utf8_ok(text.at, text.len) ? id_judge(text) : ID_ABSENT;
}

static void add_person(struct reader *reader, struct span id, bool user)
{
    struct person person = {.external = id, .raw = id_person(user ? "user" : "anonymous", id.at, id.len)};

    if (user)
        *VEC_ADD(&reader->upload->users) = person;
    else
        *VEC_ADD(&reader->upload->anonymous) = person;
}

static void add_row(struct reader *reader, size_t line, struct span user, struct span anonymous)
{
    enum id_verdict user_is = judge(user), anonymous_is = judge(anonymous);

    if (user_is == ID_TOO_LONG || anonymous_is == ID_TOO_LONG)
        (void)refuse(reader, line, "id_too_long", "an id is longer than 256 bytes");
    else if (user_is == ID_USABLE)
        add_person(reader, user, true);
    else if (anonymous_is == ID_USABLE)
        add_person(reader, anonymous, false);
    else
        (void)refuse(reader, line, "no_user_anon_id", "user_id and anonymous_id are missing or not usable");
}

/* --- Lines of JSON --- */

static bool read_member(struct reader *reader, size_t line, struct json row, struct json ret_ids[2])
{
    struct json_iter iter = json_iter(row);
    struct json key, value;

    if (row.type != JSON_T_OBJECT)
        return refuse(reader, line, "not_an_object", "the line is no JSON object");
    while (json_next_member(&iter, &key, &value)) {
        if (json_is(key, "user_id"))
            ret_ids[0] = value;
        else if (json_is(key, "anonymous_id"))
            ret_ids[1] = value;
        else if (!json_is(key, "entered_at") && !json_is(key, "traits"))
            return refuse(reader, line, "unknown_member", "a member has user_id, anonymous_id, entered_at and traits only");
    }
    return true;
}

static void read_line(struct reader *reader, size_t number, char *line, size_t len)
{
    struct json ids[2] = {JSON_NONE, JSON_NONE}, row;
    struct json_flaw flaw;
    size_t bad_numbers;

    if (!json_check(line, len, &row, &bad_numbers, &flaw))
        (void)refuse(reader, number, "invalid_json", flaw.what);
    else if (read_member(reader, number, row, ids))
        add_row(reader, number, item_text(&reader->arena, ids[0]), item_text(&reader->arena, ids[1]));
}

static bool is_blank(const char *line, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r')
            return false;
    return true;
}

static bool read_ndjson(struct reader *reader, char *text, size_t len, struct err *err)
{
    char *end = text + len;
    size_t number = 1;

    for (char *line = text, *after; line < end; line = after + 1, number++) {
        after = memchr(line, '\n', (size_t)(end - line));
        if (!after)
            after = end;
        if (is_blank(line, (size_t)(after - line)))
            continue;
        if (!count_row(reader, err))
            return false;
        read_line(reader, number, line, (size_t)(after - line));
    }
    return true;
}

/* --- CSV --- */

struct columns {
    size_t n;
    size_t user; /* COLUMN_NONE: there is none */
    size_t anonymous;
};

static bool find_column(const struct span *fields, size_t n, const char *name, size_t *ret_column, struct err *err)
{
    size_t len = strlen(name);

    *ret_column = COLUMN_NONE;
    for (size_t i = 0; i < n; i++) {
        if (fields[i].len != len || memcmp(fields[i].at, name, len) != 0)
            continue;
        if (*ret_column != COLUMN_NONE)
            return err_set(err, "bad_header", "", "the header names %s twice", name);
        *ret_column = i;
    }
    return true;
}

static bool read_header(struct csv *csv, struct columns *ret_columns, struct err *err)
{
    struct span fields[COLUMNS_MAX];
    size_t line;

    if (!csv_next(csv, fields, COLUMNS_MAX, &ret_columns->n, &line))
        return err_set(err, "bad_header", "", "the first line must name the columns");
    if (csv->flaw || ret_columns->n > COLUMNS_MAX)
        return err_set(err, "bad_header", "", "%s", csv->flaw ? csv->flaw : "the header has more than 500 columns");
    if (!find_column(fields, ret_columns->n, "user_id", &ret_columns->user, err) ||
        !find_column(fields, ret_columns->n, "anonymous_id", &ret_columns->anonymous, err))
        return false;
    if (ret_columns->user == COLUMN_NONE && ret_columns->anonymous == COLUMN_NONE)
        return err_set(err, "bad_header", "", "the header must name a column user_id or anonymous_id");
    return true;
}

static struct span field_at(const struct span *fields, size_t n, size_t column)
{
    return column < n ? fields[column] : (struct span){.at = NULL, .len = 0};
}

static bool read_csv(struct reader *reader, char *text, size_t len, struct err *err)
{
    struct csv csv = csv_begin(text, len);
    struct span fields[COLUMNS_MAX];
    struct columns columns;
    size_t n, line;

    if (!read_header(&csv, &columns, err))
        return false;
    while (csv_next(&csv, fields, COLUMNS_MAX, &n, &line)) {
        if (!count_row(reader, err))
            return false;
        if (csv.flaw || n > columns.n)
            (void)refuse(reader, line, "bad_csv", csv.flaw ? csv.flaw : "it has more fields than the header");
        else
            add_row(reader, line, field_at(fields, n, columns.user), field_at(fields, n, columns.anonymous));
    }
    return true;
}

/* --- The whole --- */

static int compare_people(const void *a, const void *b)
{
    return id_compare(&((const struct person *)a)->raw, &((const struct person *)b)->raw);
}

/* Sorts; gives how many are left. */
static size_t drop_doubles(struct person *people, size_t n)
{
    size_t kept = 0;

    if (n)
        qsort(people, n, sizeof *people, compare_people);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || compare_people(&people[kept - 1], &people[i]) != 0)
            people[kept++] = people[i];
    return kept;
}

void upload_release(struct upload *upload)
{
    vec_free(&upload->users);
    vec_free(&upload->anonymous);
    vec_free(&upload->errors);
    free(upload->arena);
    *upload = (struct upload)UPLOAD_INIT;
}

bool upload_read(char *text, size_t len, enum upload_form form, struct upload *ret_upload, struct err *err)
{
    struct upload upload = UPLOAD_INIT;
    struct reader reader = {.upload = &upload, .arena = {.size = len}};
    bool ok = form == UPLOAD_CSV ? read_csv(&reader, text, len, err) : read_ndjson(&reader, text, len, err);

    upload.arena = reader.arena.at;
    if (ok) {
        upload.users.n = drop_doubles(upload.users.at, upload.users.n);
        upload.anonymous.n = drop_doubles(upload.anonymous.at, upload.anonymous.n);
        *ret_upload = upload;
    } else {
        upload_release(&upload);
    }
    return ok;
}
