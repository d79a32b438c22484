/* The handlers, one for each row of routes.c. A handler runs on a query thread (operate: on the loop thread) with c->db connected and outside any
 * transaction, and answers on each path. Its API page is its entry in openapi.yaml, under its own name. */
#pragma once

#include "api/call.h"

enum handled api_track(struct call *c);
enum handled api_identify(struct call *c);
enum handled api_page(struct call *c);
enum handled api_screen(struct call *c);
enum handled api_group(struct call *c);
enum handled api_alias(struct call *c);
enum handled api_batch(struct call *c);
enum handled api_import(struct call *c);
enum handled api_t(struct call *c);
enum handled api_i(struct call *c);
enum handled api_p(struct call *c);
enum handled api_s(struct call *c);
enum handled api_g(struct call *c);
enum handled api_a(struct call *c);
enum handled api_b(struct call *c);
enum handled api_beacon_batch(struct call *c);
enum handled api_visitor_segments(struct call *c);
enum handled api_tracker(struct call *c);
enum handled api_jitsu(struct call *c);
enum handled api_jitsu_server(struct call *c);
enum handled api_pixel(struct call *c);
enum handled api_pixel_rudder(struct call *c);
enum handled api_settings(struct call *c);
enum handled api_settings_bare(struct call *c);
enum handled api_source_config(struct call *c);
enum handled api_sdk_metrics(struct call *c);

enum handled api_segment_list(struct call *c);
enum handled api_segment_create(struct call *c);
enum handled api_segment_read(struct call *c);
enum handled api_segment_put(struct call *c);
enum handled api_segment_patch(struct call *c);
enum handled api_segment_delete(struct call *c);
enum handled api_segment_preview(struct call *c);
enum handled api_segment_verify(struct call *c);
enum handled api_segment_diff(struct call *c);
enum handled api_segment_dependents(struct call *c);
enum handled api_segment_history(struct call *c);
enum handled api_member_list(struct call *c);
enum handled api_member_read(struct call *c);
enum handled api_member_why(struct call *c);
enum handled api_member_put(struct call *c);
enum handled api_member_delete(struct call *c);
enum handled api_member_upload(struct call *c);
enum handled api_segment_changes(struct call *c);
enum handled api_changes(struct call *c);
enum handled api_template_list(struct call *c);

enum handled api_profile_read(struct call *c);
enum handled api_profile_consent(struct call *c);
enum handled api_profile_delete(struct call *c);
enum handled api_profile_export(struct call *c);
enum handled api_profile_merge(struct call *c);
enum handled api_profile_traits_patch(struct call *c);
enum handled api_profile_segments(struct call *c);
enum handled api_profiles_segments(struct call *c);
enum handled api_profile_events(struct call *c);

enum handled api_event_names(struct call *c);
enum handled api_event_recent(struct call *c);
enum handled api_reject_list(struct call *c);
enum handled api_status(struct call *c);

enum handled api_hook(struct call *c);
enum handled api_hook_probe(struct call *c);
enum handled api_hook_providers(struct call *c);

enum handled api_source_list(struct call *c);
enum handled api_source_create(struct call *c);
enum handled api_source_patch(struct call *c);
enum handled api_source_delete(struct call *c);
enum handled api_key_list(struct call *c);
enum handled api_key_create(struct call *c);
enum handled api_key_delete(struct call *c);

enum handled api_healthz(struct call *c);
enum handled api_readyz(struct call *c);
enum handled api_metrics(struct call *c);
