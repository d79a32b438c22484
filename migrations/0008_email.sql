-- People known by an email address only (docs/identity.md). identity.kind has had 'email' from the beginning.

ALTER TABLE profile ADD COLUMN email text;
COMMENT ON COLUMN profile.email IS 'Of a person without user_id and anonymous_id: the address, trimmed and in lower case, it was first seen with. Of the three each row has one.';

ALTER TABLE change ADD COLUMN email text;
COMMENT ON COLUMN change.email IS 'As user_id and anonymous_id: what the profile was known by.';
