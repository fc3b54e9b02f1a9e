//! Which reads a device allows: lengths, holes, value boundaries, blocks.

use hw_profiles::{Link, Register, Table};

use super::violation::{Broken, Rule};

/// Values that a read covers, in order of address.
pub(crate) fn covered<'a>(
    link: &Link,
    existing: &[&'a Register],
    table: Table,
    address: u16,
    count: u16,
) -> Result<Vec<&'a Register>, Broken> {
    let asked = format!("read of {count} registers from {address} ({table:?})");
    if count > link.max_registers_per_read {
        let most = link.max_registers_per_read;
        return broken(
            Rule::ReadTooLong,
            format!("{asked}: at most {most} at once"),
        );
    }
    let (begin, end) = (u32::from(address), u32::from(address) + u32::from(count));
    let mut touched: Vec<&Register> = existing
        .iter()
        .copied()
        .filter(|r| r.table == table && first(r) < end && last(r) >= begin)
        .collect();
    touched.sort_by_key(|r| r.address);
    let mut next = begin;
    for (index, register) in touched.iter().enumerate() {
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
    if touched.len() > 1 && !link.block_reads {
        return broken(Rule::BlockRead, format!("{asked}: one value at a time"));
    }
    Ok(touched)
}

fn broken<T>(rule: Rule, detail: String) -> Result<T, Broken> {
    Err(Broken::new(rule, detail))
}

fn first(register: &Register) -> u32 {
    u32::from(register.address)
}

fn last(register: &Register) -> u32 {
    first(register) + u32::from(register.count().max(1)) - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::samples::{heidelberg_like, keba_like};

    fn names(address: u16, count: u16, link: &Link) -> Result<Vec<String>, Rule> {
        let profile = heidelberg_like();
        let registers: Vec<&Register> = profile.registers.iter().collect();
        covered(link, &registers, Table::Input, address, count)
            .map(|found| found.iter().map(|r| r.name.clone()).collect())
            .map_err(|broken| broken.rule)
    }

    // Input registers of the sample: 4, 5, 6, 7, 8, then 10, 11, 12, 14, then 17..=18.

    #[test]
    fn reads_follow_the_rules_of_the_link() {
        let mut link = heidelberg_like().link;
        link.max_hole_registers = 1;
        link.max_registers_per_read = 14;
        assert_eq!(names(5, 1, &link), Ok(vec!["state".to_owned()]));
        assert_eq!(names(5, 6, &link).unwrap().len(), 5, "a hole of 1 is fine");
        assert_eq!(
            names(14, 5, &link),
            Err(Rule::UnnamedRegister),
            "a hole of 2"
        );
        assert_eq!(names(3, 2, &link), Err(Rule::UnnamedRegister));
        assert_eq!(names(8, 2, &link), Err(Rule::UnnamedRegister));
        assert_eq!(names(40, 1, &link), Err(Rule::UnnamedRegister));
        assert_eq!(names(18, 1, &link), Err(Rule::SplitValue));
        assert_eq!(names(17, 1, &link), Err(Rule::SplitValue));
        assert_eq!(names(5, 15, &link), Err(Rule::ReadTooLong));
        link.block_reads = false;
        assert_eq!(names(5, 2, &link), Err(Rule::BlockRead));
        assert_eq!(names(17, 2, &link), Ok(vec!["apparent_energy".to_owned()]));
    }

    #[test]
    fn tables_are_separate() {
        let profile = keba_like();
        let registers: Vec<&Register> = profile.registers.iter().collect();
        let input = covered(&profile.link, &registers, Table::Input, 1000, 2);
        assert_eq!(input.unwrap_err().rule, Rule::UnnamedRegister);
        let holding = covered(&profile.link, &registers, Table::Holding, 1000, 2);
        assert_eq!(holding.unwrap()[0].name, "state");
    }
}
