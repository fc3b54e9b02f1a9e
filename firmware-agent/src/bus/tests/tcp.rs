//! Modbus TCP: transaction ids, stale answers, reconnects.

use std::time::Duration;

use site_model::{Value, VehicleState};
use tokio::time::sleep;

use super::line::*;
use crate::bus::BusEvent;
use crate::bus::wire::Framing;
use crate::testing::charger;

/// The answer to a TCP request, under this transaction id.
fn answered(request: &[u8], transaction: u16, state: u16) -> Vec<u8> {
    let pdu = healthy(
        &request[6..],
        |address| if address == 5 { state } else { 0 },
    );
    let pdu = &pdu[..pdu.len() - 2];
    let mut frame = transaction.to_be_bytes().to_vec();
    frame.extend([0, 0, 0, u8::try_from(pdu.len()).unwrap()]);
    frame.extend(pdu);
    frame
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[tokio::test(start_paused = true)]
async fn a_stale_answer_is_skipped_without_losing_the_good_one() {
    let mut rig = rig(
        Framing::Tcp,
        vec![device(255, &charger(), 500)],
        16,
        |request| {
            let transaction = word(request, 0);
            vec![
                (ms(1), answered(request, transaction.wrapping_sub(1), 6)),
                (ms(1), answered(request, transaction, 2)),
            ]
        },
    );
    for _ in 0..3 {
        assert_eq!(rig.values().await[0], Value::VehicleState(VehicleState::A));
    }
    let seen = rig.bus.diagnostics();
    assert_eq!(
        (
            seen.opened,
            seen.devices[0].late_frames,
            seen.devices[0].timeouts
        ),
        (1, 3, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_timeout_makes_a_new_connection_and_the_old_answer_is_gone() {
    let mut requests = 0;
    let mut rig = rig(
        Framing::Tcp,
        vec![device(255, &charger(), 500)],
        16,
        move |request| {
            requests += 1;
            let late = requests == 2;
            let transaction = word(request, 0);
            vec![(
                ms(if late { 400 } else { 1 }),
                answered(request, transaction, if late { 6 } else { 2 }),
            )]
        },
    );
    for _ in 0..4 {
        assert_eq!(rig.values().await[0], Value::VehicleState(VehicleState::A));
    }
    let seen = rig.bus.diagnostics();
    assert_eq!((seen.opened, seen.devices[0].timeouts), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_is_made_again_without_a_loss() {
    let mut rig = rig(
        Framing::Tcp,
        vec![device(255, &charger(), 500)],
        16,
        |request| vec![(ms(1), answered(request, word(request, 0), 2))],
    );
    rig.values().await;
    rig.hang_up.notify_one();
    sleep(Duration::from_secs(3)).await;
    let events = rig.pending();
    assert!(
        events.len() >= 5
            && events
                .iter()
                .all(|event| matches!(event, BusEvent::Read(_))),
        "{events:?}"
    );
    assert_eq!(rig.bus.diagnostics().opened, 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_modbus_is_a_loss_with_a_sentence() {
    let mut rig = rig(Framing::Tcp, vec![device(255, &charger(), 500)], 16, |_| {
        vec![(ms(1), b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec())]
    });
    let BusEvent::Lost { fault, .. } = rig.event().await else {
        panic!("no loss");
    };
    assert_eq!(
        fault.message,
        "The connection over fake:1 broke: the bytes on this connection are not Modbus TCP."
    );
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_reports_silence_counts_as_silence() {
    let mut rig = rig(
        Framing::Tcp,
        vec![device(7, &charger(), 100)],
        16,
        |request| {
            let transaction = word(request, 0).to_be_bytes();
            vec![(
                ms(1),
                vec![transaction[0], transaction[1], 0, 0, 0, 3, 7, 0x84, 11],
            )]
        },
    );
    let BusEvent::Lost { fault, .. } = rig.event().await else {
        panic!("no loss");
    };
    assert_eq!(
        fault.message,
        "Unit 7 refused the read of input registers 5 to 7 with exception 11 (gateway target device failed to respond)."
    );
    assert_eq!(rig.bus.diagnostics().opened, 1);
}
