//! Messages between gateway and cloud: sent by the uplink's dialogue, carried by the modelled network.

use cloud_api::ingest::Message;

use crate::agenda::What;
use crate::gateway::{Outgoing, Publish};
use crate::mutants::Mutant;
use crate::world::World;

impl World {
    pub(crate) fn connect(&mut self) {
        if self.network.up || self.gateway.is_none() {
            return;
        }
        if self.now_ms < self.network.closed_until_ms {
            let at = self.network.closed_until_ms + self.rng.u64(500..30_000);
            self.forget(|what| matches!(what, What::Connect));
            self.at(at, What::Connect);
            return;
        }
        self.network.up = true;
        self.network.connection += 1;
        let connection = self.network.connection;
        self.report.count("connections");
        let gateway = self.gateway.as_mut().expect("it was looked at");
        let inside = self.rt.enter();
        self.network.will = Some(Publish {
            topic: gateway.dialogue.topics().state(),
            payload: gateway.dialogue.state_message(false),
        });
        gateway.dialogue.connected();
        let outgoing = Outgoing::default();
        gateway.dialogue.say_online(&outgoing, true).unwrap();
        drop(inside);
        self.send_up(outgoing.take());
        if let Some(payload) = self.network.retained.clone() {
            let at = self.network.down_at(self.now_ms, &mut self.rng);
            self.at(
                at,
                What::AtGateway {
                    connection,
                    payload,
                },
            );
        }
        self.pump();
    }

    pub(crate) fn send_up(&mut self, messages: impl IntoIterator<Item = Publish>) {
        let connection = self.network.connection;
        for message in messages {
            let at = self.network.up_at(self.now_ms, &mut self.rng);
            self.at(
                at,
                What::AtBroker {
                    connection,
                    message,
                },
            );
        }
    }

    /// Lets the uplink say what it has to say.
    pub(crate) fn pump(&mut self) {
        if !self.network.up {
            return;
        }
        let blocked = self.now_ms < self.disk_slow_until_ms;
        let Some(gateway) = &mut self.gateway else {
            return;
        };
        let inside = self.rt.enter();
        let outgoing = Outgoing::default();
        while let Some(after) = gateway.dialogue.fill(&outgoing).unwrap() {
            let facts = if blocked {
                Vec::new()
            } else {
                gateway.read_after(after)
            };
            gateway
                .dialogue
                .send_facts(&outgoing, after, facts)
                .unwrap();
        }
        drop(inside);
        self.send_up(outgoing.take());
        self.hear_disk();
    }

    pub(crate) fn cut(&mut self) {
        if !self.network.up {
            return;
        }
        self.report.count("connections cut");
        self.network.cut(self.now_ms, &mut self.rng);
        if let Some(gateway) = &mut self.gateway {
            gateway.dialogue.disconnected();
        }
        if let Some(message) = self.network.will.take() {
            let ms = self.rng.u64(10..60_000);
            self.after(ms, What::AtCloud { message });
        }
        self.after(500, What::Connect);
    }

    pub(crate) fn at_broker(&mut self, connection: u64, message: Publish) {
        if !self.network.arrives(connection, self.now_ms) {
            self.report.count("messages lost on a broken connection");
            return;
        }
        let taken = self.network.down_at(self.now_ms, &mut self.rng);
        self.at(taken, What::Taken { connection });
        let disorder = self.now_ms < self.network.disorder_until_ms;
        let late = if disorder { self.rng.u64(5..20_000) } else { 5 };
        if disorder && self.rng.u8(0..3) == 0 {
            self.report.count("messages repeated");
            let message = message.clone();
            let ms = self.rng.u64(5..20_000);
            self.after(ms, What::AtCloud { message });
        }
        self.after(late, What::AtCloud { message });
    }

    pub(crate) fn taken(&mut self, connection: u64) {
        if connection == self.network.connection && self.network.up {
            if let Some(gateway) = &mut self.gateway {
                gateway.dialogue.taken();
            }
            self.pump();
        }
    }

    pub(crate) fn at_cloud(&mut self, message: Publish) {
        if self.now_ms < self.network.cloud_down_until_ms {
            let at = self.network.cloud_down_until_ms;
            self.at(at + 10, What::AtCloud { message });
            return;
        }
        let mut payload = message.payload;
        if let Some(mutant) = self.mutant {
            let mark = self.cloud.mark(&self.journal);
            payload = mutant.read(payload, mark);
        }
        let received = Message {
            topic: message.topic,
            payload,
            retained: false,
        };
        self.report.count("messages");
        let Some(acknowledgement) = self.cloud.receive(&received) else {
            return;
        };
        let told = u64::try_from(self.model.facts.len()).unwrap();
        if acknowledgement.journal_id == self.journal {
            assert!(
                acknowledgement.sequence <= told,
                "the cloud has {} facts of {told}",
                acknowledgement.sequence
            );
        }
        let payload = serde_json::to_vec(&acknowledgement).unwrap();
        self.network.retained = Some(payload.clone());
        if self.network.up {
            let connection = self.network.connection;
            let at = self.network.down_at(self.now_ms, &mut self.rng);
            self.at(
                at,
                What::AtGateway {
                    connection,
                    payload,
                },
            );
        }
    }

    pub(crate) fn at_gateway(&mut self, connection: u64, payload: &[u8]) {
        let lost = self.mutant == Some(Mutant::AcknowledgementsLost) && self.healing;
        if connection != self.network.connection || !self.network.up || lost {
            return;
        }
        self.network.heard = Some(payload.to_owned());
        if let Some(gateway) = &mut self.gateway {
            let inside = self.rt.enter();
            gateway.dialogue.heard(payload);
            drop(inside);
            self.pump();
        }
    }
}
