-- Sources that are other tools: their webhooks come in at /v1/hooks/{source}.

ALTER TABLE source
    ADD COLUMN provider text,
    ADD COLUMN hook jsonb,
    ADD COLUMN secrets text[] NOT NULL DEFAULT '{}',
    ADD CHECK ((hook IS NOT NULL) = (provider IS NOT DISTINCT FROM 'custom')),
    ADD CHECK (provider IS NOT NULL OR secrets = '{}');
COMMENT ON COLUMN source.provider IS 'An entry of the table of providers, or custom; null: no webhooks.';
COMMENT ON COLUMN source.hook IS 'The entry of a custom provider: how its webhooks are verified and mapped.';
COMMENT ON COLUMN source.secrets IS 'What its webhooks are verified with; several while one is rotated. Never shown. In the clear, for an HMAC needs the key itself.';
