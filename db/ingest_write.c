/* The second round trip of an ingest transaction: everything is written by one statement for each table, with arrays for parameters,
 * and committed. The one idea: rows are sorted by their key before they are sent, so that two transactions that hold locks in common
 * (shared ones) never wait for each other in a circle; and the statement that inserts events also writes the worker's row, from what it
 * really inserted, so that a double found by the unique key touches nothing. Order matters: events of a profile that goes move first,
 * then new ones come under the survivor. */
#include <string.h>

#include "db/consent.h"
#include "db/ingest_gain.h"
#include "db/order.h"
#include "db/reject.h"
#include "server/base/alloc.h"

enum { FORMER_MAX = 32, SENDS_MAX = 12 };

DB_STATEMENT(ingest_identity_new, "UTTUIIU",
             "INSERT INTO identity (raw_id, kind, external_id, profile_id, former)"
             " SELECT raw_id, kind, external_id, profile_id, ($7::uuid[])[low:high]"
             " FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::integer[], $6::integer[])"
             " AS n (raw_id, kind, external_id, profile_id, low, high) ON CONFLICT DO NOTHING");
DB_STATEMENT(ingest_identity_changed, "UUIIU",
             "UPDATE identity i SET profile_id = n.profile_id, former = (($5::uuid[])[n.low:n.high] || i.former)[1:32]"
             " FROM unnest($1::uuid[], $2::uuid[], $3::integer[], $4::integer[]) AS n (raw_id, profile_id, low, high)"
             " WHERE i.raw_id = n.raw_id");
_Static_assert(FORMER_MAX == 32, "the statement above says so, too");

/* Traits without those that are JSON null at the top level, which means that they are removed, and without an object `consent`, which is kept
 * elsewhere (db/consent.h). */
#define TRAITS_OF "(SELECT coalesce(jsonb_object_agg(key, value), '{}') FROM jsonb_each("
#define THAT_STAY ") WHERE value <> 'null' AND (key <> 'consent' OR jsonb_typeof(value) <> 'object'))"

DB_STATEMENT(ingest_profile_new, "UTTTJJZZ",
             "INSERT INTO profile AS p (profile_id, user_id, email, anonymous_id, traits, first_seen, last_seen)"
             " SELECT profile_id, user_id, email, anonymous_id, CASE WHEN below IS NULL AND traits IS NULL THEN '{}'"
             " ELSE " TRAITS_OF "coalesce(below, '{}') || coalesce(traits, '{}')" THAT_STAY " END, first_seen, last_seen"
             " FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::jsonb[], $6::jsonb[], $7::timestamptz[], $8::timestamptz[])"
             " AS n (profile_id, user_id, email, anonymous_id, below, traits, first_seen, last_seen)"
             " ON CONFLICT (profile_id) DO UPDATE SET first_seen = least(p.first_seen, excluded.first_seen),"
             " last_seen = greatest(p.last_seen, excluded.last_seen)");
DB_STATEMENT(ingest_profile_changed, "UJJZZ",
             "UPDATE profile p SET traits = CASE WHEN n.below IS NULL AND n.traits IS NULL THEN p.traits"
             " ELSE " TRAITS_OF "coalesce(n.below, '{}') || p.traits || coalesce(n.traits, '{}')" THAT_STAY " END,"
             " first_seen = least(p.first_seen, n.first_seen), last_seen = greatest(p.last_seen, n.last_seen)"
             " FROM unnest($1::uuid[], $2::jsonb[], $3::jsonb[], $4::timestamptz[], $5::timestamptz[])"
             " AS n (profile_id, below, traits, first_seen, last_seen) WHERE p.profile_id = n.profile_id");
DB_STATEMENT(ingest_odd_new, "UIUZB",
             "INSERT INTO odd_message (message_id, name_id, raw_id, own_ts, repeated)"
             " SELECT * FROM unnest($1::uuid[], $2::integer[], $3::uuid[], $4::timestamptz[], $5::boolean[]) ON CONFLICT DO NOTHING");

/* Gives the positions of the events that were there already. */
DB_STATEMENT(
    ingest_events, "UIIZUZJJUJUU",
    "WITH stored AS (INSERT INTO event (profile_id, name_id, source_id, ts, message_id, received_at, properties, context)"
    " SELECT * FROM unnest($1::uuid[], $2::integer[], $3::integer[], $4::timestamptz[], $5::uuid[], $6::timestamptz[], $7::jsonb[],"
    " $8::jsonb[]) ON CONFLICT DO NOTHING RETURNING profile_id, name_id, ts, message_id),"
    " pair AS (SELECT array_agg(profile_id) AS profiles, array_agg(name_id) AS names"
    " FROM (SELECT DISTINCT profile_id, name_id FROM stored WHERE name_id > 3) AS p),"
    " fact AS (SELECT array_agg(profile_id) AS profiles, array_agg(path) AS paths FROM (SELECT f.profile_id, k.path"
    " FROM unnest($9::uuid[], $10::jsonb[]) AS f (profile_id, traits), jsonb_object_keys(f.traits) AS k (path)"
    " UNION SELECT profile_id, '$first_seen' FROM unnest($11::uuid[]) AS f (profile_id)) AS f),"
    " stat AS (SELECT array_agg(name_id) AS names, array_agg(events) AS events, array_agg(first) AS firsts, array_agg(last) AS lasts"
    " FROM (SELECT name_id, count(*) AS events, min(ts) AS first, max(ts) AS last FROM stored WHERE name_id > 3 GROUP BY name_id) AS s),"
    " note AS (INSERT INTO touched (max_ts, pair_profile, pair_name, fact_profile, fact_path, created, stat_name, stat_events,"
    " stat_first, stat_last)"
    " SELECT coalesce((SELECT max(ts) FROM stored), '-infinity'), coalesce(pair.profiles, '{}'), coalesce(pair.names, '{}'), coalesce(fact.profiles, '{}'),"
    " coalesce(fact.paths, '{}'), $12, coalesce(stat.names, '{}'), coalesce(stat.events, '{}'), coalesce(stat.firsts, '{}'),"
    " coalesce(stat.lasts, '{}') FROM pair, fact, stat"
    " WHERE EXISTS (SELECT FROM stored) OR cardinality($9) + cardinality($11) + cardinality($12) > 0)"
    " SELECT nth FROM unnest($1, $2, $4, $5) WITH ORDINALITY AS m (profile_id, name_id, ts, message_id, nth)"
    " WHERE (SELECT count(*) FROM stored) < cardinality($1)"
    " AND (profile_id, name_id, ts, message_id) NOT IN (SELECT profile_id, name_id, ts, message_id FROM stored)");

struct writing {
    struct batch *batch;
    struct gains gains;
    struct db_rows *receive[SENDS_MAX]; /* what was sent: where its rows go */
    size_t n_sent;
};

static const struct id *id_of(const struct writing *w, size_t profile)
{
    return &w->batch->people.profiles.at[profile].id;
}

static void note_sent(struct writing *w, struct db_rows *rows)
{
    ASSERT(w->n_sent < SENDS_MAX);
    w->receive[w->n_sent++] = rows;
}

static void send_moves(struct writing *w)
{
    struct move *moves AUTO_FREE = ingest_moves(w->batch);
    size_t n = w->batch->people.merges.n;

    if (!n)
        return;
    db_move_send(w->batch->db, moves, n);
    note_sent(w, NULL);
    db_consent_send_move(w->batch->db, moves, n);
    note_sent(w, NULL);
}

/* Last, when all is where it belongs. */
static void send_settle(struct writing *w)
{
    struct move *moves AUTO_FREE = NULL;

    if (!w->batch->merges_orders)
        return;
    moves = ingest_moves(w->batch);
    db_order_send_settle(w->batch->db, moves, w->batch->people.merges.n);
    note_sent(w, NULL);
}

/* --- Identities --- */

static int compare_identities(const void *a, const void *b, void *ids)
{
    const struct identity *all = ids;

    return id_compare(&all[*(const size_t *)a].raw, &all[*(const size_t *)b].raw);
}

struct list {
    size_t *at; /* owned */
    size_t n;
    size_t cap;
};

/* The last two parameters: for each identity from where to where in the array that follows its former profiles are, newest first. */
static void put_former(struct db_args *args, const struct identities *people, const struct list *list)
{
    int32_t low = 1;

    db_array_begin(args, 'I');
    for (size_t i = 0; i < list->n; i++) {
        db_array_int(args, low);
        low += (int32_t)people->ids.at[list->at[i]].forgotten.n;
    }
    db_array_end(args);
    low = 0;
    DB_ARRAY(args, 'I', i, list->n, db_array_int(args, low += (int32_t)people->ids.at[list->at[i]].forgotten.n));
    db_array_begin(args, 'U');
    for (size_t i = 0; i < list->n; i++) {
        const struct identity *identity = &people->ids.at[list->at[i]];

        for (size_t k = identity->forgotten.n; k > 0; k--)
            db_array_id(args, &identity->forgotten.at[k - 1]);
    }
    db_array_end(args);
}

static void put_raws(struct db_args *args, const struct identities *people, const struct list *list)
{
    DB_ARRAY(args, 'U', i, list->n, db_array_id(args, &people->ids.at[list->at[i]].raw));
}

static void put_meanings(struct db_args *args, const struct identities *people, const struct list *list)
{
    DB_ARRAY(args, 'U', i, list->n, db_array_id(args, &people->profiles.at[people->ids.at[list->at[i]].profile].id));
}

static void send_new_identities(struct writing *w, const struct list *list)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    const struct identities *people = &w->batch->people;

    if (!list->n)
        return;
    put_raws(&args, people, list);
    db_array_begin(&args, 'T');
    for (size_t i = 0; i < list->n; i++) {
        const char *kind = person_kind_text(people->ids.at[list->at[i]].kind);

        db_array_text(&args, kind, strlen(kind));
    }
    db_array_end(&args);
    DB_ARRAY(&args, 'T', i, list->n,
             db_array_text(&args, people->ids.at[list->at[i]].external.at, people->ids.at[list->at[i]].external.len));
    put_meanings(&args, people, list);
    put_former(&args, people, list);
    db_send(w->batch->db, &ingest_identity_new, &args);
    note_sent(w, NULL);
}

static void send_changed_identities(struct writing *w, const struct list *list)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    if (!list->n)
        return;
    put_raws(&args, &w->batch->people, list);
    put_meanings(&args, &w->batch->people, list);
    put_former(&args, &w->batch->people, list);
    db_send(w->batch->db, &ingest_identity_changed, &args);
    note_sent(w, NULL);
}

static void send_identities(struct writing *w)
{
    struct identities *people = &w->batch->people;
    struct list made = VEC_INIT, changed = VEC_INIT;

    for (size_t i = 0; i < people->ids.n; i++)
        if (identity_settle(people, i))
            *VEC_ADD(people->ids.at[i].exists ? &changed : &made) = i;
    if (made.n)
        qsort_r(made.at, made.n, sizeof *made.at, compare_identities, people->ids.at);
    if (changed.n)
        qsort_r(changed.at, changed.n, sizeof *changed.at, compare_identities, people->ids.at);
    send_new_identities(w, &made);
    send_changed_identities(w, &changed);
    vec_free(&made);
    vec_free(&changed);
}

/* --- Profiles --- */

static void put_profile_ids(struct db_args *args, const struct writing *w, const size_t *profiles, size_t n)
{
    DB_ARRAY(args, 'U', i, n, db_array_id(args, id_of(w, profiles[i])));
}

/* below, traits, first_seen, last_seen */
static void put_gains(struct db_args *args, const struct writing *w, const size_t *profiles, size_t n)
{
    DB_ARRAY(args, 'J', i, n, gains_put_below(&w->gains, args, profiles[i]));
    DB_ARRAY(args, 'J', i, n, gains_put_traits(&w->gains, args, profiles[i]));
    DB_ARRAY(args, 'Z', i, n, db_array_instant(args, w->gains.profiles[profiles[i]].first_us));
    DB_ARRAY(args, 'Z', i, n, db_array_instant(args, w->gains.profiles[profiles[i]].last_us));
}

/* The external id of the identity that the profile was made for, if that is of this kind. */
static void put_owners(struct db_args *args, const struct writing *w, enum person_kind kind)
{
    const struct identities *people = &w->batch->people;

    db_array_begin(args, 'T');
    for (size_t i = 0; i < w->gains.created.n; i++) {
        const struct identity *owner = &people->ids.at[people->profiles.at[w->gains.created.at[i]].owner];

        db_array_text(args, owner->kind == kind ? owner->external.at : NULL, owner->external.len);
    }
    db_array_end(args);
}

static void send_new_profiles(struct writing *w)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    if (!w->gains.created.n)
        return;
    put_profile_ids(&args, w, w->gains.created.at, w->gains.created.n);
    put_owners(&args, w, PERSON_USER);
    put_owners(&args, w, PERSON_EMAIL);
    put_owners(&args, w, PERSON_ANONYMOUS);
    put_gains(&args, w, w->gains.created.at, w->gains.created.n);
    db_send(w->batch->db, &ingest_profile_new, &args);
    note_sent(w, NULL);
}

static void send_changed_profiles(struct writing *w)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    if (!w->gains.changed.n)
        return;
    put_profile_ids(&args, w, w->gains.changed.at, w->gains.changed.n);
    put_gains(&args, w, w->gains.changed.at, w->gains.changed.n);
    db_send(w->batch->db, &ingest_profile_changed, &args);
    note_sent(w, NULL);
}

/* --- Events --- */

static const struct message *message_of(const struct writing *w, const struct event_key *key)
{
    return w->batch->items[key->item].message;
}

static void put_keys(struct db_args *args, const struct writing *w)
{
    const struct event_key *keys = w->gains.events.at;
    size_t n = w->gains.events.n;

    DB_ARRAY(args, 'U', i, n, db_array_id(args, &keys[i].profile));
    DB_ARRAY(args, 'I', i, n, db_array_int(args, keys[i].name_id));
    DB_ARRAY(args, 'I', i, n, db_array_int(args, message_of(w, &keys[i])->source_id));
    DB_ARRAY(args, 'Z', i, n, db_array_instant(args, keys[i].ts_us));
    DB_ARRAY(args, 'U', i, n, db_array_id(args, &keys[i].message));
}

static void put_payloads(struct db_args *args, const struct writing *w)
{
    const struct event_key *keys = w->gains.events.at;
    size_t n = w->gains.events.n;

    DB_ARRAY(args, 'Z', i, n, db_array_instant(args, message_of(w, &keys[i])->received_us));
    DB_ARRAY(args, 'J', i, n, db_array_json(args, message_of(w, &keys[i])->properties.at, message_of(w, &keys[i])->properties.len));
    DB_ARRAY(args, 'J', i, n, db_array_json(args, message_of(w, &keys[i])->context.at, message_of(w, &keys[i])->context.len));
}

/* Whose traits change, with objects that have the keys; whose first_seen does; and who is new. */
static void put_facts(struct db_args *args, const struct writing *w)
{
    const struct gains *gains = &w->gains;
    struct list who = VEC_INIT;

    for (size_t i = 0; i < w->batch->people.profiles.n; i++)
        if (gains->profiles[i].used && gains_traits_change(gains, i))
            *VEC_ADD(&who) = i;
    DB_ARRAY(args, 'U', i, 2 * who.n, db_array_id(args, id_of(w, who.at[i / 2])));
    db_array_begin(args, 'J');
    for (size_t i = 0; i < who.n; i++) {
        gains_put_traits(gains, args, who.at[i]);
        gains_put_below(gains, args, who.at[i]);
    }
    db_array_end(args);
    vec_free(&who);
    db_array_begin(args, 'U');
    for (size_t i = 0; i < w->batch->people.profiles.n; i++)
        if (gains->profiles[i].used && gains_first_moves(gains, i))
            db_array_id(args, id_of(w, i));
    db_array_end(args);
    put_profile_ids(args, w, gains->created.at, gains->created.n);
}

static void send_events(struct writing *w, struct db_rows *known)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    if (!w->gains.any)
        return;
    put_keys(&args, w);
    put_payloads(&args, w);
    put_facts(&args, w);
    db_send(w->batch->db, &ingest_events, &args);
    note_sent(w, known);
}

/* --- Odd messages and rejects --- */

struct odd_key {
    struct id message;
    int32_t name_id;
    struct id raw;
    int64_t own_ts_us;
    bool repeated;
};
struct odd_keys {
    struct odd_key *at; /* owned */
    size_t n;
    size_t cap;
};

static int compare_odd(const void *a, const void *b)
{
    const struct odd_key *x = a, *y = b;
    int order = id_compare(&x->message, &y->message);

    if (!order)
        order = (x->name_id > y->name_id) - (x->name_id < y->name_id);
    if (!order)
        order = id_compare(&x->raw, &y->raw);
    return order ? order : (x->own_ts_us > y->own_ts_us) - (x->own_ts_us < y->own_ts_us);
}

static struct odd_keys odd_keys(const struct batch *batch)
{
    struct odd_keys keys = VEC_INIT;

    for (size_t i = batch->from; i < batch->to; i++) {
        const struct message *message = batch->items[i].message;

        if (batch->items[i].dropped || !(message_is_odd(message) || batch->items[i].repeated))
            continue;
        *VEC_ADD(&keys) = (struct odd_key){
            .message = message->message_id,
            .name_id = batch->items[i].name_id,
            .raw = batch->people.ids.at[identity_strongest(batch->items[i].ids)].raw,
            .own_ts_us = message->own_ts_us == INSTANT_NONE ? DB_INSTANT_PAST : message->own_ts_us,
            .repeated = batch->items[i].repeated,
        };
    }
    if (keys.n)
        qsort(keys.at, keys.n, sizeof *keys.at, compare_odd);
    return keys;
}

static void send_odd(struct writing *w)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    struct odd_keys keys = odd_keys(w->batch);

    if (!keys.n)
        return;
    DB_ARRAY(&args, 'U', i, keys.n, db_array_id(&args, &keys.at[i].message));
    DB_ARRAY(&args, 'I', i, keys.n, db_array_int(&args, keys.at[i].name_id));
    DB_ARRAY(&args, 'U', i, keys.n, db_array_id(&args, &keys.at[i].raw));
    DB_ARRAY(&args, 'Z', i, keys.n, db_array_instant(&args, keys.at[i].own_ts_us));
    DB_ARRAY(&args, 'B', i, keys.n, db_array_bool(&args, keys.at[i].repeated));
    db_send(w->batch->db, &ingest_odd_new, &args);
    note_sent(w, NULL);
    vec_free(&keys);
}

static void send_rejects(struct writing *w)
{
    if (!w->batch->rejects.n)
        return;
    db_reject_send(w->batch->db, w->batch->rejects.at, w->batch->rejects.n);
    note_sent(w, NULL);
}

/* --- The trip --- */

static enum db_status receive_all(struct writing *w)
{
    enum db_status status = DB_OK, end;

    for (size_t i = 0; i < w->n_sent; i++) {
        enum db_status one = db_receive(w->batch->db, w->receive[i]);

        if (status == DB_OK && one != DB_NONE)
            status = one;
    }
    end = db_receive_sync(w->batch->db);
    return status == DB_OK ? end : status;
}

/* After the commit. */
static void note_outcomes(struct writing *w, const struct db_rows *known)
{
    struct batch *batch = w->batch;

    for (size_t i = batch->from; i < batch->to; i++) {
        struct item *item = &batch->items[i];

        item->outcome = item->rejected ? OUTCOME_REJECTED : item->dropped || item->repeated ? OUTCOME_DOUBLE : OUTCOME_STORED;
    }
    for (size_t i = 0; i < db_rows_count(known); i++)
        batch->items[w->gains.events.at[db_int(known, i, 0) - 1].item].outcome = OUTCOME_DOUBLE;
    vec_clear(&batch->rejects);
}

enum db_status ingest_write(struct batch *batch)
{
    AUTO_DB_ROWS struct db_rows known = DB_ROWS_INIT;
    struct writing w = {.batch = batch};
    enum db_status status;

    gains_gather(&w.gains, batch);
    send_moves(&w);
    send_identities(&w);
    send_new_profiles(&w);
    send_changed_profiles(&w);
    send_events(&w, &known);
    if (ingest_send_consent(batch))
        note_sent(&w, NULL);
    send_odd(&w);
    send_settle(&w);
    send_rejects(&w);
    db_send_sql(batch->db, "COMMIT");
    note_sent(&w, NULL);
    db_sync(batch->db);
    status = receive_all(&w);
    if (status == DB_OK)
        note_outcomes(&w, &known);
    gains_release(&w.gains);
    return status;
}
