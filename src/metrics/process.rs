//! What the process uses of its machine, under the names that Prometheus' own clients give it. Where there is no `/proc`, none of it
//! is shown.

#![allow(clippy::disallowed_methods, reason = "/proc is no disk: reading it waits for nothing")]

use std::fs;

use rust_decimal::Decimal;

use super::written::Family;

/// Ticks of the processor a second, as the kernel counts for programs on every architecture that Linux runs on.
const TICKS: u32 = 100;

/// What `/proc/self/stat` says, as far as it is shown.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    /// Processor time, in ticks.
    ticks: u64,
    threads: u64,
    /// When the process started, in ticks since the machine did.
    started: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

/// Writes all of it.
pub(super) fn write(page: &mut String) {
    if let Some(stat) = read("stat").as_deref().and_then(Stat::parse) {
        stat.write(page);
    }
    let mut gauge = |name, help, value: Option<u64>| {
        if let Some(value) = value {
            Family::gauge(name, help).write(page, [(Vec::new(), value.to_string())]);
        }
    };
    // reading the folder opens a file, too
    let open = fs::read_dir("/proc/self/fd").ok().map(|files| files.count().saturating_sub(1) as u64);
    gauge("process_open_fds", "Open files and connections", open);
    let limits = read("limits");
    gauge("process_max_fds", "Files and connections that may be open at once", limits.as_deref().and_then(most_files));
}

fn read(file: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/self/{file}")).ok()
}

impl Stat {
    /// Reads the file. The fields after the program's name, which may contain anything, are numbered from 3.
    ///
    /// Source: <https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>
    fn parse(text: &str) -> Option<Self> {
        let (_, fields) = text.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Stat {
            ticks: field(14)? + field(15)?,
            threads: field(20)?,
            started: field(22)?,
            virtual_bytes: field(23)?,
            resident_pages: field(24)?,
        })
    }

    fn write(&self, page: &mut String) {
        let mut gauge = |name, help, value: String| Family::gauge(name, help).write(page, [(Vec::new(), value)]);
        gauge("process_threads", "Threads", self.threads.to_string());
        gauge("process_virtual_memory_bytes", "Reserved addresses", self.virtual_bytes.to_string());
        let resident = self.resident_pages * rustix::param::page_size() as u64;
        gauge("process_resident_memory_bytes", "Memory in use", resident.to_string());
        if let Some(booted) = fs::read_to_string("/proc/stat").ok().as_deref().and_then(booted_at) {
            let started = Decimal::from(booted) + seconds(self.started);
            gauge("process_start_time_seconds", "When the process started, as a Unix time", started.to_string());
        }
        let family = Family::counter("process_cpu_seconds", "Processor time, of the program and of the system for it");
        family.write(page, [(Vec::new(), seconds(self.ticks).to_string())]);
    }
}

fn seconds(ticks: u64) -> Decimal {
    Decimal::from(ticks) / Decimal::from(TICKS)
}

/// When the machine started, as a Unix time.
fn booted_at(stat: &str) -> Option<u64> {
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

/// How many files may be open; `None` if that is not limited.
fn most_files(limits: &str) -> Option<u64> {
    limits.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_found_behind_any_name_of_the_program() {
        let line = "4711 (a (b) c) S 1 4711 4711 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 7 0 123456 1048576 64 184467\n";
        let expected = Stat { ticks: 300, threads: 7, started: 123_456, virtual_bytes: 1_048_576, resident_pages: 64 };
        assert_eq!(Stat::parse(line), Some(expected));
        assert_eq!(Stat::parse("4711 (short) S 1"), None);
        assert_eq!(Stat::parse(""), None);
    }

    #[test]
    fn limits_and_the_start_of_the_machine_are_read_from_their_lines() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
                      Max open files            1024                 524288               files\n";
        assert_eq!(most_files(limits), Some(1024));
        assert_eq!(most_files("Max open files            unlimited            unlimited            files\n"), None);
        assert_eq!(booted_at("cpu 1 2\nbtime 1700000000\nprocesses 3\n"), Some(1_700_000_000));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_is_shown() {
        let mut page = String::new();
        write(&mut page);
        for name in ["process_cpu_seconds_total", "process_resident_memory_bytes", "process_start_time_seconds"] {
            assert!(page.contains(&format!("\n{name} ")), "{name} is not in {page}");
        }
    }
}
