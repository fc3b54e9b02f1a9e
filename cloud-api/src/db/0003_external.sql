-- A charge point behind a gateway may have somebody else's central system: that one alone authorises,
-- commands and bills. A session keeps whose it was when it began.

ALTER TABLE charge_points ADD COLUMN external BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN managed_by TEXT;  -- 'external'; NULL: us
