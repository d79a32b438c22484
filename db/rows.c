/* Results in binary form, read by column.
 * Asking for a type that the column does not have is a bug and stops the program: statements and their readers stand side by side, so
 * the first run of a test finds it. Nothing is copied: texts and arrays live as long as their rows. */
#include "db/conn.h"

#include <endian.h>
#include <libpq-fe.h>
#include <string.h>

#include "db/wire.h"

void db_rows_release(struct db_rows *rows)
{
    PQclear(rows->result);
    rows->result = NULL;
}

size_t db_rows_count(const struct db_rows *rows)
{
    return rows->result ? (size_t)PQntuples(rows->result) : 0;
}

int32_t db_rows_worth(const struct db_rows *rows, size_t bytes, int32_t most)
{
    size_t taken = rows->result ? PQresultMemorySize(rows->result) : 0;
    size_t n = taken ? db_rows_count(rows) * bytes / taken : 0;

    return n < 1 ? 1 : n < (size_t)most ? (int32_t)n : most;
}

int64_t db_rows_affected(const struct db_rows *rows)
{
    return rows->result ? strtoll(PQcmdTuples(rows->result), NULL, 10) : 0;
}

bool db_null(const struct db_rows *rows, size_t row, int column)
{
    return PQgetisnull(rows->result, (int)row, column);
}

static const char *value(const struct db_rows *rows, size_t row, int column)
{
    ASSERT(rows->result && row < db_rows_count(rows) && column < PQnfields(rows->result));
    return PQgetvalue(rows->result, (int)row, column);
}

static size_t length(const struct db_rows *rows, size_t row, int column)
{
    return (size_t)PQgetlength(rows->result, (int)row, column);
}

static bool is_jsonb(const struct db_rows *rows, int column)
{
    return PQftype(rows->result, column) == wire_oid('j');
}

const char *db_text(const struct db_rows *rows, size_t row, int column)
{
    const char *text = value(rows, row, column);

    if (db_null(rows, row, column))
        return NULL;
    ASSERT(PQftype(rows->result, column) != wire_oid('n'));
    return text + is_jsonb(rows, column);
}

size_t db_text_len(const struct db_rows *rows, size_t row, int column)
{
    if (db_null(rows, row, column))
        return 0;
    return length(rows, row, column) - is_jsonb(rows, column);
}

static int64_t read_int32(const char *at)
{
    uint32_t wire;

    memcpy(&wire, at, sizeof wire);
    return (int32_t)be32toh(wire);
}

static int64_t read_int64(const char *at)
{
    uint64_t wire;

    memcpy(&wire, at, sizeof wire);
    return (int64_t)be64toh(wire);
}

static int64_t read_instant(const char *at)
{
    int64_t wire = read_int64(at);

    if (wire == INT64_MIN)
        return DB_INSTANT_PAST;
    if (wire == INT64_MAX)
        return DB_INSTANT_FUTURE;
    return wire + WIRE_EPOCH_US;
}

static int64_t read_int(const char *at, size_t len)
{
    uint16_t small;

    if (len == sizeof(uint64_t))
        return read_int64(at);
    if (len == sizeof(uint32_t))
        return read_int32(at);
    ASSERT(len == sizeof small);
    memcpy(&small, at, sizeof small);
    return (int16_t)be16toh(small);
}

int64_t db_int(const struct db_rows *rows, size_t row, int column)
{
    const char *at = value(rows, row, column);
    Oid type = PQftype(rows->result, column);

    if (db_null(rows, row, column))
        return 0;
    ASSERT(type == wire_oid('i') || type == wire_oid('l') || type == 21);
    return read_int(at, length(rows, row, column));
}

double db_real(const struct db_rows *rows, size_t row, int column)
{
    const char *at = value(rows, row, column);
    uint64_t wide;
    uint32_t narrow;
    double number;
    float small;

    if (db_null(rows, row, column))
        return 0;
    if (length(rows, row, column) == sizeof narrow) {
        narrow = (uint32_t)read_int32(at);
        memcpy(&small, &narrow, sizeof small);
        return (double)small;
    }
    ASSERT(PQftype(rows->result, column) == wire_oid('f'));
    wide = (uint64_t)read_int64(at);
    memcpy(&number, &wide, sizeof number);
    return number;
}

bool db_bool(const struct db_rows *rows, size_t row, int column)
{
    const char *at = value(rows, row, column);

    ASSERT(PQftype(rows->result, column) == wire_oid('b'));
    return !db_null(rows, row, column) && at[0];
}

int64_t db_instant(const struct db_rows *rows, size_t row, int column)
{
    const char *at = value(rows, row, column);

    ASSERT(PQftype(rows->result, column) == wire_oid('z'));
    return db_null(rows, row, column) ? INSTANT_NONE : read_instant(at);
}

struct id db_id(const struct db_rows *rows, size_t row, int column)
{
    const char *at = value(rows, row, column);
    struct id id = {{0}};

    ASSERT(PQftype(rows->result, column) == wire_oid('u'));
    if (!db_null(rows, row, column))
        memcpy(id.bytes, at, ID_SIZE);
    return id;
}

struct db_array db_array(const struct db_rows *rows, size_t row, int column)
{
    const char *at = value(rows, row, column);

    if (db_null(rows, row, column) || read_int32(at) == 0)
        return (struct db_array){.at = NULL, .left = 0};
    ASSERT(read_int32(at) == 1);
    return (struct db_array){.at = at + WIRE_ARRAY_HEAD, .left = (size_t)read_int32(at + WIRE_ARRAY_COUNT_AT)};
}

const char *db_array_next_text(struct db_array *array, size_t *ret_len)
{
    int64_t len;
    const char *at;

    ASSERT(array->left > 0);
    len = read_int32(array->at);
    at = array->at + sizeof(uint32_t);
    array->left--;
    array->at = at + (len < 0 ? 0 : len);
    *ret_len = len < 0 ? 0 : (size_t)len;
    return len < 0 ? NULL : at;
}

struct id db_array_next_id(struct db_array *array)
{
    struct id id = {{0}};
    size_t len;
    const char *at = db_array_next_text(array, &len);

    if (at) {
        ASSERT(len == ID_SIZE);
        memcpy(id.bytes, at, ID_SIZE);
    }
    return id;
}

int64_t db_array_next_int(struct db_array *array)
{
    size_t len;
    const char *at = db_array_next_text(array, &len);

    return at ? read_int(at, len) : 0;
}

int64_t db_array_next_instant(struct db_array *array)
{
    size_t len;
    const char *at = db_array_next_text(array, &len);

    return at ? read_instant(at) : INSTANT_NONE;
}
