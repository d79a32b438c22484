/* What an ingest transaction reads. The one idea: the locks are taken by its first statement, all at once and in ascending order, so no
 * two transactions wait for each other in a circle; what is read after them, under snapshots of its own, cannot change until the
 * commit. The first trip reads what each id means and which odd messages are stored. A second one, if there is need, looks for doubles
 * where the unique key of event cannot find them by itself (messages that have an effect beyond their row, that are stored under
 * another instant than their own, or whose ids meant other profiles before), and reads what hangs on profiles without a user id that may be
 * merged away. Each key is looked up in a fenced subquery of its own (LATERAL, OFFSET 0): a join that was planned while the tables were small
 * walked them whole for each batch once they were large, until the next ANALYZE. */
#include "db/ingest_batch.h"
#include "db/move.h"

/* enum person_kind of what the profile is known by. */
#define STRENGTH "CASE WHEN p.user_id IS NOT NULL THEN 0 WHEN p.email IS NOT NULL THEN 1 ELSE 2 END"
_Static_assert(PERSON_USER == 0 && PERSON_EMAIL == 1 && PERSON_ANONYMOUS == 2, "statements here say so, too");

DB_STATEMENT(ingest_lock, "IB",
             "SELECT CASE WHEN alone THEN pg_advisory_xact_lock(" DB_LOCK_CLASS_IDENTITY ", number)"
             " ELSE pg_advisory_xact_lock_shared(" DB_LOCK_CLASS_IDENTITY ", number) END"
             " FROM unnest($1::integer[], $2::boolean[]) AS l (number, alone)");
DB_STATEMENT(ingest_identities, "U",
             "SELECT i.raw_id, i.profile_id, p.profile_id IS NOT NULL, " STRENGTH ", p.first_seen, p.last_seen,"
             " CASE WHEN i.former = '{}' THEN '{}'::uuid[]"
             " ELSE ARRAY(SELECT DISTINCT f.profile_id FROM identity f WHERE f.raw_id = ANY (i.former)) END"
             " FROM unnest($1::uuid[]) AS k (raw_id) CROSS JOIN LATERAL (SELECT * FROM identity WHERE raw_id = k.raw_id OFFSET 0) i"
             " LEFT JOIN LATERAL (SELECT * FROM profile WHERE profile_id = i.profile_id OFFSET 0) p ON true");
DB_STATEMENT(
    ingest_lone, "U",
    "SELECT p.profile_id, s.raw_id, array_position(ARRAY['user', 'email', 'anonymous'], s.kind) - 1, p.traits,"
    " (SELECT count(*) FROM (SELECT FROM event e WHERE e.profile_id = p.profile_id LIMIT 1000001) AS most),"
    " EXISTS (SELECT FROM order_seen o WHERE o.profile_id = p.profile_id)"
    " FROM (SELECT profile_id, CASE WHEN sum(octet_length(traits::text)) OVER (ORDER BY profile_id) - octet_length(traits::text)"
    " < 4194304 THEN traits END AS traits"
    " FROM (SELECT DISTINCT i.profile_id FROM unnest($1::uuid[]) AS k (raw_id)"
    " CROSS JOIN LATERAL (SELECT profile_id FROM identity WHERE raw_id = k.raw_id OFFSET 0) i) AS meant"
    " CROSS JOIN LATERAL (SELECT user_id, traits FROM profile WHERE profile_id = meant.profile_id OFFSET 0) one WHERE user_id IS NULL) AS p"
    " CROSS JOIN LATERAL (SELECT raw_id, kind FROM identity WHERE profile_id = p.profile_id OFFSET 0) s");
_Static_assert(MOVE_MAX == 1000000, "the statement above counts to one more");
DB_STATEMENT(ingest_odd, "U",
             "SELECT o.message_id, o.name_id, o.raw_id, o.own_ts, i.profile_id FROM unnest($1::uuid[]) AS k (message_id)"
             " CROSS JOIN LATERAL (SELECT * FROM odd_message WHERE message_id = k.message_id OFFSET 0) o"
             " LEFT JOIN LATERAL (SELECT profile_id FROM identity WHERE raw_id = o.raw_id OFFSET 0) i ON true");
DB_STATEMENT(ingest_doubles, "IUIZU",
             "SELECT k.item FROM unnest($1::integer[], $2::uuid[], $3::integer[], $4::timestamptz[], $5::uuid[])"
             " AS k (item, profile_id, name_id, ts, message_id) CROSS JOIN LATERAL (SELECT FROM event e WHERE e.profile_id = k.profile_id"
             " AND e.name_id = k.name_id AND e.ts = k.ts AND e.message_id = k.message_id OFFSET 0) e");

/* Has it more than one id? */
static bool has_several(const struct item *item)
{
    size_t n = 0;

    for (enum person_kind kind = PERSON_USER; kind < PERSON_KINDS; kind++)
        n += item->ids[kind] != IDENTITY_NONE;
    return n > 1;
}

/* --- What the batch holds --- */

static void need_lock(struct batch *batch, const struct person *person, enum lock lock)
{
    enum lock *has = &batch->locks[person->raw.bytes[0]];

    if (person->external.at && *has < lock)
        *has = lock;
}

/* Exclusive where an effect must happen once (traits, links) or where the unique key cannot find a double (odd messages). */
static void need_locks(struct batch *batch, const struct item *item)
{
    const struct message *message = item->message;
    bool alone = has_several(item) || message->kind == MESSAGE_IDENTIFY || message_is_odd(message);

    for (enum person_kind kind = PERSON_USER; kind < PERSON_KINDS; kind++)
        need_lock(batch, message_person(message, kind), alone ? LOCK_EXCLUSIVE : LOCK_SHARED);
}

static void note_company(struct identities *people, const struct item *item)
{
    size_t strongest = identity_strongest(item->ids);

    for (enum person_kind kind = PERSON_USER; kind < PERSON_KINDS; kind++) {
        struct identity *one = item->ids[kind] == IDENTITY_NONE ? NULL : &people->ids.at[item->ids[kind]];

        if (!one)
            continue;
        one->joined = true;
        if (item->ids[kind] == strongest)
            continue;
        if (one->company != IDENTITY_NONE && one->company != strongest)
            one->contested = true;
        one->company = strongest;
    }
}

static void take_item(struct batch *batch, size_t at)
{
    struct item *item = &batch->items[at];
    const struct message *message = item->message;

    item->dropped = item->rejected;
    item->repeated = false;
    for (enum person_kind kind = PERSON_USER; kind < PERSON_KINDS; kind++) {
        const struct person *person = message_person(message, kind);

        item->ids[kind] = person->external.at ? identity_add(&batch->people, person, kind) : IDENTITY_NONE;
    }
    item->profile = item->next_traits = IDENTITY_NONE;
    item->same = id_map_get(&batch->by_message, &message->message_id);
    id_map_put(&batch->by_message, &message->message_id, at);
    if (has_several(item))
        note_company(&batch->people, item);
    need_locks(batch, item);
}

static void take_items(struct batch *batch)
{
    identities_release(&batch->people);
    identities_init(&batch->people);
    id_map_release(&batch->by_message);
    batch->suppressed = false;
    for (size_t i = batch->from; i < batch->to; i++)
        take_item(batch, i);
}

/* --- Sending --- */

static void send_locks(struct batch *batch)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_array_begin(&args, 'I');
    for (int i = 0; i < LOCKS; i++)
        if (batch->locks[i])
            db_array_int(&args, i);
    db_array_end(&args);
    db_array_begin(&args, 'B');
    for (int i = 0; i < LOCKS; i++)
        if (batch->locks[i])
            db_array_bool(&args, batch->locks[i] == LOCK_EXCLUSIVE);
    db_array_end(&args);
    db_send(batch->db, &ingest_lock, &args);
}

static void send_ids(struct batch *batch)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    DB_ARRAY(&args, 'U', i, batch->people.ids.n, db_array_id(&args, &batch->people.ids.at[i].raw));
    db_send(batch->db, &ingest_identities, &args);
}

static void send_messages(struct batch *batch)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_array_begin(&args, 'U');
    for (size_t i = batch->from; i < batch->to; i++)
        db_array_id(&args, &batch->items[i].message->message_id);
    db_array_end(&args);
    db_send(batch->db, &ingest_odd, &args);
}

/* --- What comes back --- */

static void know_person(struct batch *batch, const struct db_rows *rows, size_t row)
{
    struct identities *people = &batch->people;
    struct id raw = db_id(rows, row, 0), means = db_id(rows, row, 1);
    static const struct id nobody;
    size_t identity = id_map_get(&people->by_raw, &raw);
    struct db_array former = db_array(rows, row, 6);
    struct identity_profile *profile;

    if (id_equal(&means, &nobody)) {
        people->ids.at[identity].suppressed = batch->suppressed = true;
        return;
    }
    profile = identity_know(people, identity, &means);
    profile->exists = db_bool(rows, row, 2);
    if (profile->exists)
        profile->kind = (enum person_kind)db_int(rows, row, 3);
    profile->first_seen_us = db_instant(rows, row, 4);
    profile->last_seen_us = db_instant(rows, row, 5);
    while (former.left)
        *VEC_ADD(&people->ids.at[identity].former) = db_array_next_id(&former);
}

/* Messages with an id of somebody who was erased for good are accepted and not stored. */
static void drop_suppressed(struct batch *batch)
{
    for (size_t i = batch->from; i < batch->to; i++)
        for (size_t kind = 0; kind < PERSON_KINDS; kind++) {
            size_t identity = batch->items[i].ids[kind];

            batch->items[i].dropped |= identity != IDENTITY_NONE && batch->people.ids.at[identity].suppressed;
        }
}

/* A profile that may be merged away, once for each id that means it. The traits of all together must not fill the memory:
 * those that come after 4 MiB of them are left out, and such a profile is large; the first is always given. */
static void know_lone(struct identities *people, const struct db_rows *rows, size_t row)
{
    struct id id = db_id(rows, row, 0);
    struct person person = {.raw = db_id(rows, row, 1)};
    struct identity_profile *profile;

    profile = identity_know(people, identity_add(people, &person, (enum person_kind)db_int(rows, row, 2)), &id);
    profile->traits = (struct span){.at = db_text(rows, row, 3), .len = db_text_len(rows, row, 3)};
    profile->large = db_int(rows, row, 4) > MOVE_BESIDE_MAX || db_null(rows, row, 3);
    profile->huge = db_int(rows, row, 4) > MOVE_MAX;
    profile->orders = db_bool(rows, row, 5);
}

/* Did the id mean this profile when the transaction began, or before? */
static bool meant(const struct identities *people, size_t identity, const struct id *profile)
{
    const struct identity *one;

    if (identity == IDENTITY_NONE || !people->ids.at[identity].exists)
        return false;
    one = &people->ids.at[identity];
    if (id_equal(&people->profiles.at[one->before].id, profile))
        return true;
    for (size_t i = 0; i < one->former.n; i++)
        if (id_equal(&one->former.at[i], profile))
            return true;
    return false;
}

static bool is_raw(const struct identities *people, size_t identity, const struct id *raw)
{
    return identity != IDENTITY_NONE && id_equal(&people->ids.at[identity].raw, raw);
}

/* A message that is stored under another instant than its own. */
struct odd_row {
    int32_t name_id;
    struct id raw;
    int64_t own_ts_us; /* DB_INSTANT_PAST: it had none */
    bool known;
    struct id profile;
};

static bool is_same(const struct batch *batch, const struct item *item, const struct odd_row *row)
{
    const struct identities *people = &batch->people;
    int64_t own_us = item->message->own_ts_us;

    if (row->name_id != item->name_id)
        return false;
    if (own_us != row->own_ts_us && own_us != INSTANT_NONE && row->own_ts_us != DB_INSTANT_PAST)
        return false;
    for (enum person_kind kind = PERSON_USER; kind < PERSON_KINDS; kind++)
        if (is_raw(people, item->ids[kind], &row->raw) || (row->known && meant(people, item->ids[kind], &row->profile)))
            return true;
    return false;
}

static void drop_odd(struct batch *batch, const struct db_rows *rows)
{
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        struct odd_row row = {.name_id = (int32_t)db_int(rows, i, 1),
                              .raw = db_id(rows, i, 2),
                              .own_ts_us = db_instant(rows, i, 3),
                              .known = !db_null(rows, i, 4),
                              .profile = db_id(rows, i, 4)};
        struct id message = db_id(rows, i, 0);

        for (size_t at = id_map_get(&batch->by_message, &message); at != ID_MAP_NONE; at = batch->items[at].same)
            if (is_same(batch, &batch->items[at], &row))
                batch->items[at].dropped = true;
    }
}

/* --- Doubles that the unique key will not find --- */

/* Where an item may be stored already. */
struct place {
    size_t item;
    struct id profile;
};
struct places {
    struct place *at; /* owned */
    size_t n;
    size_t cap;
};

static void add_place(struct places *places, size_t item, const struct id *profile)
{
    for (size_t i = places->n; i > 0 && places->at[i - 1].item == item; i--)
        if (id_equal(&places->at[i - 1].profile, profile))
            return;
    *VEC_ADD(places) = (struct place){.item = item, .profile = *profile};
}

/* The profiles that the identity means and meant, without `except`. */
static void add_places(struct places *places, const struct batch *batch, size_t item, size_t identity, const struct id *except)
{
    const struct identity *one = identity == IDENTITY_NONE ? NULL : &batch->people.ids.at[identity];
    const struct id *profile;

    if (!one || !one->exists)
        return;
    profile = &batch->people.profiles.at[one->before].id;
    if (!except || !id_equal(profile, except))
        add_place(places, item, profile);
    for (size_t i = 0; i < one->former.n; i++)
        if (!except || !id_equal(&one->former.at[i], except))
            add_place(places, item, &one->former.at[i]);
}

/* May the id mean another profile by the time its messages of this batch are walked, otherwise than by a merge? It follows its company,
 * which may itself be pointed elsewhere. */
static bool may_change(const struct identity *ids, size_t identity)
{
    size_t company = ids[identity].company;

    if (company == IDENTITY_NONE)
        return false;
    return ids[identity].contested || ids[identity].before != ids[company].before || may_change(ids, company);
}

static bool any_may_change(const struct identity *ids, const struct item *item)
{
    for (enum person_kind kind = PERSON_USER; kind < PERSON_KINDS; kind++)
        if (item->ids[kind] != IDENTITY_NONE && may_change(ids, item->ids[kind]))
            return true;
    return false;
}

static void look_for(struct places *places, const struct batch *batch, size_t at)
{
    const struct item *item = &batch->items[at];
    const struct identity *one = &batch->people.ids.at[identity_strongest(item->ids)];
    const struct id *found_by_key = NULL;

    if (item->dropped || item->message->own_ts_us == INSTANT_NONE)
        return;
    if (one->exists && !message_is_odd(item->message) && item->message->kind != MESSAGE_IDENTIFY &&
        !any_may_change(batch->people.ids.at, item))
        found_by_key = &batch->people.profiles.at[one->before].id;
    for (enum person_kind kind = PERSON_USER; kind < PERSON_KINDS; kind++)
        add_places(places, batch, at, item->ids[kind], found_by_key);
}

static void send_places(struct batch *batch, const struct places *places)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    DB_ARRAY(&args, 'I', i, places->n, db_array_int(&args, (int32_t)places->at[i].item));
    DB_ARRAY(&args, 'U', i, places->n, db_array_id(&args, &places->at[i].profile));
    DB_ARRAY(&args, 'I', i, places->n, db_array_int(&args, batch->items[places->at[i].item].name_id));
    DB_ARRAY(&args, 'Z', i, places->n, db_array_instant(&args, batch->items[places->at[i].item].message->own_ts_us));
    DB_ARRAY(&args, 'U', i, places->n, db_array_id(&args, &batch->items[places->at[i].item].message->message_id));
    db_send(batch->db, &ingest_doubles, &args);
}

/* --- Profiles that may be merged away: those of nobody's user id, of which an id comes with another --- */

static bool may_merge(const struct identities *people, size_t identity)
{
    const struct identity *one = &people->ids.at[identity];

    return one->exists && one->joined && people->profiles.at[one->before].kind != PERSON_USER;
}

static bool any_may_merge(const struct identities *people)
{
    for (size_t i = 0; i < people->ids.n; i++)
        if (may_merge(people, i))
            return true;
    return false;
}

static void send_lone(struct batch *batch)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_array_begin(&args, 'U');
    for (size_t i = 0; i < batch->people.ids.n; i++)
        if (may_merge(&batch->people, i))
            db_array_id(&args, &batch->people.ids.at[i].raw);
    db_array_end(&args);
    db_send(batch->db, &ingest_lone, &args);
}

/* --- The trips --- */

/* Receives one statement's rows; the first failure of a pipeline is the one that counts. */
static void receive(struct batch *batch, struct db_rows *ret_rows, enum db_status *status)
{
    enum db_status one = db_receive(batch->db, ret_rows);

    if (*status == DB_OK && one != DB_NONE)
        *status = one;
}

static enum db_status receive_end(struct batch *batch, enum db_status status)
{
    enum db_status end = db_receive_sync(batch->db);

    return status == DB_OK ? end : status;
}

static enum db_status read_first(struct batch *batch)
{
    AUTO_DB_ROWS struct db_rows people = DB_ROWS_INIT, odd = DB_ROWS_INIT;
    enum db_status status = DB_OK;

    db_send_sql(batch->db, "BEGIN");
    send_locks(batch);
    send_ids(batch);
    send_messages(batch);
    db_sync(batch->db);
    receive(batch, NULL, &status);
    receive(batch, NULL, &status);
    receive(batch, &people, &status);
    receive(batch, &odd, &status);
    status = receive_end(batch, status);
    if (status != DB_OK)
        return status;
    for (size_t i = 0; i < db_rows_count(&people); i++)
        know_person(batch, &people, i);
    if (batch->suppressed)
        drop_suppressed(batch);
    drop_odd(batch, &odd);
    return DB_OK;
}

/* What depends on what the ids mean: most batches need neither. */
static enum db_status read_more(struct batch *batch, const struct places *places)
{
    AUTO_DB_ROWS struct db_rows stored = DB_ROWS_INIT;
    enum db_status status = DB_OK;
    bool lone = any_may_merge(&batch->people);

    if (!lone && !places->n)
        return DB_OK;
    if (lone)
        send_lone(batch);
    if (places->n)
        send_places(batch, places);
    db_sync(batch->db);
    if (lone)
        receive(batch, &batch->lone, &status);
    if (places->n)
        receive(batch, &stored, &status);
    status = receive_end(batch, status);
    if (status != DB_OK)
        return status;
    for (size_t i = 0; lone && i < db_rows_count(&batch->lone); i++)
        know_lone(&batch->people, &batch->lone, i);
    for (size_t i = 0; i < db_rows_count(&stored); i++)
        batch->items[db_int(&stored, i, 0)].dropped = true;
    return DB_OK;
}

enum db_status ingest_read(struct batch *batch)
{
    struct places places = VEC_INIT;
    enum db_status status;

    take_items(batch);
    status = read_first(batch);
    if (status != DB_OK)
        return status;
    for (size_t i = batch->from; i < batch->to; i++)
        look_for(&places, batch, i);
    status = read_more(batch, &places);
    vec_free(&places);
    return status;
}
