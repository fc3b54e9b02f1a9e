//! A profile as one device of it is wired: its connector, its word order, its SunSpec block.

use std::collections::BTreeSet;

use super::{
    ConnectorAddressing, KeepAlive, PauseControl, Profile, SetupWrite, WordOrder, WriteRegister,
};

impl Profile {
    /// What is not confirmed by two sources, as paths into the file: `"limit"`, `"read.power"`.
    #[must_use]
    pub fn unconfirmed(&self) -> Vec<String> {
        let failsafe = self.failsafe.as_ref();
        let persisted = failsafe.map_or([None, None], |f| [f.enable.as_ref(), f.persist.as_ref()]);
        let phases = self.phase_switch.as_ref();
        let parts = [
            ("limit", self.limit.as_ref().is_some_and(|l| l.unconfirmed)),
            ("failsafe", failsafe.is_some_and(|f| f.unconfirmed)),
            (
                "failsafe.enable",
                persisted[0].is_some_and(|w| w.unconfirmed),
            ),
            (
                "failsafe.persist",
                persisted[1].is_some_and(|w| w.unconfirmed),
            ),
            ("keep_alive", self.keep_alive_unconfirmed),
            ("phase_switch", phases.is_some_and(|p| p.unconfirmed)),
        ];
        let parts = parts.into_iter().filter(|(_, unconfirmed)| *unconfirmed);
        let registers = self.registers.iter().filter(|r| r.unconfirmed);
        parts
            .map(|(name, _)| name.to_owned())
            .chain(numbered("setup", &self.setup))
            .chain(numbered(
                "phase_switch.setup",
                phases.map_or(&[], |p| &p.setup),
            ))
            .chain(registers.map(|register| format!("read.{}", register.name)))
            .collect()
    }

    /// The profile with another word order: every number of several words changes, but for those whose order
    /// the file gives for themselves.
    #[must_use]
    pub fn with_words(&self, words: WordOrder) -> Self {
        let mut profile = self.clone();
        for register in &mut profile.registers {
            if register.ty.has_word_order() && !register.words_fixed {
                register.words = words;
            }
        }
        for write in profile.writes_mut() {
            if write.ty.has_word_order() && !write.words_fixed {
                write.words = words;
            }
        }
        profile
    }

    /// The profile as connector `number` (from 1) sees it: registers and writes moved by the stride,
    /// or unit identifier or port exchanged; station-wide ones stay. `None`: no such connector.
    #[must_use]
    pub fn for_connector(&self, number: u8) -> Option<Self> {
        let mut profile = self.clone();
        let Some(connectors) = profile.connectors.take() else {
            return (number == 1).then_some(profile);
        };
        let index = usize::from(number.checked_sub(1)?);
        if number > connectors.maximum {
            return None;
        }
        match connectors.by {
            ConnectorAddressing::Stride(stride) => {
                profile.shift(stride.checked_mul(u16::from(number) - 1)?)?;
            }
            ConnectorAddressing::Units(units) => profile.link.unit = *units.get(index)?,
            ConnectorAddressing::Ports(ports) => {
                profile.link.tcp.as_mut()?.port = *ports.get(index)?;
            }
        }
        Some(profile)
    }

    /// A SunSpec profile with its registers where they are in a device that has these model blocks:
    /// number of the model, and address of the register that holds this number. Registers of other
    /// models are left out; of two that tell the same quantity the first of the file stays. `None`:
    /// the file knows none of the models.
    #[must_use]
    pub fn located(&self, blocks: &[(u16, u16)]) -> Option<Self> {
        let mut profile = self.clone();
        profile.sunspec = None;
        let mut told = BTreeSet::new();
        let mut is_known = false;
        profile.registers.retain_mut(|register| {
            if register.models.is_empty() {
                return true;
            }
            let block = blocks
                .iter()
                .find(|(model, _)| register.models.contains(model));
            let Some(address) = block.and_then(|(_, at)| at.checked_add(register.address)) else {
                return false;
            };
            is_known = true;
            register.address = address;
            register.models.clear();
            let quantity = register.quantity.filter(|_| register.when.is_empty());
            quantity.is_none_or(|quantity| told.insert(quantity))
        });
        is_known.then_some(profile)
    }

    /// Moves everything that is not station-wide; `None`: beyond the last address.
    fn shift(&mut self, by: u16) -> Option<()> {
        for register in self.registers.iter_mut().filter(|r| !r.station) {
            register.address = register.address.checked_add(by)?;
        }
        for write in self.writes_mut() {
            if !write.station {
                write.address = write.address.checked_add(by)?;
            }
        }
        Some(())
    }

    /// Everything that is written.
    pub(crate) fn writes(&self) -> Vec<WriteRegister> {
        let mut copy = self.clone();
        let writes = copy.writes_mut().into_iter();
        writes.map(|write| write.clone()).collect()
    }

    /// Everything that is written.
    fn writes_mut(&mut self) -> Vec<&mut WriteRegister> {
        let mut writes: Vec<&mut WriteRegister> = Vec::new();
        writes.extend(self.setup.iter_mut().map(|setup| &mut setup.write));
        if let Some(limit) = &mut self.limit {
            writes.push(&mut limit.write);
            if let Some(PauseControl::Switch { write, .. }) = &mut limit.pause {
                writes.push(write);
            }
        }
        if let Some(failsafe) = &mut self.failsafe {
            writes.extend(&mut failsafe.current);
            writes.extend(&mut failsafe.timeout);
            let fixed = failsafe.enable.iter_mut().chain(&mut failsafe.persist);
            writes.extend(fixed.map(|setup| &mut setup.write));
        }
        match &mut self.keep_alive {
            KeepAlive::WriteRegister { write, .. } | KeepAlive::LifeBit { write, .. } => {
                writes.push(write);
            }
            KeepAlive::None
            | KeepAlive::AnyRequest { .. }
            | KeepAlive::RewriteLimit { .. }
            | KeepAlive::RewriteTimeout { .. } => {}
        }
        if let Some(phases) = &mut self.phase_switch {
            writes.push(&mut phases.write);
            writes.extend(phases.setup.iter_mut().map(|setup| &mut setup.write));
        }
        writes
    }
}

/// Paths of the unconfirmed writes of a list, counted from 1.
fn numbered(path: &str, setup: &[SetupWrite]) -> Vec<String> {
    let unconfirmed = setup
        .iter()
        .enumerate()
        .filter(|(_, write)| write.unconfirmed);
    unconfirmed
        .map(|(index, _)| format!("{path}[{}]", index + 1))
        .collect()
}
