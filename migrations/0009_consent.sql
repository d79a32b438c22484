-- Consent is written now, and merged: what a person stated about a channel and when, and beside it whether their browser has sent an opt-out signal.

ALTER TABLE consent DROP CONSTRAINT consent_state_check;
ALTER TABLE consent RENAME COLUMN state TO stated;
ALTER TABLE consent ALTER COLUMN stated DROP NOT NULL;
ALTER TABLE consent ADD CONSTRAINT consent_stated_check CHECK (stated IN ('granted', 'denied'));
ALTER TABLE consent ADD COLUMN stated_at timestamptz DEFAULT now();
ALTER TABLE consent ADD COLUMN signal_at timestamptz;
ALTER TABLE consent ADD COLUMN state text NOT NULL
    GENERATED ALWAYS AS (coalesce(stated, CASE WHEN signal_at IS NOT NULL THEN 'denied' ELSE 'unknown' END)) STORED;

COMMENT ON TABLE consent IS 'A person''s consent for a channel; no row: unknown. Both halves of a row merge in any order: the newest statement, the oldest signal.';
COMMENT ON COLUMN consent.stated IS 'granted or denied; null: nothing was stated, or (with stated_at) it was taken back.';
COMMENT ON COLUMN consent.stated_at IS 'When: the ts of the identify call, or the instant of the API call.';
COMMENT ON COLUMN consent.signal_at IS 'Since when the browser opts out (Sec-GPC, DNT); null: it never did. Counts where nothing is stated.';
COMMENT ON COLUMN consent.state IS 'What holds: granted, denied or unknown.';
