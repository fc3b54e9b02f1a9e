//! What a central system wants to be told of the meters, as the configuration keys have it
//! (OCPP 1.6 section 9.1).

use ocpp::v16::Measurand;

use crate::configuration::{Configuration, Key};

/// The keys about meter values.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wants {
    /// `MeterValueSampleInterval`; 0 is never.
    pub(super) sampled_ms: u64,
    /// `ClockAlignedDataInterval`; 0 is never.
    pub(super) aligned_s: u32,
    /// `MeterValuesSampledData`
    pub(super) sampled: Vec<String>,
    /// `MeterValuesAlignedData`
    pub(super) aligned: Vec<String>,
    /// `StopTxnSampledData`
    pub(super) stop_sampled: Vec<String>,
    /// `StopTxnAlignedData`
    pub(super) stop_aligned: Vec<String>,
}

impl Wants {
    /// As the keys have it now.
    #[must_use]
    pub fn of(keys: &Configuration) -> Self {
        let words = |key| keys.words(key).map(str::to_owned).collect();
        Self {
            sampled_ms: u64::from(keys.whole(Key::MeterValueSampleInterval)) * 1_000,
            aligned_s: keys.whole(Key::ClockAlignedDataInterval),
            sampled: words(Key::MeterValuesSampledData),
            aligned: words(Key::MeterValuesAlignedData),
            stop_sampled: words(Key::StopTxnSampledData),
            stop_aligned: words(Key::StopTxnAlignedData),
        }
    }

    /// How often the register is told during a transaction, if it is.
    pub(super) fn register_every_ms(&self) -> Option<u64> {
        let sampled = (self.sampled_ms, &self.sampled);
        let aligned = (u64::from(self.aligned_s) * 1_000, &self.aligned);
        let told = [sampled, aligned]
            .into_iter()
            .filter(|(every_ms, words)| *every_ms > 0 && holds_register(words));
        told.map(|(every_ms, _)| every_ms).min()
    }

    /// Whether a stop is to tell the register.
    pub(super) fn stop_has_register(&self) -> bool {
        holds_register(&self.stop_sampled) || holds_register(&self.stop_aligned)
    }
}

fn holds_register(words: &[String]) -> bool {
    let register = Measurand::EnergyActiveImportRegister.as_str();
    words.iter().any(|word| word == register)
}
