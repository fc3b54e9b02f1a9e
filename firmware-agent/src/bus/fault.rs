//! Faults as sentences for the technician: what happened, where, and what to do next.

use std::time::Duration;

use hw_profiles::Profile;
use site_model::{DeviceFault, DeviceId};

use super::Phases;
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

/// A fixed value of the profile cannot be told to the device.
pub(super) fn unwritable_value(error: Unwritable) -> DeviceFault {
    DeviceFault {
        message: format!("A fixed value was not written: {error}."),
        remedy: "Correct the profile: the value must fit its register.".to_owned(),
    }
}

/// The model has fewer connectors.
pub(super) fn no_connector(profile: &Profile, connector: u8) -> DeviceFault {
    let most = profile.connectors.as_ref().map_or(1, |c| c.maximum);
    DeviceFault {
        message: format!("Profile {} has no connector {connector}.", profile.id),
        remedy: format!("Write a connector from 1 to {most}."),
    }
}

/// A probe of the profile does not hold.
pub(super) fn other_model(profile: &Profile, register: &str, shown: &str) -> DeviceFault {
    DeviceFault {
        message: format!(
            "The device is no {} {}, as profile {} says: {register} reads {shown}. Nothing is \
             written to it.",
            profile.vendor, profile.model, profile.id
        ),
        remedy: "Let `firmware-agent identify` tell which profile fits, and write that into the \
                 configuration."
            .to_owned(),
    }
}

/// None of the SunSpec models of the profile is there.
pub(super) fn no_model(profile: &str) -> DeviceFault {
    DeviceFault {
        message: format!("The device has none of the SunSpec models of profile {profile}."),
        remedy:
            "Check that SunSpec is enabled in the device, and that the meter is connected to it."
                .to_owned(),
    }
}

/// With neither word order the value that must lie in a range does.
pub(super) fn no_word_order(profile: &str, register: &str) -> DeviceFault {
    DeviceFault {
        message: format!(
            "With neither word order does {register} of profile {profile} lie where it must."
        ),
        remedy: "Check that the profile fits the model, or write `words` in the configuration."
            .to_owned(),
    }
}

/// The device does not clear its life bit.
pub(super) fn life_bit_stands(register: &str, shown: &str) -> DeviceFault {
    DeviceFault {
        message: format!("The device does not clear its life bit: {register} still reads {shown}."),
        remedy: "Check that remote control and its supervision are enabled in the device."
            .to_owned(),
    }
}

/// The failsafe reads back otherwise although it was written.
pub(super) fn failsafe_differs(told: &str) -> DeviceFault {
    DeviceFault {
        message: format!("The failsafe was written, but {told}."),
        remedy: "Set it in the device itself, or correct `failsafe` in the configuration."
            .to_owned(),
    }
}

/// This variant of the model has no failsafe.
pub(super) fn failsafe_not_here(profile: &str) -> DeviceFault {
    DeviceFault {
        message: format!("The failsafe was not written: this variant of {profile} has none."),
        remedy: "Update the device's firmware, or remove `failsafe` from the configuration."
            .to_owned(),
    }
}

/// The profile has no phase switch.
pub(super) fn no_phase_switch(profile: &str) -> DeviceFault {
    DeviceFault {
        message: format!("The phases were not switched: profile {profile} cannot."),
        remedy: "Use a model with a phase switch, or do not switch the phases of this one."
            .to_owned(),
    }
}

/// This variant of the model has no phase switch.
pub(super) fn phases_not_here(profile: &str) -> DeviceFault {
    DeviceFault {
        message: format!(
            "The phases were not switched: this variant of {profile} cannot, or not as it is set up."
        ),
        remedy: "Check in the device that its phase switch is there and remotely controlled."
            .to_owned(),
    }
}

/// Nothing is known of the device yet.
pub(super) fn phases_unknown(device: &DeviceId) -> DeviceFault {
    DeviceFault {
        message: format!("The phases were not switched: {device} has not answered yet."),
        remedy: "Try again when it is read.".to_owned(),
    }
}

/// Switching needs a pause, and the model has none.
pub(super) fn cannot_pause_for_phases() -> DeviceFault {
    DeviceFault {
        message: "The phases were not switched: that needs a pause, and the model cannot pause."
            .to_owned(),
        remedy: "Switch while no car charges.".to_owned(),
    }
}

/// The car goes on charging after a pause.
pub(super) fn still_charging(after: Duration) -> DeviceFault {
    DeviceFault {
        message: format!(
            "The phases were not switched: the device still charges {} s after its pause.",
            after.as_secs()
        ),
        remedy: "Check that the device follows its limit.".to_owned(),
    }
}

/// The phases do not read back as written.
pub(super) fn phases_differ(wanted: Phases, shown: &str) -> DeviceFault {
    DeviceFault {
        message: format!("The device was switched to {wanted}, but reads back {shown}."),
        remedy: "Check the device's phase switch and how it is wired.".to_owned(),
    }
}

/// Another wish came before the switch was done.
pub(super) fn phases_overtaken(by: Phases) -> DeviceFault {
    DeviceFault {
        message: format!("The switch of the phases was given up for a later one to {by}."),
        remedy: "Nothing has to be done.".to_owned(),
    }
}

/// The device was lost meanwhile.
pub(super) fn lost_while_switching() -> DeviceFault {
    DeviceFault {
        message: "The device was lost while its phases were switched.".to_owned(),
        remedy: "Switch again when it is back.".to_owned(),
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
