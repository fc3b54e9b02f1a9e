-- What gateways told of journals that were damaged: facts that are missing are billing data that no
-- other row here can tell of.
CREATE TABLE salvaged_journals (
  gateway_id         TEXT   NOT NULL REFERENCES gateways(id),
  at_ms              BIGINT NOT NULL,
  damaged_journal_id TEXT,             -- absent where the file did not tell it any more
  carried_facts      BIGINT NOT NULL,
  lost_facts         BIGINT NOT NULL,  -- known to be missing
  problem            TEXT   NOT NULL,
  PRIMARY KEY (gateway_id, at_ms)
);
