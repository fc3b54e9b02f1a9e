//! Sessions as the cloud tells them to a gateway that asks: one that runs, and one that is over.

use site_wire::v1;

pub(crate) fn running_and_over() -> Vec<v1::KnownSession> {
    let running = v1::KnownSession {
        session_id: "sess_01jd0000000000000000000004".into(),
        charge_point_id: "DE*ABC*E1".into(),
        connector_id: 1,
        id_tag: "TAG-0815".into(),
        started_at_ms: 1_763_800_000_000,
        meter_start_wh: 12_000,
        energy_source: "lifetime_register".into(),
        billing_grade: true,
        last_at_ms: 1_763_800_900_000,
        last_meter_wh: 14_500,
        transaction_id: Some(4_711),
        end: None,
    };
    let over = v1::KnownSession {
        session_id: "sess_01jd0000000000000000000003".into(),
        transaction_id: None,
        end: Some(v1::KnownEnd {
            ended_at_ms: 1_763_800_900_000,
            meter_stop_wh: 14_500,
            stop_reason: "EVDisconnected".into(),
        }),
        ..running.clone()
    };
    vec![running, over]
}
