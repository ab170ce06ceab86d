//! The examples of the documentation work when they are pasted into a shell while the demo runs.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use clap::Parser;
use quotefold::cli::Arguments;

use crate::support::pages::{Block, page, pages};
use crate::support::{Folder, PATIENCE, Program, post};

/// The address of the demo in the documentation.
const SHOWN: &str = "127.0.0.1:8080";

/// The first lines of blocks that need more than the demo, or that do not end. Readers see these marks, too.
const MARKS: [&str; 5] =
    ["# needs the network", "# needs a key", "# needs Docker", "# needs a server", "# runs until you stop it"];

const VENUES: [&str; 8] = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"];

/// The shell blocks of every page.
fn shell_blocks() -> Vec<Block> {
    let blocks = pages().into_iter().flat_map(|page| page.blocks());
    let blocks: Vec<Block> = blocks.filter(|block| block.kind == "sh").collect();
    assert!(blocks.len() > 15, "only {} blocks were found", blocks.len());
    blocks
}

fn mark(block: &Block) -> Option<&str> {
    let first = block.text.lines().next().unwrap_or_default();
    MARKS.into_iter().find(|mark| first.starts_with(mark))
}

/// The commands of a block, without comments; a line ending in a backslash continues.
fn commands(block: &Block) -> Vec<String> {
    let text = block.text.replace("\\\n", " ");
    let commands = text.lines().flat_map(|line| line.split(" && ")).map(|line| line.split(" #").next().unwrap_or(line));
    commands.map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

/// The name of the program that a command runs, after the variables that it sets.
fn program(command: &str) -> &str {
    let mut words = command.split_whitespace();
    words.find(|word| !word.split_once('=').is_some_and(|(name, _)| is_variable(name))).unwrap_or_default()
}

fn is_variable(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

/// The arguments that a command passes to quotefold, if it runs it: directly, through cargo, or in a container.
fn arguments(command: &str) -> Option<Vec<String>> {
    let words: Vec<&str> = command.split(['>', '|', ';']).next()?.split_whitespace().collect();
    let at = match program(command) {
        "quotefold" => words.iter().position(|word| *word == "quotefold")?,
        "cargo" if words.get(1) == Some(&"run") => words.iter().position(|word| *word == "--")?,
        "docker" if words.get(1) == Some(&"run") => words.iter().rposition(|word| *word == "quotefold")?,
        _ => return None,
    };
    let arguments = words[at + 1..].iter().map(|word| word.trim_matches(['\'', '"']).to_owned());
    let arguments: Vec<String> = arguments.collect();
    // a container without arguments runs the command in the Dockerfile
    Some(if arguments.is_empty() { vec!["serve".to_owned()] } else { arguments })
}

/// A folder with the `quotefold` and `curl` for a block: ours, and one whose exit code says whether it was refused.
fn tools() -> Folder {
    let folder = Folder::new();
    symlink(env!("CARGO_BIN_EXE_quotefold"), folder.0.join("quotefold")).expect("a link");
    let curl = folder.0.join("curl");
    fs::write(&curl, "#!/usr/bin/env bash\nPATH=${PATH#*:} exec curl --silent --show-error --fail \"$@\"\n")
        .expect("a script");
    fs::set_permissions(&curl, fs::Permissions::from_mode(0o755)).expect("a script that runs");
    folder
}

/// Runs a block in an empty folder, replacing only the port; returns its output if it failed.
fn paste(block: &Block, address: SocketAddr, tools: &Path) -> Result<(), String> {
    let folder = Folder::new();
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap_or_default());
    let text = block.text.replace(SHOWN, &address.to_string());
    let ran = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &text])
        .env_clear()
        .envs([("PATH", path), ("QUOTEFOLD_SERVER__LISTEN", address.to_string())])
        .current_dir(&folder.0)
        .stdin(Stdio::null())
        .output()
        .expect("bash is installed");
    let said = || {
        let (stdout, stderr) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        format!("{}\n{stderr}", stdout.chars().take(500).collect::<String>())
    };
    if ran.status.success() { Ok(()) } else { Err(format!("{}\n{text}\n{}", ran.status, said())) }
}

#[test]
fn every_shell_example_works_pasted_while_the_demo_runs() {
    let (_demo, address) = Program::demo();
    let tools = tools();
    let mut pasted = BTreeMap::new();
    for block in shell_blocks() {
        let uses_us = commands(&block).iter().any(|command| ["quotefold", "curl"].contains(&program(command)));
        if mark(&block).is_some() || !uses_us {
            continue;
        }
        let started = Instant::now();
        // on a busy machine, an honest venue may be late, and one that an earlier block broke is paused for a while
        while let Err(failed) = paste(&block, address, &tools.0) {
            assert!(started.elapsed() < PATIENCE, "{}: {failed}", block.at);
        }
        for venue in VENUES {
            assert_eq!(post(address, &format!("/demo/{venue}/heal")).status, 200);
        }
        *pasted.entry(block.at.split(':').next().unwrap().to_owned()).or_insert(0) += 1;
    }
    assert!(pasted.values().sum::<i32>() >= 10, "{pasted:?}");
    assert!(pasted.contains_key("README.md") && pasted.contains_key("docs/http.md"), "{pasted:?}");
}

#[test]
fn every_shell_example_that_runs_quotefold_has_arguments_that_it_takes() {
    let mut parsed = 0;
    for block in shell_blocks() {
        for command in commands(&block) {
            let Some(arguments) = arguments(&command) else { continue };
            let all = std::iter::once("quotefold".to_owned()).chain(arguments);
            if let Err(error) = Arguments::try_parse_from(all) {
                panic!("{}: {command}: {error}", block.at);
            }
            parsed += 1;
        }
    }
    assert!(parsed >= 15, "only {parsed} command lines were found");
}

#[test]
fn only_blocks_that_need_more_than_the_demo_are_marked_and_few_are() {
    let (mut marked, mut all) = (0, 0);
    for block in shell_blocks() {
        all += 1;
        let first = block.text.lines().next().unwrap_or_default();
        assert!(
            mark(&block).is_some() || !first.starts_with("# needs") && !first.starts_with("# runs"),
            "{}: the marks are {MARKS:?}",
            block.at
        );
        marked += i32::from(mark(&block).is_some());
    }
    assert!(marked * 2 < all, "{marked} of {all} blocks are not run");
}

#[test]
fn the_first_two_commands_of_the_readme_run_the_demo_and_the_tests() {
    let first: Vec<String> =
        page("README.md").blocks().iter().filter(|block| block.kind == "sh").flat_map(commands).take(2).collect();
    assert!(first[0].starts_with("cargo run ") && arguments(&first[0]) == Some(vec!["demo".to_owned()]), "{first:?}");
    assert!(first[1].starts_with("cargo test"), "{first:?}");
}
