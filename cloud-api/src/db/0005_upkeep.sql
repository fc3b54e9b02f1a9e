-- What each charge point can do, and which local list it holds; and how far commands got afterwards.

-- Grows with each change of one of an organisation's tokens. Deletions up to `floor` are forgotten.
CREATE TABLE token_versions (
  organisation_id TEXT   NOT NULL PRIMARY KEY REFERENCES organisations(id),
  version         BIGINT NOT NULL,
  floor           BIGINT NOT NULL
);
INSERT INTO token_versions (organisation_id, version, floor)
  SELECT organisation_id, 1, 0 FROM id_tokens GROUP BY organisation_id;
-- The version with which a token was changed last.
ALTER TABLE id_tokens ADD COLUMN version BIGINT NOT NULL DEFAULT 1;
CREATE INDEX id_tokens_version ON id_tokens (organisation_id, version);
-- Tags that are no token any more; the latest of each organisation are kept.
CREATE TABLE deleted_tags (
  organisation_id TEXT   NOT NULL REFERENCES organisations(id),
  folded          TEXT   NOT NULL,
  id_tag          TEXT   NOT NULL,
  version         BIGINT NOT NULL,
  PRIMARY KEY (organisation_id, folded)
);
CREATE INDEX deleted_tags_version ON deleted_tags (organisation_id, version);

-- What a charge point told of its configuration; asked once for each of its boots.
CREATE TABLE abilities (
  charge_point_id TEXT   NOT NULL PRIMARY KEY REFERENCES charge_points(id),
  asked_at_ms     BIGINT NOT NULL,
  answered        BIGINT NOT NULL,
  list_max        BIGINT NOT NULL,  -- entries of its local list; 0: it keeps none
  list_batch      BIGINT NOT NULL,  -- entries of one message
  rate_units      TEXT,             -- ChargingScheduleAllowedChargingRateUnit
  phase_rotation  TEXT              -- ConnectorPhaseRotation
);

-- The local list that a charge point holds.
CREATE TABLE local_lists (
  charge_point_id TEXT   NOT NULL PRIMARY KEY REFERENCES charge_points(id),
  list_version    BIGINT,           -- that it confirmed; NULL: not known
  token_version   BIGINT,           -- of the tokens that it was made from; NULL: it is not known to be whole
  whole           BIGINT NOT NULL,  -- all tokens fitted
  by_client       BIGINT NOT NULL,  -- somebody sent a list of his own, which stays
  not_before_ms   BIGINT NOT NULL   -- it refused; it is not tried again before
);

-- How far a charge point told it is with an order that it accepted: lines of `ms status`; and when it
-- told that it failed.
ALTER TABLE commands ADD COLUMN progress TEXT;
ALTER TABLE commands ADD COLUMN failed_at_ms BIGINT;

-- When something was heard last of a charge point that connects itself, to the minute.
ALTER TABLE charge_points ADD COLUMN heard_at_ms BIGINT;
