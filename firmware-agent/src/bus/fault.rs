//! Faults as sentences for the technician: what happened, where, and what to do next.

use std::time::Duration;

use site_model::DeviceFault;

use super::wire::Failure;
use crate::codec::{ExceptionCode, Request};
use crate::encode::Unwritable;

/// Why there was no answer.
pub(crate) fn no_answer(
    failure: &Failure,
    unit: u8,
    request: &Request,
    timeout: Duration,
) -> DeviceFault {
    let (what, remedy) = match failure {
        Failure::Silence => (
            format!("did not answer the {request} within {} ms", timeout.as_millis()),
            format!(
                "Check that the device has power, that its unit number is {unit}, that the line \
                 settings match and that A and B are not swapped."
            ),
        ),
        Failure::Garbled => (
            format!("answered the {request} with a broken frame (CRC error)"),
            "Check termination (120 ohms at both ends), shield and line settings, and that no two \
             devices have the same unit number."
                .to_owned(),
        ),
        Failure::Foreign { same_unit: true } => (
            format!("answered the {request} with another length, address or value"),
            "Check that the profile fits the model and that no two devices have the same unit number."
                .to_owned(),
        ),
        Failure::Foreign { same_unit: false } => (
            format!("did not answer the {request}, though others on the line were heard"),
            format!("Check that the device's unit number is {unit} and that no other master is on the line."),
        ),
        Failure::Link(error) => (
            format!("could not be asked for the {request}: {error}"),
            "Check adapter and cable.".to_owned(),
        ),
    };
    DeviceFault {
        message: format!("Unit {unit} {what}."),
        remedy,
    }
}

/// The device answered with an exception.
pub(crate) fn refused(code: ExceptionCode, unit: u8, request: &Request) -> DeviceFault {
    let remedy = match code.0 {
        1 | 2 => {
            "Check that the profile fits the model and its firmware, and that remote control is enabled in the device."
        }
        3 => "Check the limits set in the device itself: it does not accept this value.",
        5 | 6 => "The device stays busy; restart it if this lasts.",
        10 | 11 => "Check the device behind the gateway: the gateway gets no answer from it.",
        _ => "Read the device's own error display; restart it if this lasts.",
    };
    DeviceFault {
        message: format!("Unit {unit} refused the {request} with {code}."),
        remedy: remedy.to_owned(),
    }
}

/// The limit cannot be told to the device.
pub(super) fn unwritable(error: Unwritable) -> DeviceFault {
    let remedy = match error {
        Unwritable::CannotPause => {
            "Set a limit of at least the least current, or switch the charger off."
        }
        Unwritable::DoesNotFit => "Correct the profile's [limit].",
    };
    DeviceFault {
        message: format!("The limit was not written: {error}."),
        remedy: remedy.to_owned(),
    }
}

/// The profile has no limit.
pub(super) fn no_limit_control(profile: &str) -> DeviceFault {
    DeviceFault {
        message: format!("The limit was not written: profile {profile} has none."),
        remedy: "Use a profile with a [limit], or do not limit this device.".to_owned(),
    }
}

/// The line broke while it was in use.
pub(super) fn link_lost(link: &str, error: &str) -> DeviceFault {
    DeviceFault {
        message: format!("The connection over {link} broke: {error}."),
        remedy: "Check cable, adapter and power of the device; it is opened again by itself."
            .to_owned(),
    }
}

/// The device refuses every register of its profile.
pub(super) fn nothing_to_read(profile: &str) -> DeviceFault {
    DeviceFault {
        message: format!("The device refuses every register of profile {profile}."),
        remedy: "Check that the profile fits the model and its firmware.".to_owned(),
    }
}

/// No state rule covers what the device told.
pub(super) fn uncovered_state(profile: &str, raw: &str) -> DeviceFault {
    DeviceFault {
        message: format!("No state rule of profile {profile} covers {raw}."),
        remedy: "Look the value up in the manufacturer's register list and add a [[state]] rule."
            .to_owned(),
    }
}
