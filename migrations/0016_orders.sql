-- An order counts once: a shop's webhook and the page after the purchase may both report it, as different messages (db/order.c).
-- Nothing is filled in here from orders that are stored already: that would read every event, while nobody can send any.

CREATE FUNCTION order_hash(order_id jsonb) RETURNS uuid
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN encode(substr(sha256(convert_to(
    CASE jsonb_typeof(order_id) WHEN 'number' THEN trim_scale(order_id::numeric)::text ELSE value_text(order_id) END, 'UTF8')), 1, 16), 'hex')::uuid;
COMMENT ON FUNCTION order_hash IS 'First 16 bytes of SHA-256 of an order id''s text; of a number without zeros at its end: 1001, 1001.0 and "1001" are one.';

CREATE TABLE order_seen (
    profile_id  uuid NOT NULL,
    order_hash  uuid NOT NULL,
    name_id     integer NOT NULL,
    ts          timestamptz NOT NULL,
    message_id  uuid NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (profile_id, order_hash)
);
COMMENT ON TABLE order_seen IS 'Each order of each person, once: its key decides which report of an order is stored. Kept for good, as odd_message is, also when its event is too old to count.';
COMMENT ON COLUMN order_seen.order_hash IS 'order_hash(properties.order_id).';
COMMENT ON COLUMN order_seen.name_id IS 'With ts and message_id: the event that is stored for it, the one received first.';

ALTER TABLE odd_message ADD COLUMN repeated boolean NOT NULL DEFAULT false;
CREATE INDEX odd_message_repeated_idx ON odd_message (raw_id) WHERE repeated;
COMMENT ON TABLE odd_message IS 'Messages that no event with the client''s own timestamp stands for (it was missing, shifted or clamped, or the order was reported before): a retry is found here.';
COMMENT ON COLUMN odd_message.repeated IS 'It reports an order that another message has reported, and is stored nowhere else. The index is for erasing it with its person.';
