//! The machine: which core is for servers and which for clients, and how to describe it beside the figures.

use std::fs::read_to_string;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::quotefold::PROGRAM;

/// The cores, and what there is to say about the machine.
pub(crate) struct Machine {
    /// The core that servers run on; `None` if they share the only one with their clients.
    server_core: Option<usize>,
    description: String,
    /// The quotefold that is measured.
    pub(crate) program: PathBuf,
}

impl Machine {
    /// Moves this process, its load and its venues, to one core, and keeps another for servers.
    pub(crate) fn prepare(program: &Path) -> anyhow::Result<Self> {
        let status = read_to_string("/proc/self/status")?;
        let allowed = field(&status, "Cpus_allowed_list:").map(|list| cores(&list)).unwrap_or_default();
        let server_core = match allowed.as_slice() {
            [server, client, ..] if pin_this_process(*client) => Some(*server),
            _ => None,
        };
        let description = describe(server_core, allowed.len(), program);
        Ok(Machine { server_core, description, program: program.to_owned() })
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

fn describe(server_core: Option<usize>, cores: usize, program: &Path) -> String {
    let cpu = read_to_string("/proc/cpuinfo").ok();
    let cpu = cpu.and_then(|text| field(&text, "model name")).unwrap_or_else(|| "an unnamed processor".to_owned());
    let kernel = read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = read_to_string("/proc/loadavg").unwrap_or_default();
    let pinned = match server_core {
        Some(_) => "server and client on a core each",
        None => "server and client NOT on a core each, so only the ratios mean something",
    };
    format!(
        "{cores} × {}, Linux {}, {}, {}, {pinned}, load {} at the start",
        cpu.trim_start_matches([':', ' ', '\t']),
        kernel.trim(),
        jiff::Timestamp::now().strftime("%Y-%m-%d"),
        version(program),
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

/// The commit and the profile of the program that cargo has built, whose folder is named after the profile; of another one only
/// where it is.
fn version(program: &Path) -> String {
    let profile = program.parent().and_then(|folder| folder.file_name()?.to_str()).unwrap_or("unknown");
    match program == Path::new(PROGRAM) {
        true => format!("commit {}, profile {profile}", commit()),
        false => format!("the program {}", program.display()),
    }
}
