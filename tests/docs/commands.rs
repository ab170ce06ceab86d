//! The command lines that the documentation shows.

use std::collections::BTreeSet;

use clap::{Command, CommandFactory};
use quotefold::cli::Arguments;

use crate::support::pages::{Page, code, page, pages};

type Names = BTreeSet<String>;

/// The commands for people; hidden ones are for the program itself.
fn commands() -> Vec<Command> {
    Arguments::command().get_subcommands().filter(|command| !command.is_hide_set()).cloned().collect()
}

/// The code on a page, line by line, without comments.
fn lines_of_code(page: &Page) -> Vec<&str> {
    let lines = page.lines().flat_map(|(is_code, line)| if is_code { vec![line] } else { code(line).collect() });
    lines.map(|line| line.split(" #").next().unwrap()).collect()
}

#[test]
fn every_command_line_names_a_command_and_its_options() {
    let program = Arguments::command();
    let mut seen = Names::new();
    let pages = pages();
    for (page, line) in pages.iter().flat_map(|page| lines_of_code(page).into_iter().map(move |line| (page, line))) {
        let calls = ["quotefold ", "cargo run --release -- ", "cargo run -- "];
        for after in calls.iter().filter_map(|call| Some(line.split_once(call)?.1)) {
            let mut words = after.split(['`', '>', ';', '|']).next().unwrap().split_whitespace().peekable();
            let Some(name) = words.next_if(|word| word.bytes().all(|byte| byte.is_ascii_lowercase())) else { continue };
            let Some(command) = program.find_subcommand(name) else {
                panic!("{}: there is no command {name:?}: {line}", page.path)
            };
            for option in words.filter_map(|word| word.strip_prefix("--")) {
                let known = command.get_arguments().any(|known| known.get_long() == Some(option));
                assert!(known, "{}: {name} --{option}", page.path);
            }
            seen.insert(name.to_owned());
        }
    }
    assert_eq!(seen, commands().iter().map(|command| command.get_name().to_owned()).collect::<Names>());
}

#[test]
fn the_command_line_page_lists_every_command_with_its_options() {
    let listed = page("docs/command-line.md").rows("## Commands");
    let listed: BTreeSet<(String, Names)> = listed
        .iter()
        .map(|row| {
            let name = code(&row[0]).next().unwrap().split(' ').nth(1).unwrap();
            let options = row.iter().flat_map(|cell| code(cell)).flat_map(|code| code.split([' ', '[', ']']));
            (name.to_owned(), options.filter_map(|word| word.strip_prefix("--")).map(str::to_owned).collect())
        })
        .collect();
    let real = commands().into_iter().map(|command| {
        let options = command.get_arguments().filter_map(|option| option.get_long()).map(str::to_owned);
        (command.get_name().to_owned(), options.collect())
    });
    assert_eq!(listed, real.collect());
}
