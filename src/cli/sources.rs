//! `quotefold sources`: lists the sources, and what would switch on those that are off.

use serde_json::{Value, json};
use std::io;

use super::lines::{Lines, Tone};
use super::print::{print_json, show};
use super::table::{Cell, Column, Step, Table};
use super::terminal::Terminal;
use super::{Exit, Sources, options, settings};
use crate::provider::description::SourceSettings;
use crate::settings::Settings;

pub(super) fn run(arguments: &Sources) -> io::Result<Exit> {
    let settings = match settings(&options(&arguments.file)) {
        Ok(settings) => settings,
        Err(exit) => return Ok(exit),
    };
    if arguments.json {
        print_json(&as_json(&settings))?;
    } else {
        show(&page(&settings, arguments.all, Terminal::of_stdout().as_ref()))?;
    }
    Ok(Exit::Done)
}

/// Every source by name, with what would switch it on if it is off.
fn all(settings: &Settings) -> Vec<(&SourceSettings, Option<&str>)> {
    let on = settings.sources.iter().map(|source| (source, None));
    let off = settings.off.iter().map(|off| (&off.source, Some(off.switch_on.as_str())));
    let mut all: Vec<_> = on.chain(off).collect();
    all.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
    all
}

/// What switches a source on, without the address for a key, which has its own column.
fn to_do(step: &str, source: &SourceSettings) -> String {
    let address = source.get_a_key.as_ref().map(|url| format!(" ({url})")).unwrap_or_default();
    let plan = if source.paid { " (of a paid plan)" } else { "" };
    step.replace(&address, plan)
}

/// Why a source is on.
fn reason(source: &SourceSettings) -> &'static str {
    match (source.key.is_some(), source.unofficial) {
        (_, true) => "unofficial",
        (true, false) => "has a key",
        (false, false) if source.key_from.is_empty() => "needs no key",
        (false, false) if source.key_optional => "needs no key, but would use one",
        (false, false) => "",
    }
}

const SOURCE: &str = "SOURCE";
const ROLE: &str = "ROLE";
const CLASSES: &str = "CLASSES";
const LIMITS: &str = "LIMITS";
const WHY: &str = "WHY, OR WHAT TO DO";

/// How the table gives way. A source always has its name, its state and what would switch it on.
const STEPS: [Step; 7] = [
    Step::Drop(ROLE),
    Step::Short(LIMITS),
    Step::Cut(CLASSES, 12),
    Step::Drop(LIMITS),
    Step::Below(WHY),
    Step::Drop(CLASSES),
    Step::Cut(SOURCE, 12),
];

/// The sources as they are shown: on a terminal what fits, unless all is wanted.
fn page(settings: &Settings, with_all: bool, terminal: Option<&Terminal>) -> Lines {
    let Some(terminal) = terminal.filter(|_| !with_all) else { return table(settings, true).on(terminal) };
    let mut lines = table(settings, false).on(Some(terminal));
    lines.gap();
    let (on, off) = (settings.sources.len(), settings.off.len());
    let more = "where to get a key, when a reply was last seen, terms";
    lines.sentence(
        &format!("{on} sources are on, {off} are off. `quotefold sources --all` shows the rest: {more}."),
        Some(terminal.width),
    );
    lines
}

/// The sources: what there is to know first, which is what is on, and what would switch on the others; or everything that is known
/// of them.
fn table(settings: &Settings, with_all: bool) -> Table {
    let mut columns = [SOURCE, "STATE", ROLE, CLASSES, LIMITS].map(Column::left).to_vec();
    if with_all {
        columns.extend(["KEY", "GET A KEY", WHY, "REPLY LAST SEEN"].map(Column::left));
        columns.push(Column::prose("TERMS"));
    } else {
        columns.push(Column::prose(WHY));
    }
    let mut table = Table::new(columns, if with_all { Vec::new() } else { STEPS.to_vec() });
    for (source, switch_on) in all(settings) {
        let mut cells = vec![
            Cell::new(&source.name),
            state(switch_on),
            Cell::new(source.role.as_str()),
            Cell::new(joined(&source.classes)),
            limits(source),
        ];
        if with_all {
            cells.extend([Cell::or_dash(Some(source.key_from.join(" "))), Cell::or_dash(source.get_a_key.as_ref())]);
        }
        cells.push(why(source, switch_on));
        if with_all {
            cells.extend([Cell::or_dash(source.checked.as_ref()), Cell::or_dash(source.terms.as_ref())]);
        }
        table.push(cells);
    }
    table
}

fn state(switch_on: Option<&str>) -> Cell {
    match switch_on {
        Some(_) => Cell::new("off").tone(Tone::Faint),
        None => Cell::new("on").tone(Tone::Good),
    }
}

/// All limits; the first of them where there is little room.
fn limits(source: &SourceSettings) -> Cell {
    let all = Cell::or_dash(Some(joined(&source.limits)));
    match &source.limits[..] {
        [first, _, ..] => all.short(format!("{first} …")),
        _ => all,
    }
}

fn why(source: &SourceSettings, switch_on: Option<&str>) -> Cell {
    Cell::or_dash(Some(switch_on.map_or_else(|| reason(source).to_owned(), |step| to_do(step, source))))
}

fn as_json(settings: &Settings) -> Value {
    let entry = |(source, switch_on): (&SourceSettings, Option<&str>)| -> Value {
        json!({
            "name": source.name,
            "about": source.about,
            "on": switch_on.is_none(),
            "why": if switch_on.is_none() { Some(reason(source)) } else { None },
            "switch_on": switch_on,
            "role": source.role,
            "classes": source.classes,
            "currencies": source.currencies,
            "symbols": source.symbols.texts(),
            "limits": texts(&source.limits),
            "batch": source.batch,
            "key_from": source.key_from,
            "key_optional": source.key_optional,
            "paid": source.paid,
            "get_a_key": source.get_a_key,
            "unofficial": source.unofficial,
            "only_by_name": source.only_by_name,
            "terms": source.terms,
            "checked": source.checked,
        })
    };
    let sources: Vec<Value> = all(settings).into_iter().map(entry).collect();
    json!({ "sources": sources })
}

fn texts(items: &[impl ToString]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}

fn joined(items: &[impl ToString]) -> String {
    texts(items).join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::lines::width;
    use crate::settings::load::{LoadOptions, load};

    fn shown(with_all: bool, width: Option<usize>) -> Lines {
        let settings = load(&LoadOptions::default()).unwrap();
        let terminal = width.map(|width| Terminal { width, height: 24, colours: false, can_redraw: true });
        page(&settings, with_all, terminal.as_ref())
    }

    #[test]
    fn every_width_shows_every_source_with_what_would_switch_it_on() {
        let settings = load(&LoadOptions::default()).unwrap();
        for columns in [50, 80, 120, 200] {
            let lines = shown(false, Some(columns));
            assert!(lines.iter().all(|line| width(line) <= columns), "{columns}: {}", lines.text());
            let words = lines.text().split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            for (source, switch_on) in all(&settings) {
                let step = switch_on.map(|step| to_do(step, source)).unwrap_or_default();
                for word in step.split_whitespace() {
                    assert!(words.iter().any(|other| other == word), "{columns}: {word} of {}", source.name);
                }
            }
            assert!(lines.text().contains("`quotefold sources --all`") || columns < 80, "{}", lines.text());
        }
        let wide = shown(false, Some(200));
        assert!(wide.len() == all(&settings).len() + 3, "a line each: {}", wide.text());
    }

    #[test]
    fn all_shows_the_rest_below_one_another_where_it_does_not_fit() {
        let lines = shown(true, Some(80));
        assert!(lines.iter().all(|line| width(line) <= 80), "{}", lines.text());
        let text = lines.text();
        assert!(text.contains("\nfinnhub\n  STATE               off\n"), "{text}");
        assert!(text.contains("  GET A KEY           https://finnhub.io/register\n"), "{text}");
    }

    #[test]
    fn programs_get_every_column_on_one_line_per_source() {
        let settings = load(&LoadOptions::default()).unwrap();
        for with_all in [false, true] {
            let lines = shown(with_all, None);
            assert_eq!(lines.len(), all(&settings).len() + 1);
            assert!(lines.iter().next().unwrap().contains("REPLY LAST SEEN"));
        }
    }
}
