//! MQTT topics. A topic carries a partition, so that one cloud replica can lease it and a site's
//! facts are applied in order by one hand. Gateways in the field fix these names.

use site_model::{ChargePointId, GatewayId};

/// Number of partitions.
pub const PARTITIONS: u64 = 64;

/// Filters that cloud ingest subscribes to.
pub const INGEST_FILTERS: [&str; 3] = [
    "dynamo/v1/+/+/facts",
    "dynamo/v1/+/+/state",
    "dynamo/v1/+/+/cp/+/snapshot",
];

/// The topics of one gateway: `dynamo/v1/<partition>/<gateway>/…`.
#[derive(Debug, Clone)]
pub struct Topics {
    prefix: String,
}

/// A topic that cloud ingest received something on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// Facts of a gateway's journal.
    Facts(GatewayId),
    /// Whether a gateway is connected.
    State(GatewayId),
    /// Live view of one charge point.
    Snapshot(GatewayId, ChargePointId),
}

impl Topics {
    /// The topics of this gateway.
    #[must_use]
    pub fn of(gateway: &GatewayId) -> Self {
        Self {
            prefix: format!("dynamo/v1/{:02}/{gateway}", partition(gateway)),
        }
    }

    /// Gateway → cloud, QoS 1: [`crate::v1::FactBatch`].
    #[must_use]
    pub fn facts(&self) -> String {
        format!("{}/facts", self.prefix)
    }

    /// Gateway → cloud, QoS 1, retained, also the last will: [`crate::v1::GatewayState`].
    #[must_use]
    pub fn state(&self) -> String {
        format!("{}/state", self.prefix)
    }

    /// Gateway → cloud, QoS 1, retained: [`crate::v1::Snapshot`].
    #[must_use]
    pub fn snapshot(&self, charge_point: &ChargePointId) -> String {
        format!("{}/cp/{charge_point}/snapshot", self.prefix)
    }

    /// Cloud → gateway, QoS 1, retained: [`crate::v1::Acknowledgement`].
    #[must_use]
    pub fn acknowledgement(&self) -> String {
        format!("{}/ack", self.prefix)
    }

    /// Everything the gateway may publish, as filters (for access lists).
    #[must_use]
    pub fn publish_filters(&self) -> [String; 3] {
        [
            self.facts(),
            self.state(),
            format!("{}/cp/+/snapshot", self.prefix),
        ]
    }

    /// Everything the gateway may subscribe to, as filters (for access lists).
    #[must_use]
    pub fn subscribe_filters(&self) -> [String; 1] {
        [self.acknowledgement()]
    }
}

/// Reads a topic that matched [`INGEST_FILTERS`]; `None` for a stranger or a wrong partition.
#[must_use]
pub fn parse(topic: &str) -> Option<Incoming> {
    let mut parts = topic.split('/');
    if (parts.next()?, parts.next()?) != ("dynamo", "v1") {
        return None;
    }
    let shown_partition = parts.next()?;
    let gateway = GatewayId::new(parts.next()?).ok()?;
    if shown_partition != format!("{:02}", partition(&gateway)) {
        return None;
    }
    let rest: Vec<&str> = parts.collect();
    match rest.as_slice() {
        ["facts"] => Some(Incoming::Facts(gateway)),
        ["state"] => Some(Incoming::State(gateway)),
        ["cp", id, "snapshot"] => Some(Incoming::Snapshot(gateway, ChargePointId::new(id).ok()?)),
        _ => None,
    }
}

/// `hash(gateway) mod 64` with FNV-1a of 64 bits (draft-eastlake-fnv, offset and prime of section 5).
fn partition(gateway: &GatewayId) -> u64 {
    let hash = gateway
        .as_str()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
    hash % PARTITIONS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_topics_are_read_back_and_foreign_partitions_are_not() {
        let gateway = GatewayId::new("gw_01hx2b3c4d").unwrap();
        let cp = ChargePointId::new("DE*ABC*1").unwrap();
        let topics = Topics::of(&gateway);
        assert_eq!(
            parse(&topics.facts()),
            Some(Incoming::Facts(gateway.clone()))
        );
        assert_eq!(
            parse(&topics.state()),
            Some(Incoming::State(gateway.clone()))
        );
        assert_eq!(
            parse(&topics.snapshot(&cp)),
            Some(Incoming::Snapshot(gateway.clone(), cp))
        );
        let wrong = (partition(&gateway) + 1) % PARTITIONS;
        assert_eq!(
            parse(&format!("dynamo/v1/{wrong:02}/{gateway}/facts")),
            None
        );
        assert_eq!(parse("dynamo/v1/00/x/unknown"), None);
    }
}
