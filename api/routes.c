/* The table of routes: one row for each operation of openapi.yaml, whose operationId is the handler's name. What differs from call to call stands
 * in the row, so dispatch.c checks key, parameters and content type before a handler runs. The other names that SDKs have for a path are rows of their
 * own. The paths of events come first: they are asked for most. */
#include "api/routes.h"

#include <string.h>

#include "api/handlers.h"

#define COLLECT    FACE_COLLECT, ROLE_WRITE, LANE_QUICK
#define READ_QUICK FACE_MANAGE, ROLE_READ, LANE_QUICK
#define READ_LONG  FACE_MANAGE, ROLE_READ, LANE_LONG
#define ADMIN      FACE_MANAGE, ROLE_ADMIN, LANE_QUICK
#define ADMIN_LONG FACE_MANAGE, ROLE_ADMIN, LANE_LONG
#define OPERATE    FACE_OPERATE, ROLE_NONE, LANE_QUICK
#define FEED       "application/json text/event-stream"
#define EXPORTS    "application/json application/x-ndjson text/csv"

static const struct route rows[] = {
    {"POST", "/v1/track", api_track, COLLECT, "writeKey", BODY_NONE, NULL},
    {"POST", "/v1/identify", api_identify, COLLECT, "writeKey", BODY_NONE, NULL},
    {"POST", "/v1/page", api_page, COLLECT, "writeKey", BODY_NONE, NULL},
    {"POST", "/v1/screen", api_screen, COLLECT, "writeKey", BODY_NONE, NULL},
    {"POST", "/v1/group", api_group, COLLECT, "writeKey", BODY_NONE, NULL},
    {"POST", "/v1/alias", api_alias, COLLECT, "writeKey", BODY_NONE, NULL},
    {"POST", "/v1/batch", api_batch, COLLECT, "writeKey", BODY_NONE, NULL},
    {"POST", "/v1/import", api_import, COLLECT, "writeKey", BODY_NONE, NULL},
    {"POST", "/v1/t", api_t, COLLECT, "writeKey", BODY_NONE, NULL},
    {"POST", "/v1/i", api_i, COLLECT, "writeKey", BODY_NONE, NULL},
    {"POST", "/v1/p", api_p, COLLECT, "writeKey", BODY_NONE, NULL},
    {"POST", "/v1/s", api_s, COLLECT, "writeKey", BODY_NONE, NULL},
    {"POST", "/v1/g", api_g, COLLECT, "writeKey", BODY_NONE, NULL},
    {"POST", "/v1/a", api_a, COLLECT, "writeKey", BODY_NONE, NULL},
    {"POST", "/v1/b", api_b, COLLECT, "writeKey", BODY_NONE, NULL},
    {"POST", "/beacon/v1/batch", api_beacon_batch, COLLECT, "writeKey", BODY_NONE, NULL},
    {"GET", "/v1/visitor/segments", api_visitor_segments, COLLECT, "writeKey userId anonymousId", BODY_NONE, NULL},
    {"GET", "/c.js", api_tracker, COLLECT, "", BODY_NONE, "text/javascript"},
    {"POST", "/api/s/{type}", api_jitsu, COLLECT, "writeKey", BODY_NONE, NULL},
    {"POST", "/api/s/s2s/{type}", api_jitsu_server, COLLECT, "writeKey", BODY_NONE, NULL},
    {"GET", "/v1/pixel/{type}", api_pixel, COLLECT, "", BODY_NONE, "image/gif"},
    {"GET", "/pixel/v1/{type}", api_pixel_rudder, COLLECT, "", BODY_NONE, "image/gif"},
    {"GET", "/v1/projects/{key}/settings", api_settings, COLLECT, "", BODY_NONE, NULL},
    {"GET", "/projects/{key}/settings", api_settings_bare, COLLECT, "", BODY_NONE, NULL},
    {"GET", "/sourceConfig", api_source_config, COLLECT, "writeKey", BODY_NONE, NULL},
    {"POST", "/v1/m", api_sdk_metrics, COLLECT, "", BODY_NONE, NULL},

    {"GET", "/v1/segments", api_segment_list, READ_QUICK, "kind tag state q fields page", BODY_NONE, NULL},
    {"POST", "/v1/segments", api_segment_create, ADMIN, "", BODY_JSON, NULL},
    {"POST", "/v1/segments/preview", api_segment_preview, READ_QUICK, "", BODY_JSON, NULL},
    {"GET", "/v1/segments/{key}", api_segment_read, READ_QUICK, "", BODY_NONE, NULL},
    {"PUT", "/v1/segments/{key}", api_segment_put, ADMIN, "", BODY_JSON, NULL},
    {"PATCH", "/v1/segments/{key}", api_segment_patch, ADMIN, "", BODY_PATCH, NULL},
    {"DELETE", "/v1/segments/{key}", api_segment_delete, ADMIN, "", BODY_NONE, NULL},
    {"GET", "/v1/segments/{key}/members", api_member_list, READ_QUICK, "fields format at reachable page", BODY_NONE, EXPORTS},
    {"POST", "/v1/segments/{key}/members", api_member_upload, ADMIN_LONG, "mode partial", BODY_MEMBERS, NULL},
    {"GET", "/v1/segments/{key}/members/{user_id}", api_member_read, READ_QUICK, "", BODY_NONE, NULL},
    {"PUT", "/v1/segments/{key}/members/{user_id}", api_member_put, ADMIN, "", BODY_NONE, NULL},
    {"DELETE", "/v1/segments/{key}/members/{user_id}", api_member_delete, ADMIN, "", BODY_NONE, NULL},
    {"GET", "/v1/segments/{key}/members/{user_id}/why", api_member_why, READ_QUICK, "", BODY_NONE, NULL},
    {"GET", "/v1/segments/{key}/changes", api_segment_changes, READ_QUICK, "after limit wait reachable", BODY_NONE, FEED},
    {"POST", "/v1/segments/{key}/verify", api_segment_verify, READ_LONG, "", BODY_NONE, NULL},
    {"POST", "/v1/segments/{key}/diff", api_segment_diff, READ_LONG, "", BODY_JSON, NULL},
    {"GET", "/v1/segments/{key}/history", api_segment_history, READ_QUICK, "from to step", BODY_NONE, NULL},
    {"GET", "/v1/segments/{key}/dependents", api_segment_dependents, READ_QUICK, "", BODY_NONE, NULL},
    {"GET", "/v1/changes", api_changes, READ_QUICK, "segment after limit wait reachable", BODY_NONE, FEED},
    {"GET", "/v1/templates", api_template_list, READ_QUICK, "", BODY_NONE, NULL},

    {"POST", "/v1/profiles/segments", api_profiles_segments, READ_QUICK, "", BODY_JSON, NULL},
    {"POST", "/v1/profiles/merge", api_profile_merge, ADMIN_LONG, "", BODY_JSON, NULL},
    {"GET", "/v1/profiles/{user_id}", api_profile_read, READ_QUICK, "", BODY_NONE, NULL},
    {"DELETE", "/v1/profiles/{user_id}", api_profile_delete, ADMIN_LONG, "suppress", BODY_NONE, NULL},
    {"PATCH", "/v1/profiles/{user_id}/traits", api_profile_traits_patch, ADMIN, "", BODY_PATCH, NULL},
    {"POST", "/v1/profiles/{user_id}/consent", api_profile_consent, ADMIN, "", BODY_JSON, NULL},
    {"GET", "/v1/profiles/{user_id}/export", api_profile_export, READ_LONG, "", BODY_NONE, NULL},
    {"GET", "/v1/profiles/{user_id}/segments", api_profile_segments, READ_QUICK, "", BODY_NONE, NULL},
    {"GET", "/v1/profiles/{user_id}/events", api_profile_events, READ_QUICK, "page", BODY_NONE, NULL},

    {"GET", "/v1/events/names", api_event_names, READ_QUICK, "q page", BODY_NONE, NULL},
    {"GET", "/v1/events/recent", api_event_recent, READ_QUICK, "limit", BODY_NONE, NULL},
    {"GET", "/v1/rejects", api_reject_list, READ_QUICK, "page", BODY_NONE, NULL},
    {"GET", "/v1/status", api_status, READ_QUICK, "", BODY_NONE, NULL},

    {"GET", "/v1/hooks/providers", api_hook_providers, READ_QUICK, "", BODY_NONE, NULL},
    {"GET", "/v1/hooks/{source}", api_hook_probe, COLLECT, "", BODY_NONE, NULL},
    {"POST", "/v1/hooks/{source}", api_hook, COLLECT, "", BODY_NONE, NULL},

    {"GET", "/v1/sources", api_source_list, ADMIN, "page", BODY_NONE, NULL},
    {"POST", "/v1/sources", api_source_create, ADMIN, "", BODY_JSON, NULL},
    {"PATCH", "/v1/sources/{name}", api_source_patch, ADMIN, "", BODY_PATCH, NULL},
    {"DELETE", "/v1/sources/{name}", api_source_delete, ADMIN, "", BODY_NONE, NULL},
    {"GET", "/v1/keys", api_key_list, ADMIN, "page", BODY_NONE, NULL},
    {"POST", "/v1/keys", api_key_create, ADMIN, "", BODY_JSON, NULL},
    {"DELETE", "/v1/keys/{key_id}", api_key_delete, ADMIN, "", BODY_NONE, NULL},

    {"GET", "/healthz", api_healthz, OPERATE, "", BODY_NONE, "text/plain"},
    {"GET", "/readyz", api_readyz, OPERATE, "", BODY_NONE, "text/plain"},
    {"GET", "/metrics", api_metrics, OPERATE, "", BODY_NONE, "text/plain"},
};

const struct route *routes_all(size_t *ret_n)
{
    *ret_n = ARRAY_LEN(rows);
    return rows;
}

static bool serves(const struct route *route, const char *method)
{
    return strcmp(route->method, strcmp(method, "HEAD") == 0 ? "GET" : method) == 0;
}

static void add_allow(struct route_found *found, const struct route *route)
{
    size_t len = strlen(found->allow);

    (void)snprintf(found->allow + len, sizeof found->allow - len, "%s%s%s%s", len ? ", " : "", route->method,
                   strcmp(route->method, "GET") == 0 ? ", HEAD" : "", route->face == FACE_COLLECT && !len ? ", OPTIONS" : "");
}

void routes_find(const char *method, const char *path, unsigned faces, struct route_found *ret_found)
{
    *ret_found = (struct route_found){.route = NULL};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct route_match match;

        if (!(faces & 1U << rows[i].face) || !route_match(rows[i].path, path, &match))
            continue;
        if (ret_found->other && strcmp(ret_found->other->path, rows[i].path) != 0) {
            route_match_release(&match); /* {key} of a later row would take "preview" of an earlier one */
            continue;
        }
        if (serves(&rows[i], method)) {
            ret_found->route = &rows[i];
            ret_found->match = match;
            return;
        }
        route_match_release(&match);
        ret_found->other = &rows[i];
        add_allow(ret_found, &rows[i]);
    }
}
