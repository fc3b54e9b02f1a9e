//! Reservations: asked of the charge point, kept in the state that it confirmed.

use serde_json::json;

use crate::central::Scene;
use crate::harness::DIRECT;

#[tokio::test]
async fn a_reservation_stands_as_the_charge_point_confirmed_it() {
    let mut scene = Scene::new().await;
    let reserve = async |scene: &mut Scene, status: &str| {
        let body = json!({"charge_point_id": DIRECT, "connector_id": 1, "id_tag": "T", "expires_at": "2026-05-01T10:00:00Z"}).to_string();
        let told = scene.world.post("/api/v1/reservations", &scene.key, &body);
        let confirming = async {
            let (id, action, payload) = scene.station.asked().await;
            assert_eq!(action, "ReserveNow");
            let number = payload["reservationId"].clone();
            assert_eq!(
                payload,
                json!({"connectorId": 1, "idTag": "T", "expiryDate": "2026-05-01T10:00:00Z", "reservationId": number})
            );
            scene.station.answer(&id, json!({"status": status})).await;
            number
        };
        let (told, number) = tokio::join!(told, confirming);
        assert_eq!(told.status, 201, "{told:?}");
        (told.json(), number)
    };
    let (occupied, _) = reserve(&mut scene, "Occupied").await;
    assert_eq!(occupied["state"], "occupied");
    let (kept, number) = reserve(&mut scene, "Accepted").await;
    assert_eq!(
        kept,
        json!({"id": kept["id"], "charge_point_id": DIRECT, "connector_id": 1, "id_tag": "T",
               "expires_at": "2026-05-01T10:00:00Z", "state": "accepted",
               "created_at": "2026-05-01T09:14:05Z", "updated_at": "2026-05-01T09:14:05Z"})
    );
    let path = format!("/api/v1/reservations/{}", kept["id"].as_str().unwrap());
    let cancelled = json!({"reservationId": number});
    let (told, ()) = tokio::join!(
        scene.world.delete(&path, &scene.key),
        scene.station.expect(
            "CancelReservation",
            &cancelled,
            json!({"status": "Accepted"})
        )
    );
    assert_eq!(told.status, 204);
    let state = async |scene: &Scene, path: &str| {
        scene.world.get(path, &scene.key).await.json()["state"].clone()
    };
    assert_eq!(state(&scene, &path).await, "cancelled");
    let (used, number) = reserve(&mut scene, "Accepted").await;
    let start = json!({"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": "2026-05-01T09:14:05Z", "reservationId": number});
    scene.station.call("StartTransaction", start).await;
    let path = format!("/api/v1/reservations/{}", used["id"].as_str().unwrap());
    assert_eq!(state(&scene, &path).await, "used");
    let (over, _) = reserve(&mut scene, "Accepted").await;
    scene.world.advance(3_600);
    let path = format!("/api/v1/reservations/{}", over["id"].as_str().unwrap());
    assert_eq!(state(&scene, &path).await, "expired");
    let list = scene
        .world
        .get("/api/v1/reservations", &scene.key)
        .await
        .json();
    assert_eq!(list["total"], 4);
    scene.at.stop().await;
}
