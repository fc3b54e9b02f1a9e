//! Groups the registers that are due into the fewest reads that the profile's constraints allow. Pure.

use hw_profiles::{Link, Profile, Register, Table};

use crate::codec::Request;
use crate::codec::pdu::{READ_BITS_MAX, READ_REGISTERS_MAX};

/// One read and what it delivers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedRead {
    /// At the station's unit identifier, if it has one of its own.
    pub station: bool,
    /// Which table.
    pub table: Table,
    /// First register.
    pub address: u16,
    /// How many.
    pub count: u16,
    /// Indices of the profile's registers that lie wholly inside.
    pub registers: Vec<usize>,
}

impl PlannedRead {
    /// The request to send.
    #[must_use]
    pub fn request(&self) -> Request {
        Request::Read {
            table: self.table,
            address: self.address,
            count: self.count,
        }
    }

    /// The words of one register of the profile within the answer.
    #[must_use]
    pub fn words_of<'a>(&self, register: &Register, answer: &'a [u16]) -> Option<&'a [u16]> {
        let start = usize::from(register.address.checked_sub(self.address)?);
        answer.get(start..start + usize::from(register.count()))
    }
}

/// What the plan may assume about one register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// To be read now; in a read of its own if the profile says so.
    Due,
    /// Exists, need not be read; a read may run across it.
    Known,
    /// Does not exist here, or refused to be read in a block: no read may run across it.
    Barrier,
    /// To be read now, in a read of its own.
    Alone,
}

/// The fewest reads that deliver every due register, ascending by unit, table and address.
///
/// The registers are taken in order of address, each read reaching as far as the constraints let
/// it. That is minimal: if a read may cover two values it may also cover any run between them, so
/// reaching further never costs a read.
#[must_use]
pub fn plan(profile: &Profile, wishes: &[Wish]) -> Vec<PlannedRead> {
    let wishes = &respected(profile, wishes);
    let mut due: Vec<usize> = (0..profile.registers.len())
        .filter(|index| matches!(wishes[*index], Wish::Due | Wish::Alone))
        .collect();
    due.sort_by_key(|index| {
        let register = &profile.registers[*index];
        (
            is_apart(profile, register),
            register.table,
            register.address,
            register.count(),
        )
    });
    let mut reads: Vec<PlannedRead> = Vec::new();
    let mut closed = false;
    for index in due {
        let register = &profile.registers[index];
        let alone = wishes[index] == Wish::Alone;
        if let Some(read) = reads.last_mut()
            && !alone
            && !closed
            && let Some(count) = reach(profile, wishes, read, register)
        {
            read.count = count;
        } else {
            reads.push(PlannedRead {
                station: is_apart(profile, register),
                table: register.table,
                address: register.address,
                count: register.count(),
                registers: vec![],
            });
        }
        closed = alone;
    }
    for read in &mut reads {
        read.registers = delivered(profile, wishes, read);
    }
    reads
}

/// Whether a register is read at another unit identifier than the rest.
fn is_apart(profile: &Profile, register: &Register) -> bool {
    register.station && profile.link.station_unit.is_some()
}

/// What is only readable alone is read alone, and no read runs across it.
fn respected(profile: &Profile, wishes: &[Wish]) -> Vec<Wish> {
    let registers = profile.registers.iter().zip(wishes);
    registers
        .map(|(register, wish)| match wish {
            Wish::Due if register.alone => Wish::Alone,
            Wish::Known if register.alone => Wish::Barrier,
            Wish::Due | Wish::Known | Wish::Barrier | Wish::Alone => *wish,
        })
        .collect()
}

/// Count of the read when it also covers `register`, if the constraints allow that.
fn reach(
    profile: &Profile,
    wishes: &[Wish],
    read: &PlannedRead,
    register: &Register,
) -> Option<u16> {
    let link = &profile.link;
    if (read.station, read.table) != (is_apart(profile, register), register.table) {
        return None;
    }
    let read_end = end(read.address, read.count);
    let new_end = read_end.max(end(register.address, register.count()));
    let count = u16::try_from(new_end - u32::from(read.address)).ok()?;
    let same = (read.address, read.count) == (register.address, register.count());
    if !link.block_reads && !same || count > most(link, read.table) {
        return None;
    }
    let crossed = read_end..u32::from(register.address);
    let named = |address: u32, barrier: bool| {
        profile.registers.iter().zip(wishes).any(|(other, wish)| {
            (is_apart(profile, other), other.table) == (read.station, read.table)
                && (*wish == Wish::Barrier || *wish == Wish::Alone) == barrier
                && (u32::from(other.address)..end(other.address, other.count())).contains(&address)
        })
    };
    let mut hole = 0;
    for address in crossed {
        // An address that another register also names is no barrier: two registers may share an
        // address under opposite conditions.
        if named(address, false) {
            hole = 0;
        } else if named(address, true) {
            return None;
        } else {
            hole += 1;
            if hole > link.max_hole_registers {
                return None;
            }
        }
    }
    Some(count)
}

/// Registers that lie wholly inside the read. With `block_reads = false` a read is one value.
fn delivered(profile: &Profile, wishes: &[Wish], read: &PlannedRead) -> Vec<usize> {
    let inside = |register: &Register| {
        (is_apart(profile, register), register.table) == (read.station, read.table)
            && register.address >= read.address
            && end(register.address, register.count()) <= end(read.address, read.count)
    };
    (0..profile.registers.len())
        .filter(|index| wishes[*index] != Wish::Barrier && inside(&profile.registers[*index]))
        .collect()
}

fn end(address: u16, count: u16) -> u32 {
    u32::from(address) + u32::from(count)
}

/// Most registers or bits in one read.
fn most(link: &Link, table: Table) -> u16 {
    let by_protocol = if table.is_bits() {
        READ_BITS_MAX
    } else {
        READ_REGISTERS_MAX
    };
    link.max_registers_per_read.min(by_protocol)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{profile, register};
    use hw_profiles::RegisterType::{F32, U16, U32, U64};
    use proptest::prelude::*;

    fn spans(profile: &Profile, wishes: &[Wish]) -> Vec<(u16, u16, Vec<usize>)> {
        plan(profile, wishes)
            .into_iter()
            .map(|read| (read.address, read.count, read.registers))
            .collect()
    }

    fn three_values() -> Profile {
        // 5, hole of two, 8 and 9, hole of one, 11.
        profile(vec![
            register("a", 5, U16).build(),
            register("b", 8, U32).build(),
            register("c", 11, U16).build(),
        ])
    }

    #[test]
    fn reads_run_across_holes_no_wider_than_allowed() {
        let mut it = three_values();
        it.link.max_hole_registers = 2;
        assert_eq!(spans(&it, &[Wish::Due; 3]), [(5, 7, vec![0, 1, 2])]);
        it.link.max_hole_registers = 1;
        assert_eq!(
            spans(&it, &[Wish::Due; 3]),
            [(5, 1, vec![0]), (8, 4, vec![1, 2])]
        );
        it.link.max_hole_registers = 0;
        assert_eq!(
            spans(&it, &[Wish::Due; 3]),
            [(5, 1, vec![0]), (8, 2, vec![1]), (11, 1, vec![2])]
        );
    }

    #[test]
    fn values_are_never_split_by_the_longest_read() {
        let mut it = three_values();
        it.link.max_hole_registers = 9;
        it.link.max_registers_per_read = 4;
        assert_eq!(
            spans(&it, &[Wish::Due; 3]),
            [(5, 1, vec![0]), (8, 4, vec![1, 2])]
        );
    }

    #[test]
    fn without_block_reads_each_read_is_one_value() {
        let mut it = three_values();
        it.link.max_hole_registers = 9;
        it.link.block_reads = false;
        assert_eq!(
            spans(&it, &[Wish::Due; 3]),
            [(5, 1, vec![0]), (8, 2, vec![1]), (11, 1, vec![2])]
        );
    }

    #[test]
    fn named_registers_between_are_no_hole_and_are_delivered_too() {
        let it = profile(vec![
            register("a", 5, U16).build(),
            register("b", 6, U16).build(),
            register("c", 7, U16).build(),
        ]);
        assert_eq!(
            spans(&it, &[Wish::Due, Wish::Known, Wish::Due]),
            [(5, 3, vec![0, 1, 2])]
        );
        assert_eq!(
            spans(&it, &[Wish::Due, Wish::Barrier, Wish::Due]),
            [(5, 1, vec![0]), (7, 1, vec![2])]
        );
        assert_eq!(
            spans(&it, &[Wish::Due, Wish::Alone, Wish::Due]),
            [(5, 1, vec![0]), (6, 1, vec![1]), (7, 1, vec![2])]
        );
        assert_eq!(spans(&it, &[Wish::Known; 3]), []);
    }

    #[test]
    fn what_is_only_readable_alone_is_read_alone_and_never_run_across() {
        let mut it = profile(vec![
            register("a", 5, U16).build(),
            register("b", 6, U16).build(),
            register("c", 7, U16).build(),
        ]);
        it.registers[1].alone = true;
        assert_eq!(
            spans(&it, &[Wish::Due; 3]),
            [(5, 1, vec![0]), (6, 1, vec![1]), (7, 1, vec![2])]
        );
        assert_eq!(
            spans(&it, &[Wish::Due, Wish::Known, Wish::Due]),
            [(5, 1, vec![0]), (7, 1, vec![2])]
        );
    }

    #[test]
    fn what_belongs_to_the_station_is_read_apart() {
        let mut it = profile(vec![
            register("a", 5, U16).build(),
            register("b", 6, U16).build(),
            register("c", 7, U16).build(),
        ]);
        it.registers[1].station = true;
        it.link.max_hole_registers = 1;
        assert_eq!(plan(&it, &[Wish::Due; 3]).len(), 1, "the same unit");
        it.link.station_unit = Some(200);
        let reads = plan(&it, &[Wish::Due; 3]);
        let seen: Vec<_> = reads
            .iter()
            .map(|read| (read.station, read.address, read.count))
            .collect();
        assert_eq!(seen, [(false, 5, 3), (true, 6, 1)]);
        assert_eq!(reads[0].registers, [0, 2]);
    }

    #[test]
    fn tables_are_not_mixed() {
        let it = profile(vec![
            register("a", 5, U16).build(),
            register("b", 6, U16).holding().build(),
        ]);
        assert_eq!(plan(&it, &[Wish::Due; 2]).len(), 2);
    }

    #[test]
    fn the_last_register_of_the_table_can_be_read() {
        let it = profile(vec![register("a", 0xFFFE, U32).build()]);
        assert_eq!(spans(&it, &[Wish::Due]), [(0xFFFE, 2, vec![0])]);
    }

    /// Least number of groups over all ways to cut the sorted values, by dynamic programming on
    /// the constraints as the profile states them.
    fn fewest(profile: &Profile) -> usize {
        let mut spans: Vec<(u32, u32)> = profile
            .registers
            .iter()
            .map(|r| {
                (
                    u32::from(r.address),
                    u32::from(r.address) + u32::from(r.count()),
                )
            })
            .collect();
        spans.sort_unstable();
        let allowed = |group: &[(u32, u32)]| {
            let wide = group.iter().map(|s| s.1).max().unwrap() - group[0].0;
            let hole = group
                .windows(2)
                .map(|w| w[1].0.saturating_sub(w[0].1))
                .max()
                .unwrap_or(0);
            group.len() == 1
                || profile.link.block_reads
                    && wide <= u32::from(profile.link.max_registers_per_read)
                    && hole <= u32::from(profile.link.max_hole_registers)
        };
        let mut best = vec![0; spans.len() + 1];
        for to in 1..=spans.len() {
            best[to] = (0..to)
                .filter(|from| allowed(&spans[*from..to]))
                .map(|from| best[from] + 1)
                .min()
                .unwrap();
        }
        best[spans.len()]
    }

    proptest! {
        #[test]
        fn plans_are_minimal_complete_and_keep_every_constraint(
            values in proptest::collection::vec((0u16..6, 0usize..4), 1..14),
            max_registers in 4u16..20,
            max_hole in 0u16..6,
            block_reads: bool,
        ) {
            let mut address = 0;
            let registers = values.iter().enumerate().map(|(index, (hole, kind))| {
                let ty = [U16, U32, F32, U64][*kind];
                address += hole;
                let made = register(&format!("r{index}"), address, ty).build();
                address += ty.count();
                made
            }).collect();
            let mut it = profile(registers);
            it.link.max_registers_per_read = max_registers;
            it.link.max_hole_registers = max_hole;
            it.link.block_reads = block_reads;
            let wishes = vec![Wish::Due; it.registers.len()];
            let reads = plan(&it, &wishes);
            prop_assert_eq!(reads.len(), fewest(&it));
            let mut seen: Vec<usize> = reads.iter().flat_map(|r| r.registers.clone()).collect();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..it.registers.len()).collect::<Vec<_>>());
            for read in &reads {
                prop_assert!(read.count <= max_registers);
                prop_assert!(block_reads || read.registers.len() == 1);
            }
        }
    }
}
