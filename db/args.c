/* Parameters in PostgreSQL's binary forms, gathered in one buffer.
 * The one idea: a call's type letters grow beside its values, so that the runner can hold them against the statement's declaration.
 * Invariant: an array's count, written last, is the number of elements added since db_array_begin.
 * Texts of numeric go in text form: its binary form is not worth its code. */
#include "db/conn.h"

#include <endian.h>
#include <string.h>

#include "db/wire.h"

enum { COPY_BYTES = 4 << 20 }; /* of rows, before they are sent */

void db_args_release(struct db_args *args)
{
    buf_release(&args->store);
    args->n = 0;
    args->types[0] = '\0';
}

static void clear(struct db_args *args)
{
    buf_clear(&args->store);
    args->n = 0;
    args->types[0] = '\0';
}

static void arg_begin(struct db_args *args, char type)
{
    ASSERT(args->n < DB_ARGS_MAX);
    args->types[args->n] = type;
    args->types[args->n + 1] = '\0';
    args->text[args->n] = false;
    args->offset[args->n] = args->store.len;
}

static void arg_end(struct db_args *args)
{
    ASSERT(buf_ok(&args->store));
    args->len[args->n] = (int)(args->store.len - args->offset[args->n]);
    args->n++;
}

static void put_int32(struct buf *buf, uint32_t number)
{
    uint32_t wire = htobe32(number);

    buf_add(buf, &wire, sizeof wire);
}

static void put_int64(struct buf *buf, uint64_t number)
{
    uint64_t wire = htobe64(number);

    buf_add(buf, &wire, sizeof wire);
}

static void put_instant(struct buf *buf, int64_t us)
{
    if (us == DB_INSTANT_PAST)
        us = INT64_MIN;
    else if (us != DB_INSTANT_FUTURE) /* INT64_MAX on both sides */
        us -= WIRE_EPOCH_US;
    put_int64(buf, (uint64_t)us);
}

void db_arg_null(struct db_args *args, char type)
{
    arg_begin(args, type);
    args->offset[args->n] = SIZE_MAX;
    args->len[args->n] = 0;
    args->n++;
}

void db_arg_text(struct db_args *args, const char *text)
{
    db_arg_text_len(args, text, text ? strlen(text) : 0);
}

static void arg_plain(struct db_args *args, char type, const void *bytes, size_t len)
{
    if (!bytes) {
        db_arg_null(args, type);
        return;
    }
    arg_begin(args, type);
    if (type == 'j')
        buf_add_char(&args->store, WIRE_JSONB_VERSION);
    buf_add(&args->store, bytes, len);
    arg_end(args);
}

void db_arg_text_len(struct db_args *args, const char *text, size_t len)
{
    arg_plain(args, 't', text, len);
}

void db_arg_json(struct db_args *args, const char *json, size_t len)
{
    arg_plain(args, 'j', json, len);
}

void db_arg_bytes(struct db_args *args, const void *bytes, size_t len)
{
    arg_plain(args, 'y', bytes, len);
}

void db_arg_int(struct db_args *args, int32_t number)
{
    arg_begin(args, 'i');
    put_int32(&args->store, (uint32_t)number);
    arg_end(args);
}

void db_arg_long(struct db_args *args, int64_t number)
{
    arg_begin(args, 'l');
    put_int64(&args->store, (uint64_t)number);
    arg_end(args);
}

void db_arg_real(struct db_args *args, double number)
{
    uint64_t bits;

    memcpy(&bits, &number, sizeof bits);
    arg_begin(args, 'f');
    put_int64(&args->store, bits);
    arg_end(args);
}

void db_arg_bool(struct db_args *args, bool value)
{
    arg_begin(args, 'b');
    buf_add_char(&args->store, (char)value);
    arg_end(args);
}

void db_arg_instant(struct db_args *args, int64_t us)
{
    if (us == INSTANT_NONE) {
        db_arg_null(args, 'z');
        return;
    }
    arg_begin(args, 'z');
    put_instant(&args->store, us);
    arg_end(args);
}

void db_arg_id(struct db_args *args, const struct id *id)
{
    arg_plain(args, 'u', id ? id->bytes : NULL, ID_SIZE);
}

void db_arg_numeric(struct db_args *args, const char *decimal)
{
    arg_plain(args, 'n', decimal, decimal ? strlen(decimal) : 0);
    args->text[args->n - 1] = true;
}

void db_arg_ids(struct db_args *args, const struct id *ids, size_t n)
{
    DB_ARRAY(args, 'U', i, n, db_array_id(args, &ids[i]));
}

void db_arg_ints(struct db_args *args, const int32_t *numbers, size_t n)
{
    DB_ARRAY(args, 'I', i, n, db_array_int(args, numbers[i]));
}

void db_arg_texts(struct db_args *args, const char *const *texts, size_t n)
{
    DB_ARRAY(args, 'T', i, n, db_array_text(args, texts[i], texts[i] ? strlen(texts[i]) : 0));
}

void db_arg_numerics(struct db_args *args, const char *const *decimals, size_t n)
{
    arg_begin(args, 'N');
    buf_add_char(&args->store, '{');
    for (size_t i = 0; i < n; i++)
        buf_addf(&args->store, "%s%s", i ? "," : "", decimals[i]);
    buf_add_char(&args->store, '}');
    arg_end(args);
    args->text[args->n - 1] = true;
}

/* array_recv: dimensions, a flag for nulls, the element type, then size and lower bound of each dimension. */
void db_array_begin(struct db_args *args, char type)
{
    arg_begin(args, type);
    args->array_count = 0;
    put_int32(&args->store, 1);
    put_int32(&args->store, 1);
    put_int32(&args->store, wire_element_oid(type));
    put_int32(&args->store, 0);
    put_int32(&args->store, 1);
}

static void element(struct db_args *args, size_t len)
{
    args->array_count++;
    put_int32(&args->store, (uint32_t)len);
}

static void element_null(struct db_args *args)
{
    args->array_count++;
    put_int32(&args->store, UINT32_MAX);
}

void db_array_text(struct db_args *args, const char *at, size_t len)
{
    if (!at) {
        element_null(args);
        return;
    }
    element(args, len);
    buf_add(&args->store, at, len);
}

void db_array_json(struct db_args *args, const char *at, size_t len)
{
    if (!at) {
        element_null(args);
        return;
    }
    element(args, len + 1);
    buf_add_char(&args->store, WIRE_JSONB_VERSION);
    buf_add(&args->store, at, len);
}

void db_array_int(struct db_args *args, int32_t number)
{
    element(args, sizeof number);
    put_int32(&args->store, (uint32_t)number);
}

void db_array_long(struct db_args *args, int64_t number)
{
    element(args, sizeof number);
    put_int64(&args->store, (uint64_t)number);
}

void db_array_bool(struct db_args *args, bool value)
{
    element(args, 1);
    buf_add_char(&args->store, (char)value);
}

void db_array_instant(struct db_args *args, int64_t us)
{
    if (us == INSTANT_NONE) {
        element_null(args);
        return;
    }
    element(args, sizeof us);
    put_instant(&args->store, us);
}

void db_array_id(struct db_args *args, const struct id *id)
{
    if (!id) {
        element_null(args);
        return;
    }
    element(args, ID_SIZE);
    buf_add(&args->store, id->bytes, ID_SIZE);
}

void db_array_end(struct db_args *args)
{
    uint32_t count = htobe32((uint32_t)args->array_count);

    ASSERT(buf_ok(&args->store));
    memcpy(args->store.data + args->offset[args->n] + WIRE_ARRAY_COUNT_AT, &count, sizeof count);
    arg_end(args);
}

void db_copy_begin(struct db_args *rows)
{
    static const char head[] = "PGCOPY\n\377\r\n";

    clear(rows);
    buf_add(&rows->store, head, sizeof head); /* the signature ends with NUL; then flags and the length of an extension */
    put_int32(&rows->store, 0);
    put_int32(&rows->store, 0);
}

/* A row is a count of 16 bits, and its fields have the form of an array's elements. */
void db_copy_row(struct db_args *rows, unsigned fields)
{
    const uint8_t count[] = {(uint8_t)(fields >> 8), (uint8_t)fields};

    buf_add(&rows->store, count, sizeof count);
}

bool db_copy_is_due(const struct db_args *rows)
{
    return rows->store.len >= COPY_BYTES;
}
