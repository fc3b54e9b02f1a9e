//! Types of the messages that the schemas describe too loosely to be generated.

use serde_json::Value;

use crate::reading::{Reading, Rule, Violation};
use crate::v16::{MeterValue, SampledValue, UnitOfMeasure};
use crate::values::SomeOf;
use crate::wire::Wire;

/// The meter values of `StopTransaction`. Its schema, unlike that of `MeterValues`, does not know
/// the unit `Hertz`: samples in that unit are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionData(Vec<MeterValue>);

impl TransactionData {
    /// Takes what `StopTransaction` may carry.
    #[must_use]
    pub fn new(values: Vec<MeterValue>) -> Self {
        let kept = values.into_iter().filter_map(without_hertz).collect();
        Self(kept)
    }

    /// The meter values.
    #[must_use]
    pub fn as_slice(&self) -> &[MeterValue] {
        &self.0
    }
}

fn without_hertz(value: MeterValue) -> Option<MeterValue> {
    let allowed = |sample: &SampledValue| sample.unit != Some(UnitOfMeasure::Hertz);
    let samples = value.sampled_value.into_iter().filter(allowed).collect();
    Some(MeterValue {
        sampled_value: SomeOf::new(samples).ok()?,
        timestamp: value.timestamp,
    })
}

impl Wire for TransactionData {
    fn read(value: Value, rule: Rule, reading: &mut Reading) -> Result<Self, Violation> {
        Vec::read(value, rule, reading).map(Self::new)
    }

    fn write(&self, out: &mut String) {
        self.0.write(out);
    }
}
