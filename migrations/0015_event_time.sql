-- The index on time alone is for those who ask by time alone, and says so by its form: a condition on ts finds only the unique key. With an index on ts itself,
-- a statement about one person, planned while a partition was empty but vacuumed, walked that of all people once the partition was full: 1 ms an evaluation
-- instead of 8 µs, until the next ANALYZE.

DROP INDEX event_ts_idx;
CREATE INDEX event_time_idx ON event ((ts AT TIME ZONE 'UTC'));
