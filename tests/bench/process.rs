//! What a process takes: memory and CPU, as the kernel counts them.

use anyhow::Context as _;

/// Resident memory of the process `id`.
pub(crate) fn resident_kib(id: u32) -> anyhow::Result<u32> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// User and system time of all threads of a process (proc(5): nanoseconds on the CPU); `process` is an
/// id, or `self`.
pub(crate) fn cpu_ns(process: &str) -> anyhow::Result<u64> {
    let mut total = 0;
    for thread in std::fs::read_dir(format!("/proc/{process}/task"))? {
        let text = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        let first = text.split_whitespace().next();
        total += first.context("an empty schedstat")?.parse::<u64>()?;
    }
    Ok(total)
}
