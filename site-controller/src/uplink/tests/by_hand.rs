//! The dialogue turned by hand: when facts are wanted of the journal, and when the live view is shown again.

use std::cell::RefCell;

use tokio::time::{Instant, advance};

use super::*;
use crate::uplink::dialogue::{Dialogue, Wire};

/// Topics of what was said.
#[derive(Default)]
struct Said(RefCell<Vec<String>>);

impl Wire for Said {
    fn publish(&self, topic: String, _payload: Vec<u8>, _retain: bool) -> Result<(), String> {
        self.0.borrow_mut().push(topic);
        Ok(())
    }
}

struct ByHand {
    world: World,
    uplink: Uplink,
    dialogue: Dialogue,
    said: Said,
}

impl ByHand {
    async fn with_facts(facts: usize, mark: u64) -> Self {
        let world = World::new(facts).await;
        let store = world.opened().store.clone();
        let config = world.config(mark);
        let (uplink, mut dialogue) = Uplink::by_hand(&config, store, Clock::system(BootId(7)));
        dialogue.connected();
        Self {
            world,
            uplink,
            dialogue,
            said: Said::default(),
        }
    }

    fn heard(&mut self, sequence: u64) {
        let journal = self.world.opened().found.journal.to_string();
        let word = serde_json::to_vec(&word(journal, sequence, vec![])).unwrap();
        self.dialogue.heard(&word);
    }

    fn fill(&mut self) -> Option<u64> {
        self.dialogue.fill(&self.said).unwrap()
    }

    async fn read_and_send(&mut self, after: u64) {
        let facts = self.world.opened().store.read_after(after).await;
        self.dialogue.send_facts(&self.said, after, facts).unwrap();
    }

    fn topics(&self) -> Vec<String> {
        self.said.0.take()
    }
}

#[tokio::test]
async fn facts_are_wanted_once_while_they_are_being_read() {
    let mut hand = ByHand::with_facts(5, 0).await;
    hand.heard(0);
    assert_eq!((hand.fill(), hand.fill()), (Some(0), None));
    hand.read_and_send(0).await;
    assert_eq!((hand.fill(), hand.topics().len()), (None, 1));
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_gave_nothing_is_asked_again_after_a_second() {
    let mut hand = ByHand::with_facts(5, 0).await;
    hand.heard(0);
    assert_eq!(hand.fill(), Some(0));
    hand.dialogue.send_facts(&hand.said, 0, vec![]).unwrap();
    assert_eq!(hand.fill(), None);
    let second = Duration::from_secs(1);
    assert!(hand.dialogue.wake_at() <= Instant::now() + second);
    advance(second).await;
    assert_eq!(hand.fill(), Some(0));
}

#[tokio::test]
async fn a_cloud_that_forgot_facts_is_shown_the_live_view_when_it_has_them_again() {
    let mut hand = ByHand::with_facts(5, 5).await;
    hand.uplink.publish(&cp(), &snapshot(1));
    let live = vec![hand.world.topics.snapshot(&cp())];
    let facts = vec![hand.world.topics.facts()];
    hand.heard(5);
    assert_eq!((hand.fill(), hand.topics()), (None, live.clone()));
    hand.heard(2);
    assert_eq!(hand.fill(), Some(2));
    hand.read_and_send(2).await;
    hand.heard(4);
    assert_eq!((hand.fill(), hand.topics()), (None, facts));
    hand.heard(5);
    assert_eq!((hand.fill(), hand.topics()), (None, live));
}

#[tokio::test(start_paused = true)]
async fn while_a_slow_journal_is_read_nothing_is_looked_for_again() {
    let mut hand = ByHand::with_facts(5, 0).await;
    hand.heard(0);
    hand.dialogue.connected();
    assert_eq!(hand.fill(), None);
    advance(Duration::from_secs(10)).await;
    assert_eq!(hand.fill(), Some(0));
    assert!(hand.dialogue.wake_at() > Instant::now());
}
