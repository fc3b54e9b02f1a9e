//! From a request to its answer, and the rules that it keeps or breaks.

use hw_profiles::{Access, Table, WriteRegister};

use super::access::{Cell, Unread, covered};
use super::control::{Refused, Taken};
use super::fault::Answer;
use super::image::Image;
use super::memory::Spot;
use super::value::joined_bits;
use super::violation::{Broken, Rule, Violation};
use super::{Body, Device, Face, MEMORY, Moment, WriteRecord};
use crate::codec::{
    ExceptionCode, Request, exception_pdu, parse_request, read_answer, write_answer,
};
use crate::physics::Mains;

impl Device {
    /// Answers a request: nothing, one frame, or with faults several.
    pub(crate) fn serve(
        &mut self,
        moment: Moment,
        face: Face,
        pdu: &[u8],
        mains: &Mains,
        rng: &mut fastrand::Rng,
    ) -> Vec<Answer> {
        if self.rebooting_until_ms.is_some() || self.faults.silent() {
            return Vec::new();
        }
        if self.profile.link.wake_up && !self.awake {
            self.awake = true;
            return Vec::new();
        }
        self.awake = false;
        self.requests += 1;
        if let Some(broken) = self.too_soon(moment, face) {
            self.record(moment.now_ms, broken);
            return Vec::new();
        }
        let function = pdu.first().copied().unwrap_or(0);
        let answer = match self.faults.exception() {
            Some(code) => exception_pdu(function, code),
            None => self
                .carried_out(moment, face, pdu, mains)
                .unwrap_or_else(|code| exception_pdu(function, code)),
        };
        self.faults.applied(answer, rng)
    }

    fn too_soon(&self, moment: Moment, face: Face) -> Option<Broken> {
        let answered = self.timing.answered_at_ms.get(&self.wired(face))?;
        let silence = moment.began_ms.saturating_sub(*answered);
        let gap = self.profile.link.gap_ms;
        (silence < gap).then(|| {
            let detail = format!("request {silence} ms after the last answer: at least {gap} ms");
            Broken::new(Rule::Gap, detail)
        })
    }

    fn carried_out(
        &mut self,
        moment: Moment,
        face: Face,
        pdu: &[u8],
        mains: &Mains,
    ) -> Result<Vec<u8>, ExceptionCode> {
        let request = match parse_request(pdu) {
            Ok(request) => request,
            Err(code) => {
                let detail = format!("request {pdu:02x?} is not understood");
                self.record(moment.now_ms, Broken::new(Rule::Malformed, detail));
                return Err(code);
            }
        };
        for part in self.reached(face) {
            let part = &mut self.parts[part];
            if let Body::Charger(charger) = &mut part.body {
                charger.heard(&part.profile, moment.physics_ms);
            }
        }
        match &request {
            Request::Read {
                table,
                address,
                count,
            } => return self.read(moment.now_ms, face, (*table, *address, *count), mains),
            Request::WriteCoil { address, on } => {
                let values = [u16::from(*on)];
                self.write(moment, face, Access::Coil, *address, &values, mains)?;
            }
            Request::WriteSingle { address, value } => {
                self.write(moment, face, Access::Single, *address, &[*value], mains)?;
            }
            Request::WriteMultiple { address, values } => {
                self.write(moment, face, Access::Multiple, *address, values, mains)?;
            }
        }
        Ok(write_answer(&request))
    }

    fn read(
        &mut self,
        now_ms: u64,
        face: Face,
        (table, address, count): (Table, u16, u16),
        mains: &Mains,
    ) -> Result<Vec<u8>, ExceptionCode> {
        let parts = self.reached(face);
        let images: Vec<Image<'_>> = self.parts[parts.clone()]
            .iter()
            .map(|part| Image::new(part, mains))
            .collect();
        let mut reachable = Vec::new();
        for (image, part) in images.iter().zip(parts.clone()) {
            let present = image
                .existing()
                .into_iter()
                .map(|register| (register, true));
            let absent = self.parts[part].absent.iter().map(|r| (r, false));
            for (register, present) in present.chain(absent) {
                // What is station-wide is there once.
                let again = register.station && part != parts.start;
                if self.reaches(face, register.station) && !again {
                    reachable.push(Cell {
                        part,
                        register,
                        present,
                    });
                }
            }
        }
        let cells = match covered(&self.profile.link, &reachable, table, address, count) {
            Ok(cells) => cells,
            Err(unread) => {
                let sought = self.may_seek(table, address);
                if let Unread::Broken(broken) = unread
                    && !sought
                {
                    self.record(now_ms, broken);
                }
                return Err(ExceptionCode::IllegalDataAddress);
            }
        };
        let mut words = vec![0; usize::from(count)];
        let mut read = Vec::new();
        for Cell { part, register, .. } in cells {
            let from = usize::from(register.address - address);
            let shown = images[part - parts.start].words(register);
            words[from..from + shown.len()].copy_from_slice(&shown);
            read.push((register.name.clone(), register.address));
        }
        for (name, address) in read {
            self.note_read(now_ms, face, table, &name, address);
        }
        Ok(read_answer(table, &words))
    }

    /// Whether a master may look here for SunSpec blocks, and not find them.
    fn may_seek(&self, table: Table, address: u16) -> bool {
        let bases = self.profile.sunspec.as_ref().map(|found| &found.bases);
        table == Table::Holding && bases.is_some_and(|bases| bases.contains(&address))
    }

    fn note_read(&mut self, now_ms: u64, face: Face, table: Table, name: &str, address: u16) {
        let key = (self.wired(face), table, address);
        let before = self.timing.read_at_ms.insert(key, now_ms);
        let interval = self.profile.link.read_interval_ms;
        if let Some(elapsed) = before.map(|before| now_ms.saturating_sub(before))
            && elapsed < least(interval)
        {
            let detail = format!("{name} read again after {elapsed} ms: at least {interval} ms");
            self.record(now_ms, Broken::new(Rule::ReadInterval, detail));
        }
    }

    fn write(
        &mut self,
        moment: Moment,
        face: Face,
        access: Access,
        address: u16,
        values: &[u16],
        mains: &Mains,
    ) -> Result<(), ExceptionCode> {
        let result = self.checked_write(moment, face, access, address, values, mains);
        self.writes.push_back(WriteRecord {
            at_ms: moment.now_ms,
            address,
            values: values.to_vec(),
            accepted: result.is_ok(),
        });
        if self.writes.len() > MEMORY {
            self.writes.pop_front();
        }
        match result {
            Ok(taken) => {
                self.flash_writes += u64::from(taken.wears);
                for broken in taken.broken {
                    self.record(moment.now_ms, broken);
                }
                Ok(())
            }
            Err(refused) => {
                if let Some(broken) = refused.broken {
                    self.record(moment.now_ms, broken);
                }
                Err(refused.code)
            }
        }
    }

    fn checked_write(
        &mut self,
        moment: Moment,
        face: Face,
        access: Access,
        address: u16,
        values: &[u16],
        mains: &Mains,
    ) -> Result<Taken, Refused> {
        let spot = Spot {
            coil: access == Access::Coil,
            address,
        };
        let found = self.reached(face).find_map(|part| {
            let write = self.parts[part].writable(spot)?;
            self.reaches(face, write.station)
                .then(|| (part, write.clone()))
        });
        let Some((part, write)) = found else {
            let detail = format!("write to {address}: the profile writes nothing there");
            return Err(Refused {
                code: ExceptionCode::IllegalDataAddress,
                broken: Some(Broken::new(Rule::UnknownWrite, detail)),
            });
        };
        let bits = written_bits(&write, access, values)?;
        // What is station-wide is written for all connectors.
        let parts = if write.station {
            0..self.parts.len()
        } else {
            part..part + 1
        };
        let mut taken = Taken::default();
        for part in parts {
            let part = &mut self.parts[part];
            let switches = Image::new(part, mains).switches_phases();
            if let Body::Charger(charger) = &mut part.body {
                let profile = &part.profile;
                taken = charger.write(profile, moment.physics_ms, &write, bits, switches)?;
            }
        }
        if self.parts[part].is_limit(spot) {
            taken
                .broken
                .extend(self.note_limit_write(part, moment.now_ms));
        }
        Ok(taken)
    }

    fn note_limit_write(&mut self, part: usize, now_ms: u64) -> Option<Broken> {
        let interval = self.profile.link.write_interval_ms;
        let before = self.timing.limit_written_at_ms.insert(part, now_ms)?;
        let elapsed = now_ms.saturating_sub(before);
        (elapsed < least(interval)).then(|| {
            let detail = format!("limit written after {elapsed} ms: at least {interval} ms");
            Broken::new(Rule::WriteInterval, detail)
        })
    }

    fn record(&mut self, at_ms: u64, broken: Broken) {
        self.violations.push_back(Violation {
            device: self.name.clone(),
            at_ms,
            rule: broken.rule,
            detail: broken.detail,
        });
        if self.violations.len() > MEMORY {
            self.violations.pop_front();
        }
    }
}

/// Bits of the value that was written, all its repetitions being equal.
fn written_bits(write: &WriteRegister, access: Access, values: &[u16]) -> Result<u64, Refused> {
    let refused = |detail| Refused {
        code: ExceptionCode::IllegalFunction,
        broken: Some(Broken::new(Rule::WriteAccess, detail)),
    };
    let (expected, count, address) = (write.access, write.count(), write.address);
    if expected != access || usize::from(count) != values.len() {
        return Err(refused(format!(
            "{access:?} write of {} registers to {address}: needs {expected:?} of {count}",
            values.len()
        )));
    }
    let each = usize::from(write.ty.count().max(1));
    let mut repeated = values.chunks(each);
    let first = repeated.next().unwrap_or(&[]);
    if repeated.any(|other| other != first) {
        return Err(refused(format!(
            "write of {values:?} to {address}: needs the same value {} times",
            write.repeat
        )));
    }
    Ok(joined_bits(write.words, first))
}

/// Three quarters of an interval: a request is timed when it is heard, and a busy machine may hear
/// one late and the next in time.
fn least(interval_ms: u64) -> u64 {
    interval_ms - interval_ms / 4
}
