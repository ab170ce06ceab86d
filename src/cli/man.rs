//! `quotefold man`: manual pages, made from the definitions of the command line.

use std::fs;
use std::io;
use std::path::Path;

use clap::Command;
use clap_mangen::roff::{Roff, roman};

use super::print::{complain, write};
use super::{Exit, Man, known_to_people};
use crate::text::near::nearest;

/// The paragraphs of a help that have a title.
const TITLES: [&str; 2] = ["Examples", "Exit codes"];

pub(super) fn run(arguments: &Man) -> io::Result<Exit> {
    let pages = pages()?;
    if let Some(folder) = &arguments.dir {
        return write_all(&pages, folder);
    }
    let name = match &arguments.command {
        None => "quotefold".to_owned(),
        Some(command) => format!("quotefold-{command}"),
    };
    if let Some(page) = pages.iter().find(|page| page.name == name) {
        write(&page.text)?;
        return Ok(Exit::Done);
    }
    let wrong = arguments.command.as_deref().unwrap_or_default();
    let commands = pages.iter().filter_map(|page| page.name.strip_prefix("quotefold-"));
    let hint = nearest(wrong, commands).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
    complain(&format!("there is no command {wrong:?}{hint}"));
    Ok(Exit::Usage)
}

/// A manual page.
struct Page {
    /// `quotefold` or `quotefold-get`.
    name: String,
    text: Vec<u8>,
}

/// The page of the program, and one for each command.
fn pages() -> io::Result<Vec<Page>> {
    let mut program = known_to_people().disable_help_subcommand(true);
    program.build();
    let mut pages = vec![page("quotefold", &program)?];
    for command in program.get_subcommands() {
        pages.push(page(&format!("quotefold-{}", command.get_name()), command)?);
    }
    Ok(pages)
}

/// The page about a command. What follows the options in its help becomes sections with their own headings.
fn page(name: &str, command: &Command) -> io::Result<Page> {
    let man = clap_mangen::Man::new(command.clone());
    let mut title = Roff::new();
    // pages have no date, since the same version has the same pages
    let (no_date, version) = ("\"\"", concat!("quotefold ", env!("CARGO_PKG_VERSION")));
    title.control("TH", [name.to_uppercase().as_str(), "1", no_date, version, "quotefold"]);
    let mut text = Vec::new();
    title.to_writer(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut text)?;
    }
    if let Some(after) = command.get_after_help() {
        sections(&after.to_string()).to_writer(&mut text)?;
    }
    Ok(Page { name: name.to_owned(), text })
}

/// The paragraphs that follow the options in the help. One that begins with a title and a colon is a section of that title, and its
/// lines stay as they are. The others are notes.
fn sections(help: &str) -> Roff {
    let mut roff = Roff::new();
    let mut has_notes = false;
    for paragraph in help.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
        let first = paragraph.lines().next().unwrap_or_default();
        let Some((title, rest)) = first.split_once(':').filter(|(title, _)| TITLES.contains(title)) else {
            if has_notes {
                roff.control("PP", []);
            } else {
                roff.control("SH", ["NOTES"]);
            }
            has_notes = true;
            roff.text([roman(paragraph.lines().map(str::trim).collect::<Vec<_>>().join(" "))]);
            continue;
        };
        roff.control("SH", [title.to_uppercase().as_str()]);
        roff.control("nf", []);
        let lines = std::iter::once(rest).chain(paragraph.lines().skip(1));
        for line in lines.map(str::trim).filter(|line| !line.is_empty()) {
            roff.text([roman(line)]);
        }
        roff.control("fi", []);
    }
    roff
}

/// Writes every page into a folder, which is made if it is missing.
fn write_all(pages: &[Page], folder: &Path) -> io::Result<Exit> {
    let written = fs::create_dir_all(folder).and_then(|()| {
        pages.iter().try_for_each(|page| fs::write(folder.join(format!("{}.1", page.name)), &page.text))
    });
    match written {
        Ok(()) => {
            complain(&format!("{} pages are in {}", pages.len(), folder.display()));
            Ok(Exit::Done)
        }
        Err(error) => {
            complain(&format!("{}: {error}", folder.display()));
            Ok(Exit::Usage)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_and_every_option_is_in_its_page() {
        let program = known_to_people();
        let pages = pages().unwrap();
        let text = |name: &str| {
            let page = pages.iter().find(|page| page.name == name).unwrap_or_else(|| panic!("no page {name}"));
            // hyphens are escaped, so that a reader can copy them
            String::from_utf8(page.text.clone()).unwrap().replace("\\-", "-")
        };
        let whole = text("quotefold");
        for command in program.get_subcommands() {
            let name = format!("quotefold-{}", command.get_name());
            assert!(whole.contains(&format!("{name}(1)")), "{name} is not in\n{whole}");
            let page = text(&name);
            for argument in command.get_arguments() {
                let named = match argument.get_long() {
                    Some(option) => format!("--{option}"),
                    None => argument.get_value_names().unwrap()[0].to_string(),
                };
                assert!(page.contains(&named), "{named} is not in\n{page}");
            }
        }
        assert_eq!(pages.len(), program.get_subcommands().count() + 1);
        assert!(!whole.contains("run-filter") && !pages.iter().any(|page| page.name.contains("run-filter")));
    }

    #[test]
    fn examples_and_exit_codes_are_sections_whose_lines_stay_apart() {
        let page = sections(
            "Examples:\n  quotefold get AAPL\n  quotefold get BTC-USD\n\nIf it is so,\nthen so.\n\nAnd more.\n\nExit codes: 0 done",
        );
        let text = page.to_roff();
        let lines: Vec<&str> = text.lines().collect();
        let expected = [
            ".SH EXAMPLES",
            ".nf",
            "quotefold get AAPL",
            "quotefold get BTC\\-USD",
            ".fi",
            ".SH NOTES",
            "If it is so, then so.",
            ".PP",
            "And more.",
            ".SH \"EXIT CODES\"",
            ".nf",
            "0 done",
            ".fi",
        ];
        assert_eq!(lines, expected, "{text}");
    }
}
