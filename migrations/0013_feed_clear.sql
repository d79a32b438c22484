-- A feed of one segment begins with the question which segments have had its key: those that a clear tells of are few among millions of changes.
CREATE INDEX change_clear_idx ON change (segment_key) WHERE op = 'clear';
