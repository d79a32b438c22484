/* People: a profile, its segments, its events. The one idea: a person is named by any of their ids, and each call begins by
 * finding the profile that this id means now, so a merged id answers for the survivor. Stored JSON goes out as it is. Changing
 * people is not here. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/body.h"
#include "api/consent.h"
#include "api/event_json.h"
#include "api/handlers.h"
#include "api/page.h"
#include "api/person.h"
#include "api/profile_json.h"
#include "db/consent.h"
#include "db/profile.h"
#include "server/base/alloc.h"

enum { IDS_MAX = 1000, ID_LENGTH = 261 /* "user:" and 256 */ };

/* The profile of the path. */
static enum db_status find_profile(struct call *c, struct id *ret_profile)
{
    struct id raw;

    return person_read(call_param(c, 0), &raw) ? db_profile_find(c->db, &raw, ret_profile) : DB_NONE;
}

static void put_ids(struct json_out *out, const char *member, struct db_array ids)
{
    json_key(out, member);
    json_open(out, '[');
    while (ids.left) {
        size_t len;
        const char *id = db_array_next_text(&ids, &len);

        json_put_text_len(out, id ? id : "", len);
    }
    json_close(out, ']');
}

static void put_segments(struct json_out *out, const struct db_rows *rows)
{
    json_open(out, '[');
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        json_open(out, '{');
        json_add_text(out, "key", db_text(rows, i, PROFILE_SEGMENT_KEY));
        json_add_instant(out, "entered_at", db_instant(rows, i, PROFILE_SEGMENT_ENTERED));
        json_close(out, '}');
    }
    json_close(out, ']');
}

enum db_status profile_put(struct db *db, const struct id *raw, struct json_out *out, struct id *ret_profile)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT, segments = DB_ROWS_INIT, consent = DB_ROWS_INIT;
    enum db_status status = db_profile_read(db, raw, &rows);
    struct profile_row profile;

    if (status != DB_OK)
        return status;
    profile = db_profile_row(&rows);
    status = db_profile_segments(db, &profile.profile_id, &segments);
    if (status == DB_OK || status == DB_NONE)
        status = db_consent_read(db, &profile.profile_id, &consent);
    if (status != DB_OK && status != DB_NONE)
        return status;
    json_add_text(out, "user_id", profile.user_id);
    put_ids(out, "user_ids", db_array(&rows, 0, PROFILE_USERS));
    put_ids(out, "anonymous_ids", db_array(&rows, 0, PROFILE_ANONYMOUS));
    put_ids(out, "emails", db_array(&rows, 0, PROFILE_EMAILS));
    json_add_raw(out, "traits", profile.traits);
    consent_put(out, &consent);
    json_add_instant(out, "first_seen", profile.first_seen_us);
    json_add_instant(out, "last_seen", profile.last_seen_us);
    json_add_instant(out, "created_at", profile.created_us);
    json_key(out, "segments");
    put_segments(out, &segments);
    *ret_profile = profile.profile_id;
    return DB_OK;
}

enum handled profile_answer(struct call *c, const struct id *raw)
{
    AUTO_BUF struct buf text = BUF_INIT(ANSWER_MAX);
    struct json_out out = JSON_OUT(&text);
    enum db_status status;
    struct id profile;

    json_open(&out, '{');
    status = profile_put(c->db, raw, &out, &profile);
    json_close(&out, '}');
    return status == DB_OK ? answer_json(c, 200, &text) : answer_status(c, status);
}

enum handled api_profile_read(struct call *c)
{
    struct id raw;

    return person_read(call_param(c, 0), &raw) ? profile_answer(c, &raw) : answer_status(c, DB_NONE);
}

enum handled api_profile_segments(struct call *c)
{
    AUTO_BUF struct buf text = BUF_INIT(ANSWER_MAX);
    AUTO_DB_ROWS struct db_rows segments = DB_ROWS_INIT;
    struct json_out out = JSON_OUT(&text);
    struct id profile_id;
    enum db_status status = find_profile(c, &profile_id);

    if (status != DB_OK)
        return answer_status(c, status);
    status = db_profile_segments(c->db, &profile_id, &segments);
    if (status != DB_OK && status != DB_NONE)
        return answer_status(c, status);
    page_begin(&out);
    put_segments(&out, &segments);
    page_next(c, &out, NULL);
    json_close(&out, '}');
    return answer_tagged(c, "application/json", &text);
}

/* --- Many at once --- */

/* Reads the ids of the body; those that can be nobody's get a raw id that nobody has. */
static bool read_ids(struct call *c, struct texts *ret_texts, struct id **ret_raw, struct err *err)
{
    static const struct texts_limit limit = {.n = IDS_MAX, .length = ID_LENGTH};
    struct json ids;
    const struct body_field fields[] = {{"ids", MEMBER_TEXTS, &ids}};
    struct id *raw;

    if (!body_read(c->body, fields, ARRAY_LEN(fields), err))
        return false;
    if (ids.type == JSON_T_NONE)
        return err_set(err, "missing_member", "/ids", "ids is an array of user ids");
    if (!body_texts(ids, "/ids", &limit, ret_texts, err))
        return false;
    raw = mem_zalloc((ret_texts->n + 1) * sizeof *raw);
    for (size_t i = 0; i < ret_texts->n; i++)
        if (!person_read(ret_texts->at[i], &raw[i]))
            memset(&raw[i], 0, sizeof raw[i]);
    *ret_raw = raw;
    return true;
}

static void put_keys(struct json_out *out, const struct db_rows *rows, size_t row)
{
    struct db_array keys = db_array(rows, row, PROFILES_KEYS);

    json_open(out, '[');
    while (keys.left) {
        size_t len;
        const char *key = db_array_next_text(&keys, &len);

        json_put_text_len(out, key ? key : "", len);
    }
    json_close(out, ']');
}

enum handled api_profiles_segments(struct call *c)
{
    AUTO_BUF struct buf text = BUF_INIT(ANSWER_MAX);
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    AUTO_TEXTS struct texts ids = {.n = 0};
    struct json_out out = JSON_OUT(&text);
    struct id *raw AUTO_FREE = NULL;
    struct err err = ERR_INIT;
    enum db_status status;

    if (!read_ids(c, &ids, &raw, &err))
        return answer_problem(c, PROBLEM_INVALID, &err);
    status = db_profiles_segments(c->db, raw, ids.n, &rows);
    if (status != DB_OK && status != DB_NONE)
        return answer_status(c, status);
    page_begin(&out);
    json_open(&out, '[');
    for (size_t i = 0; i < db_rows_count(&rows); i++) {
        json_open(&out, '{');
        json_add_text(&out, "id", ids.at[i]);
        json_key(&out, "segments");
        if (db_bool(&rows, i, PROFILES_KNOWN))
            put_keys(&out, &rows, i);
        else
            json_put_null(&out);
        json_close(&out, '}');
    }
    json_close(&out, ']');
    json_close(&out, '}');
    return answer_json(c, 200, &text);
}

/* --- Events --- */

static bool read_place(const char *text, struct event_place *place)
{
    char *end;

    place->ts_us = strtoll(text, &end, 10);
    if (*end != ' ')
        return false;
    place->received_us = strtoll(end + 1, &end, 10);
    return *end == ' ' && id_read(end + 1, &place->message_id);
}

/* Of one snapshot. */
static enum db_status put_events(struct call *c, const struct event_place *before, struct json_out *out, struct event_page *page)
{
    enum db_status status = db_begin(c->db, DB_REPEATABLE_READ_ONLY);
    struct id profile_id;

    if (status == DB_OK)
        status = find_profile(c, &profile_id);
    if (status == DB_OK)
        status = db_profile_events_open(c->db, &profile_id, before);
    if (status == DB_OK)
        status = event_put_page(c->db, out, page);
    db_rollback(c->db);
    return status;
}

enum handled api_profile_events(struct call *c)
{
    AUTO_BUF struct buf text = BUF_INIT(ANSWER_MAX);
    struct json_out out = JSON_OUT(&text);
    char next[96], id[ID_TEXT];
    struct event_page events = {.with_person = false};
    struct event_place place;
    enum db_status status;
    struct page page;

    if (!page_read(c, &page))
        return HANDLED_ANSWERED;
    if (!page.first && !read_place(page.place, &place))
        return answer_problem(c, PROBLEM_BAD_CURSOR, NULL);
    events.limit = page.limit;
    page_begin(&out);
    status = put_events(c, page.first ? NULL : &place, &out, &events);
    if (status != DB_OK)
        return answer_status(c, status);
    if (events.more) {
        id_print(&events.place.message_id, id);
        (void)snprintf(next, sizeof next, "%" PRId64 " %" PRId64 " %s", events.place.ts_us, events.place.received_us, id);
    }
    return page_end(c, &out, events.more ? next : NULL);
}
