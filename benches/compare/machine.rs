//! The machine: which core is for servers and which for clients, and how to describe it beside the figures.

use std::fs::read_to_string;
use std::process::{Command, Stdio};

/// The cores, and what there is to say about the machine.
pub(crate) struct Machine {
    /// The core that servers run on; `None` if they share the only one with their clients.
    server_core: Option<usize>,
    description: String,
}

impl Machine {
    /// Moves this process, its load and its venues, to one core, and keeps another for servers.
    pub(crate) fn prepare() -> anyhow::Result<Self> {
        let status = read_to_string("/proc/self/status")?;
        let allowed = field(&status, "Cpus_allowed_list:").map(|list| cores(&list)).unwrap_or_default();
        let server_core = match allowed.as_slice() {
            [server, client, ..] if pin_this_process(*client) => Some(*server),
            _ => None,
        };
        Ok(Machine { server_core, description: describe(server_core, allowed.len()) })
    }

    /// A command that runs on the servers' core.
    pub(crate) fn server(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        match self.server_core {
            Some(core) => {
                let mut command = Command::new("taskset");
                command.args(["-c", &core.to_string()]).arg(program);
                command
            }
            None => Command::new(program),
        }
    }

    /// The machine, the day, and what was measured, in one line.
    pub(crate) fn described(&self) -> &str {
        &self.description
    }
}

fn pin_this_process(core: usize) -> bool {
    let (core, id) = (core.to_string(), std::process::id().to_string());
    let pinned = Command::new("taskset").args(["-a", "-p", "-c", &core, &id]).stdout(Stdio::null()).status();
    pinned.is_ok_and(|status| status.success())
}

/// The numbers in a list such as `0-2,5`.
fn cores(list: &str) -> Vec<usize> {
    let range = |part: &str| {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        Some(from.trim().parse().ok()?..=to.trim().parse().ok()?)
    };
    list.split(',').filter_map(range).flatten().collect()
}

/// What follows a name in a file of `/proc`.
pub(crate) fn field(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()))
}

fn describe(server_core: Option<usize>, cores: usize) -> String {
    let cpu = read_to_string("/proc/cpuinfo").ok();
    let cpu = cpu.and_then(|text| field(&text, "model name")).unwrap_or_else(|| "an unnamed processor".to_owned());
    let kernel = read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = read_to_string("/proc/loadavg").unwrap_or_default();
    let pinned = match server_core {
        Some(_) => "server and client on a core each",
        None => "server and client NOT on a core each, so only the ratios mean something",
    };
    format!(
        "{cores} × {}, Linux {}, {}, commit {}, profile {}, {pinned}, load {} at the start",
        cpu.trim_start_matches([':', ' ', '\t']),
        kernel.trim(),
        jiff::Timestamp::now().strftime("%Y-%m-%d"),
        commit(),
        profile(),
        load.split(' ').next().unwrap_or("unknown"),
    )
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").arg("-C").arg(env!("CARGO_MANIFEST_DIR")).args(arguments).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned()).filter(|_| output.status.success())
    };
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|changes| !changes.is_empty());
    let commit = git(&["rev-parse", "--short", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    if changed { format!("{commit} with changes") } else { commit }
}

/// The profile that the measured program was built with: cargo names its folder after it.
fn profile() -> &'static str {
    let path = std::path::Path::new(super::quotefold::PROGRAM);
    path.parent().and_then(|folder| folder.file_name()?.to_str()).unwrap_or("unknown")
}
