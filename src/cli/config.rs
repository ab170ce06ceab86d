//! `quotefold config`: the settings in use, and where they were read.

use std::io;

use toml::{Table as Section, Value};

use super::lines::{Lines, Tone, cut};
use super::print::{print, show};
use super::table::{Cell, Column, Step, Table};
use super::terminal::Terminal;
use super::{Config, Exit, options, say_remarks, settings};
use crate::settings::Settings;
use crate::settings::load::document::joined;
use crate::settings::load::find::DEFAULT;
use crate::settings::load::{LoadOptions, load};

/// The most columns of a terminal that a value takes, in one line or several.
const LONGEST: usize = 200;

pub(super) fn run(arguments: &Config) -> io::Result<Exit> {
    if arguments.default {
        print(DEFAULT)?;
        return Ok(Exit::Done);
    }
    let settings = match settings(&options(&arguments.file)) {
        Ok(settings) => settings,
        Err(exit) => return Ok(exit),
    };
    say_remarks(&settings);
    match Terminal::of_stdout().filter(|_| !arguments.all) {
        Some(terminal) => show(&page(&settings, &terminal)?)?,
        None => print(&file(&settings))?,
    }
    Ok(Exit::Done)
}

/// Every setting, as a file that can be read again.
fn file(settings: &Settings) -> String {
    let read: String = settings.read.iter().map(|from| format!("#   {from}\n")).collect();
    let covered: String = settings.coverage().iter().map(|line| format!("#   {line}\n")).collect();
    let head = format!("# The settings in use; secrets are masked. Read from:\n{read}# Sources per class:\n{covered}");
    format!("{head}\n{}", settings.to_toml())
}

/// What differs from the settings that are built in.
#[derive(Debug, Default)]
struct Differences {
    settings: Vec<Setting>,
    /// The sources that are on, and would be off.
    on: Vec<String>,
    /// The sources that are off, and would be on.
    off: Vec<String>,
}

/// A setting with its value, and the one that is built in.
#[derive(Debug)]
struct Setting {
    name: String,
    value: String,
    built_in: String,
}

/// What fits on a screen: where the settings were read, what is covered, and what differs from what is built in.
fn page(settings: &Settings, terminal: &Terminal) -> io::Result<Lines> {
    let width = Some(terminal.width);
    let mut lines = Lines::new();
    lines.sentence("The settings in use were read from:", width);
    settings.read.iter().for_each(|from| lines.indented(from, terminal.width));
    lines.gap();
    lines.sentence("Sources per class:", width);
    settings.coverage().iter().for_each(|line| lines.indented(line, terminal.width));
    lines.gap();
    // what is built in needs no file and no variable, so it can be loaded
    let built_in = load(&LoadOptions::default()).map_err(|errors| io::Error::other(errors.to_string()))?;
    let differences = Differences::between(&sections(settings)?, &sections(&built_in)?);
    lines.append(differences.lines(terminal));
    Ok(lines)
}

impl Differences {
    fn lines(&self, terminal: &Terminal) -> Lines {
        let width = Some(terminal.width);
        let mut lines = Lines::new();
        if !self.settings.is_empty() {
            lines.append(self.table().on(Some(terminal)));
            lines.gap();
        }
        for (names, what) in [(&self.on, "On, unlike what is built in"), (&self.off, "Off, unlike what is built in")] {
            if !names.is_empty() {
                lines.sentence(&format!("{what}: {}.", names.join(", ")), width);
            }
        }
        let is_any = !lines.is_empty();
        let which = if is_any { "Everything else" } else { "Every setting" };
        lines.sentence(
            &format!("{which} is as it is built in. `quotefold config --all` prints every setting as a file."),
            width,
        );
        lines
    }

    fn table(&self) -> Table {
        let columns = [Column::left("SETTING"), Column::left("BUILT IN"), Column::prose("VALUE")];
        let steps = [Step::Below("VALUE"), Step::Cut("BUILT IN", 12), Step::Cut("SETTING", 24)];
        let mut table = Table::new(columns, steps);
        for Setting { name, value, built_in } in &self.settings {
            let value = Cell::new(cut(value, LONGEST)).tone(Tone::Doubtful);
            table.push([Cell::new(name), Cell::new(cut(built_in, LONGEST)), value]);
        }
        table
    }
}

/// The settings as they are printed, with secrets masked.
fn sections(settings: &Settings) -> io::Result<Section> {
    toml::from_str(&settings.to_toml()).map_err(io::Error::other)
}

impl Differences {
    fn between(own: &Section, built_in: &Section) -> Self {
        let mut found = Differences::default();
        found.look(&mut Vec::new(), own, built_in);
        found
    }

    /// Looks for differences below a path. A source that only one of the two has is on or off as a whole.
    fn look(&mut self, path: &mut Vec<String>, own: &Section, built_in: &Section) {
        let only_built_in = built_in.keys().filter(|key| !own.contains_key(*key));
        for key in own.keys().chain(only_built_in) {
            path.push(key.clone());
            let is_source = path.len() == 2 && path[0] == "sources";
            match (own.get(key), built_in.get(key)) {
                (own, built_in) if own == built_in => {}
                (Some(_), None) if is_source => self.on.push(key.clone()),
                (None, Some(_)) if is_source => self.off.push(key.clone()),
                (Some(Value::Table(own)), Some(Value::Table(built_in))) => self.look(path, own, built_in),
                (Some(Value::Table(own)), None) => self.look(path, own, &Section::new()),
                (None, Some(Value::Table(built_in))) => self.look(path, &Section::new(), built_in),
                (own, built_in) => {
                    let said = |value: Option<&Value>| value.map_or_else(|| "-".to_owned(), ToString::to_string);
                    self.settings.push(Setting { name: joined(path), value: said(own), built_in: said(built_in) });
                }
            }
            path.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::lines::width;

    fn loaded(text: &str, environment: &[(&str, &str)]) -> Settings {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let text = Some(("quotefold.toml".to_owned(), text.to_owned()));
        load(&LoadOptions { text, environment, ..LoadOptions::default() }).unwrap()
    }

    fn on(settings: &Settings, width: usize) -> Lines {
        page(settings, &Terminal { width, height: 24, colours: false, can_redraw: true }).unwrap()
    }

    #[test]
    fn a_terminal_shows_what_differs_from_what_is_built_in() {
        let settings = loaded("[server]\ntimeout = \"3s\"\n", &[("FINNHUB_API_KEY", "s3cr3t-value")]);
        for columns in [50, 80, 120, 200] {
            let lines = on(&settings, columns);
            assert!(lines.iter().all(|line| width(line) <= columns), "{}", lines.text());
            assert!(lines.len() <= 24 || columns == 50, "it fits on a screen: {}", lines.text());
            let text = lines.text();
            let rows = |setting: &str| text.lines().find(|line| line.starts_with(setting)).map(str::split_whitespace);
            let row: Vec<&str> = rows("server.timeout").unwrap().collect();
            assert_eq!(row, ["server.timeout", "\"2s\"", "\"3s\""], "{text}");
            assert!(text.contains("\nOn, unlike what is built in: finnhub.\n"), "{text}");
            assert!(!text.contains("s3cr3t-value"));
        }
    }

    #[test]
    fn sources_that_a_file_leaves_out_are_listed_and_not_compared() {
        let lines = on(&loaded("[sources.kraken]\ntimeout = \"1700ms\"\n", &[]), 80);
        let text = lines.text();
        assert!(text.contains("sources.kraken.timeout") && text.contains("\nOff, unlike what is built in: "), "{text}");
        assert!(!text.contains("sources.coinbase") && lines.iter().all(|line| width(line) <= 80), "{text}");
    }

    #[test]
    fn if_nothing_differs_it_says_so() {
        let lines = on(&load(&LoadOptions::default()).unwrap(), 80);
        assert!(lines.text().contains("Every setting is as it is built in."), "{}", lines.text());
    }

    #[test]
    fn the_file_has_every_setting() {
        let settings = loaded("", &[]);
        assert_eq!(toml::from_str::<Section>(&file(&settings)).unwrap(), sections(&settings).unwrap());
    }
}
