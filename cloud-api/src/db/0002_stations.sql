-- Charge points that connect to us themselves, who may charge, transactions, commands, reservations.

CREATE TABLE new_charge_points (
  id               TEXT   NOT NULL PRIMARY KEY,
  organisation_id  TEXT   NOT NULL REFERENCES organisations(id),
  site_id          TEXT   REFERENCES sites(id),     -- NULL: assigned to no site yet
  gateway_id       TEXT   REFERENCES gateways(id),  -- NULL: it connects to us itself
  vendor           TEXT   NOT NULL,
  model            TEXT   NOT NULL,
  serial           TEXT,
  firmware         TEXT,             -- as it told itself
  credential_hash  BLOB,             -- keyed hash of its provisioning password
  path_token_hash  BLOB,             -- keyed hash of its path token (security profile 0)
  diagnostics_status TEXT,           -- as it told itself
  firmware_status  TEXT,             -- as it told itself
  registered_at_ms BIGINT NOT NULL,
  updated_at_ms    BIGINT NOT NULL,
  booted_at_ms     BIGINT,
  deleted_at_ms    BIGINT            -- its sessions stay, and its id stays its organisation's
);
INSERT INTO new_charge_points
  (id, organisation_id, site_id, gateway_id, vendor, model, registered_at_ms, updated_at_ms)
  SELECT id, organisation_id, site_id, gateway_id, vendor, model, registered_at_ms, registered_at_ms
  FROM charge_points;
DROP TABLE charge_points;
ALTER TABLE new_charge_points RENAME TO charge_points;
CREATE INDEX charge_points_organisation ON charge_points (organisation_id, id);
CREATE INDEX charge_points_gateway ON charge_points (gateway_id);

CREATE TABLE new_sessions (
  id              TEXT   NOT NULL PRIMARY KEY,
  organisation_id TEXT   NOT NULL REFERENCES organisations(id),
  site_id         TEXT   REFERENCES sites(id),
  gateway_id      TEXT   REFERENCES gateways(id),   -- NULL: its charge point told it itself
  charge_point_id TEXT   NOT NULL REFERENCES charge_points(id),
  connector_id    BIGINT NOT NULL,
  id_tag          TEXT   NOT NULL,
  energy_source   TEXT   NOT NULL,
  billing_grade   BIGINT NOT NULL,
  started_at_ms   BIGINT NOT NULL,
  meter_start_wh  BIGINT NOT NULL,
  ended_at_ms     BIGINT,
  meter_stop_wh   BIGINT,
  stop_reason     TEXT,
  -- bounds of an end that was not observed
  end_not_before_ms BIGINT,
  end_not_after_ms  BIGINT
);
INSERT INTO new_sessions
  (id, organisation_id, site_id, gateway_id, charge_point_id, connector_id, id_tag, energy_source,
   billing_grade, started_at_ms, meter_start_wh, ended_at_ms, meter_stop_wh, stop_reason,
   end_not_before_ms, end_not_after_ms)
  SELECT id, organisation_id, site_id, gateway_id, charge_point_id, connector_id, id_tag,
         energy_source, billing_grade, started_at_ms, meter_start_wh, ended_at_ms, meter_stop_wh,
         stop_reason, end_not_before_ms, end_not_after_ms
  FROM sessions;
DROP TABLE sessions;
ALTER TABLE new_sessions RENAME TO sessions;
CREATE INDEX sessions_organisation ON sessions (organisation_id, started_at_ms, id);
CREATE INDEX sessions_running ON sessions (organisation_id) WHERE ended_at_ms IS NULL;
CREATE INDEX sessions_charge_point ON sessions (charge_point_id, started_at_ms);
CREATE INDEX sessions_ended ON sessions (ended_at_ms);

-- What the answer to a POST was; NULL while it is being made, and for ever if it holds a secret.
ALTER TABLE idempotency ADD COLUMN status BIGINT;
ALTER TABLE idempotency ADD COLUMN answer BLOB;

-- Who may charge. A tag is one tag whatever the case of its letters (OCPP 1.6, IdToken).
CREATE TABLE id_tokens (
  id              TEXT   NOT NULL PRIMARY KEY,
  organisation_id TEXT   NOT NULL REFERENCES organisations(id),
  id_tag          TEXT   NOT NULL,
  folded          TEXT   NOT NULL,  -- the tag in lower case
  type            TEXT   NOT NULL,  -- RFID, app
  status          TEXT   NOT NULL,  -- accepted, blocked, expired, invalid
  expires_at_ms   BIGINT,
  parent          TEXT,
  user_id         TEXT,
  group_name      TEXT,
  created_at_ms   BIGINT NOT NULL,
  updated_at_ms   BIGINT NOT NULL,
  UNIQUE (organisation_id, folded)
);
CREATE INDEX id_tokens_organisation ON id_tokens (organisation_id, id);

-- Transactions as OCPP has them. `session_id` is the session that it is, where we know it.
CREATE TABLE transactions (
  charge_point_id TEXT   NOT NULL REFERENCES charge_points(id),
  transaction_id  TEXT   NOT NULL,  -- OCPP 1.6: 31 random bits in decimal
  connector_id    BIGINT NOT NULL,
  id_tag          TEXT   NOT NULL,
  folded          TEXT   NOT NULL,
  meter_start_wh  BIGINT NOT NULL,
  started_at_ms   BIGINT NOT NULL,
  received_at_ms  BIGINT NOT NULL,
  offline         BIGINT NOT NULL,  -- it began while the charge point was not connected
  session_id      TEXT,
  ended_at_ms     BIGINT,
  meter_stop_wh   BIGINT,
  stop_reason     TEXT,
  PRIMARY KEY (charge_point_id, transaction_id)
);
-- A start that is sent again gets the same id.
CREATE UNIQUE INDEX transactions_start
  ON transactions (charge_point_id, connector_id, folded, meter_start_wh, started_at_ms);
CREATE INDEX transactions_open ON transactions (charge_point_id, connector_id) WHERE ended_at_ms IS NULL;
CREATE INDEX transactions_token ON transactions (folded) WHERE ended_at_ms IS NULL;
CREATE INDEX transactions_unlinked ON transactions (charge_point_id) WHERE session_id IS NULL;
CREATE INDEX transactions_session ON transactions (session_id);

-- Stops of transactions that nobody began here; the latest of each charge point are kept.
CREATE TABLE orphan_stops (
  charge_point_id TEXT   NOT NULL REFERENCES charge_points(id),
  transaction_id  TEXT   NOT NULL,
  at_ms           BIGINT NOT NULL,
  meter_stop_wh   BIGINT NOT NULL,
  id_tag          TEXT,
  stop_reason     TEXT   NOT NULL,
  received_at_ms  BIGINT NOT NULL,
  PRIMARY KEY (charge_point_id, transaction_id, at_ms)
);

CREATE TABLE commands (
  id              TEXT   NOT NULL PRIMARY KEY,  -- also the id of its OCPP message
  organisation_id TEXT   NOT NULL REFERENCES organisations(id),
  charge_point_id TEXT   NOT NULL REFERENCES charge_points(id),
  command         TEXT   NOT NULL,
  action          TEXT   NOT NULL,  -- of OCPP
  parameters      TEXT   NOT NULL,  -- JSON object
  created_by      TEXT   NOT NULL,  -- id of the key
  timeout_s       BIGINT NOT NULL,
  queued_at_ms    BIGINT NOT NULL,
  sent_at_ms      BIGINT,
  answered_at_ms  BIGINT,
  state           TEXT   NOT NULL,  -- queued, sent, accepted, rejected, timed_out, failed
  response        TEXT,             -- JSON object
  error           TEXT,
  request_frame   TEXT,
  response_frame  TEXT,
  -- what its completion is recognised by
  connector_id    BIGINT,
  folded          TEXT,
  transaction_id  TEXT,
  completed_at_ms BIGINT,
  session_id      TEXT              -- that a start led to, or that a stop ended
);
CREATE INDEX commands_organisation ON commands (organisation_id, id);
-- Commands whose transaction is known and whose session is not yet.
CREATE INDEX commands_unlinked ON commands (charge_point_id)
  WHERE session_id IS NULL AND transaction_id IS NOT NULL;
CREATE INDEX commands_open ON commands (charge_point_id, command) WHERE completed_at_ms IS NULL;

CREATE TABLE reservations (
  id              TEXT   NOT NULL PRIMARY KEY,
  organisation_id TEXT   NOT NULL REFERENCES organisations(id),
  charge_point_id TEXT   NOT NULL REFERENCES charge_points(id),
  connector_id    BIGINT NOT NULL,
  number          BIGINT NOT NULL,  -- OCPP's reservationId
  id_tag          TEXT   NOT NULL,
  folded          TEXT   NOT NULL,
  expires_at_ms   BIGINT NOT NULL,
  state           TEXT   NOT NULL,
  created_at_ms   BIGINT NOT NULL,
  updated_at_ms   BIGINT NOT NULL,
  UNIQUE (charge_point_id, number)
);
CREATE INDEX reservations_organisation ON reservations (organisation_id, id);

-- Raw frames of each charge point's socket; the latest are kept.
CREATE TABLE frames (
  id              TEXT   NOT NULL PRIMARY KEY,
  charge_point_id TEXT   NOT NULL,
  at_ms           BIGINT NOT NULL,
  direction       TEXT   NOT NULL,  -- in, out
  kind            TEXT   NOT NULL,  -- call, result, error, unreadable
  message_id      TEXT,
  action          TEXT,
  bytes           BIGINT NOT NULL,
  frame           TEXT   NOT NULL,  -- its beginning, where it is long
  latency_ms      BIGINT,           -- from the call to its answer
  validity        TEXT   NOT NULL   -- valid, or what is wrong with it
);
CREATE INDEX frames_charge_point ON frames (charge_point_id, id);
