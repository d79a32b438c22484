/* Sifting candidates. The one idea: an event concerns many segments, but the names and times of a profile's events decide most of them ("three views in two
 * weeks", "never bought"), and that a visitor has no traits yet most others. These are read once for a profile, where a statement reads them once for each
 * segment. What they do not decide stays a candidate and is asked in SQL, so nothing rests on this but speed. A profile that is gone stays, too: only the
 * differ knows how it leaves. */
#include "server/sift.h"

#include <stdlib.h>

#include "db/facts.h"
#include "db/id_map.h"
#include "segment/judge.h"

enum {
    CHUNK = 1000,    /* profiles whose facts are read at once: at most some 12 MB of events */
    PAIRS_MIN = 3,   /* segments for each profile: with fewer the reading costs more than it saves, */
    ENDLESS_MIN = 8, /* and of those that look at all events, for which all are read */
};

/* A version with candidates, as they are gone through. */
struct part {
    struct roster_version *version;
    size_t taken; /* candidates behind it are still to come */
    size_t kept;  /* candidates before it stay */
};

struct sift {
    struct differ *differ;
    VEC(struct part) parts;
    VEC(struct id) people; /* in order, each once */
    struct id_map seen;    /* them */
    size_t pairs;
    size_t endless;   /* of these in versions that look at all events */
    int64_t since_us; /* how far back all of them look */
    /* Of the profile under way. */
    struct facts_person person;
    VEC(int32_t) members;
    struct judge_event events[FACTS_EVENTS_MAX];
};

/* What the callbacks of judge_facts get. */
struct asking {
    const struct sift *sift;
    const struct roster_version *version;
};

static void see(struct sift *sift, const struct id *profile)
{
    if (id_map_get(&sift->seen, profile) != ID_MAP_NONE)
        return;
    id_map_put(&sift->seen, profile, 0);
    *VEC_ADD(&sift->people) = *profile;
}

static bool takes_part(const struct roster_version *version, size_t level, bool bare)
{
    return version->level == level && version->candidates.n > 0 && judge_useful(version->judge, bare);
}

/* The level's candidates; with `bounded` only of versions that look back so far and no farther. */
static void gather(struct sift *sift, size_t level, bool bounded)
{
    const struct differ *differ = sift->differ;

    vec_clear(&sift->parts);
    vec_clear(&sift->people);
    id_map_release(&sift->seen);
    sift->pairs = sift->endless = 0;
    sift->since_us = differ->as_of_us;
    for (size_t i = 0; i < differ->roster->versions.n; i++) {
        struct roster_version *version = differ->roster->versions.at[i];
        int64_t since_us;

        if (!takes_part(version, level, false))
            continue;
        since_us = judge_since(version->judge, differ->as_of_us);
        if (bounded && since_us == INT64_MIN)
            continue;
        sift->endless += since_us == INT64_MIN ? version->candidates.n : 0;
        sift->since_us = since_us < sift->since_us ? since_us : sift->since_us;
        *VEC_ADD(&sift->parts) = (struct part){.version = version};
        sift->pairs += version->candidates.n;
        for (size_t k = 0; k < version->candidates.n; k++)
            see(sift, &version->candidates.at[k].profile);
    }
    if (sift->people.n)
        qsort(sift->people.at, sift->people.n, sizeof *sift->people.at, id_order);
}

/* Versions whose judge says something of bare people only: their candidates come in most often because a trait was set or a consent given, so nothing is
 * read for their sake; but where what is read suffices they are decided with the others. */
static void gather_bare(struct sift *sift, size_t level)
{
    const struct differ *differ = sift->differ;

    for (size_t i = 0; i < differ->roster->versions.n; i++) {
        struct roster_version *version = differ->roster->versions.at[i];

        if (takes_part(version, level, true) && !judge_useful(version->judge, false) &&
            judge_since(version->judge, differ->as_of_us) >= sift->since_us)
            *VEC_ADD(&sift->parts) = (struct part){.version = version};
    }
}

/* Does reading all events pay for those that look at all? Else those that do are left to SQL, and what is read is as long as the longest window, so that its
 * cost does not follow the history. */
static bool choose(struct sift *sift, size_t level)
{
    gather(sift, level, false);
    if (sift->endless && sift->endless < ENDLESS_MIN * sift->people.n)
        gather(sift, level, true);
    gather_bare(sift, level);
    return sift->pairs > 0 && sift->pairs >= PAIRS_MIN * sift->people.n;
}

static int compare_numbers(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

    return (x > y) - (x < y);
}

static bool is_stored(const struct sift *sift, int32_t version_id)
{
    return sift->members.n && bsearch(&version_id, sift->members.at, sift->members.n, sizeof version_id, compare_numbers);
}

static bool refers_to_member(const void *context, size_t i)
{
    const struct asking *asking = context;
    const struct db_segment *segment = roster_segment(asking->sift->differ->roster, asking->version->refers[i]);

    return segment && segment->serving && is_stored(asking->sift, segment->serving);
}

static bool period_of(const void *context, enum segment_period period, int64_t *ret_before_us, int64_t *ret_start_us)
{
    const struct asking *asking = context;
    const struct differ *differ = asking->sift->differ;
    struct due_asked asked = {.period = period, .timezone = segment_timezone(asking->version->segment), .at_us = differ->as_of_us};

    return due_period(&differ->roster->due, &asked, ret_before_us, ret_start_us);
}

/* The candidate's answer; a difference is noted. False: unsure. */
static bool decide(struct sift *sift, struct roster_version *version, const struct candidate *candidate, struct judge_facts *facts)
{
    struct asking asking = {.sift = sift, .version = version};
    enum verdict verdict;

    facts->context = &asking;
    verdict = judge_profile(version->judge, facts);
    if (verdict == VERDICT_UNSURE)
        return false;
    if ((verdict == VERDICT_YES) != is_stored(sift, version->version_id))
        differ_note(
            sift->differ, version,
            &(struct differ_found){
                .profile = candidate->profile, .who = sift->person.who, .enter = verdict == VERDICT_YES, .cause = candidate->cause});
    return true;
}

/* Those before the profile (NULL: all the rest) stay. */
static void keep_until(struct part *part, const struct id *profile)
{
    struct candidate *candidates = part->version->candidates.at;

    for (; part->taken < part->version->candidates.n; part->taken++) {
        if (profile && id_compare(&candidates[part->taken].profile, profile) >= 0)
            return;
        candidates[part->kept++] = candidates[part->taken];
    }
}

/* Goes on in each version to the profile, which comes after those before; without facts its candidates stay. */
static void take_profile(struct sift *sift, const struct id *profile, struct judge_facts *facts)
{
    for (size_t i = 0; i < sift->parts.n; i++) {
        struct part *part = &sift->parts.at[i];
        struct candidate *candidates = part->version->candidates.at;

        keep_until(part, profile);
        if (part->taken == part->version->candidates.n || !id_equal(&candidates[part->taken].profile, profile))
            continue;
        if (facts && decide(sift, part->version, &candidates[part->taken], facts))
            sift->differ->decided++;
        else
            candidates[part->kept++] = candidates[part->taken];
        part->taken++;
    }
}

static void take_row(struct sift *sift, const struct id *profile, const struct db_rows *people, const struct db_rows *events, size_t i)
{
    struct judge_facts facts = {.as_of_us = sift->differ->as_of_us,
                                .floor_us = sift->differ->floor_us,
                                .events = sift->events,
                                .is_member = refers_to_member,
                                .period = period_of};

    sift->person = facts_person(people, i);
    facts.first_seen_us = sift->person.first_seen_us;
    facts.identified = sift->person.who.user_id != NULL;
    facts.no_traits = sift->person.no_traits;
    facts.no_consents = sift->person.no_consents;
    facts.profile = profile;
    vec_clear(&sift->members);
    while (sift->person.members.left)
        *VEC_ADD(&sift->members) = (int32_t)db_array_next_int(&sift->person.members);
    if (sift->person.exists && facts_events(events, i, sift->events, &facts.n_events))
        take_profile(sift, profile, &facts);
    else
        take_profile(sift, profile, NULL);
}

static enum db_status take_chunk(struct sift *sift, const struct id *profiles, size_t n)
{
    struct differ *differ = sift->differ;
    struct facts_ask ask = {
        .profiles = profiles,
        .n = n,
        .as_of_us = differ->as_of_us,
    };
    AUTO_DB_ROWS struct db_rows events = DB_ROWS_INIT;
    struct db_rows *people = VEC_ADD(&differ->rows); /* the names in changes are borrowed from it */
    enum db_status status;

    ask.since_us = sift->since_us > differ->floor_us ? sift->since_us : differ->floor_us;
    *people = (struct db_rows)DB_ROWS_INIT;
    status = db_facts_read(differ->db, &ask, people, &events);
    for (size_t i = 0; i < n && status == DB_OK; i++)
        take_row(sift, &profiles[i], people, &events, i);
    return status;
}

enum db_status sift_level(struct differ *differ, size_t level)
{
    struct sift *sift = mem_zalloc(sizeof *sift);
    enum db_status status = DB_OK;

    sift->differ = differ;
    if (choose(sift, level)) {
        for (size_t i = 0; i < sift->people.n && status == DB_OK; i += CHUNK)
            status = take_chunk(sift, &sift->people.at[i], sift->people.n - i < CHUNK ? sift->people.n - i : CHUNK);
        for (size_t i = 0; i < sift->parts.n && status == DB_OK; i++) {
            keep_until(&sift->parts.at[i], NULL);
            sift->parts.at[i].version->candidates.n = sift->parts.at[i].kept;
        }
    }
    vec_free(&sift->parts);
    vec_free(&sift->people);
    id_map_release(&sift->seen);
    vec_free(&sift->members);
    free(sift);
    return status;
}
