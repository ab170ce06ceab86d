//! Measures the address space of this process, used or only reserved, which `ulimit -v` limits.

/// The size of the address space, in bytes; if the system does not say, 1 GiB, which is more than the process has.
#[allow(clippy::disallowed_methods, reason = "/proc is read from memory, so this does not block")]
pub(crate) fn used() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib =
        status.lines().find_map(|line| line.strip_prefix("VmSize:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.map_or(1 << 30, |kib| kib << 10)
}
