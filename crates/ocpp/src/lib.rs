//! OCPP-J: the messages of 1.6 (with the security extension) and 2.0.1, framing, call tracking.
//!
//! Strict out: what these types hold is valid by the official schemas. Lenient in: what real
//! stations send is understood where that is harmless, and every leniency is told. No I/O, no clock.

mod by_hand;
mod calls;
mod decimal;
mod frame;
mod reading;
mod redacted;
mod time;
mod values;
mod version;
mod wire;

pub mod v16;
#[cfg(feature = "v201")]
pub mod v201;

pub use calls::{
    AnswerRefused, Calls, CallsSettings, Fate, IncomingCall, Received, Refusal, SendRefused, Sent,
    Settled,
};
pub use frame::{Bounds, Dialect, ErrorCode, Frame, Malformed, MessageId};
pub use reading::{Leniency, TOLERATED_MAX, Tolerated, Understood, Violation, ViolationKind};
pub use redacted::redacted;
pub use time::Time;
pub use values::{
    Any, Bounded, CustomData, Decimal, DoesNotFit, List, Secret, SomeOf, Tenths, Text, Uri,
};
pub use version::{Action, End, Payload, Sender, Version};
