//! The tables of codes, headers and reasons have a row for everything in the code.

use std::collections::BTreeSet;
use std::path::Path;

use clap::CommandFactory;
use quotefold::answer::{Completeness, code as http_code};
use quotefold::cli::Arguments;
use quotefold::fold::{Degraded, Status, Unavailable};
use quotefold::question::Require;
use quotefold::server::problem::Problem;

use crate::support::pages::{ROOT, code, page};

pub(crate) type Names = BTreeSet<String>;

/// The text of every source file of a folder and of the module of that name, without tests.
pub(crate) fn sources(folder: &str) -> Vec<String> {
    let without_tests = |text: String| text.split("#[cfg(test)]").next().unwrap().to_owned();
    let module = std::fs::read_to_string(Path::new(ROOT).join(folder).with_extension("rs"));
    let mut texts: Vec<String> = module.into_iter().map(without_tests).collect();
    let mut folders = vec![Path::new(ROOT).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                texts.push(without_tests(std::fs::read_to_string(path).unwrap()));
            }
        }
    }
    texts
}

/// The item that begins with these words, in the only source file that has it.
pub(crate) fn item(words: &str) -> String {
    let texts = sources("src");
    let mut with: Vec<&str> = texts.iter().filter_map(|text| Some(text.split_once(words)?.1)).collect();
    let found = with.pop().unwrap_or_else(|| panic!("{words:?} is in no source file"));
    assert!(with.is_empty(), "{words:?} is in more than one source file");
    found.split("\n}").next().unwrap().to_owned()
}

/// The names that a method of a type returns.
pub(crate) fn names_of(implementation: &str, method: &str) -> Names {
    let texts = sources("src");
    let methods = texts.iter().flat_map(|text| text.split(implementation).skip(1)).filter_map(|rest| {
        let (_, body) = rest.split("\n}").next()?.split_once(method)?;
        body.split("\n    }").next()
    });
    let names: Names = methods.flat_map(|body| body.split('"').skip(1).step_by(2)).map(str::to_owned).collect();
    assert!(names.len() > 2, "{implementation} {method}: {names:?}");
    names
}

/// One problem of each kind.
pub(crate) fn problems() -> Vec<Problem> {
    let detail = String::new;
    vec![
        Problem::BadQuery { field: None, detail: detail() },
        Problem::BadHost { detail: detail() },
        Problem::UnknownHost { host: detail() },
        Problem::Unauthorized { wrong_key: false },
        Problem::ForeignPage,
        Problem::TooManyRequests { seconds: 1 },
        Problem::TooManyStreams,
        Problem::NoSuchPath { detail: String::new() },
        Problem::WrongMethod,
        Problem::BodyTooLarge { longest: 1024 },
        Problem::UnsupportedMediaType,
        Problem::SlowBody,
        Problem::BadConfiguration { detail: detail() },
        Problem::Overloaded,
        Problem::NoAnswer,
        Problem::Internal,
    ]
}

#[test]
fn every_problem_has_its_heading_and_is_in_the_table_of_codes() {
    let http = page("docs/http.md");
    let all = problems();
    let names: Names = all.iter().map(|problem| problem.name().to_owned()).collect();
    assert_eq!(names, names_of("impl Problem {", "pub fn name(&self)"), "this test does not know every problem");
    let headings = http.headings().skip_while(|heading| *heading != "## Problems").skip(1);
    let headings = headings.map_while(|heading| heading.strip_prefix("### "));
    assert_eq!(names, headings.map(str::to_owned).collect::<Names>());

    let listed: BTreeSet<(String, String)> = http
        .rows("### All codes")
        .iter()
        .flat_map(|row| code(&row[2]).map(|name| (row[0].clone(), name.to_owned())).collect::<Vec<_>>())
        .collect();
    let real = all.iter().map(|problem| (problem.status().as_str().to_owned(), problem.name().to_owned()));
    assert_eq!(listed, real.collect());
    for problem in all {
        let text = http.section(&format!("### {}", problem.name()));
        assert!(text.trim_start().starts_with(&format!("**{}**: ", problem.status().as_str())), "{}", problem.name());
    }
}

/// The row of the table for symbols with these statuses.
fn situation(statuses: &[Status]) -> &'static str {
    let may_heal = statuses.iter().any(|status| status.may_heal());
    match (Completeness::of(statuses), may_heal) {
        (Completeness::Complete, _) => "every symbol `ok`",
        (Completeness::Degraded, _) => "every symbol priced, some degraded",
        (Completeness::Partial, true) => "some priced, a missing one may recover",
        (Completeness::Partial, false) => "some priced, no missing one can recover",
        (Completeness::None, true) => "none priced, one may recover",
        (Completeness::None, false) => "none priced, all unknown or not covered",
    }
}

#[test]
fn the_table_of_codes_matches_real_answers() {
    let http = page("docs/http.md");
    let listed: BTreeSet<Vec<String>> = http.rows("### Codes of answers").into_iter().collect();
    let statuses = [
        Status::Ok,
        Status::Degraded(Degraded::FewSources),
        Status::Unavailable(Unavailable::NoAnswer),
        Status::Unavailable(Unavailable::NotCovered),
        Status::Unknown,
    ];
    let mut real = BTreeSet::new();
    for a in statuses {
        for b in statuses {
            for c in statuses {
                let all = [a, b, c];
                let of = |require| http_code(&all, require).to_string();
                let codes = [Require::Any, Require::All, Require::Ok].map(of);
                let completeness = format!("`{}`", Completeness::of(&all).as_str());
                real.insert([vec![situation(&all).to_owned()], codes.into(), vec![completeness]].concat());
            }
        }
    }
    assert_eq!(listed, real);
    let codes: Names = real.iter().flat_map(|row| row[1..4].to_vec()).collect();
    let all: Names = http.rows("### All codes").into_iter().map(|row| row[0].clone()).collect();
    assert!(all.is_superset(&codes), "{all:?} {codes:?}");
}

#[test]
fn the_tables_of_reasons_have_every_reason() {
    let http = page("docs/http.md");
    let reasons = |heading: &str| -> Names {
        let rows = http.rows(heading);
        rows.iter().flat_map(|row| code(&row[1]).map(str::to_owned).collect::<Vec<_>>()).collect()
    };
    let of_prices = names_of("impl Status {", "pub fn reason(self)");
    // a text that is not a symbol has no price whose status it could be
    let of_texts = Names::from([item("reason: Some(\"").split('"').next().unwrap().to_owned()]);
    assert_eq!(reasons("### Status and reason of a symbol"), &of_prices | &of_texts);
    let excluded = names_of("impl Exclusion {", "pub fn as_str(self)");
    let failed = names_of("impl SourceError {", "pub fn reason(&self)");
    assert_eq!(reasons("### Status and reason of a quote"), &excluded | &failed);
    let statuses = http.first_column("### Status and reason of a symbol");
    assert_eq!(statuses, names_of("impl Status {", "pub fn as_str(self)"));
    assert_eq!(
        http.first_column("### Status and reason of a quote"),
        names_of("impl Verdict {", "pub fn as_str(self)")
    );
}

/// The headers that the server reads or sets, by their constants in its source.
fn headers_of_the_server() -> Names {
    let mut names = Names::new();
    for text in sources("src/server").into_iter().chain(sources("src/trace")) {
        let imports = text.split("http::header::").skip(1).map(|rest| rest.split(';').next().unwrap());
        for word in imports.flat_map(|import| import.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))) {
            if word.len() > 2 && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_') {
                names.insert(word.to_ascii_lowercase().replace('_', "-"));
            }
        }
        let own = text.split("HeaderName::from_static(\"").skip(1).map(|rest| rest.split('"').next().unwrap());
        names.extend(own.map(str::to_owned));
    }
    names
}

#[test]
fn the_tables_of_headers_have_every_header_that_the_server_reads_or_sets() {
    let http = page("docs/http.md");
    let [read, set] = ["### Headers of requests", "### Headers of replies"].map(|heading| http.first_column(heading));
    let listed: Names = read.union(&set).map(|name| name.split(':').next().unwrap().to_ascii_lowercase()).collect();
    let is_cors = |name: &String| name.starts_with("access-control-");
    let listed: Names = listed.into_iter().filter(|name| !is_cors(name)).collect();
    let mut real: Names = headers_of_the_server().into_iter().filter(|name| !is_cors(name)).collect();
    // axum sets this one
    real.insert("allow".to_owned());
    assert_eq!(listed, real);
}

#[test]
fn the_table_of_exit_codes_and_the_help_have_every_exit_code() {
    let listed: Names =
        page("docs/command-line.md").rows("## Exit codes").into_iter().map(|row| row[0].clone()).collect();
    let codes = item("pub enum Exit {");
    let codes = codes.split(" = ").skip(1).map(|rest| rest.split(',').next().unwrap().to_owned());
    let codes: Names = codes.collect();
    assert_eq!(listed, codes);
    let help = Arguments::command().render_long_help().to_string();
    let (_, help) = help.split_once("Exit codes:").unwrap();
    let in_help = help.split(|c: char| !c.is_ascii_digit()).filter(|word| !word.is_empty());
    assert_eq!(in_help.map(str::to_owned).collect::<Names>(), codes);
}
