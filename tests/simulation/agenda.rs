//! What can happen next, in order of time.

use std::collections::BTreeMap;

use site_model::{Milliamps, WattHours};

use crate::gateway::Publish;
use crate::plan::{Fault, Strike};

/// What can happen next.
#[derive(Debug, Clone)]
pub(crate) enum What {
    Plug {
        place: usize,
        wants: WattHours,
    },
    Ready {
        place: usize,
        plugged_at_ms: u64,
        wants: WattHours,
    },
    Unplug {
        place: usize,
    },
    Full {
        place: usize,
        power: u32,
    },
    Poll {
        place: usize,
    },
    Written {
        place: usize,
        limit: Milliamps,
    },
    Lost {
        place: usize,
        boot: u64,
    },
    Start {
        place: usize,
        car: u64,
    },
    Stop {
        place: usize,
        car: u64,
    },
    Ask {
        order: usize,
    },
    Disk,
    Tick {
        boot: u64,
    },
    Boot,
    TimeKnown,
    Leap,
    Connect,
    Pump,
    AtBroker {
        connection: u64,
        message: Publish,
    },
    Taken {
        connection: u64,
    },
    AtCloud {
        message: Publish,
    },
    AtGateway {
        connection: u64,
        payload: Vec<u8>,
    },
    BackUp(Fault),
    Dial {
        place: usize,
        boot: u64,
    },
    /// A link has something to do.
    Wake,
    AtCsms {
        place: usize,
        socket: u64,
        frame: String,
    },
    AtLink {
        place: usize,
        /// Absent: whichever stands.
        socket: Option<u64>,
        frame: String,
    },
    Begin(Strike),
    End(Strike),
}

impl What {
    /// For the digest. Messages carry identities that another process makes otherwise.
    pub(crate) fn name(&self) -> String {
        if let Self::AtBroker { .. } | Self::AtCloud { .. } | Self::AtGateway { .. } = self {
            return "a message".to_owned();
        }
        if let Self::AtCsms { place, .. } | Self::AtLink { place, .. } = self {
            return format!("a frame of {place}");
        }
        format!("{self:?}")
    }
}

/// Everything that will happen; what is put down for the same moment happens in the order of putting.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    items: BTreeMap<(u64, u64), What>,
    number: u64,
}

impl Agenda {
    pub(crate) fn put(&mut self, at_ms: u64, what: What) {
        self.number += 1;
        self.items.insert((at_ms, self.number), what);
    }

    pub(crate) fn next_at(&self) -> Option<u64> {
        self.items.first_key_value().map(|((at, _), _)| *at)
    }

    pub(crate) fn take(&mut self) -> Option<What> {
        self.items.pop_first().map(|(_, what)| what)
    }

    /// Takes what will not happen any more off the agenda.
    pub(crate) fn forget(&mut self, which: impl Fn(&What) -> bool) {
        self.items.retain(|_, what| !which(what));
    }
}
