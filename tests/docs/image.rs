//! The image: its build gets what the manifest names, and hands out the program that the `dist` profile makes.

use std::collections::BTreeSet;
use std::path::Path;

use toml::{Table, Value};

use crate::support::pages::ROOT;

fn text(path: &str) -> String {
    std::fs::read_to_string(Path::new(ROOT).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn manifest() -> Table {
    text("Cargo.toml").parse().unwrap()
}

/// The words of the instructions with this name, such as COPY, in their order.
fn instructions<'t>(dockerfile: &'t str, name: &str) -> Vec<Vec<&'t str>> {
    let words = dockerfile.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    words.filter(|words| words.first() == Some(&name)).map(|words| words[1..].to_vec()).collect()
}

/// What the build copies from the repository.
fn copied(dockerfile: &str) -> BTreeSet<&str> {
    let copies = instructions(dockerfile, "COPY");
    let own = copies.into_iter().filter(|words| !words[0].starts_with("--from"));
    own.flat_map(|words| words[..words.len() - 1].to_vec()).collect()
}

/// The folders and files without which cargo does not read the manifest: cargo looks for every target, also for those that it
/// does not build.
fn needed(manifest: &Table) -> BTreeSet<String> {
    let tables = |name: &str| manifest.get(name).and_then(Value::as_array).into_iter().flatten();
    let mut needed: BTreeSet<String> = ["Cargo.toml", "Cargo.lock", "src", "config"].map(str::to_owned).into();
    for (kind, folder) in [("bench", "benches"), ("test", "tests"), ("example", "examples")] {
        needed.extend(tables(kind).map(|_| folder.to_owned()));
    }
    needed
}

#[test]
fn the_image_is_built_from_what_the_manifest_names_and_nothing_else() {
    let dockerfile = text("Dockerfile");
    let copied = copied(&dockerfile);
    assert_eq!(copied, needed(&manifest()).iter().map(String::as_str).collect());
    let ignored = text(".dockerignore");
    let sent: BTreeSet<&str> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    assert_eq!(copied, sent, "what is copied, and what .dockerignore lets through");
}

#[test]
fn the_image_holds_the_program_that_the_dist_profile_makes() {
    let dockerfile = text("Dockerfile");
    let builds = instructions(&dockerfile, "RUN").into_iter().filter(|words| words.starts_with(&["cargo", "build"]));
    let builds: Vec<String> = builds.map(|words| words.join(" ")).collect();
    assert_eq!(builds, ["cargo build --profile dist --locked --features shared"]);
    let copies = instructions(&dockerfile, "COPY");
    assert!(copies.iter().any(|words| words.contains(&"/build/target/dist/quotefold")), "{copies:?}");
}

#[test]
fn a_panic_costs_one_request_in_every_profile() {
    for (name, profile) in manifest()["profile"].as_table().unwrap() {
        assert_eq!(profile.get("panic"), None, "{name}: a process that aborts drops every request");
    }
}
