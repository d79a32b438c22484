-- How large segments were, and how many entered and left. It is the feed, counted: rows are made from it by the worker, some time after the ticks that wrote it.

CREATE TABLE segment_size (
    segment_id integer NOT NULL,
    at         timestamptz NOT NULL,
    grain      smallint NOT NULL DEFAULT 0,
    size       bigint NOT NULL,
    identified bigint,
    entered    bigint,
    left_count bigint,
    computed   boolean NOT NULL DEFAULT false,
    PRIMARY KEY (segment_id, at)
);
CREATE INDEX segment_size_grain_idx ON segment_size (grain, at);
COMMENT ON TABLE segment_size IS 'History: one row for each minute, hour or day in which a segment changed; written by the worker only.';
COMMENT ON COLUMN segment_size.at IS 'The period''s beginning; size is that at its end.';
COMMENT ON COLUMN segment_size.grain IS 'The period: 0 minute, 1 hour (after 2 days), 2 day (after 90 days), in UTC.';
COMMENT ON COLUMN segment_size.computed IS 'From before the segment was built: its size by an evaluation at that instant, perhaps of a sample; who entered and left is not known.';

CREATE TABLE segment_size_mark (
    one bool PRIMARY KEY DEFAULT true CHECK (one),
    seq bigint NOT NULL DEFAULT 0
);
INSERT INTO segment_size_mark DEFAULT VALUES;
COMMENT ON TABLE segment_size_mark IS 'Changes up to this seq are counted in segment_size.';

CREATE VIEW segment_size_news AS
SELECT segment_id, at,
    size - coalesce(sum(entered - left_count) OVER later, 0)::bigint AS size,
    identified - coalesce(sum(moved) OVER later, 0)::bigint AS identified,
    entered, left_count
FROM (SELECT c.segment_id, date_trunc('minute', c.at) AS at,
          count(*) FILTER (WHERE op = 'enter') AS entered,
          count(*) FILTER (WHERE op = 'exit') AS left_count,
          count(user_id) FILTER (WHERE op = 'enter') - count(user_id) FILTER (WHERE op = 'exit') AS moved
      FROM change c WHERE c.seq > (SELECT seq FROM segment_size_mark) GROUP BY 1, 2) n
JOIN (SELECT s.segment_id, v.size, v.identified FROM segment s JOIN segment_version v ON v.version_id = s.serving_version_id
      WHERE s.deleted_at IS NULL) now USING (segment_id)
WINDOW later AS (PARTITION BY segment_id ORDER BY at DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING);
COMMENT ON VIEW segment_size_news IS 'What is not counted yet, as rows for segment_size: sizes go back from the present one.';

ALTER TABLE segment ADD backfilled_at timestamptz;
COMMENT ON COLUMN segment.backfilled_at IS 'When the history from before it was computed; null: still to be done.';
CREATE INDEX segment_backfill_idx ON segment (segment_id) WHERE backfilled_at IS NULL AND deleted_at IS NULL;
