//! Which reads a device allows: lengths, holes, value boundaries, blocks.

use hw_profiles::{Link, Register, Table};

use super::violation::{Broken, Rule};

/// A value that a request can reach.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cell<'a> {
    /// Connector, counted from 0.
    pub(crate) part: usize,
    pub(crate) register: &'a Register,
    /// Whether this variant of the device has it.
    pub(crate) present: bool,
}

/// Why a read is refused.
#[derive(Debug)]
pub(crate) enum Unread {
    Broken(Broken),
    /// A value is not there that the profile calls optional: no fault of the master.
    Absent,
}

/// Values that a read covers, in order of address.
pub(crate) fn covered<'a>(
    link: &Link,
    reachable: &[Cell<'a>],
    table: Table,
    address: u16,
    count: u16,
) -> Result<Vec<Cell<'a>>, Unread> {
    let asked = format!("read of {count} registers from {address} ({table:?})");
    if count > link.max_registers_per_read {
        let most = link.max_registers_per_read;
        return broken(
            Rule::ReadTooLong,
            format!("{asked}: at most {most} at once"),
        );
    }
    let (begin, end) = (u32::from(address), u32::from(address) + u32::from(count));
    let touches = |r: &Register| r.table == table && first(r) < end && last(r) >= begin;
    let mut touched: Vec<Cell<'_>> = reachable
        .iter()
        .copied()
        .filter(|cell| touches(cell.register))
        .collect();
    touched.sort_by_key(|cell| cell.register.address);
    let mut next = begin;
    for (index, Cell { register, .. }) in touched.iter().enumerate() {
        if first(register) < begin || last(register) >= end {
            return broken(
                Rule::SplitValue,
                format!("{asked}: splits {}", register.name),
            );
        }
        let hole = first(register).saturating_sub(next);
        if hole > 0 && (index == 0 || hole > u32::from(link.max_hole_registers)) {
            return broken(Rule::UnnamedRegister, format!("{asked}: nothing at {next}"));
        }
        next = next.max(last(register) + 1);
    }
    if next < end {
        return broken(Rule::UnnamedRegister, format!("{asked}: nothing at {next}"));
    }
    let alone = touched.iter().find(|cell| cell.register.alone);
    match alone {
        _ if touched.len() < 2 => {}
        Some(Cell { register, .. }) => {
            let name = &register.name;
            return broken(Rule::BlockRead, format!("{asked}: {name} is read alone"));
        }
        None if link.block_reads => {}
        None => return broken(Rule::BlockRead, format!("{asked}: one value at a time")),
    }
    if touched.iter().any(|cell| !cell.present) {
        return Err(Unread::Absent);
    }
    Ok(touched)
}

fn broken<T>(rule: Rule, detail: String) -> Result<T, Unread> {
    Err(Unread::Broken(Broken::new(rule, detail)))
}

fn first(register: &Register) -> u32 {
    u32::from(register.address)
}

fn last(register: &Register) -> u32 {
    first(register) + u32::from(register.count().max(1)) - 1
}

#[cfg(test)]
mod tests {
    use hw_profiles::Profile;

    use super::*;
    use crate::device::samples::{heidelberg_like, keba_like};

    fn cells(profile: &Profile) -> Vec<Cell<'_>> {
        let cell = |register| Cell {
            part: 0,
            register,
            present: true,
        };
        profile.registers.iter().map(cell).collect()
    }

    fn rule(unread: Unread) -> Option<Rule> {
        match unread {
            Unread::Broken(broken) => Some(broken.rule),
            Unread::Absent => None,
        }
    }

    fn names(address: u16, count: u16, profile: &Profile) -> Result<Vec<String>, Option<Rule>> {
        let cells = cells(profile);
        let found = covered(&profile.link, &cells, Table::Input, address, count);
        let name = |cell: &Cell<'_>| cell.register.name.clone();
        found.map(|f| f.iter().map(name).collect()).map_err(rule)
    }

    // Input registers of the sample: 4, 5, 6, 7, 8, then 10, 11, 12, 14, then 17..=18.

    #[test]
    fn reads_follow_the_rules_of_the_link() {
        let mut it = heidelberg_like();
        it.link.max_hole_registers = 1;
        it.link.max_registers_per_read = 14;
        let because = |rule| Err(Some(rule));
        assert_eq!(names(5, 1, &it), Ok(vec!["state".to_owned()]));
        assert_eq!(names(5, 6, &it).unwrap().len(), 5, "a hole of 1 is fine");
        assert_eq!(
            names(14, 5, &it),
            because(Rule::UnnamedRegister),
            "hole of 2"
        );
        assert_eq!(names(3, 2, &it), because(Rule::UnnamedRegister));
        assert_eq!(names(8, 2, &it), because(Rule::UnnamedRegister));
        assert_eq!(names(40, 1, &it), because(Rule::UnnamedRegister));
        assert_eq!(names(18, 1, &it), because(Rule::SplitValue));
        assert_eq!(names(17, 1, &it), because(Rule::SplitValue));
        assert_eq!(names(5, 15, &it), because(Rule::ReadTooLong));
        it.registers[2].alone = true;
        assert_eq!(names(5, 2, &it), because(Rule::BlockRead));
        assert_eq!(names(6, 1, &it), Ok(vec!["current_l1".to_owned()]));
        it.link.block_reads = false;
        assert_eq!(names(7, 2, &it), because(Rule::BlockRead));
        assert_eq!(names(17, 2, &it), Ok(vec!["apparent_energy".to_owned()]));
    }

    #[test]
    fn what_a_variant_has_not_is_no_fault_of_the_master() {
        let profile = heidelberg_like();
        let mut cells = cells(&profile);
        cells[1].present = false;
        for (address, count) in [(5, 1), (4, 3)] {
            let read = covered(&profile.link, &cells, Table::Input, address, count);
            assert!(matches!(read, Err(Unread::Absent)), "{address} {count}");
        }
    }

    #[test]
    fn tables_are_separate() {
        let profile = keba_like();
        let cells = cells(&profile);
        let input = covered(&profile.link, &cells, Table::Input, 1000, 2);
        assert_eq!(rule(input.unwrap_err()), Some(Rule::UnnamedRegister));
        let holding = covered(&profile.link, &cells, Table::Holding, 1000, 2);
        assert_eq!(holding.unwrap()[0].register.name, "state");
    }
}
