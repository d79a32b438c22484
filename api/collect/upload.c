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

static void add_person(struct reader *reader, struct span id, enum person_kind kind)
{
    *VEC_ADD(&reader->upload->people[kind]) = (struct person){.external = id, .raw = id_person(person_kind_text(kind), id.at, id.len)};
}

/* False: it is no address. */
static bool add_email(struct reader *reader, struct span text)
{
    char email[EMAIL_MAX], *kept;
    size_t len = text.len && utf8_ok(text.at, text.len) ? email_normalize(text, email) : 0;

    if (!len)
        return false;
    kept = arena_room(&reader->arena, len);
    memcpy(kept, email, len);
    arena_added(&reader->arena, len);
    add_person(reader, (struct span){.at = kept, .len = len}, PERSON_EMAIL);
    return true;
}

static void add_row(struct reader *reader, size_t line, const struct span ids[PERSON_KINDS])
{
    enum id_verdict user = judge(ids[PERSON_USER]), anonymous = judge(ids[PERSON_ANONYMOUS]);

    if (user == ID_TOO_LONG || anonymous == ID_TOO_LONG)
        (void)refuse(reader, line, "id_too_long", "an id is longer than 256 bytes");
    else if (user == ID_USABLE)
        add_person(reader, ids[PERSON_USER], PERSON_USER);
    else if (anonymous == ID_USABLE)
        add_person(reader, ids[PERSON_ANONYMOUS], PERSON_ANONYMOUS);
    else if (!add_email(reader, ids[PERSON_EMAIL]))
        (void)refuse(reader, line, "no_user_anon_id", "user_id, anonymous_id and email are missing or not usable");
}

/* --- Lines of JSON --- */

static bool read_member(struct reader *reader, size_t line, struct json row, struct json ret_ids[PERSON_KINDS])
{
    struct json_iter iter = json_iter(row);
    struct json key, value;

    if (row.type != JSON_T_OBJECT)
        return refuse(reader, line, "not_an_object", "the line is no JSON object");
    while (json_next_member(&iter, &key, &value)) {
        if (json_is(key, "user_id"))
            ret_ids[PERSON_USER] = value;
        else if (json_is(key, "anonymous_id"))
            ret_ids[PERSON_ANONYMOUS] = value;
        else if (json_is(key, "email"))
            ret_ids[PERSON_EMAIL] = value;
        else if (!json_is(key, "entered_at") && !json_is(key, "traits"))
            return refuse(reader, line, "unknown_member", "a member has user_id, anonymous_id, email, entered_at and traits only");
    }
    return true;
}

static void read_line(struct reader *reader, size_t number, char *line, size_t len)
{
    struct json ids[PERSON_KINDS] = {JSON_NONE, JSON_NONE, JSON_NONE}, row;
    struct span texts[PERSON_KINDS] = {{.at = NULL}};
    struct json_numbers numbers;
    struct json_flaw flaw;

    if (!json_check_numbers(line, len, &row, &numbers, &flaw)) {
        (void)refuse(reader, number, "invalid_json", flaw.what);
        return;
    }
    if (numbers.mended) { /* or the row would name somebody else */
        (void)refuse(reader, number, "invalid_json", "an escaped NUL, or half of a surrogate pair, is no text");
        return;
    }
    if (!read_member(reader, number, row, ids))
        return;
    for (size_t kind = 0; kind < PERSON_KINDS; kind++)
        texts[kind] = item_text(&reader->arena, ids[kind]);
    add_row(reader, number, texts);
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
    size_t ids[PERSON_KINDS]; /* COLUMN_NONE: there is none */
};

static bool find_column(const struct span *fields, size_t n, const char *name, size_t *ret_column, struct err *err)
{
    size_t len = strlen(name);

    *ret_column = COLUMN_NONE;
    for (size_t i = 0; i < n; i++) {
        if (fields[i].len != len || memcmp(fields[i].at, name, len) != 0)
            continue;
        if (*ret_column != COLUMN_NONE && strcmp(name, "email") == 0)
            break; /* an export with ?fields=email has the trait, too */
        if (*ret_column != COLUMN_NONE)
            return err_set(err, "bad_header", "", "the header names %s twice", name);
        *ret_column = i;
    }
    return true;
}

static bool read_header(struct csv *csv, struct columns *ret_columns, struct err *err)
{
    static const char *const names[] = {[PERSON_USER] = "user_id", [PERSON_EMAIL] = "email", [PERSON_ANONYMOUS] = "anonymous_id"};
    struct span fields[COLUMNS_MAX];
    bool any = false;
    size_t line;

    if (!csv_next(csv, fields, COLUMNS_MAX, &ret_columns->n, &line))
        return err_set(err, "bad_header", "", "the first line must name the columns");
    if (csv->flaw || ret_columns->n > COLUMNS_MAX)
        return err_set(err, "bad_header", "", "%s", csv->flaw ? csv->flaw : "the header has more than 500 columns");
    for (size_t kind = 0; kind < PERSON_KINDS; kind++) {
        if (!find_column(fields, ret_columns->n, names[kind], &ret_columns->ids[kind], err))
            return false;
        any |= ret_columns->ids[kind] != COLUMN_NONE;
    }
    return any || err_set(err, "bad_header", "", "the header must name a column user_id, anonymous_id or email");
}

static struct span field_at(const struct span *fields, size_t n, size_t column)
{
    return column < n ? fields[column] : (struct span){.at = NULL, .len = 0};
}

static void add_record(struct reader *reader, size_t line, const struct span *fields, size_t n, const struct columns *columns)
{
    struct span ids[PERSON_KINDS] = {{.at = NULL}};

    for (size_t kind = 0; kind < PERSON_KINDS; kind++)
        ids[kind] = csv_unguarded(field_at(fields, n, columns->ids[kind]));
    add_row(reader, line, ids);
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
            add_record(reader, line, fields, n, &columns);
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
    for (size_t kind = 0; kind < PERSON_KINDS; kind++)
        vec_free(&upload->people[kind]);
    vec_free(&upload->errors);
    free(upload->arena);
    *upload = (struct upload)UPLOAD_INIT;
}

bool upload_read(char *text, size_t len, enum upload_form form, struct upload *ret_upload, struct err *err)
{
    struct upload upload = UPLOAD_INIT;
    struct reader reader = {.upload = &upload, .arena = {.size = 2 * len}}; /* a text decoded, and an address in lower case */
    bool ok = form == UPLOAD_CSV ? read_csv(&reader, text, len, err) : read_ndjson(&reader, text, len, err);

    upload.arena = reader.arena.at;
    if (ok) {
        for (size_t kind = 0; kind < PERSON_KINDS; kind++)
            upload.people[kind].n = drop_doubles(upload.people[kind].at, upload.people[kind].n);
        *ret_upload = upload;
    } else {
        upload_release(&upload);
    }
    return ok;
}
