//! Finds SunSpec model blocks: the marker at one of the bases, then model after model. Pure.
//!
//! Source: SunSpec Device Information Model Specification 1.2, section 6: marker "SunS", then each
//! model with its number and length, up to number 0xFFFF.

use hw_profiles::{Profile, Table};

use crate::codec::{Answer, Request};

/// "SunS".
const MARKER: [u16; 2] = [0x5375, 0x6E53];
/// Registers of a model's head: number and length.
const HEAD_LEN: u16 = 2;
/// Number of the model that ends the list.
const END: u16 = 0xFFFF;
/// So many models are looked at behind one marker; devices have a dozen.
const MODELS_MAX: u32 = 64;

/// A search under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walk {
    wanted: Vec<u16>,
    bases: Vec<u16>,
    at: Place,
    found: Vec<(u16, u16)>,
}

/// What is read next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The marker at the base with this index.
    Marker(usize),
    /// The head of a model behind that base.
    Head {
        base: usize,
        address: u16,
        seen: u32,
    },
    /// Nowhere: the search has ended.
    Nowhere,
}

/// Where a search stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Read on.
    Ahead,
    /// Of each wanted model that the device has: its number, and the address of the register that
    /// holds it. [`Profile::located`] puts the registers there.
    Found(Vec<(u16, u16)>),
    /// The device has none of the models.
    Missing,
}

impl Walk {
    /// A search for the models that the registers of a profile are in; `None` if it needs none.
    #[must_use]
    pub fn new(profile: &Profile) -> Option<Self> {
        let bases = profile.sunspec.as_ref()?.bases.clone();
        let registers = profile.registers.iter();
        let wanted = registers.flat_map(|register| register.models.iter().copied());
        Some(Self {
            wanted: wanted.collect(),
            at: marker_at(0, &bases),
            bases,
            found: vec![],
        })
    }

    /// What to read next; `None` when the search has ended.
    #[must_use]
    pub fn request(&self) -> Option<Request> {
        let address = match self.at {
            Place::Marker(base) => self.bases[base],
            Place::Head { address, .. } => address,
            Place::Nowhere => return None,
        };
        Some(Request::Read {
            table: Table::Holding,
            address,
            count: HEAD_LEN,
        })
    }

    /// Takes the answer to it. A refusal means: nothing here.
    pub fn take(&mut self, answer: &Answer) -> Step {
        let words = match answer {
            Answer::Registers(words) => words.as_slice(),
            Answer::Written | Answer::Exception(_) => &[],
        };
        let next = match (self.at, words) {
            (Place::Marker(base), found) if found == MARKER => {
                head_at(base, self.bases[base].checked_add(HEAD_LEN), 0)
            }
            (
                Place::Head {
                    base,
                    address,
                    seen,
                },
                [model, len],
            ) if *model != END => {
                let is_new = self.found.iter().all(|(known, _)| known != model);
                if self.wanted.contains(model) && is_new {
                    self.found.push((*model, address));
                }
                let behind = address.checked_add(HEAD_LEN);
                head_at(base, behind.and_then(|at| at.checked_add(*len)), seen + 1)
            }
            (Place::Marker(_) | Place::Head { .. } | Place::Nowhere, _) => None,
        };
        self.at = match (next, self.at) {
            (Some(next), _) => next,
            (None, Place::Marker(base) | Place::Head { base, .. }) if self.found.is_empty() => {
                marker_at(base + 1, &self.bases)
            }
            (None, Place::Marker(_) | Place::Head { .. } | Place::Nowhere) => Place::Nowhere,
        };
        match self.at {
            Place::Marker(_) | Place::Head { .. } => Step::Ahead,
            Place::Nowhere if self.found.is_empty() => Step::Missing,
            Place::Nowhere => Step::Found(self.found.clone()),
        }
    }
}

fn marker_at(base: usize, bases: &[u16]) -> Place {
    if base < bases.len() {
        Place::Marker(base)
    } else {
        Place::Nowhere
    }
}

fn head_at(base: usize, address: Option<u16>, seen: u32) -> Option<Place> {
    let address = address.filter(|_| seen < MODELS_MAX)?;
    Some(Place::Head {
        base,
        address,
        seen,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::codec::ExceptionCode;
    use crate::testing::{profile, register};
    use hw_profiles::{RegisterType, SunSpec};
    use proptest::prelude::*;

    fn meter(bases: &[u16]) -> Profile {
        let mut it = profile(vec![register("w", 18, RegisterType::I16).holding().build()]);
        it.registers[0].models = vec![1, 201, 202, 203, 204];
        it.sunspec = Some(SunSpec {
            bases: bases.to_vec(),
        });
        it
    }

    /// Walks over a map; what is not in it is refused. The step that ended it, and what was read.
    fn walked(bases: &[u16], map: &BTreeMap<u16, u16>) -> (Step, Vec<u16>) {
        let mut walk = Walk::new(&meter(bases)).unwrap();
        let mut read = vec![];
        loop {
            let Some(Request::Read { address, count, .. }) = walk.request() else {
                panic!("the walk ended without saying so: {read:?}");
            };
            assert_eq!(count, 2);
            read.push(address);
            let words = [map.get(&address), map.get(&address.wrapping_add(1))];
            let answer = match words {
                [Some(first), Some(second)] => Answer::Registers(vec![*first, *second]),
                _ => Answer::Exception(ExceptionCode(2)),
            };
            match walk.take(&answer) {
                Step::Ahead => {}
                end @ (Step::Found(_) | Step::Missing) => return (end, read),
            }
        }
    }

    fn blocks(base: u16, models: &[(u16, u16)]) -> BTreeMap<u16, u16> {
        let mut map = BTreeMap::from([(base, MARKER[0]), (base + 1, MARKER[1])]);
        let mut address = base + 2;
        for (model, len) in models {
            map.insert(address, *model);
            map.insert(address + 1, *len);
            address = address.wrapping_add(2 + len);
        }
        map
    }

    #[test]
    fn all_models_of_the_profile_are_found_behind_a_later_base() {
        let map = blocks(
            50_000,
            &[(1, 65), (103, 50), (203, 105), (203, 9), (END, 0)],
        );
        let meter = 50_002 + 67 + 52;
        let (end, read) = walked(&[40_000, 50_000, 0], &map);
        assert_eq!(end, Step::Found(vec![(1, 50_002), (203, meter)]));
        assert_eq!(
            read,
            [
                40_000,
                50_000,
                50_002,
                50_069,
                meter,
                meter + 107,
                meter + 118
            ]
        );
    }

    #[test]
    fn a_device_without_the_models_is_told_and_every_base_is_tried() {
        let map = blocks(0, &[(2, 66), (103, 50), (END, 0)]);
        let (end, read) = walked(&[40_000, 0], &map);
        assert_eq!(end, Step::Missing);
        assert_eq!(read, [40_000, 0, 2, 70, 122]);
        assert_eq!(walked(&[40_000], &BTreeMap::new()).0, Step::Missing);
    }

    #[test]
    fn a_list_without_an_end_and_one_beyond_the_table_are_given_up() {
        let endless = blocks(0, &[(7, 0); 200]);
        let (end, read) = walked(&[0], &endless);
        assert_eq!((end, read.len()), (Step::Missing, 1 + 64));
        let beyond = blocks(40_000, &[(7, 0xFFF0)]);
        assert_eq!(
            walked(&[40_000], &beyond),
            (Step::Missing, vec![40_000, 40_002])
        );
    }

    #[test]
    fn a_profile_without_sunspec_needs_no_search() {
        assert_eq!(Walk::new(&profile(vec![])), None);
        assert_eq!(Walk::new(&meter(&[])).unwrap().request(), None);
    }

    proptest! {
        #[test]
        fn every_walk_ends(words in proptest::collection::vec(any::<u16>(), 512), marked: bool) {
            let mut map: BTreeMap<u16, u16> = (0..).zip(words).collect();
            if marked {
                map.extend([(0, MARKER[0]), (1, MARKER[1])]);
            }
            let (_, read) = walked(&[0, 100, 200], &map);
            prop_assert!(read.len() <= 3 * 65);
        }
    }
}
