-- People erased, merged and changed by hand (db/person_edit.c).

CREATE TABLE erasure (
    erasure_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    profile_id uuid NOT NULL,
    raw_ids    uuid[] NOT NULL,
    suppressed boolean NOT NULL,
    events     bigint NOT NULL,
    touched_id bigint NOT NULL,
    at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    done_at    timestamptz
);
CREATE INDEX erasure_open_idx ON erasure (erasure_id) WHERE done_at IS NULL;
COMMENT ON TABLE erasure IS 'Receipts: people erased. Data is gone from the first commit on; done when their exits are in the feed and their last name is forgotten.';
COMMENT ON COLUMN erasure.raw_ids IS 'Hashes of their ids, so that the request can be sent again; emptied when done.';
COMMENT ON COLUMN erasure.events IS 'How many events were deleted.';
COMMENT ON COLUMN erasure.touched_id IS 'The row of touched by which the worker learns of it: gone when the exits are written.';
COMMENT ON TABLE identity IS 'One row for each external id seen; profile_id is the profile it means now, never one that was merged away. All zero: a tombstone, whose person is not to be stored again; external_id is then empty.';

-- RFC 7396.
CREATE FUNCTION merge_patch(target jsonb, patch jsonb) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF jsonb_typeof(patch) <> 'object' THEN
        RETURN patch;
    END IF;
    RETURN (SELECT coalesce(jsonb_object_agg(key, CASE WHEN p.value IS NULL THEN t.value ELSE merge_patch(t.value, p.value) END), '{}')
        FROM jsonb_each(CASE WHEN jsonb_typeof(target) = 'object' THEN target ELSE '{}' END) AS t FULL JOIN jsonb_each(patch) AS p USING (key)
        WHERE p.value IS DISTINCT FROM 'null');
END $$;
COMMENT ON FUNCTION merge_patch IS 'A JSON Merge Patch applied to a value.';
