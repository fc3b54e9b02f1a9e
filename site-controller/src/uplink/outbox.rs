//! Decides which facts travel next: pure, time is an argument. The mark moves on the cloud's own
//! word alone; what the broker acknowledges only paces.

use std::collections::VecDeque;

use site_model::Monotonic;

/// Most batches beyond the mark.
const BATCHES_MAX: usize = 8;
/// If the mark does not move for this long, everything after it is sent again.
const STALLED_MS: u64 = 10_000;

/// The facts' way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outbox {
    /// Highest sequence that the cloud told to be stored.
    mark: u64,
    /// Highest sequence of the journal.
    last: u64,
    /// Highest sequence sent on this connection.
    sent: u64,
    /// Last sequence of each batch beyond the mark, and the boot that recorded it.
    unacknowledged: VecDeque<(u64, String)>,
    /// Whether the cloud spoke on this connection.
    heard: bool,
    /// Whether it ever spoke of this journal since the start: before that the file may be an old copy,
    /// and its facts others than the cloud's of the same numbers.
    known: bool,
    /// The file is an old copy: nothing is told from it.
    stopped: bool,
    /// When the mark moved or could have begun to.
    moved_at: Monotonic,
}

/// What the cloud's word meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// The mark stands where it stood.
    Unchanged,
    /// It moved, forward or back (the cloud was restored from a backup).
    Moved,
}

impl Outbox {
    pub(super) fn new(mark: u64, last: u64) -> Self {
        Self {
            mark,
            last,
            sent: mark,
            unacknowledged: VecDeque::new(),
            heard: false,
            known: false,
            stopped: false,
            moved_at: Monotonic(0),
        }
    }

    /// A connection is up: nothing of the last one counts as sent.
    pub(super) fn connected(&mut self, now: Monotonic) {
        self.heard = false;
        self.rewind(now);
    }

    pub(super) fn committed(&mut self, last: u64) {
        self.last = self.last.max(last);
    }

    /// Whether this is what was sent: the fact of this number was recorded by this boot.
    pub(super) fn has_sent(&self, sequence: u64, boot: &str) -> bool {
        let mut sent = self.unacknowledged.iter();
        sent.any(|(last, by)| *last == sequence && by == boot)
    }

    /// Whether the journal ends before this. What was sent is in it, although its commit may not have
    /// been heard of yet.
    pub(super) fn ends_before(&self, sequence: u64) -> bool {
        sequence > self.last.max(self.sent)
    }

    /// From now on nothing is sent.
    pub(super) fn stop(&mut self) {
        self.stopped = true;
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped
    }

    pub(super) fn acknowledged(&mut self, sequence: u64, now: Monotonic) -> Heard {
        self.heard = true;
        self.known = true;
        if sequence == self.mark {
            return Heard::Unchanged;
        }
        let back = sequence < self.mark;
        self.mark = sequence;
        if back {
            self.rewind(now);
        } else {
            self.moved_at = now;
            self.sent = self.sent.max(sequence);
            self.unacknowledged.retain(|(last, _)| *last > sequence);
        }
        Heard::Moved
    }

    /// After which sequence to read the next batch; `None` while nothing may be sent.
    pub(super) fn next(&self, now: Monotonic) -> Option<u64> {
        let may_begin = self.heard || (self.known && now.ms_since(self.moved_at) >= STALLED_MS);
        let may_go_on = self.unacknowledged.len() < BATCHES_MAX && self.sent < self.last;
        (may_begin && may_go_on && !self.stopped).then_some(self.sent)
    }

    /// Whether the cloud is to be asked again for its word about this journal.
    pub(super) fn ask_if_silent(&mut self, now: Monotonic) -> bool {
        let silent = self.waits_for_word() && now.ms_since(self.moved_at) >= STALLED_MS;
        if silent {
            self.moved_at = now;
        }
        silent
    }

    fn waits_for_word(&self) -> bool {
        !self.known && !self.stopped && self.sent < self.last
    }

    /// A batch that ends with this sequence, recorded by this boot, is on its way.
    pub(super) fn sent(&mut self, last_of_batch: u64, boot: String, now: Monotonic) {
        if self.unacknowledged.is_empty() {
            self.moved_at = now;
        }
        self.heard = true;
        self.sent = last_of_batch;
        self.unacknowledged.push_back((last_of_batch, boot));
    }

    /// Sends again from the mark if it did not move for too long. Whether it does.
    pub(super) fn resend_if_stalled(&mut self, now: Monotonic) -> bool {
        let stalled = !self.unacknowledged.is_empty() && now.ms_since(self.moved_at) >= STALLED_MS;
        if stalled {
            self.rewind(now);
        }
        stalled
    }

    /// When to look again even if nothing happens.
    pub(super) fn deadline(&self) -> Option<Monotonic> {
        let waits = !self.unacknowledged.is_empty() || (!self.heard && self.sent < self.last);
        let waits = waits && !self.stopped;
        waits.then(|| self.moved_at.plus_ms(STALLED_MS))
    }

    pub(super) fn mark(&self) -> u64 {
        self.mark
    }

    fn rewind(&mut self, now: Monotonic) {
        self.sent = self.mark;
        self.unacknowledged.clear();
        self.moved_at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Monotonic = Monotonic(1_000);

    #[test]
    fn nothing_is_sent_before_the_cloud_spoke_of_this_journal_and_it_is_asked_every_ten_seconds() {
        let mut outbox = connected(5, 9);
        assert!(!outbox.ask_if_silent(T0.plus_ms(9_999)));
        assert_eq!(outbox.deadline(), Some(T0.plus_ms(10_000)));
        assert!(outbox.ask_if_silent(T0.plus_ms(10_000)));
        assert_eq!(outbox.deadline(), Some(T0.plus_ms(20_000)));
        assert!(!outbox.ask_if_silent(T0.plus_ms(19_999)));
        assert_eq!(outbox.next(T0.plus_ms(60_000)), None);
        outbox.acknowledged(5, T0.plus_ms(60_000));
        assert_eq!(outbox.next(T0.plus_ms(60_000)), Some(5));
    }

    #[test]
    fn on_a_later_connection_it_begins_after_ten_seconds_without_a_word() {
        let mut outbox = connected(5, 9);
        outbox.acknowledged(5, T0);
        outbox.connected(T0);
        assert_eq!(outbox.next(T0.plus_ms(9_999)), None);
        assert_eq!(outbox.deadline(), Some(T0.plus_ms(10_000)));
        assert_eq!(outbox.next(T0.plus_ms(10_000)), Some(5));
        assert!(!outbox.ask_if_silent(T0.plus_ms(10_000)));
    }

    #[test]
    fn an_old_copy_that_was_found_out_tells_nothing_any_more() {
        let mut outbox = connected(5, 9);
        outbox.acknowledged(5, T0);
        outbox.stop();
        outbox.connected(T0);
        assert_eq!(
            (outbox.next(T0.plus_ms(10_000)), outbox.deadline()),
            (None, None)
        );
        assert!(outbox.is_stopped() && !outbox.ask_if_silent(T0.plus_ms(60_000)));
    }

    #[test]
    fn what_was_sent_is_known_by_number_and_boot() {
        let mut outbox = connected(0, 9);
        outbox.acknowledged(0, T0);
        sent(&mut outbox, 4, T0);
        assert!(outbox.has_sent(4, "b") && !outbox.has_sent(4, "c") && !outbox.has_sent(3, "b"));
        assert!(outbox.ends_before(10) && !outbox.ends_before(9));
        sent(&mut outbox, 11, T0);
        assert!(!outbox.ends_before(11), "its commit was not heard of yet");
    }

    #[test]
    fn it_resumes_after_the_clouds_mark_even_if_that_is_lower_or_higher() {
        for mark in [2, 5, 7] {
            let mut outbox = connected(5, 9);
            outbox.acknowledged(mark, T0);
            assert_eq!((outbox.next(T0), outbox.mark()), (Some(mark), mark));
        }
    }

    #[test]
    fn at_most_eight_batches_are_beyond_the_mark() {
        let mut outbox = connected(0, 9);
        outbox.acknowledged(0, T0);
        for last in 1..=8 {
            assert_eq!(outbox.next(T0), Some(last - 1));
            sent(&mut outbox, last, T0);
        }
        assert_eq!(outbox.next(T0), None);
        assert_eq!(outbox.acknowledged(1, T0), Heard::Moved);
        assert_eq!(outbox.next(T0), Some(8));
        sent(&mut outbox, 9, T0);
        assert_eq!(outbox.acknowledged(9, T0), Heard::Moved);
        assert_eq!(
            (outbox.next(T0), outbox.deadline(), outbox.mark()),
            (None, None, 9)
        );
    }

    #[test]
    fn a_mark_that_does_not_move_for_ten_seconds_is_sent_from_again() {
        let mut outbox = connected(0, 400);
        outbox.acknowledged(0, T0);
        sent(&mut outbox, 200, T0);
        sent(&mut outbox, 400, T0.plus_ms(9_000));
        assert_eq!(outbox.acknowledged(0, T0.plus_ms(9_500)), Heard::Unchanged);
        assert!(!outbox.resend_if_stalled(T0.plus_ms(9_999)));
        assert!(outbox.resend_if_stalled(T0.plus_ms(10_000)));
        assert_eq!(outbox.next(T0.plus_ms(10_000)), Some(0));
        assert!(
            !outbox.resend_if_stalled(T0.plus_ms(30_000)),
            "nothing is out"
        );
    }

    #[test]
    fn the_clouds_word_at_the_last_batch_rewinds_nothing_that_is_out() {
        let mut outbox = connected(0, 600);
        outbox.acknowledged(0, T0);
        sent(&mut outbox, 200, T0);
        sent(&mut outbox, 400, T0);
        assert_eq!(outbox.acknowledged(200, T0.plus_ms(5)), Heard::Moved);
        assert_eq!(outbox.next(T0), Some(400));
        assert_eq!(outbox.deadline(), Some(T0.plus_ms(10_005)));
    }

    #[test]
    fn a_new_connection_begins_at_the_mark() {
        let mut outbox = connected(0, 9);
        outbox.acknowledged(3, T0);
        sent(&mut outbox, 9, T0);
        outbox.connected(T0.plus_ms(7));
        assert_eq!(outbox.next(T0.plus_ms(7)), None);
        outbox.acknowledged(3, T0.plus_ms(8));
        assert_eq!(outbox.next(T0.plus_ms(8)), Some(3));
    }

    fn sent(outbox: &mut Outbox, last: u64, now: Monotonic) {
        outbox.sent(last, "b".to_owned(), now);
    }

    fn connected(mark: u64, last: u64) -> Outbox {
        let mut outbox = Outbox::new(mark, last);
        outbox.connected(T0);
        outbox
    }
}
