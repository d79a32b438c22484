-- Event names of 1,024 characters of any script: 4 KiB do not fit into a B-tree's row, so names are unique by their hash.

CREATE FUNCTION name_hash(name text) RETURNS bytea
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN sha256(convert_to(name, 'UTF8'));
COMMENT ON FUNCTION name_hash IS 'SHA-256 of an event''s name: what event_name is unique by and looked up by.';

ALTER TABLE event_name DROP CONSTRAINT event_name_name_key;
CREATE UNIQUE INDEX event_name_hash_idx ON event_name (name_hash(name));

CREATE FUNCTION kept_path(path text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE WHEN octet_length(path) <= 200 THEN path ELSE '$' || encode(sha256(convert_to(path, 'UTF8')), 'hex') END;
COMMENT ON FUNCTION kept_path IS 'How trait_date and trait_date_path name a path: as it is, or a long one by its hash, for the same reason.';
