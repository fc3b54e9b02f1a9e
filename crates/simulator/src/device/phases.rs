//! The relay that switches a charger between one phase and three.

use hw_profiles::PhaseSwitch;

use super::violation::{Broken, Rule};

/// Where the relay stands and where it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Phases {
    now: u8,
    /// To so many phases, at this time.
    change: Option<(u8, u64)>,
}

impl Phases {
    pub(crate) fn new(supply: u8) -> Self {
        Self {
            now: supply,
            change: None,
        }
    }

    /// Phases that are through.
    pub(crate) fn now(self) -> u8 {
        self.now
    }

    /// Whether the relay is moving.
    pub(crate) fn moving(self) -> bool {
        self.change.is_some()
    }

    /// Asks for the phases that a raw value means.
    ///
    /// # Errors
    /// A value that means none.
    pub(crate) fn switch(
        &mut self,
        switch: &PhaseSwitch,
        raw: u64,
        now_ms: u64,
    ) -> Result<(), Broken> {
        let phases = if raw == switch.one {
            1
        } else if raw == switch.three {
            3
        } else {
            let (one, three) = (switch.one, switch.three);
            let detail = format!("phase switch {raw}: neither {one} nor {three}");
            return Err(Broken::new(Rule::PhaseSwitch, detail));
        };
        // A quarter of the time is left to a master whose clock and ours begin at other moments.
        let takes_ms = switch.settle_ms - switch.settle_ms / 4;
        if phases != self.now || self.moving() {
            self.change = Some((phases, now_ms.saturating_add(takes_ms)));
        }
        Ok(())
    }

    /// Moves on.
    pub(crate) fn step(&mut self, now_ms: u64) {
        if let Some((phases, at_ms)) = self.change
            && now_ms >= at_ms
        {
            self.now = phases;
            self.change = None;
        }
    }

    /// Raw value that the read-back register shows.
    pub(crate) fn shown(self, switch: &PhaseSwitch) -> Option<u64> {
        let shown = switch.read_back.as_ref()?;
        let values = if self.now == 1 {
            &shown.one
        } else {
            &shown.three
        };
        values.first().copied()
    }
}
