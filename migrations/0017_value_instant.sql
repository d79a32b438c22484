-- The same instants for half the time: what most dates look like is told by an expression without alternatives before the exact one is asked, and in UTC no
-- gap of the clocks is looked for.

CREATE OR REPLACE FUNCTION value_instant(value jsonb, zone text) RETURNS timestamptz
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
    IF written !~ '^[1-9][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])$' COLLATE "C"
        AND written !~ ('^((?!0000)[0-9]{4}-((0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31)'
        '|([0-9]{2}(0[48]|[2468][048]|[13579][26])|(0[48]|[2468][048]|[13579][26])00)-02-29)'
        '([T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-](0[0-9]|1[0-5]):[0-5][0-9])?)?$') COLLATE "C" THEN
        RETURN NULL;
    END IF;
    IF length(written) > 19 AND written ~ '(Z|:..[+-]..:..|\..*[+-]..:..)$' COLLATE "C" THEN
        RETURN written::timestamptz;
    END IF;
    IF zone = 'UTC' THEN
        RETURN written::timestamp AT TIME ZONE zone;
    END IF;
    RETURN local_instant(written::timestamp, zone);
END
$$;
