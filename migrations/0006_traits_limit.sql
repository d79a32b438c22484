-- Anybody who has the public write key may set traits. Without a limit, a megabyte on the wire makes a profile that takes a second to
-- change and more memory to merge than there is. A value that an UPDATE leaves as it is counts with its compressed size.

ALTER TABLE profile ADD CONSTRAINT profile_traits_check CHECK (pg_column_size(traits) <= 1048576) NOT VALID;
COMMENT ON CONSTRAINT profile_traits_check ON profile IS 'A message that would break it is rejected (traits_too_large).';
