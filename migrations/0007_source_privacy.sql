-- What a browser's wish not to be tracked means is the source's to say.

ALTER TABLE source ADD COLUMN privacy text NOT NULL DEFAULT 'first_party' CHECK (privacy IN ('ignore', 'first_party', 'drop'));
COMMENT ON COLUMN source.privacy IS 'Of requests with Global Privacy Control or Do Not Track: ignore the signal; first_party, keep the events but deny their use by third parties; drop, store nothing.';
COMMENT ON COLUMN source.allowed_origins IS 'Browser origins that may send, exact or with all subdomains (https://*.shop.example); empty: all.';
