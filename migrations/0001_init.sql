-- The whole store of the spine. Ids of people and messages are hashes kept as uuid (docs/architecture.md); instants are timestamptz.

CREATE TABLE source (
    source_id       integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name            text NOT NULL UNIQUE,
    allowed_origins text[] NOT NULL DEFAULT '{}',
    created_at      timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE source IS 'A website, shop or tool that sends events; write keys belong to it.';
COMMENT ON COLUMN source.allowed_origins IS 'Browser origins that may send; empty: all.';

CREATE TABLE api_key (
    key_id     uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    hash       bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    role       text NOT NULL CHECK (role IN ('write', 'read', 'admin')),
    source_id  integer REFERENCES source,
    name       text NOT NULL DEFAULT '',
    prefix     text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz,
    CHECK ((role = 'write') = (source_id IS NOT NULL))
);
COMMENT ON TABLE api_key IS 'Write keys (public, can only send) and API keys (read, admin).';
COMMENT ON COLUMN api_key.hash IS 'SHA-256 of the key, which is shown once and kept nowhere.';
COMMENT ON COLUMN api_key.prefix IS 'Its first characters, to tell keys apart in a list.';

CREATE TABLE event_name (
    name_id    integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text COLLATE "C" NOT NULL UNIQUE,
    source_id  integer,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE event_name IS 'Interned event names: rows are only added, so processes cache them for good.';
COMMENT ON COLUMN event_name.source_id IS 'The source that first sent it (its names are capped), null when a definition named it.';
INSERT INTO event_name (name) VALUES ('$identify'), ('$alias'), ('$group'); -- 1, 2, 3: db/message.h

CREATE TABLE event_name_stat (
    name_id    integer PRIMARY KEY REFERENCES event_name,
    events     bigint NOT NULL,
    first_seen timestamptz NOT NULL,
    last_seen  timestamptz NOT NULL
);
COMMENT ON TABLE event_name_stat IS 'How often each name came; written by the worker only, from touched.';

CREATE TABLE event_property (
    name_id integer NOT NULL REFERENCES event_name,
    path    text COLLATE "C" NOT NULL,
    types   text[] NOT NULL,
    samples jsonb NOT NULL,
    seen_at timestamptz NOT NULL,
    PRIMARY KEY (name_id, path)
);
COMMENT ON TABLE event_property IS 'Property paths seen in sampled events of a name, for the catalogue; written by the worker only.';

CREATE TABLE identity (
    raw_id      uuid PRIMARY KEY,
    kind        text NOT NULL CHECK (kind IN ('user', 'anonymous', 'email')),
    external_id text NOT NULL,
    profile_id  uuid NOT NULL,
    former      uuid[] NOT NULL DEFAULT '{}'
);
CREATE INDEX identity_profile_idx ON identity (profile_id);
COMMENT ON TABLE identity IS 'One row for each external id seen; profile_id is the profile it means now, never one that was merged away.';
COMMENT ON COLUMN identity.raw_id IS 'First 16 bytes of SHA-256(kind, 0x00, external_id).';
COMMENT ON COLUMN identity.former IS 'The last 32 profiles it meant before: a retry may be stored under one of them.';

CREATE TABLE profile (
    profile_id   uuid PRIMARY KEY,
    user_id      text,
    anonymous_id text,
    traits       jsonb COMPRESSION lz4 NOT NULL DEFAULT '{}',
    first_seen   timestamptz,
    last_seen    timestamptz,
    created_at   timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 85);
COMMENT ON TABLE profile IS 'The population: one row is one live person. One merged away or erased has no row.';
COMMENT ON COLUMN profile.anonymous_id IS 'Of a person without user_id: the anonymous id it was first seen with.';
COMMENT ON COLUMN profile.first_seen IS 'ts of its oldest event ($identify, $alias, $group not counted); null before the first.';
COMMENT ON COLUMN profile.last_seen IS 'ts of its newest event, moved at most once an hour: for display, never for a definition.';
-- Not unique, which profile_id is for both: two who make a user's profile at once would trip over it where ON CONFLICT (profile_id) does not look.
CREATE INDEX profile_user_idx ON profile (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX profile_first_seen_idx ON profile (first_seen);

CREATE TABLE event (
    profile_id  uuid NOT NULL,
    name_id     integer NOT NULL,
    source_id   integer NOT NULL,
    ts          timestamptz NOT NULL,
    message_id  uuid NOT NULL,
    received_at timestamptz NOT NULL,
    properties  jsonb COMPRESSION lz4,
    context     jsonb COMPRESSION lz4,
    UNIQUE (profile_id, name_id, ts, message_id)
) PARTITION BY RANGE (ts);
CREATE INDEX event_ts_idx ON event (ts);
COMMENT ON TABLE event IS 'What people did. The unique key finds doubles and serves evaluation; partitions are quarters of ts (db/partition.c).';
COMMENT ON COLUMN event.message_id IS 'First 16 bytes of SHA-256 of the whole messageId.';
COMMENT ON COLUMN event.received_at IS 'Arrival; grows from message to message of a process. The order of events is (ts, received_at, message_id).';

CREATE TABLE odd_message (
    message_id uuid NOT NULL,
    name_id    integer NOT NULL,
    raw_id     uuid NOT NULL,
    own_ts     timestamptz NOT NULL,
    PRIMARY KEY (message_id, name_id, raw_id, own_ts)
);
COMMENT ON TABLE odd_message IS 'Messages stored under another instant than the client''s own timestamp (missing, shifted or clamped): a retry is found here.';
COMMENT ON COLUMN odd_message.raw_id IS 'The person as the message named it; resolved through identity when looked up.';
COMMENT ON COLUMN odd_message.own_ts IS 'The client''s own timestamp, -infinity when it had none.';

CREATE TABLE touched (
    touched_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    max_ts       timestamptz NOT NULL,
    pair_profile uuid[] NOT NULL DEFAULT '{}',
    pair_name    integer[] NOT NULL DEFAULT '{}',
    fact_profile uuid[] NOT NULL DEFAULT '{}',
    fact_path    text[] NOT NULL DEFAULT '{}',
    created      uuid[] NOT NULL DEFAULT '{}',
    gone         uuid[] NOT NULL DEFAULT '{}',
    gone_into    uuid[] NOT NULL DEFAULT '{}',
    stat_name    integer[] NOT NULL DEFAULT '{}',
    stat_events  bigint[] NOT NULL DEFAULT '{}',
    stat_first   timestamptz[] NOT NULL DEFAULT '{}',
    stat_last    timestamptz[] NOT NULL DEFAULT '{}'
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_insert_threshold = -1);
COMMENT ON TABLE touched IS 'The worker''s queue: one row for each ingest transaction that stored something; read and deleted by the worker only. Rows become visible with their commit, so none is skipped.';
COMMENT ON COLUMN touched.at IS 'When it was written, just before its commit: how far the members are behind.';
COMMENT ON COLUMN touched.max_ts IS 'Newest ts stored: as_of is never below it.';
COMMENT ON COLUMN touched.pair_profile IS 'With pair_name: the distinct (profile, event name) that got new events, moved ones of a merge included.';
COMMENT ON COLUMN touched.fact_profile IS 'With fact_path: top-level trait keys set or removed, and the pseudo-paths $first_seen and $consent.CHANNEL.';
COMMENT ON COLUMN touched.created IS 'Profiles that were made.';
COMMENT ON COLUMN touched.gone IS 'Profiles merged away or erased; gone_into beside it is the survivor, or the profile itself when erased.';
COMMENT ON COLUMN touched.stat_name IS 'With stat_events, stat_first, stat_last: new events for each name (moved ones not counted) with their oldest and newest ts.';

CREATE TABLE segment (
    segment_id         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key                text COLLATE "C" NOT NULL UNIQUE,
    name               text NOT NULL,
    description        text NOT NULL DEFAULT '',
    kind               text NOT NULL CHECK (kind IN ('rule', 'list')),
    timezone           text NOT NULL DEFAULT 'UTC',
    tags               text[] NOT NULL DEFAULT '{}',
    public             boolean NOT NULL DEFAULT false,
    serving_version_id integer,
    created_at         timestamptz NOT NULL DEFAULT now(),
    updated_at         timestamptz NOT NULL DEFAULT now(),
    deleted_at         timestamptz
);
CREATE INDEX segment_deleted_idx ON segment (segment_id) WHERE deleted_at IS NOT NULL;
COMMENT ON TABLE segment IS 'What a marketer sees; its definitions are in segment_version.';
COMMENT ON COLUMN segment.key IS 'Never changes. A deleted segment keeps its row until the worker has written its clear, under the key "~ID".';
COMMENT ON COLUMN segment.serving_version_id IS 'The version whose membership rows are its members; null before the first build is done.';

CREATE TABLE segment_version (
    version_id   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    segment_id   integer NOT NULL REFERENCES segment,
    version      integer NOT NULL,
    definition   text NOT NULL,
    timezone     text NOT NULL,
    state        text NOT NULL DEFAULT 'building' CHECK (state IN ('building', 'live', 'failed', 'retired')),
    code         text,
    built_to     uuid,
    progress     real NOT NULL DEFAULT 0,
    cause        text NOT NULL DEFAULT 'definition' CHECK (cause IN ('definition', 'build')),
    attempt      integer NOT NULL DEFAULT 0,
    retry_at     timestamptz,
    size         bigint NOT NULL DEFAULT 0,
    identified   bigint NOT NULL DEFAULT 0,
    created_at   timestamptz NOT NULL DEFAULT now(),
    live_at      timestamptz
) WITH (fillfactor = 70);
CREATE INDEX segment_version_segment_idx ON segment_version (segment_id, version_id);
CREATE INDEX segment_version_work_idx ON segment_version (version_id) WHERE state IN ('building', 'failed');
COMMENT ON TABLE segment_version IS 'One build of one definition. A rebuild of the same definition is a new row with the same version.';
COMMENT ON COLUMN segment_version.state IS 'building and live ones are kept up by ticks. A retired one that is still the serving one is stale: its rebuild is under way.';
COMMENT ON COLUMN segment_version.definition IS 'JSON as given, byte for byte.';
COMMENT ON COLUMN segment_version.built_to IS 'While building: profiles up to and including this id are built and kept live by ticks; null: none yet.';
COMMENT ON COLUMN segment_version.cause IS 'What its swap writes into the feed: definition for a new one, build for a rebuild.';

CREATE TABLE membership (
    version_id integer NOT NULL,
    profile_id uuid NOT NULL,
    entered_at timestamptz NOT NULL,
    PRIMARY KEY (version_id, profile_id)
);
CREATE INDEX membership_profile_idx ON membership (profile_id, version_id);
COMMENT ON TABLE membership IS 'Members of each version; written by the worker only.';

CREATE TABLE sweep (
    version_id integer PRIMARY KEY
);
COMMENT ON TABLE sweep IS 'Versions that serve nobody any more and whose membership rows are still to be deleted, in pieces.';

CREATE TABLE trait_date (
    path       text COLLATE "C" NOT NULL,
    timezone   text COLLATE "C" NOT NULL,
    profile_id uuid NOT NULL,
    at         timestamptz NOT NULL,
    month_day  smallint NOT NULL,
    PRIMARY KEY (path, timezone, profile_id, at)
);
CREATE INDEX trait_date_at_idx ON trait_date (path, timezone, at);
CREATE INDEX trait_date_day_idx ON trait_date (path, timezone, month_day);
COMMENT ON TABLE trait_date IS 'Dates in traits whose passing moves people in or out of segments; written by the worker only, for the paths in trait_date_path.';
COMMENT ON COLUMN trait_date.timezone IS 'In which a date without an offset was read.';
COMMENT ON COLUMN trait_date.month_day IS 'Month × 100 + day, in that zone: for anniversaries.';

CREATE TABLE trait_date_path (
    path      text COLLATE "C" NOT NULL,
    timezone  text COLLATE "C" NOT NULL,
    filled_to uuid,
    PRIMARY KEY (path, timezone)
);
COMMENT ON TABLE trait_date_path IS 'What trait_date is kept for: profiles up to filled_to are in it and kept up by ticks; null: none yet.';

CREATE TABLE aside (
    version_id integer NOT NULL,
    profile_id uuid NOT NULL,
    attempt    integer NOT NULL DEFAULT 1,
    retry_at   timestamptz NOT NULL,
    PRIMARY KEY (version_id, profile_id)
);
COMMENT ON TABLE aside IS 'Profiles set aside because evaluating them for a version took too long (a bot with a million events); tried again at retry_at.';

CREATE TABLE change (
    seq          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    segment_id   integer NOT NULL,
    segment_key  text COLLATE "C" NOT NULL,
    profile_id   uuid,
    user_id      text,
    anonymous_id text,
    op           text NOT NULL CHECK (op IN ('enter', 'exit', 'clear')),
    at           timestamptz NOT NULL,
    cause        text NOT NULL
        CHECK (cause IN ('event', 'time', 'trait', 'merge', 'erase', 'list', 'segment', 'build', 'definition', 'clear'))
);
CREATE INDEX change_segment_idx ON change (segment_id, seq);
CREATE INDEX change_at_idx ON change (at);
COMMENT ON TABLE change IS 'The feed. Written by the worker only, in its one transaction at a time, so seq grows in order of visibility.';

CREATE TABLE worker (
    one   boolean PRIMARY KEY DEFAULT true CHECK (one),
    epoch bigint NOT NULL DEFAULT 0,
    beat  timestamptz NOT NULL DEFAULT '-infinity',
    as_of timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 10);
INSERT INTO worker DEFAULT VALUES;
COMMENT ON TABLE worker IS 'One row: lease, fence, heartbeat and watermark of the worker that leads.';
COMMENT ON COLUMN worker.as_of IS 'Stored members equal a fresh evaluation at this instant over what is no longer in touched.';

CREATE TABLE reject (
    reject_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        timestamptz NOT NULL,
    source_id integer,
    code      text NOT NULL,
    detail    text NOT NULL,
    payload   text NOT NULL
);
CREATE INDEX reject_at_idx ON reject (at);
COMMENT ON TABLE reject IS 'Refused messages with the reason and the first 2 KiB of what was sent.';

CREATE TABLE merge_log (
    merge_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL DEFAULT now(),
    gone       uuid NOT NULL,
    into_id    uuid NOT NULL,
    events     bigint NOT NULL
);
COMMENT ON TABLE merge_log IS 'Every merge of two profiles, with the number of events that moved.';

CREATE TABLE retention (
    one      boolean PRIMARY KEY DEFAULT true CHECK (one),
    floor_at timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO retention DEFAULT VALUES;
COMMENT ON TABLE retention IS 'Events count only with ts > floor_at.';
