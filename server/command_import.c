/* cohortd import: files of NDJSON through the same checks and the same transaction as HTTP. The one idea: a file is read in pieces of
 * whole lines, a piece is a job, a job is a commit; an import that was broken off is run again from the start, and what is stored
 * already is a duplicate. It writes beside a running server as another process would. One connection: PostgreSQL is the slower side. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "api/collect/batch.h"
#include "db/ingest.h"
#include "db/source.h"
#include "server/base/alloc.h"
#include "server/base/log.h"
#include "server/command.h"
#include "server/database.h"

enum {
    PIECE_BYTES = 2 << 20,
    PIECE_LINES = 4000, /* larger commits store no more a second */
    GZIP_BUFFER = 256 << 10,
    PROGRESS_MS = 500,
    BACKOFF_MS = 500,
    GIVE_UP_S = 120 /* with the database away */
};

struct import {
    struct db *db;
    struct name_cache *names;
    struct collect_call call;
    uint64_t stored, duplicate, rejected, dropped;
    int64_t began_us, shown_us;
    bool terminal; /* stderr is one: show progress */
};

/* A file, read in pieces of whole lines. */
struct reader {
    const char *name;
    gzFile file;
    char *text; /* owned: read and not yet handed out */
    size_t len;
    bool skipping; /* within a line longer than a piece, whose beginning was handed out (and is refused) */
};

/* --- Reading --- */

static bool reader_open(struct reader *reader, const char *name)
{
    *reader = (struct reader){.name = name};
    reader->file = strcmp(name, "-") == 0 ? gzdopen(dup(STDIN_FILENO), "rb") : gzopen(name, "rbe");
    if (!reader->file) {
        fprintf(stderr, "cohortd: cannot read %s: %s\n", name, strerror(errno));
        return false;
    }
    (void)gzbuffer(reader->file, GZIP_BUFFER);
    return true;
}

static void reader_close(struct reader *reader)
{
    (void)gzclose(reader->file);
    free(reader->text);
}

/* Fills text up to a piece. False: the file is damaged. */
static bool fill(struct reader *reader, bool *ret_end)
{
    *ret_end = false;
    if (!reader->text)
        reader->text = mem_alloc(PIECE_BYTES);
    while (reader->len < PIECE_BYTES && !*ret_end) {
        int n = gzread(reader->file, reader->text + reader->len, (unsigned)(PIECE_BYTES - reader->len));
        int code;
        const char *why = gzerror(reader->file, &code);

        if (n < 0 || (n == 0 && code != Z_OK && code != Z_STREAM_END)) {
            fprintf(stderr, "cohortd: cannot read %s: %s\n", reader->name, code == Z_ERRNO ? strerror(errno) : why);
            return false;
        }
        reader->len += (size_t)n;
        *ret_end = n == 0;
    }
    return true;
}

/* Gives out the first n bytes and keeps the rest. */
static char *hand_out(struct reader *reader, size_t n)
{
    char *piece = reader->text, *rest = NULL;

    if (n < reader->len) {
        rest = mem_alloc(PIECE_BYTES);
        memcpy(rest, piece + n, reader->len - n);
    }
    reader->text = rest;
    reader->len -= n;
    return piece;
}

static void drop(struct reader *reader, size_t n)
{
    memmove(reader->text, reader->text + n, reader->len - n);
    reader->len -= n;
}

/* Past the end of a line that was too long. */
static void skip_line(struct reader *reader)
{
    char *end = memchr(reader->text, '\n', reader->len);

    reader->skipping = !end;
    drop(reader, end ? (size_t)(end + 1 - reader->text) : reader->len);
}

/* The length of the first whole lines, at most a piece's; of all there is when that is no whole line. */
static size_t whole_lines(const struct reader *reader, bool last)
{
    const char *at = reader->text, *end = at + reader->len, *newline = at;

    for (int i = 0; i < PIECE_LINES && newline; i++) {
        newline = memchr(at, '\n', (size_t)(end - at));
        if (newline)
            at = newline + 1;
    }
    return at == reader->text || (last && !newline) ? reader->len : (size_t)(at - reader->text);
}

/* The next piece, malloc'd, the caller's; NULL at the end of the file or (*ret_damaged) where it cannot be read. */
static char *reader_next(struct reader *reader, size_t *ret_len, bool *ret_damaged)
{
    bool last;

    do {
        *ret_damaged = !fill(reader, &last);
        if (*ret_damaged)
            return NULL;
        if (reader->skipping)
            skip_line(reader);
    } while (!last && (reader->skipping || reader->len < PIECE_BYTES));
    if (!reader->len)
        return NULL;
    *ret_len = whole_lines(reader, last);
    reader->skipping = !last && reader->text[*ret_len - 1] != '\n';
    return hand_out(reader, *ret_len);
}

/* --- Storing --- */

static void show(struct import *import)
{
    int64_t now_us = clock_mono_us();
    uint64_t n = import->stored + import->duplicate + import->rejected;

    if (!import->terminal || now_us - import->shown_us < PROGRESS_MS * US_PER_MS)
        return;
    import->shown_us = now_us;
    fprintf(stderr, "\r%llu messages, %.0f a second ", (unsigned long long)n,
            (double)n * (double)US_PER_S / (double)(now_us - import->began_us));
}

/* False: given up, after a long wait, or because of a signal. */
static bool store(struct import *import, struct ingest_job *job)
{
    int64_t give_up_us = clock_mono_us() + GIVE_UP_S * US_PER_S;

    for (;;) {
        enum db_status status = db_connect(import->db);

        if (status == DB_OK)
            status = db_ingest(import->db, import->names, &job, 1);
        if (status == DB_OK)
            break;
        if (status == DB_ERROR || clock_mono_us() > give_up_us) {
            fprintf(stderr, "cohortd: the database %s\n", status == DB_ERROR ? "refuses the messages" : "cannot be reached");
            return false;
        }
        if (wait_for_signal(BACKOFF_MS))
            return false;
    }
    import->stored += job->n_stored;
    import->duplicate += job->n_duplicate;
    import->rejected += job->n_rejected;
    import->dropped += job->n_dropped;
    show(import);
    return !wait_for_signal(0);
}

static bool import_file(struct import *import, const char *name)
{
    struct reader reader;
    bool going = true, damaged = false;
    char *piece;
    size_t len;

    if (!reader_open(&reader, name))
        return false;
    while (going && (piece = reader_next(&reader, &len, &damaged))) {
        struct ingest_job *job = collect_lines(piece, len, &import->call);

        going = store(import, job);
        ingest_job_free(job);
    }
    reader_close(&reader);
    return going && !damaged;
}

static bool import_files(struct import *import, const struct config *config)
{
    const char *source = *config->source ? config->source : "default";

    if (db_connect(import->db) != DB_OK || db_source_ensure(import->db, source) != DB_OK ||
        db_source_id(import->db, source, &import->call.source_id, &import->call.privacy) != DB_OK)
        return false;
    for (size_t i = 0; i < config->n_args; i++)
        if (!import_file(import, config->args[i]))
            return false;
    return true;
}

static bool run(const struct config *config, const char *url)
{
    struct db_clock clock = {.offset_us = 0};
    struct db_config how = {.url = url, .role = "import", .keyed = true, .clock = &clock};
    struct import import = {.db = db_new(&how),
                            .names = name_cache_new((size_t)config->names_max),
                            .began_us = clock_mono_us(),
                            .terminal = isatty(STDERR_FILENO) == 1};
    bool done;

    import.call = (struct collect_call){.clock = &clock, .floor_us = INT64_MIN, .message_max = (size_t)config->message_max};
    done = import_files(&import, config);
    if (import.stored && db_ingest_notify(import.db) != DB_OK)
        log_debug("others are not notified", ); /* they look every second by themselves */
    if (import.shown_us)
        fputc('\n', stderr);
    if (import.dropped)
        fprintf(stderr, "cohortd: left out %llu by the source's privacy policy\n", (unsigned long long)import.dropped);
    printf("imported %llu duplicate %llu rejected %llu\n", (unsigned long long)import.stored, (unsigned long long)import.duplicate,
           (unsigned long long)import.rejected);
    db_free(import.db);
    name_cache_free(import.names);
    return done && fflush(stdout) == 0;
}

int command_import(const struct config *config)
{
    struct database *database;
    struct database_wait wait = {.seconds = config->wait_s};
    bool done = false;

    if (!config->n_args) {
        fprintf(stderr, "usage: cohortd import FILE… (- is stdin)\n");
        return 2;
    }
    database = database_open(config);
    if (!database)
        return 1;
    if (database_prepare(database, &wait) == PREPARED)
        done = run(config, database_url(database));
    database_close(database);
    return done ? 0 : 1;
}
