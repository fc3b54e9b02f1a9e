-- Who must show a certificate, what threatened the security of charge points, and what orders about
-- availability wait for.

ALTER TABLE charge_points ADD COLUMN certificate_required BIGINT NOT NULL DEFAULT 0;

-- The latest of each charge point and each source are kept.
CREATE TABLE security_events (
  id              TEXT   NOT NULL PRIMARY KEY,
  charge_point_id TEXT   NOT NULL REFERENCES charge_points(id),
  source          TEXT   NOT NULL,  -- charge_point | central_system: who noticed it
  kind            TEXT   NOT NULL,  -- as the security whitepaper names it
  at_ms           BIGINT NOT NULL,  -- when it happened, as it was told
  received_at_ms  BIGINT NOT NULL,
  info            TEXT
);
CREATE INDEX security_events_latest ON security_events (charge_point_id, source, id);

-- What a ChangeAvailability asks for: 1 operative, 0 inoperative; NULL: it is none.
ALTER TABLE commands ADD COLUMN operative BIGINT;
