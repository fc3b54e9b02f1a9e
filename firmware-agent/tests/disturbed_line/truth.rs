//! What a device has really answered since it was last asked for, as values.

use std::collections::VecDeque;
use std::sync::Arc;

use firmware_agent::decode::{Image, decode};
use hw_profiles::{Profile, Table};
use site_model::{Reading, Value};

/// Answers that are remembered of one device; a poll takes far fewer.
const ANSWERS_MAX: usize = 256;

/// The truth about one device.
#[derive(Debug)]
pub(crate) struct Truth {
    profile: Arc<Profile>,
    image: Image,
    /// Values that each answer stood for.
    answers: VecDeque<Vec<Value>>,
    /// Answers that were given before the last reading but one, or before the last.
    old: usize,
    /// Answers at the time of the last reading.
    at_last: usize,
}

impl Truth {
    pub(crate) fn new(profile: Arc<Profile>) -> Self {
        Self {
            image: Image::new(&profile),
            profile,
            answers: VecDeque::new(),
            old: 0,
            at_last: 0,
        }
    }

    /// The device answered a read with these words.
    pub(crate) fn answered(&mut self, table: Table, address: u16, words: &[u16]) {
        let mut fresh = vec![false; self.profile.registers.len()];
        for (index, register) in self.profile.registers.iter().enumerate() {
            let Some(offset) = register.address.checked_sub(address) else {
                continue;
            };
            let from = usize::from(offset);
            let inside = words.get(from..from + usize::from(register.count()));
            if let (true, Some(inside)) = (register.table == table, inside) {
                self.image.set(index, inside);
                fresh[index] = true;
            }
        }
        let decoded = decode(&self.profile, &self.image, &fresh);
        if self.answers.len() == ANSWERS_MAX {
            self.answers.pop_front();
            self.old = self.old.saturating_sub(1);
            self.at_last = self.at_last.saturating_sub(1);
        }
        self.answers.push_back(decoded.values);
    }

    /// Values of a reading that the device has not answered since the reading before; with
    /// `prompt = false` (a test that may be told late) since the one before that.
    pub(crate) fn wrong_in(&mut self, reading: &Reading, prompt: bool) -> Vec<Value> {
        let from = if prompt { self.at_last } else { self.old };
        let answered = |value: &Value| self.answers.iter().skip(from).flatten().any(|v| v == value);
        let wrong = reading.values.iter().filter(|value| !answered(value));
        let wrong = wrong.cloned().collect();
        self.old = self.at_last;
        self.at_last = self.answers.len();
        wrong
    }
}
