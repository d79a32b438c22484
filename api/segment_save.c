/* Creating and changing segments. The one idea: POST, PUT and PATCH each make the whole new segment out of the body and of what is
 * there; then one transaction, under the lock of all saves, sees that it is still so and stores it. If it is not, everything begins
 * again. A saved definition has passed all that can be checked (definition.c), and an equal one makes no new version. Building is the
 * worker's. */
#include <stdlib.h>
#include <string.h>

#include "api/body.h"
#include "api/definition.h"
#include "api/handlers.h"
#include "api/once.h"
#include "api/segment_json.h"
#include "server/base/alloc.h"

enum {
    NAME_LENGTH = 200, /* characters */
    DESCRIPTION_LENGTH = 2000,
    TAGS_MAX = 50,
    TAG_LENGTH = 64,
    SEGMENT_KEY_MAX = 64,
    KEY_TRIES = 1000, /* numbers behind a key that is made from a name */
    SAVE_TRIES = 5
};

enum mode { SAVE_CREATE, SAVE_PUT, SAVE_PATCH };

struct members {
    struct json key, name, description, kind, definition, timezone, tags, is_public;
};

/* The segment as it is to be; owns its texts. */
struct draft {
    struct call *c;
    enum mode mode;
    struct members in;
    struct db_rows rows;    /* what was there, … */
    struct segment_row old; /* … if has_old */
    bool has_old;
    char *key; /* NULL: made from the name */
    char *name;
    char *description;
    char *kind;
    char *timezone;
    struct texts tags;
    char *old_definition;
    struct definition definition; /* type NONE: of a list */
    bool moved;                   /* somebody else has saved meanwhile */
    bool taken;
    struct err err;
};

static void draft_release(struct draft *draft)
{
    db_rows_release(&draft->rows);
    free(draft->key);
    free(draft->name);
    free(draft->description);
    free(draft->kind);
    free(draft->timezone);
    texts_release(&draft->tags);
    free(draft->old_definition);
    definition_release(&draft->definition);
}

/* --- Out of the body --- */

static bool key_is_ok(const char *key)
{
    size_t len = strlen(key);

    if (len < 1 || len > SEGMENT_KEY_MAX || key[0] == '-' || key[0] == '_')
        return false;
    if (key[strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789_-")])
        return false;
    return strcmp(key, "preview") != 0 && strcmp(key, "overlap") != 0;
}

static bool read_members(struct draft *draft)
{
    unsigned null = draft->mode == SAVE_PATCH ? MEMBER_NULL : 0;
    struct members *in = &draft->in;
    const struct body_field fields[] = {
        {"key", MEMBER_TEXT, &in->key},
        {"name", MEMBER_TEXT, &in->name},
        {"description", MEMBER_TEXT | null, &in->description},
        {"kind", MEMBER_TEXT, &in->kind},
        {"definition", MEMBER_OBJECT, &in->definition},
        {"timezone", MEMBER_TEXT | null, &in->timezone},
        {"tags", MEMBER_TEXTS | null, &in->tags},
        {"public", MEMBER_BOOL | null, &in->is_public},
    };

    return body_read(draft->c->body, fields, ARRAY_LEN(fields), &draft->err);
}

static bool given(struct json member)
{
    return member.type != JSON_T_NONE && member.type != JSON_T_NULL;
}

/* Is a member that is not there to be taken from what was there? */
static bool keeps(const struct draft *draft, struct json member)
{
    return member.type == JSON_T_NONE && draft->mode == SAVE_PATCH;
}

static bool take_key(struct draft *draft)
{
    if (draft->mode != SAVE_CREATE)
        draft->key = mem_strdup(call_param(draft->c, 0));
    else if (given(draft->in.key))
        draft->key = json_text(draft->in.key);
    if (draft->key && !key_is_ok(draft->key))
        return err_set(&draft->err, "bad_key", draft->mode == SAVE_CREATE ? "/key" : "",
                       "a key is 1 to 64 of a-z 0-9 _ - and begins with a letter or digit; preview and overlap are reserved");
    if (given(draft->in.key) && !json_is(draft->in.key, draft->key))
        return err_set(&draft->err, "immutable", "/key", "the key of a segment never changes");
    return true;
}

static bool take_kind(struct draft *draft)
{
    struct json kind = draft->in.kind;

    if (!given(kind) && !draft->has_old)
        return err_set(&draft->err, "missing_member", "/kind", "kind is rule or list");
    if (given(kind) && !json_is(kind, "rule") && !json_is(kind, "list"))
        return err_set(&draft->err, "bad_value", "/kind", "kind is rule or list");
    if (given(kind) && draft->has_old && !json_is(kind, draft->old.kind))
        return err_set(&draft->err, "immutable", "/kind", "the kind of a segment never changes");
    draft->kind = given(kind) ? json_text(kind) : mem_strdup(draft->old.kind);
    return true;
}

static void copy_tags(struct draft *draft)
{
    struct db_array tags = db_array(draft->old.rows, draft->old.row, SEGMENT_TAGS);

    draft->tags.at = mem_grow(NULL, tags.left, sizeof *draft->tags.at);
    while (tags.left) {
        size_t len;
        const char *tag = db_array_next_text(&tags, &len);

        draft->tags.at[draft->tags.n++] = mem_strndup(tag ? tag : "", len);
    }
}

/* Tags are a set, in the order they were given. */
static bool drop_doubles(struct texts *tags)
{
    size_t n = 0;

    for (size_t i = 0; i < tags->n; i++) {
        size_t same = 0;

        while (same < n && strcmp(tags->at[same], tags->at[i]) != 0)
            same++;
        if (same < n)
            free(tags->at[i]);
        else
            tags->at[n++] = tags->at[i];
    }
    tags->n = n;
    return true;
}

static bool take_texts(struct draft *draft)
{
    static const struct texts_limit limit = {.n = TAGS_MAX, .length = TAG_LENGTH};
    struct members *in = &draft->in;
    struct err *err = &draft->err;

    if (given(in->name))
        draft->name = body_name(in->name, "/name", NAME_LENGTH, err);
    else if (keeps(draft, in->name))
        draft->name = mem_strdup(draft->old.name);
    else
        (void)err_set(err, "missing_member", "/name", "a segment needs a name");
    if (given(in->description))
        draft->description = body_prose(in->description, "/description", 0, DESCRIPTION_LENGTH, err);
    else
        draft->description = mem_strdup(keeps(draft, in->description) ? draft->old.description : "");
    if (given(in->timezone))
        draft->timezone = body_text(in->timezone, "/timezone", 1, NAME_LENGTH, err);
    else
        draft->timezone = mem_strdup(keeps(draft, in->timezone) ? draft->old.timezone : "UTC");
    if (given(in->tags))
        return body_texts(in->tags, "/tags", &limit, &draft->tags, err) && drop_doubles(&draft->tags) && !err->code;
    if (keeps(draft, in->tags))
        copy_tags(draft);
    return !err->code;
}

/* A definition that stays is checked, too, so that a new time zone is. */
static bool take_definition(struct draft *draft)
{
    struct json_flaw flaw;
    size_t bad;

    draft->definition = (struct definition){.text = draft->in.definition, .timezone = draft->timezone};
    if (strcmp(draft->kind, "list") == 0)
        return !given(draft->in.definition) || err_set(&draft->err, "bad_value", "/definition", "a list has no definition");
    if (given(draft->in.definition))
        return true;
    if (!draft->has_old || !keeps(draft, draft->in.definition))
        return err_set(&draft->err, "missing_member", "/definition", "a rule needs a definition");
    draft->old_definition = mem_strdup(draft->old.definition);
    if (!json_check(draft->old_definition, strlen(draft->old_definition), &draft->definition.text, &bad, &flaw))
        BUG("a stored definition is JSON");
    return true;
}

static bool take_all(struct draft *draft)
{
    return take_kind(draft) && take_texts(draft) && take_definition(draft);
}

/* --- Into the store --- */

/* Is what was read before still so? */
static enum db_status still_so(struct db *db, struct draft *draft)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status = db_segment_read(db, draft->key, &rows);
    struct segment_row now;

    if (status == DB_OK) {
        now = db_segment_row(&rows, 0);
        draft->moved = !draft->has_old || now.segment_id != draft->old.segment_id || now.updated_us != draft->old.updated_us;
    } else if (status == DB_NONE) {
        draft->moved = draft->has_old;
        status = DB_OK;
    }
    return status;
}

/* "Big Spenders!" → big-spenders; the n-th try has -n at its end. */
static void make_key(const char *name, int n, char ret_key[SEGMENT_KEY_MAX + 1])
{
    char end[16] = "";
    size_t len = 0, room;

    if (n > 1)
        (void)snprintf(end, sizeof end, "-%d", n);
    room = SEGMENT_KEY_MAX - strlen(end);
    for (; *name && len < room; name++) {
        char c = *name >= 'A' && *name <= 'Z' ? (char)(*name + 32) : *name;

        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c == '_' && len))
            ret_key[len++] = c;
        else if (len && ret_key[len - 1] != '-')
            ret_key[len++] = '-';
    }
    while (len && ret_key[len - 1] == '-')
        len--;
    (void)snprintf(ret_key + len, SEGMENT_KEY_MAX + 1 - len, "%s%s", len ? "" : "segment", end);
}

static enum db_status insert(struct db *db, struct draft *draft, struct segment_new *segment)
{
    char key[SEGMENT_KEY_MAX + 1];
    enum db_status status = DB_NONE;

    if (draft->key) {
        segment->key = draft->key;
        return db_segment_insert(db, segment);
    }
    segment->key = key;
    for (int n = 1; status == DB_NONE && n < KEY_TRIES; n++) {
        make_key(draft->name, n, key);
        if (key_is_ok(key))
            status = db_segment_insert(db, segment);
    }
    if (status == DB_OK)
        draft->key = mem_strdup(key);
    return status;
}

static bool is_public(const struct draft *draft)
{
    return keeps(draft, draft->in.is_public) ? draft->old.is_public : draft->in.is_public.type == JSON_T_TRUE;
}

static enum db_status save_in_tx(struct db *db, void *context)
{
    struct draft *draft = context;
    const struct definition *definition = &draft->definition;
    struct segment_new segment = {.key = draft->key,
                                  .name = draft->name,
                                  .description = draft->description,
                                  .kind = draft->kind,
                                  .timezone = draft->timezone,
                                  .tags = (const char *const *)draft->tags.at,
                                  .n_tags = draft->tags.n,
                                  .is_public = is_public(draft),
                                  .definition = definition->text.type == JSON_T_NONE ? NULL : definition->text.at,
                                  .definition_len = definition->text.type == JSON_T_NONE ? 0 : definition->text.len};
    enum db_status status = db_segment_lock(db);

    if (status == DB_OK && draft->key)
        status = still_so(db, draft);
    if (status != DB_OK || draft->moved)
        return status;
    if (definition->segment)
        status = definition_check_references(db, definition, draft->key, &draft->err);
    if (status != DB_OK)
        return status;
    if (draft->has_old)
        return db_segment_update(db, &segment);
    status = insert(db, draft, &segment);
    draft->taken = status == DB_NONE;
    return status;
}

/* Reads what is there; false: answered. */
static bool read_old(struct draft *draft)
{
    struct call *c = draft->c;
    enum db_status status = draft->key ? db_segment_read(c->db, draft->key, &draft->rows) : DB_NONE;

    draft->has_old = status == DB_OK;
    if (draft->has_old)
        draft->old = db_segment_row(&draft->rows, 0);
    if (status == DB_RETRY || status == DB_ERROR || (status == DB_NONE && draft->mode == SAVE_PATCH))
        (void)answer_status(c, status);
    else if (draft->has_old && draft->mode == SAVE_CREATE)
        (void)answer_problem(c, PROBLEM_KEY_TAKEN, NULL);
    else if (draft->has_old ? !segment_matches(c, &draft->old) : draft->mode == SAVE_PUT && request_header(c->rq, "If-Match"))
        (void)answer_problem(c, PROBLEM_PRECONDITION_FAILED, NULL);
    else
        return true;
    return false;
}

static enum handled answer_saved(struct draft *draft)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status = db_segment_read(draft->c->db, draft->key, &rows);
    struct segment_row row;

    if (status != DB_OK)
        return answer_status(draft->c, status);
    row = db_segment_row(&rows, 0);
    return answer_segment(draft->c, draft->has_old ? 200 : 201, &row);
}

/* One try; *ret_moved: nothing was answered, try again. */
static enum handled try_save(struct call *c, enum mode mode, bool *ret_moved)
{
    CLEANUP(draft_release) struct draft draft = {.c = c, .mode = mode, .rows = DB_ROWS_INIT};
    enum db_status status;

    *ret_moved = false;
    if (!read_members(&draft) || !take_key(&draft))
        return answer_problem(c, PROBLEM_INVALID, &draft.err);
    if (!read_old(&draft))
        return HANDLED_ANSWERED;
    if (!take_all(&draft))
        return answer_problem(c, PROBLEM_INVALID, &draft.err);
    status = draft.definition.text.type == JSON_T_NONE ? DB_OK : definition_check(c->db, &draft.definition, &draft.err);
    if (status == DB_OK)
        status = db_tx(c->db, DB_READ_COMMITTED, save_in_tx, &draft);
    if (draft.err.code)
        return answer_problem(c, PROBLEM_INVALID, &draft.err);
    if (draft.taken)
        return answer_problem(c, PROBLEM_KEY_TAKEN, NULL);
    *ret_moved = draft.moved;
    return status == DB_OK && !draft.moved ? answer_saved(&draft) : status == DB_OK ? HANDLED_ANSWERED : answer_status(c, status);
}

static enum handled save(struct call *c, enum mode mode)
{
    for (int i = 0; i < SAVE_TRIES; i++) {
        bool moved;
        enum handled handled = try_save(c, mode, &moved);

        if (!moved)
            return handled;
    }
    return answer_problem_detail(c, PROBLEM_UNAVAILABLE, "others save this segment all the time");
}

enum handled api_segment_create(struct call *c)
{
    return once_begin(c) ? save(c, SAVE_CREATE) : HANDLED_ANSWERED;
}

enum handled api_segment_put(struct call *c)
{
    return save(c, SAVE_PUT);
}

enum handled api_segment_patch(struct call *c)
{
    return save(c, SAVE_PATCH);
}
