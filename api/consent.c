/* Consent over HTTP: stated for a person, shown, and asked for as ?reachable=. The one idea: the words are those of an identify call
 * (api/collect/consent.h), but here a channel or a state that cannot be is told, not left out. Who is reachable is the database's to say
 * (db/consent.h). */
#include "api/consent.h"

#include <stdlib.h>
#include <string.h>

#include "api/body.h"
#include "api/collect/consent.h"
#include "api/handlers.h"
#include "api/person.h"
#include "db/consent.h"
#include "server/base/alloc.h"
#include "server/base/clock.h"

enum { STATED_MAX = 1 << 20 };

void consent_put(struct json_out *out, const struct db_rows *rows)
{
    json_key(out, "consent");
    json_open(out, '{');
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        struct consent_row row = db_consent_row(rows, i);

        json_key(out, row.channel);
        json_open(out, '{');
        json_add_text(out, "state", row.state);
        json_add_instant(out, "at", row.at_us);
        json_add_text(out, "by", row.stated ? "statement" : "signal");
        json_close(out, '}');
    }
    json_close(out, '}');
}

/* --- POST /v1/profiles/{user_id}/consent --- */

/* One channel, appended to the statement. */
static bool add_channel(struct buf *stated, struct json key, struct json value, struct err *err)
{
    char pointer[ERR_POINTER_MAX] = "/consent";

    body_point(pointer, sizeof pointer, key);
    if (!consent_key_ok(key))
        return err_set(err, "bad_value", pointer, "a channel's name has 1 to 256 bytes and no control characters");
    if (!consent_state(value))
        return err_set(err, "bad_value", pointer, "consent is \"granted\", \"denied\" or null");
    buf_add_char(stated, stated->len ? ',' : '{');
    buf_add(stated, key.at, key.len);
    buf_add_char(stated, ':');
    buf_add_text(stated, consent_state(value));
    return true;
}

static bool read_consent(struct call *c, struct buf *stated, struct err *err)
{
    struct json consent, key, value;
    const struct body_field fields[] = {{"consent", MEMBER_OBJECT, &consent}};
    struct json_iter iter;

    if (!body_read(c->body, fields, ARRAY_LEN(fields), err))
        return false;
    if (consent.type == JSON_T_NONE)
        return err_set(err, "missing_member", "/consent", "consent is an object of channels");
    if (json_count(consent) > CONSENT_CHANNELS_MAX)
        return err_set(err, "bad_value", "/consent", "there are at most %d channels", CONSENT_CHANNELS_MAX);
    iter = json_iter(consent);
    while (json_next_member(&iter, &key, &value))
        if (!add_channel(stated, key, value, err))
            return false;
    buf_add_text(stated, stated->len ? "}" : "{}");
    return true;
}

enum handled api_profile_consent(struct call *c)
{
    AUTO_BUF struct buf text = BUF_INIT(ANSWER_MAX), stated = BUF_INIT(STATED_MAX);
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    struct consent_edit edit = {.at_us = db_clock_now_us(c->ports->clock)};
    struct json_out out = JSON_OUT(&text);
    enum db_status status = DB_NONE;
    struct err err = ERR_INIT;
    struct id profile_id;

    if (!read_consent(c, &stated, &err))
        return answer_problem(c, PROBLEM_INVALID, &err);
    edit.stated = (struct span){.at = buf_text(&stated), .len = stated.len};
    if (person_read(call_param(c, 0), &edit.raw))
        status = db_consent_set(c->db, &edit, &profile_id);
    if (status != DB_OK)
        return answer_status(c, status);
    status = db_consent_read(c->db, &profile_id, &rows);
    if (status != DB_OK && status != DB_NONE)
        return answer_status(c, status);
    json_open(&out, '{');
    consent_put(&out, &rows);
    json_close(&out, '}');
    return answer_json(c, 200, &text);
}

/* --- ?reachable= --- */

void reachable_release(struct reachable *reachable)
{
    free(reachable->text);
}

bool reachable_split(const char *text, struct reachable *ret_reachable)
{
    char *at = mem_strdup(text), *comma;

    *ret_reachable = (struct reachable){.text = at};
    for (; at; at = comma) {
        comma = strchr(at, ',');
        if (comma)
            *comma++ = '\0';
        if (ret_reachable->n == REACHABLE_MAX || !consent_channel_ok((struct span){.at = at, .len = strlen(at)}))
            return false;
        ret_reachable->channels[ret_reachable->n++] = at;
    }
    return true;
}

bool reachable_read(struct call *c, struct reachable *ret_reachable)
{
    const char *text = request_query(c->rq, "reachable");

    *ret_reachable = (struct reachable){.n = 0};
    if (!text || reachable_split(text, ret_reachable))
        return true;
    (void)answer_problem_detail(c, PROBLEM_BAD_PARAMETER, "reachable must be 1 to 20 channels such as email, parted by commas");
    return false;
}
