-- What a provider signed that is not the body (Mailgun: a time and a token) stands for the first body that came with it.

CREATE TABLE hook_token (
    source_id integer NOT NULL REFERENCES source ON DELETE CASCADE,
    token     uuid NOT NULL,
    body      uuid NOT NULL,
    until     timestamptz NOT NULL,
    PRIMARY KEY (source_id, token)
);
CREATE INDEX hook_token_until_idx ON hook_token (until);
COMMENT ON TABLE hook_token IS 'What was signed of webhooks that sign no body, for as long as it is not stale.';
COMMENT ON COLUMN hook_token.token IS 'Hash of what was signed.';
COMMENT ON COLUMN hook_token.body IS 'Hash of the only body that is taken with it.';
COMMENT ON COLUMN hook_token.until IS 'From then on it is refused for its age.';
