-- Keyed hashes of passwords that charge points were told to use and were not seen to use yet.
CREATE TABLE expected_passwords (
  charge_point_id TEXT   NOT NULL REFERENCES charge_points(id),
  place           BIGINT NOT NULL,
  hash            BLOB   NOT NULL,
  PRIMARY KEY (charge_point_id, place)
);
