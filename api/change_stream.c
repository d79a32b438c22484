/* Changes as server-sent events. The one idea: between events a stream is a parked piece of work and holds no thread: when the feed moves,
 * a query thread reads what is new, writes as much as the stream takes without waiting, and parks it again. It outlives its call, and ends
 * when the client is gone or takes nothing for too long, when its key is revoked, or when the process stops; a reader resumes after the
 * last id it has seen. */
#include "api/change_stream.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "api/consent.h"
#include "server/base/alloc.h"

enum {
    PIECE_ROWS = 100,
    PIECE_MAX = 128 << 10 /* bytes of so many rows, ids of 256 bytes and their escapes counted; far less than a stream holds */
};
#define BEAT_US    (15 * US_PER_S)
#define FULL_US    (100 * US_PER_MS) /* how soon a slow client is looked at again */
#define DOWN_US    US_PER_S          /* and the database when it is gone */
#define STALLED_US (30 * US_PER_S)

struct change_stream {
    struct work work;
    const struct ports *ports; /* the process's */
    struct stream *stream;
    uint8_t key_hash[KEY_HASH_SIZE];
    char *segment;                 /* owned; NULL: all */
    char *channels[REACHABLE_MAX]; /* owned: who is not reached by all of them is left out */
    size_t n_channels;
    int64_t after;
    int64_t written_us; /* monotonic, as all of these: when something was written, */
    int64_t roomy_us;   /* when there was room */
};

static void end(struct change_stream *feed, bool complete)
{
    stream_end(feed->stream, complete);
    free(feed->segment);
    for (size_t i = 0; i < feed->n_channels; i++)
        free(feed->channels[i]);
    free(feed);
}

static bool write_text(struct change_stream *feed, const struct buf *text)
{
    feed->written_us = clock_mono_us();
    return stream_write(feed->stream, buf_text(text), text->len);
}

/* The rows as events. False: the client is gone. */
static bool write_rows(struct change_stream *feed, const struct db_rows *rows)
{
    AUTO_BUF struct buf text = BUF_INIT(PIECE_MAX);

    for (size_t i = 0; i < db_rows_count(rows); i++) {
        struct feed_row row = db_feed_row(rows, i);
        struct json_out out = JSON_OUT(&text);

        feed->after = row.seq;
        if (!row.op)
            continue;
        buf_add_text(&text, "id: ");
        buf_add_int(&text, row.seq);
        buf_add_text(&text, "\ndata: ");
        change_put(&out, &row);
        buf_add_text(&text, "\n\n");
    }
    ASSERT(buf_ok(&text));
    return text.len == 0 || write_text(feed, &text);
}

/* Writes what there is, as long as there is room. False: the stream is over. *ret_next_us: when to look again, at the latest. */
static bool write_new(struct change_stream *feed, struct db *db, int64_t *ret_next_us)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    struct feed_query query = {
        .segment = feed->segment, .limit = PIECE_ROWS, .reachable = (const char *const *)feed->channels, .n_reachable = feed->n_channels};
    int64_t now_us = clock_mono_us(), last = 0;
    enum db_status status = db_feed_last(db, &last);

    *ret_next_us = now_us + DOWN_US;
    if (status != DB_OK)
        return status == DB_RETRY;
    do {
        if (stream_room(feed->stream) < PIECE_MAX) {
            *ret_next_us = now_us + FULL_US;
            return now_us - feed->roomy_us < STALLED_US;
        }
        feed->roomy_us = now_us;
        query.after = feed->after;
        status = db_feed_read(db, &query, &rows);
        if (status != DB_OK)
            return status == DB_RETRY;
        if (!write_rows(feed, &rows))
            return false;
        if (db_rows_count(&rows) &&
            !db_feed_row(&rows, db_rows_count(&rows) - 1).op) { /* there is more: let others have the thread first */
            *ret_next_us = now_us;
            return true;
        }
    } while (db_rows_count(&rows) == PIECE_ROWS);
    if (feed->after < last) /* changes of other segments: they must not let the place expire */
        feed->after = last;
    *ret_next_us = feed->written_us + BEAT_US;
    return true;
}

static bool beat(struct change_stream *feed)
{
    AUTO_BUF struct buf text = BUF_INIT(64);

    if (clock_mono_us() - feed->written_us < BEAT_US || stream_room(feed->stream) < PIECE_MAX)
        return true;
    if (feed->after > 0)
        buf_addf(&text, "id: %" PRId64 "\n", feed->after); /* a reader takes note of it */
    buf_add_text(&text, ":\n\n");
    return write_text(feed, &text);
}

static bool key_holds(const struct change_stream *feed)
{
    struct key key;

    return feed->ports->find_key(feed->ports->app, feed->key_hash, NULL, &key) && key.role >= ROLE_READ;
}

static void on_query(struct work *work, struct db *db)
{
    struct change_stream *feed = (struct change_stream *)((char *)work - offsetof(struct change_stream, work));
    uint64_t seen = feed->ports->moved(feed->ports->app);
    int64_t next_us = clock_mono_us() + DOWN_US;

    if (!key_holds(feed) || (db && !write_new(feed, db, &next_us)) || !beat(feed))
        end(feed, false);
    else if (!feed->ports->park(feed->ports->app, &feed->work, seen, next_us))
        end(feed, true); /* the process stops, or too many wait */
}

enum handled change_stream_begin(struct call *c, const struct feed_query *query)
{
    struct change_stream *feed = mem_zalloc(sizeof *feed);
    struct request *rq = c->rq;
    struct db *db = c->db;

    *feed = (struct change_stream){.work = {.run = on_query, .lane = LANE_QUICK},
                                   .ports = c->ports,
                                   .segment = query->segment ? mem_strdup(query->segment) : NULL,
                                   .after = query->after,
                                   .written_us = clock_mono_us(),
                                   .roomy_us = clock_mono_us()};
    for (; feed->n_channels < query->n_reachable; feed->n_channels++)
        feed->channels[feed->n_channels] = mem_strdup(query->reachable[feed->n_channels]);
    memcpy(feed->key_hash, c->key_hash, sizeof feed->key_hash);
    reply_header(rq, "Cache-Control", "no-store");
    reply_header(rq, "X-Accel-Buffering", "no"); /* nginx would hold events back */
    feed->stream = reply_stream(rq, 200, "text/event-stream");
    request_finish(rq);
    on_query(&feed->work, db);
    return HANDLED_LENT;
}
