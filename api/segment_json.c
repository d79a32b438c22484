/* A segment as JSON. The one idea: the definition is embedded as the client's own bytes, so its numbers stay exact. The ETag
 * has two parts: what a save changes (name, tags, definition …), which alone is what If-Match is about, for size and progress move by
 * themselves and must not make it fail; and these, so that who asks again by If-None-Match is told when they have moved. as_of and
 * lag_ms, which move every second, are in neither. */
#include "api/segment_json.h"

#include <inttypes.h>
#include <string.h>

#include "server/base/id.h"

static void put_tags(struct json_out *out, const struct segment_row *row)
{
    struct db_array tags = db_array(row->rows, row->row, SEGMENT_TAGS);

    json_key(out, "tags");
    json_open(out, '[');
    while (tags.left) {
        size_t len;
        const char *tag = db_array_next_text(&tags, &len);

        json_put_text_len(out, tag ? tag : "", len);
    }
    json_close(out, ']');
}

const char *segment_state(const struct segment_row *row)
{
    return strcmp(row->state, "retired") == 0 ? "building" : row->state; /* retired: its rebuild is about to begin */
}

void segment_put_freshness(struct json_out *out, const struct segment_row *row)
{
    json_add_text(out, "state", segment_state(row));
    json_add_instant(out, "as_of", row->as_of_us);
    if (row->as_of_us == INSTANT_NONE)
        json_add_null(out, "lag_ms");
    else
        json_add_int(out, "lag_ms", row->lag_ms);
}

static void put_state(struct json_out *out, const struct segment_row *row)
{
    json_add_int(out, "version", row->version);
    if (row->serving)
        json_add_int(out, "serving_version", row->serving);
    else
        json_add_null(out, "serving_version");
    segment_put_freshness(out, row);
    json_add_real(out, "progress", row->progress);
    json_add_text(out, "code", row->code);
    json_add_int(out, "size", row->size);
    json_add_int(out, "identified", row->identified);
}

void segment_put(struct json_out *out, const struct segment_row *row, bool with_definition)
{
    json_open(out, '{');
    json_add_text(out, "key", row->key);
    json_add_text(out, "name", row->name);
    json_add_text(out, "description", row->description);
    json_add_text(out, "kind", row->kind);
    if (with_definition)
        json_add_raw(out, "definition", row->definition);
    json_add_text(out, "timezone", row->timezone);
    put_tags(out, row);
    json_add_bool(out, "public", row->is_public);
    put_state(out, row);
    json_add_instant(out, "created_at", row->created_us);
    json_add_instant(out, "updated_at", row->updated_us);
    json_close(out, '}');
}

/* The opening quote and the part that a save changes. */
static void saved_tag(const struct segment_row *row, char ret_tag[ETAG_MAX])
{
    (void)snprintf(ret_tag, ETAG_MAX, "\"%" PRIx32 "-%" PRIx64 "-", (uint32_t)row->segment_id, (uint64_t)row->updated_us);
}

void segment_etag(const struct segment_row *row, char ret_etag[ETAG_MAX])
{
    char text[256], moves[ID_TEXT];
    struct id id;
    size_t len;

    (void)snprintf(text, sizeof text, "%s %s %g %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64, segment_state(row),
                   row->code ? row->code : "", row->progress, row->version, row->serving, row->size, row->identified);
    id = id_hash(text, strlen(text));
    id_print(&id, moves);
    saved_tag(row, ret_etag);
    len = strlen(ret_etag);
    (void)snprintf(ret_etag + len, ETAG_MAX - len, "%.8s\"", moves);
}

bool segment_matches(const struct call *c, const struct segment_row *row)
{
    const char *wanted = request_header(c->rq, "If-Match"), *unwanted = request_header(c->rq, "If-None-Match"), *found;
    char etag[ETAG_MAX];

    saved_tag(row, etag);
    if (unwanted && (strcmp(unwanted, "*") == 0 || strstr(unwanted, etag)))
        return false;
    found = wanted ? strstr(wanted, etag) : NULL; /* an ETag never stands within another: it has its quotes */
    return !wanted || strcmp(wanted, "*") == 0 || (found && (found == wanted || found[-1] != '/')); /* a weak one (W/"…") never matches */
}

enum handled answer_segment(struct call *c, unsigned status, const struct segment_row *row)
{
    AUTO_BUF struct buf text = BUF_INIT(ANSWER_MAX);
    struct json_out out = JSON_OUT(&text);
    char etag[ETAG_MAX], location[128];

    segment_put(&out, row, true);
    segment_etag(row, etag);
    answer_header(c, "ETag", etag);
    (void)snprintf(location, sizeof location, "/v1/segments/%s", row->key);
    return status == 201 ? answer_created(c, location, &text) : answer_json(c, status, &text);
}
