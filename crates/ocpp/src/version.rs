//! What the versions of OCPP-J have in common, so that framing, tracking and everything above them
//! exist once.

use std::fmt::{Debug, Display};
use std::hash::Hash;

use serde_json::Value;

use crate::frame::Dialect;
use crate::reading::{Understood, Violation};

/// One version of OCPP-J.
pub trait Version: Debug + Clone + Copy + PartialEq + Eq + Send + Sync + 'static {
    /// What a call asks for.
    type Action: Action;
    /// The payload of a call.
    type Request: Payload<Action = Self::Action>;
    /// The payload of an answer.
    type Response: Payload<Action = Self::Action>;

    /// As people write it: `1.6`.
    const NAME: &'static str;
    /// The WebSocket subprotocol, registered with IANA: `ocpp1.6`.
    const SUBPROTOCOL: &'static str;
    /// Where the versions' framing differs.
    const DIALECT: Dialect;
}

/// The name of a call.
pub trait Action:
    Debug + Display + Clone + Copy + PartialEq + Eq + Hash + Send + Sync + 'static
{
    /// Every action of the version.
    const ALL: &'static [Self];

    /// As it stands in the frame.
    fn name(self) -> &'static str;

    /// The action of that exact name.
    fn from_name(name: &str) -> Option<Self>;

    /// Which end may call it.
    fn sender(self) -> Sender;
}

/// Which end sends a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sender {
    /// The charge point (2.0.1: charging station).
    Station,
    /// The central system (2.0.1: CSMS).
    System,
    /// Both: `DataTransfer`.
    Either,
}

impl Sender {
    /// Whether that end may send it.
    #[must_use]
    pub fn is(self, end: End) -> bool {
        match self {
            Self::Station => end == End::Station,
            Self::System => end == End::System,
            Self::Either => true,
        }
    }
}

/// The two ends of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    /// The charge point (2.0.1: charging station).
    Station,
    /// The central system (2.0.1: CSMS).
    System,
}

impl End {
    /// The peer's end.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Station => Self::System,
            Self::System => Self::Station,
        }
    }
}

/// A request or a response of any action.
pub trait Payload: Debug + Clone + PartialEq + Sized + Send + Sync + 'static {
    /// The version's actions.
    type Action;

    /// Which action this is of.
    fn action(&self) -> Self::Action;

    /// Reads the payload of that action.
    ///
    /// # Errors
    /// [`Violation`] with the place and the rule, when it is not understood.
    fn parse(action: Self::Action, payload: Value) -> Result<Understood<Self>, Violation>;

    /// Appends the payload as JSON; valid by the schema of its action.
    fn write_json(&self, out: &mut String);

    /// The payload as JSON.
    fn to_json(&self) -> String {
        let mut out = String::with_capacity(256);
        self.write_json(&mut out);
        out
    }

    /// The payload as a tree, for those who look into it generically.
    fn to_value(&self) -> Value {
        serde_json::from_str(&self.to_json()).expect("what is written is JSON")
    }
}
