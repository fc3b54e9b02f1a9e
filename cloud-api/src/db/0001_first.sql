-- Times are milliseconds since 1970 (UTC) in columns named *_ms; flags are 0 or 1; energy is Wh.
-- BLOB becomes BYTEA on PostgreSQL, everything else stands as it is.

CREATE TABLE organisations (
  id            TEXT   NOT NULL PRIMARY KEY,
  name          TEXT   NOT NULL,
  tier          TEXT   NOT NULL,  -- free, pro, enterprise
  hourly_limit  BIGINT,           -- only enterprise; NULL: the tier's
  time_zone     TEXT   NOT NULL,  -- IANA name
  sandbox       BIGINT NOT NULL,
  created_at_ms BIGINT NOT NULL
);

CREATE TABLE users (
  id              TEXT   NOT NULL PRIMARY KEY,
  organisation_id TEXT   NOT NULL REFERENCES organisations(id),
  email           TEXT   NOT NULL,
  name            TEXT   NOT NULL,
  role            TEXT   NOT NULL,  -- owner, admin, member, billing
  created_at_ms   BIGINT NOT NULL,
  UNIQUE (organisation_id, email)
);
CREATE UNIQUE INDEX users_one_owner ON users (organisation_id) WHERE role = 'owner';

CREATE TABLE api_keys (
  id              TEXT   NOT NULL PRIMARY KEY,
  organisation_id TEXT   NOT NULL REFERENCES organisations(id),
  name            TEXT   NOT NULL,
  hash            BLOB   NOT NULL UNIQUE,
  scopes          TEXT   NOT NULL,  -- JSON array
  created_by      TEXT   NOT NULL,  -- id of the key or user that made it, or `admin`
  created_at_ms   BIGINT NOT NULL,
  last_used_at_ms BIGINT,
  expires_at_ms   BIGINT,
  revoked_at_ms   BIGINT
);
CREATE UNIQUE INDEX api_keys_name ON api_keys (organisation_id, name) WHERE revoked_at_ms IS NULL;

-- Requests of one UTC clock hour (hours since 1970) that a running server has set aside for a key.
CREATE TABLE key_quota (
  key_id   TEXT   NOT NULL PRIMARY KEY REFERENCES api_keys(id),
  hour     BIGINT NOT NULL,
  reserved BIGINT NOT NULL
);

CREATE TABLE idempotency (
  organisation_id TEXT   NOT NULL REFERENCES organisations(id),
  idempotency_key TEXT   NOT NULL,
  request         TEXT   NOT NULL,  -- method and path
  body_hash       BLOB   NOT NULL,
  created_id      TEXT   NOT NULL,
  expires_at_ms   BIGINT NOT NULL,
  PRIMARY KEY (organisation_id, idempotency_key)
);
CREATE INDEX idempotency_expiry ON idempotency (expires_at_ms);

CREATE TABLE installers (
  id            TEXT   NOT NULL PRIMARY KEY,
  email         TEXT   NOT NULL UNIQUE,  -- lower case
  full_name     TEXT   NOT NULL,
  password_hash TEXT   NOT NULL,  -- argon2id, PHC string
  created_at_ms BIGINT NOT NULL
);

CREATE TABLE sites (
  id              TEXT   NOT NULL PRIMARY KEY,
  organisation_id TEXT   NOT NULL REFERENCES organisations(id),
  name            TEXT   NOT NULL,
  address         TEXT,
  max_power_w     BIGINT NOT NULL,
  created_at_ms   BIGINT NOT NULL
);
CREATE INDEX sites_organisation ON sites (organisation_id);

CREATE TABLE gateways (
  id              TEXT   NOT NULL PRIMARY KEY,
  site_id         TEXT   NOT NULL REFERENCES sites(id),
  name            TEXT   NOT NULL,
  credential_hash BLOB   NOT NULL,  -- keyed hash
  mosquitto_hash  TEXT   NOT NULL,  -- $7$ line of Mosquitto's password file
  created_at_ms   BIGINT NOT NULL,
  revoked_at_ms   BIGINT
);
CREATE INDEX gateways_site ON gateways (site_id);

CREATE TABLE charge_points (
  id               TEXT   NOT NULL PRIMARY KEY,
  organisation_id  TEXT   NOT NULL REFERENCES organisations(id),
  site_id          TEXT   NOT NULL REFERENCES sites(id),
  gateway_id       TEXT   NOT NULL REFERENCES gateways(id),
  vendor           TEXT   NOT NULL,
  model            TEXT   NOT NULL,
  registered_at_ms BIGINT NOT NULL
);
CREATE INDEX charge_points_organisation ON charge_points (organisation_id);
CREATE INDEX charge_points_gateway ON charge_points (gateway_id);

CREATE TABLE connectors (
  charge_point_id TEXT   NOT NULL REFERENCES charge_points(id),
  connector_id    BIGINT NOT NULL,
  type            TEXT   NOT NULL,
  max_power_w     BIGINT NOT NULL,
  status          TEXT   NOT NULL,
  status_at_ms    BIGINT,           -- NULL: not told yet
  error_code      BIGINT,
  operative       BIGINT NOT NULL,
  serial          TEXT,
  firmware        TEXT,
  fault           TEXT,             -- why its device is unreachable; NULL: it answers
  present         BIGINT NOT NULL,  -- 0: no longer announced
  PRIMARY KEY (charge_point_id, connector_id)
);

-- Charge points that a gateway announced and may not speak for.
CREATE TABLE refused_charge_points (
  gateway_id      TEXT   NOT NULL REFERENCES gateways(id),
  charge_point_id TEXT   NOT NULL,
  reason          TEXT   NOT NULL,
  announcement    TEXT   NOT NULL,  -- JSON as announced: it is registered from this once it may be
  at_ms           BIGINT NOT NULL,
  PRIMARY KEY (gateway_id, charge_point_id)
);

-- Highest contiguous sequence stored of each journal.
CREATE TABLE ingest_marks (
  gateway_id TEXT   NOT NULL REFERENCES gateways(id),
  journal_id TEXT   NOT NULL,
  sequence   BIGINT NOT NULL,
  unread     BIGINT NOT NULL,  -- facts that this server could not read
  PRIMARY KEY (gateway_id, journal_id)
);

-- Facts that this server could not read (a newer gateway's), as they came; bounded per gateway.
CREATE TABLE unread_facts (
  gateway_id TEXT   NOT NULL REFERENCES gateways(id),
  journal_id TEXT   NOT NULL,
  sequence   BIGINT NOT NULL,
  reason     TEXT   NOT NULL,
  fact       TEXT   NOT NULL,  -- JSON
  PRIMARY KEY (gateway_id, journal_id, sequence)
);

CREATE TABLE sessions (
  id              TEXT   NOT NULL PRIMARY KEY,
  organisation_id TEXT   NOT NULL REFERENCES organisations(id),
  site_id         TEXT   NOT NULL REFERENCES sites(id),
  gateway_id      TEXT   NOT NULL REFERENCES gateways(id),
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
CREATE INDEX sessions_organisation ON sessions (organisation_id, started_at_ms);
CREATE INDEX sessions_running ON sessions (organisation_id) WHERE ended_at_ms IS NULL;
CREATE INDEX sessions_ended ON sessions (ended_at_ms);

-- Connector's monotone register at start, at quarter hours, and at the end of a session.
-- `boot` is set while the gateway's wall time was not known to be right; a correction of that
-- boot's clock moves the time and clears it.
CREATE TABLE session_readings (
  session_id TEXT   NOT NULL REFERENCES sessions(id),
  kind       TEXT   NOT NULL,  -- start, quarter_hour, end
  at_ms      BIGINT NOT NULL,
  meter_wh   BIGINT NOT NULL,
  boot       TEXT
);
CREATE INDEX session_readings_session ON session_readings (session_id, meter_wh);
CREATE INDEX session_readings_unsure ON session_readings (boot) WHERE boot IS NOT NULL;

-- Energy that flowed through a connector without a session.
CREATE TABLE unattributed_energy (
  charge_point_id TEXT   NOT NULL REFERENCES charge_points(id),
  connector_id    BIGINT NOT NULL,
  at_ms           BIGINT NOT NULL,
  from_wh         BIGINT NOT NULL,
  to_wh           BIGINT NOT NULL
);
CREATE INDEX unattributed_energy_charge_point ON unattributed_energy (charge_point_id, at_ms);
