/* CSV as spreadsheets write it. The one idea: a field is never longer than its text, so it is unquoted where it stands and
 * given as a span; nothing is allocated. What is not quoted is taken as it is, spaces and quotes within it too.
 * Formulas are guarded against when one is written, and the guard is taken off when one is read. What a column means is not known here. */
#include "api/collect/csv.h"

#include <string.h>

static bool at_end_of_line(const struct csv *csv)
{
    return csv->at == csv->end || *csv->at == '\n' || (*csv->at == '\r' && csv->at + 1 < csv->end && csv->at[1] == '\n');
}

/* Steps over the end of a line, where there is one. */
static void skip_end_of_line(struct csv *csv)
{
    if (csv->at < csv->end && *csv->at == '\r')
        csv->at++;
    if (csv->at < csv->end) {
        csv->at++;
        csv->line++;
    }
}

static char find_comma(const struct csv *csv)
{
    bool quoted = false;

    for (const char *at = csv->at; at < csv->end && (quoted || *at != '\n'); at++) {
        quoted ^= *at == '"';
        if (!quoted && (*at == ',' || *at == ';' || *at == '\t'))
            return *at;
    }
    return ',';
}

struct csv csv_begin(char *text, size_t len)
{
    struct csv csv = {.at = text, .end = text + len, .line = 1};

    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        csv.at += 3;
    csv.comma = find_comma(&csv);
    return csv;
}

static struct span plain_field(struct csv *csv)
{
    const char *from = csv->at;

    while (*csv->at != csv->comma && !at_end_of_line(csv))
        if (++csv->at == csv->end)
            break;
    return (struct span){.at = from, .len = (size_t)(csv->at - from)};
}

/* The quote that closes the field which begins here, or NULL. */
static char *closing_quote(const struct csv *csv)
{
    for (char *at = csv->at + 1; at < csv->end; at++) {
        if (*at == '"' && (at + 1 == csv->end || at[1] != '"'))
            return at;
        at += *at == '"';
    }
    return NULL;
}

/* Nothing is changed or stepped over where there is a flaw: a stray quote must not swallow the lines that follow. */
static struct span quoted_field(struct csv *csv)
{
    char *close = closing_quote(csv), *from = csv->at + 1, *to = from;
    struct csv after = *csv;

    after.at = close ? close + 1 : csv->at;
    if (!close || (!at_end_of_line(&after) && *after.at != csv->comma)) {
        csv->flaw = close ? "something follows a closing quote" : "a quote is not closed";
        return (struct span){.at = from, .len = 0};
    }
    for (const char *at = from; at < close; at++) {
        csv->line += *at == '\n';
        *to++ = *at;
        at += *at == '"';
    }
    csv->at = after.at;
    return (struct span){.at = from, .len = (size_t)(to - from)};
}

static struct span read_field(struct csv *csv)
{
    if (at_end_of_line(csv))
        return (struct span){.at = csv->at, .len = 0};
    return *csv->at == '"' ? quoted_field(csv) : plain_field(csv);
}

bool csv_next(struct csv *csv, struct span *ret_fields, size_t max, size_t *ret_n, size_t *ret_line)
{
    size_t n = 0;

    while (csv->at < csv->end && at_end_of_line(csv))
        skip_end_of_line(csv);
    if (csv->at == csv->end)
        return false;
    csv->flaw = NULL;
    *ret_line = csv->line;
    for (;;) {
        struct span field = read_field(csv);

        if (n < max)
            ret_fields[n] = field;
        n++;
        if (csv->flaw || at_end_of_line(csv))
            break;
        csv->at++; /* the comma */
    }
    while (!at_end_of_line(csv))
        csv->at++;
    skip_end_of_line(csv);
    *ret_n = n;
    return true;
}

/* --- Guards --- */

static bool begins_formula(struct span cell)
{
    return cell.len && memchr("=+-@\t\r\n", cell.at[0], 7);
}

static bool is_guarded(struct span cell)
{
    struct span inner = cell;

    while (inner.len && inner.at[0] == '\'')
        inner = (struct span){.at = inner.at + 1, .len = inner.len - 1};
    return inner.len < cell.len && begins_formula(inner);
}

static bool is_signed_number(struct span cell)
{
    if (cell.at[0] != '+' && cell.at[0] != '-')
        return false;
    for (size_t i = 1; i < cell.len; i++)
        if (!memchr("0123456789 .,()-", cell.at[i], 16))
            return false;
    return true;
}

bool csv_needs_guard(struct span cell)
{
    return is_guarded(cell) || (begins_formula(cell) && !is_signed_number(cell));
}

struct span csv_unguarded(struct span cell)
{
    return is_guarded(cell) ? (struct span){.at = cell.at + 1, .len = cell.len - 1} : cell;
}
