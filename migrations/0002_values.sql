-- Values as docs/segments.md means them. Casts stand behind a test inside CASE: one public event must not fail a segment. None of these
-- raises an error, whatever jsonb it is given. What is called for every event is a single CASE and not STRICT, so that it is inlined.

CREATE FUNCTION value_number(value jsonb) RETURNS numeric
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE jsonb_typeof(value)
    WHEN 'number' THEN value::numeric
    WHEN 'string' THEN
        CASE WHEN length(value #>> '{}') <= 50
                  AND value #>> '{}' ~ '^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?$' COLLATE "C"
             THEN (value #>> '{}')::numeric END
END;
COMMENT ON FUNCTION value_number IS 'The value as an exact decimal, or null when it is not numeric.';

CREATE FUNCTION value_text(value jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN jsonb_typeof(value) IN ('string', 'number', 'boolean') THEN value #>> '{}' END;
COMMENT ON FUNCTION value_text IS 'The value''s text, a number as jsonb prints it; null for objects, arrays and JSON null.';

CREATE FUNCTION local_instant(local timestamp, zone text) RETURNS timestamptz
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    read timestamptz := local AT TIME ZONE zone; -- in a gap by the offset before it, of two readings the later
    before timestamptz := read - make_interval(secs => 86400);
    first timestamptz;
BEGIN
    IF zone = 'UTC' THEN
        RETURN read;
    END IF;
    first := (local - ((before AT TIME ZONE zone) - (before AT TIME ZONE 'UTC'))) AT TIME ZONE 'UTC';
    IF first < read AND first AT TIME ZONE zone = local THEN
        RETURN first;
    END IF;
    RETURN read;
END
$$;
COMMENT ON FUNCTION local_instant IS
    'The instant at which the zone''s clocks first show that time; one that they skip is read with the offset before the gap.';

CREATE FUNCTION value_instant(value jsonb, zone text) RETURNS timestamptz
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
DECLARE
    written text;
BEGIN
    IF jsonb_typeof(value) IS DISTINCT FROM 'string' THEN
        RETURN NULL;
    END IF;
    written := value #>> '{}';
    -- A real date of the years 1 to 9999: day by month, then 29 February in leap years; then the time, then the offset.
    IF written !~ ('^((?!0000)[0-9]{4}-((0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31)'
        '|([0-9]{2}(0[48]|[2468][048]|[13579][26])|(0[48]|[2468][048]|[13579][26])00)-02-29)'
        '([T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-](0[0-9]|1[0-5]):[0-5][0-9])?)?$') COLLATE "C" THEN
        RETURN NULL;
    END IF;
    IF written ~ '(Z|:..[+-]..:..|\..*[+-]..:..)$' COLLATE "C" THEN
        RETURN written::timestamptz;
    END IF;
    RETURN local_instant(written::timestamp, zone);
END
$$;
COMMENT ON FUNCTION value_instant IS 'The value as an instant, read in the zone where it carries no offset, or null when it is none.';

CREATE FUNCTION value_at(value jsonb, path text) RETURNS SETOF jsonb
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    found jsonb[] := ARRAY[value];
    step text[];
BEGIN
    FOR step IN SELECT regexp_matches(path, '((?:[^].\\[]|\\.)+)(\[\])?', 'g') LOOP
        found := ARRAY(SELECT v -> regexp_replace(step[1], '\\(.)', '\1', 'g') FROM unnest(found) AS v);
        IF step[2] IS NOT NULL THEN
            found := ARRAY(SELECT e FROM unnest(found) AS v, jsonb_array_elements(CASE jsonb_typeof(v) WHEN 'array' THEN v END) AS e);
        END IF;
    END LOOP;
    RETURN QUERY SELECT v FROM unnest(found) AS v WHERE jsonb_typeof(v) <> 'null';
END
$$;
COMMENT ON FUNCTION value_at IS 'Every value that a (valid) path of the segment language gives, JSON null never. For upkeep, not for evaluation.';

CREATE FUNCTION period_start(at timestamptz, period text, shift integer, zone text) RETURNS timestamptz
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN local_instant(
    date_trunc(period, at AT TIME ZONE zone)
        + shift * CASE period WHEN 'day' THEN interval '1 day' WHEN 'week' THEN interval '7 days' WHEN 'month' THEN interval '1 month'
                              WHEN 'quarter' THEN interval '3 months' WHEN 'year' THEN interval '1 year' END,
    zone);
COMMENT ON FUNCTION period_start IS 'The first instant of the calendar period (day, week, month, quarter, year) of an instant, shifted by whole periods.';

CREATE FUNCTION anniversary_in(born date, today date, days bigint) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (born + make_interval(years => (extract(year FROM today) - extract(year FROM born))::integer))::date BETWEEN today AND today + days::integer
    OR (born + make_interval(years => (extract(year FROM today) - extract(year FROM born))::integer + 1))::date <= today + days::integer;
COMMENT ON FUNCTION anniversary_in IS 'Does the next yearly return of the date fall in [today, today + days]? 29 February returns on the 28th in other years.';

CREATE FUNCTION bucket_of(salt text, profile_id uuid) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN ('x' || left(encode(sha256(convert_to(salt, 'UTF8') || '\x00'::bytea || uuid_send(profile_id)), 'hex'), 8))::bit(32)::bigint % 10000;
COMMENT ON FUNCTION bucket_of IS 'The profile''s stable random share for the salt, in hundredths of a percent: 0 to 9999.';

CREATE TABLE consent (
    profile_id uuid NOT NULL,
    channel    text COLLATE "C" NOT NULL,
    state      text NOT NULL CHECK (state IN ('granted', 'denied')),
    PRIMARY KEY (profile_id, channel)
);
COMMENT ON TABLE consent IS 'What a person said about a channel; no row: unknown.';
