/* Edits of lists, applied by the tick. The one idea: an edit becomes differences like those of a rule, in pieces, written by the same few
 * statements, and whoever refers to the list is evaluated in the same tick. Each edit sees what those before it did. An edit is whole
 * within the tick, however large it is, for a list is never seen half replaced. */
#include "server/lists.h"

#include <string.h>

#include "db/list.h"

enum {
    EDITS_MAX = 200,    /* of one tick, */
    PEOPLE_MAX = 20000, /* and no further one after so many people */
    PIECE = 10000       /* people of one round of statements */
};

/* One edit under way. */
struct edit {
    struct differ *differ;
    struct list_op op;
    struct id *people; /* owned: profiles, in order */
    size_t n;
    struct list_outcome outcome;
};

/* --- Differences --- */

static void note(struct differ *differ, const struct db_change *change, const struct db_member *member)
{
    int64_t sign = change->enter ? 1 : -1;

    *VEC_ADD(&differ->changes) = *change;
    *VEC_ADD(&differ->sizes) =
        (struct db_size){.version_id = member->version_id, .members = sign, .identified = change->who.user_id ? sign : 0};
    differ_pass_on(differ, change->segment_id, &change->profile);
}

static void keep_rows(struct differ *differ, struct db_rows *rows)
{
    *VEC_ADD(&differ->rows) = *rows;
    *rows = (struct db_rows)DB_ROWS_INIT;
}

/* Moves those of the profiles that are (or are not) members out (or in). */
static enum db_status move(struct edit *edit, const struct id *profiles, size_t n, bool enter)
{
    struct list_ask ask = {.version_id = edit->op.version_id, .profiles = profiles, .n = n, .members = !enter};
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    struct differ *differ = edit->differ;
    enum db_status status = db_list_ask(differ->db, &ask, &rows);

    if (status != DB_OK)
        return status == DB_NONE ? DB_OK : status;
    for (size_t i = 0; i < db_rows_count(&rows); i++) {
        struct db_member member = {
            .version_id = ask.version_id, .profile = db_id(&rows, i, LISTED_PROFILE), .entered_us = differ->as_of_us};
        struct db_change change = {.segment_id = edit->op.segment_id,
                                   .key = edit->op.key,
                                   .profile = member.profile,
                                   .who = db_who(&rows, i, LISTED_WHO),
                                   .enter = enter,
                                   .cause = CAUSE_LIST};

        *(enter ? VEC_ADD(&differ->enter) : VEC_ADD(&differ->leave)) = member;
        note(differ, &change, &member);
    }
    *(enter ? &edit->outcome.added : &edit->outcome.removed) += (int64_t)db_rows_count(&rows);
    keep_rows(differ, &rows);
    return differ_write(differ);
}

static enum db_status move_people(struct edit *edit, bool enter)
{
    enum db_status status = DB_OK;

    for (size_t i = 0; i < edit->n && status == DB_OK; i += PIECE)
        status = move(edit, edit->people + i, edit->n - i < PIECE ? edit->n - i : PIECE, enter);
    return status;
}

/* Moves out all members but the people. Both come in order, so one walk finds them. */
static enum db_status move_others(struct edit *edit)
{
    AUTO_FREE struct id *others = mem_alloc(PIECE * sizeof *others);
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    struct id after = {.bytes = {0}};
    enum db_status status;
    size_t at = 0;

    while ((status = db_list_members(edit->differ->db, edit->op.version_id, &after, PIECE, &rows)) == DB_OK) {
        size_t n = 0;

        for (size_t i = 0; i < db_rows_count(&rows); i++) {
            after = db_id(&rows, i, 0);
            while (at < edit->n && id_compare(&edit->people[at], &after) < 0)
                at++;
            if (at == edit->n || !id_equal(&edit->people[at], &after))
                others[n++] = after;
        }
        if (n)
            status = move(edit, others, n, false);
        if (status != DB_OK)
            return status;
    }
    return status == DB_NONE ? DB_OK : status;
}

/* --- Edits --- */

static enum db_status resolve(struct edit *edit, int64_t *ret_unknown)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status = db_list_resolve(edit->differ->db, edit->op.op_id, &rows);
    struct db_array people;

    if (status != DB_OK)
        return status;
    people = db_array(&rows, 0, 0);
    edit->people = mem_alloc((people.left + 1) * sizeof *edit->people);
    while (people.left)
        edit->people[edit->n++] = db_array_next_id(&people);
    *ret_unknown = db_int(&rows, 0, 1);
    return DB_OK;
}

static enum db_status apply(struct edit *edit)
{
    int64_t unknown = 0, asked;
    enum db_status status = resolve(edit, &unknown);

    if (status == DB_OK && edit->op.mode == LIST_REPLACE)
        status = move_others(edit);
    if (status == DB_OK)
        status = move_people(edit, edit->op.mode != LIST_REMOVE);
    if (status != DB_OK)
        return status;
    asked = (int64_t)edit->n + unknown;
    edit->outcome.unchanged = asked - (edit->op.mode == LIST_REMOVE ? edit->outcome.removed : edit->outcome.added);
    return db_list_done(edit->differ->db, edit->op.op_id, &edit->outcome);
}

/* A list made since the roster was read is not in it: merges must know it from now on. */
static enum db_status know(struct differ *differ, const struct list_op *op)
{
    return roster_segment(differ->roster, op->segment_id) ? DB_OK : db_segments_read(differ->db, &differ->roster->segments);
}

enum db_status lists_apply(struct differ *differ, struct lists_result *ret_result)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status = db_list_waiting(differ->db, EDITS_MAX, &rows);
    size_t n = db_rows_count(&rows), people = 0;

    *ret_result = (struct lists_result){.more = n == EDITS_MAX};
    if (status == DB_NONE)
        return DB_OK;
    for (size_t i = 0; i < n && status == DB_OK; i++) {
        struct edit edit = {.differ = differ, .op = db_list_op(&rows, i)};

        if (people > PEOPLE_MAX) {
            ret_result->more = true;
            break;
        }
        if (edit.op.version_id)
            status = know(differ, &edit.op);
        if (status == DB_OK)
            status = edit.op.version_id ? apply(&edit) : db_list_drop(differ->db, edit.op.op_id);
        people += edit.n;
        free(edit.people);
        ret_result->applied++;
    }
    return status;
}

/* --- Merges --- */

enum db_status lists_inherit(struct differ *differ)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status;

    if (differ->earlier.n == 0)
        return DB_OK;
    status = db_list_inherit(differ->db, differ->earlier.at, differ->earlier.n, &rows);
    if (status != DB_OK)
        return status == DB_NONE ? DB_OK : status;
    for (size_t i = 0; i < db_rows_count(&rows); i++) {
        struct db_member member = {.version_id = (int32_t)db_int(&rows, i, INHERITED_VERSION),
                                   .profile = db_id(&rows, i, INHERITED_PROFILE)};
        struct db_change change = {.segment_id = (int32_t)db_int(&rows, i, INHERITED_SEGMENT),
                                   .key = db_text(&rows, i, INHERITED_KEY),
                                   .profile = member.profile,
                                   .who = db_who(&rows, i, INHERITED_WHO),
                                   .enter = true,
                                   .cause = CAUSE_MERGE};

        note(differ, &change, &member);
    }
    keep_rows(differ, &rows);
    return differ_write(differ);
}
