-- Answers of creating requests that carried an Idempotency-Key, so that one sent again creates nothing twice.

CREATE TABLE idempotency (
    scope    uuid NOT NULL,
    key      text COLLATE "C" NOT NULL,
    request  uuid NOT NULL,
    began_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    status   integer,
    headers  text,
    body     text COMPRESSION lz4,
    PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_began_idx ON idempotency (began_at);
COMMENT ON TABLE idempotency IS 'One row for each Idempotency-Key of the last 24 hours.';
COMMENT ON COLUMN idempotency.scope IS 'Hash of the credentials: a key of one client says nothing to another.';
COMMENT ON COLUMN idempotency.request IS 'Hash of method, path, query and body.';
COMMENT ON COLUMN idempotency.status IS 'Of the answer; null while the request runs.';
COMMENT ON COLUMN idempotency.headers IS 'Lines of "Name: value".';
COMMENT ON COLUMN idempotency.body IS 'Null where it held a secret, which is kept nowhere.';
