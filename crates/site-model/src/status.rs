//! Statuses and the closed lists of words that records use.

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every word, in order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word as it stands in messages and records.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The value that is spelled like this, if any.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|word| word.as_str() == text)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words!(
    /// Control-pilot state (IEC 61851-1, annex A).
    VehicleState {
        /// No vehicle.
        A = "A",
        /// Vehicle connected, not ready to take energy or not offered any.
        B = "B",
        /// Vehicle takes energy.
        C = "C",
        /// Vehicle takes energy, ventilation required.
        D = "D",
        /// Pilot shorted or no power.
        E = "E",
        /// Charging equipment not available.
        F = "F",
        /// The device reports an error of its own.
        Fault = "fault",
    }
);

words!(
    /// Connector status, OCPP 1.6 section 7.7.
    ConnectorStatus {
        /// Free.
        Available = "Available",
        /// Occupied, energy not yet flowing for the first time.
        Preparing = "Preparing",
        /// Energy flows.
        Charging = "Charging",
        /// The station offers nothing.
        SuspendedEvse = "SuspendedEVSE",
        /// The vehicle takes nothing.
        SuspendedEv = "SuspendedEV",
        /// Session over, vehicle still connected.
        Finishing = "Finishing",
        /// Kept for somebody.
        Reserved = "Reserved",
        /// Taken out of operation.
        Unavailable = "Unavailable",
        /// Error.
        Faulted = "Faulted",
    }
);

words!(
    /// Status of the charge point as a whole (OCPP 1.6, connector 0).
    ChargePointStatus {
        /// In operation.
        Available = "Available",
        /// Taken out of operation.
        Unavailable = "Unavailable",
        /// Error.
        Faulted = "Faulted",
    }
);

words!(
    /// Plug or socket of a connector, as the REST contract spells it.
    ConnectorType {
        /// IEC 62196-2 type 2, socket or cable.
        Type2 = "Type2",
        /// SAE J1772.
        Type1 = "Type1",
        /// CCS, combo 2.
        Ccs2 = "CCS2",
        /// CHAdeMO.
        Chademo = "CHAdeMO",
    }
);

words!(
    /// Where a connector's energy comes from.
    EnergySource {
        /// A meter of its own, assigned to the connector.
        ExternalMeter = "external_meter",
        /// The charger's lifetime register of active energy.
        LifetimeRegister = "lifetime_register",
        /// The charger's session register.
        SessionRegister = "session_register",
        /// Power summed over time; an estimate.
        IntegratedPower = "integrated_power",
    }
);

words!(
    /// Why a session ended (OCPP 1.6 section 7.20).
    StopReason {
        /// Cable unplugged at the vehicle.
        EvDisconnected = "EVDisconnected",
        /// Stopped at the cabinet.
        Local = "Local",
        /// Stopped from outside.
        Remote = "Remote",
        /// The idTag lost its authorization.
        DeAuthorized = "DeAuthorized",
        /// Power lost.
        PowerLoss = "PowerLoss",
        /// Charger restarted.
        Reboot = "Reboot",
        /// The charge point was reset by its central system, gracefully.
        SoftReset = "SoftReset",
        /// The charge point was reset by its central system, at once.
        HardReset = "HardReset",
        /// Anything else.
        Other = "Other",
    }
);

words!(
    /// What is said to a wish to reserve or to take a reservation back (OCPP 1.6 section 7.42).
    ReservationAnswer {
        /// It is kept, or taken back.
        Accepted = "Accepted",
        /// The connector is faulted.
        Faulted = "Faulted",
        /// The connector is in use, or kept already.
        Occupied = "Occupied",
        /// It cannot be kept here, or there is none to take back.
        Rejected = "Rejected",
        /// The connector is out of operation or out of reach.
        Unavailable = "Unavailable",
    }
);

words!(
    /// Why a reservation ended.
    ReservationEnd {
        /// A session began on it.
        Used = "used",
        /// It was taken back.
        Cancelled = "cancelled",
        /// Its time was over.
        Expired = "expired",
        /// Its connector was faulted or taken out of operation.
        OutOfService = "out_of_service",
    }
);

words!(
    /// Who set the limit that rules a connector now; the lowest limit wins.
    LimitOwner {
        /// Nothing is authorised: the connector is held at its pause value.
        Authorization = "authorization",
        /// Rating of the connector in the site's configuration.
        Installation = "installation",
        /// An order from the cabinet or the cloud.
        Command = "command",
        /// Taken out of operation.
        Availability = "availability",
        /// Charging profiles of the charge point's central system.
        ChargingProfile = "charging_profile",
    }
);
