//! Charge points in the database.

use jiff::Timestamp;
use site_model::{ChargePointId, ConnectorStatus, GatewayId};

use super::{
    Admitted, CHARGE_POINTS_MAX, ChargePoint, ChargePointChange, ChargePointError, NewChargePoint,
    expected,
};
use crate::db::{Db, DbError, Row, Statement};
use crate::fleet::damaged;
use crate::id::{OrganisationId, SiteId};

/// Keyed hashes of what a charge point shows.
pub(super) struct Hashes {
    pub(super) password: [u8; 32],
    pub(super) path_token: Option<[u8; 32]>,
}

/// What a charge point must show, as hashes.
pub(super) struct Kept {
    pub(super) admitted: Admitted,
    pub(super) password: Option<Vec<u8>>,
    pub(super) path_token: Option<Vec<u8>>,
    /// That of its gateway, unless it was revoked.
    pub(super) gateway_password: Option<Vec<u8>>,
    pub(super) organisation_name: String,
    pub(super) certificate_required: bool,
}

impl Kept {
    /// Its gateway was revoked.
    pub(super) fn is_shut_out(&self) -> bool {
        self.admitted.gateway.is_some() && self.gateway_password.is_none()
    }
}

pub(super) async fn register(
    db: &Db,
    id: &ChargePointId,
    new: &NewChargePoint,
    hashes: &Hashes,
    now: Timestamp,
) -> Result<(), ChargePointError> {
    let organisation = new.organisation.as_str();
    let bound = Statement::new(
        "UPDATE organisations SET name = name WHERE id = $1 AND
         (SELECT COUNT(*) FROM charge_points WHERE organisation_id = $1 AND deleted_at_ms IS NULL) < $2",
        vec![organisation.into(), CHARGE_POINTS_MAX.into()],
    );
    // Changes no row if the id is anybody's that was not deleted by its own organisation.
    let insert = Statement::new(
        "INSERT INTO charge_points
           (id, organisation_id, site_id, gateway_id, vendor, model, serial, credential_hash,
            path_token_hash, registered_at_ms, updated_at_ms, certificate_required)
         VALUES ($1, $2, $3, NULL, $4, $5, $6, $7, $8, $9, $9, $10)
         ON CONFLICT (id) DO UPDATE SET
           site_id = excluded.site_id, gateway_id = NULL, vendor = excluded.vendor,
           model = excluded.model, serial = excluded.serial,
           credential_hash = excluded.credential_hash, path_token_hash = excluded.path_token_hash,
           registered_at_ms = excluded.registered_at_ms, updated_at_ms = excluded.updated_at_ms,
           certificate_required = excluded.certificate_required,
           firmware = NULL, booted_at_ms = NULL, deleted_at_ms = NULL
         WHERE charge_points.organisation_id = $2 AND charge_points.deleted_at_ms IS NOT NULL",
        vec![
            id.as_str().into(),
            organisation.into(),
            new.site.as_ref().map(SiteId::as_str).into(),
            new.vendor.as_str().into(),
            new.model.as_str().into(),
            new.serial.as_deref().into(),
            hashes.password.into(),
            hashes.path_token.into(),
            now.as_millisecond().into(),
            new.certificate_required.into(),
        ],
    );
    let mut statements = vec![
        bound.expecting(1),
        insert.expecting(1),
        expected::forget(id),
    ];
    statements.push(Statement::new(
        "UPDATE connectors SET present = 0 WHERE charge_point_id = $1",
        vec![id.as_str().into()],
    ));
    for connector in &new.connectors {
        statements.push(Statement::new(
            "INSERT INTO connectors
               (charge_point_id, connector_id, type, max_power_w, status, operative, present)
             VALUES ($1, $2, $3, $4, $5, 1, 1)
             ON CONFLICT (charge_point_id, connector_id) DO UPDATE SET
               type = excluded.type, max_power_w = excluded.max_power_w, status = excluded.status,
               status_at_ms = NULL, present = 1",
            vec![
                id.as_str().into(),
                connector.connector.get().into(),
                connector.kind.as_str().into(),
                connector.max_power.0.into(),
                ConnectorStatus::Unavailable.as_str().into(),
            ],
        ));
    }
    match db.transaction(statements).await {
        Ok(_) => Ok(()),
        Err(DbError::Conflict { statement: 0, .. }) => Err(ChargePointError::TooMany),
        Err(DbError::Conflict { statement: 1, .. }) => Err(ChargePointError::Taken),
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn set_password(
    db: &Db,
    organisation: &OrganisationId,
    id: &ChargePointId,
    hash: [u8; 32],
    now: Timestamp,
) -> Result<(), ChargePointError> {
    let sql = "UPDATE charge_points SET credential_hash = $3, updated_at_ms = $4
               WHERE id = $1 AND organisation_id = $2 AND deleted_at_ms IS NULL";
    let values = vec![
        id.as_str().into(),
        organisation.as_str().into(),
        hash.into(),
        now.as_millisecond().into(),
    ];
    let set = Statement::new(sql, values).expecting(1);
    match db.transaction(vec![set, expected::forget(id)]).await {
        Ok(_) => Ok(()),
        Err(DbError::Conflict { .. }) => Err(ChargePointError::Unknown),
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn change(
    db: &Db,
    organisation: &OrganisationId,
    id: &ChargePointId,
    change: &ChargePointChange,
    now: Timestamp,
) -> Result<(), ChargePointError> {
    let sql = "UPDATE charge_points SET site_id = $3, vendor = $4, model = $5, serial = $6,
                 updated_at_ms = $7, certificate_required = $8
               WHERE id = $1 AND organisation_id = $2 AND deleted_at_ms IS NULL";
    let values = vec![
        id.as_str().into(),
        organisation.as_str().into(),
        change.site.as_ref().map(SiteId::as_str).into(),
        change.vendor.as_str().into(),
        change.model.as_str().into(),
        change.serial.as_deref().into(),
        now.as_millisecond().into(),
        change.certificate_required.into(),
    ];
    changed_one(db.write(sql, values).await?.changed)
}

pub(super) async fn delete(
    db: &Db,
    organisation: &OrganisationId,
    id: &ChargePointId,
    now: Timestamp,
) -> Result<(), ChargePointError> {
    let idle = Statement::new(
        "UPDATE charge_points SET id = id WHERE id = $1 AND NOT EXISTS
         (SELECT 1 FROM sessions WHERE charge_point_id = $1 AND ended_at_ms IS NULL)",
        vec![id.as_str().into()],
    );
    let delete = Statement::new(
        "UPDATE charge_points SET deleted_at_ms = $3, updated_at_ms = $3, credential_hash = NULL,
           path_token_hash = NULL
         WHERE id = $1 AND organisation_id = $2 AND deleted_at_ms IS NULL",
        vec![
            id.as_str().into(),
            organisation.as_str().into(),
            now.as_millisecond().into(),
        ],
    );
    match db
        .transaction(vec![
            idle.expecting(1),
            delete.expecting(1),
            expected::forget(id),
        ])
        .await
    {
        Ok(_) => Ok(()),
        Err(DbError::Conflict { statement: 0, .. }) => Err(ChargePointError::Charging),
        Err(DbError::Conflict { .. }) => Err(ChargePointError::Unknown),
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn find(db: &Db, id: &ChargePointId) -> Result<Option<ChargePoint>, DbError> {
    let sql = "SELECT * FROM charge_points WHERE id = $1 AND deleted_at_ms IS NULL";
    let rows = db.query(sql, vec![id.as_str().into()]).await?;
    rows.first().map(read).transpose()
}

pub(super) async fn list(
    db: &Db,
    organisation: &OrganisationId,
) -> Result<Vec<ChargePoint>, DbError> {
    let sql = "SELECT * FROM charge_points
               WHERE organisation_id = $1 AND deleted_at_ms IS NULL ORDER BY id";
    let rows = db.query(sql, vec![organisation.as_str().into()]).await?;
    rows.iter().map(read).collect()
}

pub(super) async fn credentials(db: &Db, id: &ChargePointId) -> Result<Option<Kept>, DbError> {
    let rows = db
        .query(
            "SELECT c.organisation_id, c.gateway_id, c.credential_hash, c.path_token_hash,
                    c.certificate_required, g.credential_hash AS gateway_hash, o.name
             FROM charge_points c
             JOIN organisations o ON o.id = c.organisation_id
             LEFT JOIN gateways g ON g.id = c.gateway_id AND g.revoked_at_ms IS NULL
             WHERE c.id = $1 AND c.deleted_at_ms IS NULL",
            vec![id.as_str().into()],
        )
        .await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let (organisation, gateway) = (organisation_of(row)?, gateway_of(row)?);
    let admitted = Admitted {
        organisation,
        gateway,
    };
    let hash = |column| Ok::<_, DbError>(row.opt_blob(column)?.map(<[u8]>::to_vec));
    Ok(Some(Kept {
        admitted,
        password: hash("credential_hash")?,
        path_token: hash("path_token_hash")?,
        gateway_password: hash("gateway_hash")?,
        organisation_name: row.text("name")?.to_owned(),
        certificate_required: row.int("certificate_required")? != 0,
    }))
}

fn changed_one(changed: u64) -> Result<(), ChargePointError> {
    if changed == 1 {
        Ok(())
    } else {
        Err(ChargePointError::Unknown)
    }
}

fn organisation_of(row: &Row) -> Result<OrganisationId, DbError> {
    let organisation = OrganisationId::parse(row.text("organisation_id")?);
    organisation.ok_or_else(|| damaged("organisation_id"))
}

fn gateway_of(row: &Row) -> Result<Option<GatewayId>, DbError> {
    let gateway = row.opt_text("gateway_id")?.map(GatewayId::new).transpose();
    gateway.map_err(|_| damaged("gateway_id"))
}

fn read(row: &Row) -> Result<ChargePoint, DbError> {
    let time = |column| Timestamp::from_millisecond(row.int(column)?).map_err(|_| damaged(column));
    let site = match row.opt_text("site_id")? {
        Some(text) => Some(SiteId::parse(text).ok_or_else(|| damaged("site_id"))?),
        None => None,
    };
    Ok(ChargePoint {
        id: ChargePointId::new(row.text("id")?).map_err(|_| damaged("id"))?,
        organisation: organisation_of(row)?,
        site,
        gateway: gateway_of(row)?,
        vendor: row.text("vendor")?.to_owned(),
        model: row.text("model")?.to_owned(),
        serial: row.opt_text("serial")?.map(str::to_owned),
        path_token: row.opt_blob("path_token_hash")?.is_some(),
        certificate_required: row.int("certificate_required")? != 0,
        registered_at: time("registered_at_ms")?,
        updated_at: time("updated_at_ms")?,
    })
}
