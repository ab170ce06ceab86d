//! The annotated file is valid, complete, and true to the code.

use std::collections::{BTreeMap, BTreeSet};

use quotefold::settings::load::find::DEFAULT;
use quotefold::settings::load::{Environment, LoadOptions, load};

use crate::{TempFile, authority, errors, load_text};

/// A commented-out line of the annotated file: its section's header, and the text after the `#`.
struct Line {
    header: String,
    text: String,
    /// Whether it is under "The defaults of the other keys".
    left_out: bool,
}

fn annotated() -> Vec<Line> {
    let mut lines = Vec::new();
    let (mut header, mut left_out) = (String::new(), false);
    for line in DEFAULT.lines() {
        let text = line.strip_prefix('#').unwrap_or(line);
        left_out |= text.contains("The defaults of the other keys");
        if text.is_empty() || text.starts_with(' ') {
            continue;
        }
        if text.starts_with('[') {
            (header, left_out) = (text.to_owned(), false);
        }
        lines.push(Line { header: header.clone(), text: text.to_owned(), left_out });
    }
    lines
}

/// Variables for every upper-case name that a line mentions.
fn variables_of(text: &str) -> Environment {
    let words = text.split(|c: char| !(c.is_ascii_uppercase() || c == '_')).filter(|word| word.contains('_'));
    words.map(|word| (word.to_owned(), format!("value-of-{word}"))).collect()
}

/// A section with one line; an own source comes with the three keys that it needs, and a shared store with its two.
fn with_header(line: &Line) -> String {
    let needed: &[&str] = match line.header.as_str() {
        header if header.starts_with("[sources.desk]") => &["classes", "url", "jq"],
        "[shared]" => &["url", "replicas", "password"],
        _ => &[],
    };
    let is_needed = |text: &str| needed.iter().any(|key| text.starts_with(&format!("{key} = ")));
    let company = annotated()
        .into_iter()
        .filter(|other| other.header == line.header && is_needed(&other.text) && other.text != line.text);
    let company: String = company.map(|other| format!("{}\n", other.text)).collect();
    let own = if line.text == line.header { "" } else { &line.text };
    format!("{}\n{}{own}\n", line.header, beside(own, company))
}

/// What stands beside a line of an own source, with what the line has an effect on.
fn beside(line: &str, company: String) -> String {
    let key = line.split(" =").next().unwrap_or_default();
    match key {
        "currencies" | "fiat" | "spelled" => company.replace("[\"equity\"]", "[\"equity\", \"crypto\"]"),
        "key" => company.replace("{symbols}", "{symbols}&key={key}"),
        "secret" => company.replace("{symbols}", "{symbols}&secret={secret}"),
        "key_from" => company.replace("{symbols}", "{symbols}&key={key}&secret={secret}"),
        "limits_without_key" => format!("key_optional = true\n{company}"),
        _ => company,
    }
}

#[test]
fn the_annotated_file_is_valid_and_has_no_effect() {
    let stated = load_text(DEFAULT, &[]).unwrap();
    let built_in = load(&LoadOptions::default()).unwrap();
    assert_eq!(stated.to_toml(), built_in.to_toml());
    assert_eq!(stated.to_toml(), load_text("", &[]).unwrap().to_toml());
}

#[test]
fn every_line_of_the_annotated_file_works_with_its_header() {
    let lines = annotated();
    assert!(lines.len() > 90, "only {} lines were found", lines.len());
    let authority = TempFile::new(&authority());
    for line in &lines {
        // some sections must not be empty; that each one is valid as it is written is another test
        if line.text == line.header && lines.iter().any(|other| other.header == line.header && other.text != line.text)
        {
            continue;
        }
        // a file that a line names must exist
        let text = with_header(line).replace("/etc/ssl/desk-ca.pem", authority.0.to_str().unwrap());
        let mut environment = variables_of(&text);
        environment.insert("FINNHUB_API_KEY".to_owned(), "value-of-FINNHUB_API_KEY".to_owned());
        let loaded = load(&LoadOptions {
            text: Some(("quotefold.toml".to_owned(), text.clone())),
            environment,
            ..LoadOptions::default()
        });
        if let Err(errors) = loaded {
            panic!("{text}\n{errors}");
        }
    }
}

#[test]
fn the_commented_values_are_the_built_in_ones() {
    let is_example = |line: &Line| {
        ["[symbols", "[sources", "[state", "[shared"].iter().any(|header| line.header.starts_with(header))
    };
    let all: String =
        annotated().iter().filter(|line| !is_example(line)).map(|line| format!("{}\n", line.text)).collect();
    let built_in = load(&LoadOptions::default()).unwrap().to_toml();
    assert_eq!(load_text(&all, &[]).unwrap().to_toml(), built_in);

    let defaults = annotated().into_iter().filter(|line| line.left_out).collect::<Vec<_>>();
    assert!(defaults.len() >= 13);
    let bare =
        with_header(&Line { text: defaults[0].header.clone(), header: defaults[0].header.clone(), left_out: false });
    let stated: String = defaults.iter().map(|line| format!("{}\n", line.text)).collect();
    let printed = |text: &str| load_text(text, &[]).unwrap().to_toml();
    assert_eq!(printed(&format!("{bare}{stated}")), printed(&bare));
}

/// The keys that may follow a text, as the program itself lists them.
fn allowed(text: &str) -> BTreeSet<String> {
    let errors = errors(&format!("{text}\nno_such_key = 1"), &[]);
    let error = errors.iter().find(|error| error.key.ends_with("no_such_key")).unwrap();
    let (_, names) = error.message.split_once("llowed: ").unwrap();
    names.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn the_annotated_file_has_every_key_and_no_other() {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in annotated() {
        let section = line.header.trim_start_matches('[').split(['.', ']']).next().unwrap_or_default();
        let keys = found.entry(section.to_owned()).or_default();
        if line.text != line.header {
            keys.extend(line.text.split(" =").next().map(str::to_owned));
        }
    }
    assert_eq!(found.keys().cloned().collect::<BTreeSet<_>>(), allowed(""));
    // a class may have every key of the sections for all classes
    let general = [&found["freshness"], &found["fold"]].into_iter().flatten().cloned().collect::<BTreeSet<_>>();
    found.get_mut("class").unwrap().extend(general);
    for (section, keys) in found {
        let header = match section.as_str() {
            "class" => "[class.equity]".to_owned(),
            "symbols" => "[symbols.AAPL]".to_owned(),
            "sources" => "[sources.desk]".to_owned(),
            other => format!("[{other}]"),
        };
        assert_eq!(keys, allowed(&header), "{header}");
    }
    for class in ["crypto", "equity", "index", "fx", "fund"] {
        assert!(DEFAULT.contains(&format!("\n[class.{class}]")), "{class}");
    }
}
