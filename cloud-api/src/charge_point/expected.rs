//! Passwords that a charge point was told to use and was not seen to use yet (`AuthorizationKey`). What
//! it used before holds until it comes with one of these: whether it took one may never be known.

use site_model::ChargePointId;

use crate::db::{Db, DbError, Statement};

/// So many may be on their way to one charge point; one that may be text or digits counts twice.
pub(super) const EXPECTED_MAX: i64 = 8;

/// Notes one more; `false`: too many are noted.
pub(super) async fn add(db: &Db, id: &ChargePointId, hash: [u8; 32]) -> Result<bool, DbError> {
    let sql = "INSERT INTO expected_passwords (charge_point_id, place, hash)
               SELECT $1, COALESCE(MAX(place), 0) + 1, $2 FROM expected_passwords
               WHERE charge_point_id = $1 HAVING COUNT(*) < $3";
    let values = vec![id.as_str().into(), hash.into(), EXPECTED_MAX.into()];
    Ok(db.write(sql, values).await?.changed == 1)
}

/// The charge point does not take this one.
pub(super) async fn remove(db: &Db, id: &ChargePointId, hash: [u8; 32]) -> Result<(), DbError> {
    let sql = "DELETE FROM expected_passwords WHERE charge_point_id = $1 AND hash = $2";
    let values = vec![id.as_str().into(), hash.into()];
    db.write(sql, values).await.map(|_done| ())
}

/// The charge point uses this one, if it is expected: what it used before is dead, and so is what it was
/// told earlier. Whether it is.
pub(super) async fn is_used(db: &Db, id: &ChargePointId, hash: [u8; 32]) -> Result<bool, DbError> {
    let sql = "SELECT place FROM expected_passwords
               WHERE charge_point_id = $1 AND hash = $2 ORDER BY place DESC LIMIT 1";
    let values = vec![id.as_str().into(), hash.into()];
    let rows = db.query(sql, values).await?;
    let Some(row) = rows.first() else {
        return Ok(false);
    };
    let place = row.int("place")?;
    let holds = Statement::new(
        "UPDATE charge_points SET credential_hash = $2 WHERE id = $1",
        vec![id.as_str().into(), hash.into()],
    );
    let dead = Statement::new(
        "DELETE FROM expected_passwords WHERE charge_point_id = $1 AND place <= $2",
        vec![id.as_str().into(), place.into()],
    );
    db.transaction(vec![holds.expecting(1), dead]).await?;
    Ok(true)
}

/// Nothing is expected any more.
pub(super) fn forget(id: &ChargePointId) -> Statement {
    Statement::new(
        "DELETE FROM expected_passwords WHERE charge_point_id = $1",
        vec![id.as_str().into()],
    )
}
