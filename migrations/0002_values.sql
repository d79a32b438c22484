-- Values as language.md means them. Casts stand behind a test inside CASE: one public event must not fail a segment.

CREATE FUNCTION value_number(value jsonb) RETURNS numeric
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE jsonb_typeof(value)
    WHEN 'number' THEN value::numeric
    WHEN 'string' THEN
        CASE WHEN length(value #>> '{}') <= 50
                  AND value #>> '{}' ~ '^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?$'
             THEN (value #>> '{}')::numeric END
END;
COMMENT ON FUNCTION value_number IS 'The value as an exact decimal, or null when it is not numeric.';

CREATE FUNCTION value_text(value jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE jsonb_typeof(value)
    WHEN 'string' THEN value #>> '{}'
    WHEN 'boolean' THEN value #>> '{}'
    WHEN 'number' THEN trim_scale(value::numeric)::text
END;
COMMENT ON FUNCTION value_text IS 'The value''s text; null for objects, arrays and JSON null.';
