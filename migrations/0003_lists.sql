-- Edits of lists wait here for the worker, which alone writes membership and change (docs/architecture.md).

CREATE TABLE list_op (
    op_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    segment_id integer NOT NULL,
    mode       text NOT NULL CHECK (mode IN ('add', 'remove', 'replace')),
    people     uuid[] NOT NULL,
    at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    done_at    timestamptz,
    added      bigint NOT NULL DEFAULT 0,
    removed    bigint NOT NULL DEFAULT 0,
    unchanged  bigint NOT NULL DEFAULT 0
);
ALTER TABLE list_op ALTER people SET STORAGE EXTERNAL;
CREATE INDEX list_op_waiting_idx ON list_op (op_id) WHERE done_at IS NULL;
COMMENT ON TABLE list_op IS 'Edits of lists: each is applied whole by one tick, in order, and then kept for an hour for the request that waits for it.';
COMMENT ON COLUMN list_op.people IS 'Raw ids, which the tick resolves; hashes, so not compressed; emptied once it is done.';
COMMENT ON COLUMN list_op.added IS 'With removed and unchanged: people, known once done_at is set.';
