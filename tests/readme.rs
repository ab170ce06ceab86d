//! The README: what it shows and names is what the program gives and takes.

// the helpers are tests too, which clippy cannot see
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use clap::CommandFactory;
use quotefold::cli::Arguments;
use quotefold::demo;
use quotefold::metrics::Metrics;
use quotefold::provider::catalogue::catalogue;
use quotefold::question::Question;
use quotefold::server::problem::Problem;
use quotefold::settings::load::{LoadOptions, load};
use serde_json::Value;
use tokio::net::TcpListener;

const README: &str = include_str!("../README.md");
const CONTRIBUTING: &str = include_str!("../CONTRIBUTING.md");
/// What stands where the README leaves something out.
const LEFT_OUT: &str = "…";

type Names = BTreeSet<String>;

/// What stands under a heading, up to the next one of any level.
fn section(heading: &str) -> &'static str {
    let (_, after) =
        README.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("there is no heading {heading:?}"));
    after.split("\n#").next().unwrap()
}

/// The words in code within a text: `these` and `those`.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The code in the first cells of the table under a heading.
fn first_column(heading: &str) -> Names {
    let rows = section(heading).lines().filter(|line| line.starts_with("| "));
    rows.flat_map(|row| code(row.split('|').nth(1).unwrap())).map(str::to_owned).collect()
}

fn fields(value: &Value) -> Names {
    value.as_object().unwrap().keys().cloned().collect()
}

/// An answer of the demo, and what it says of a wrong parameter.
async fn demo_answer(query: &str) -> (Value, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let text = Some(("the demo's settings".to_owned(), demo::settings_text(listener.local_addr().unwrap())));
    let settings = load(&LoadOptions { text, ..LoadOptions::default() }).unwrap();
    let _venues = demo::open_venues(listener, &settings);
    let service = demo::service(settings).unwrap();
    let now = || service.clock.now();
    let question = Question::parse(query, &service.bounds(), now()).unwrap();
    let wrong = Question::parse("no=such", &service.bounds(), now()).unwrap_err();
    let body = service.answer(&question).await.body(now().wall).unwrap();
    (serde_json::from_slice(&body).unwrap(), wrong.detail)
}

/// Compares an object of the example with the same one of a real answer.
fn same_shape(place: &str, shown: &Value, real: &Value) {
    let (mut shown, real) = (fields(shown), fields(real));
    if shown.remove(LEFT_OUT) {
        assert!(shown.is_subset(&real), "{place}: {shown:?}, {real:?}");
    } else {
        assert_eq!(shown, real, "{place}");
    }
}

#[tokio::test]
async fn the_example_and_the_tables_have_the_fields_of_a_real_answer() {
    let example = README.split("```json\n").nth(1).and_then(|after| after.split("```").next()).unwrap();
    let example: Value = serde_json::from_str(example).unwrap();
    let (mut real, parameters) = demo_answer("symbols=aapl").await;
    assert_eq!(first_column("### Envelope"), fields(&real));
    real.as_object_mut().unwrap().remove("renamed");
    same_shape("the envelope", &example, &real);

    let (shown, real) = (&example["prices"][0], &real["prices"][0]);
    assert_eq!(first_column("### Entry"), fields(real));
    same_shape("the entry", shown, real);
    assert_eq!(first_column("### Rule"), fields(&real["rule"]));
    same_shape("the rule", &shown["rule"], &real["rule"]);
    same_shape("the sources", &shown["sources"], &real["sources"]);
    assert_eq!(first_column("### Quote"), fields(&real["quotes"][0]));
    let quotes = shown["quotes"].as_array().unwrap();
    assert_eq!(quotes.len(), real["quotes"].as_array().unwrap().len());
    quotes.iter().for_each(|quote| same_shape("a quote", quote, &real["quotes"][0]));

    let (_, parameters) = parameters.split_once("there are ").unwrap();
    let parameters: Names = parameters.split(", ").map(str::to_owned).collect();
    assert_eq!(first_column("## Asking"), parameters);
}

#[test]
fn every_problem_has_its_heading() {
    let all = [
        Problem::BadQuery { field: None, detail: String::new() },
        Problem::Unauthorized { wrong_key: false },
        Problem::TooManyRequests { seconds: 1 },
        Problem::NoSuchPath,
        Problem::WrongMethod,
        Problem::BodyTooLarge { longest: 1024 },
        Problem::UnsupportedMediaType,
        Problem::SlowBody,
        Problem::Overloaded,
        Problem::NoAnswer,
        Problem::Internal,
    ];
    for problem in all {
        let text = section(&format!("### {}", problem.name()));
        assert!(text.trim_start().starts_with(problem.status().as_str()), "{}", problem.name());
    }
}

#[test]
fn every_provider_and_metric_is_named() {
    let named = first_column("## Real prices");
    assert_eq!(named, catalogue().keys().cloned().collect::<Names>());
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/config/sources");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path().with_extension(""));
    assert_eq!(named, files.map(|file| file.file_name().unwrap().to_str().unwrap().to_owned()).collect::<Names>());
    for variable in catalogue().values().flat_map(|table| table.key_from.iter().flatten()) {
        assert!(section("## Real prices").contains(variable.as_str()), "{variable}");
    }
    let page = Metrics::default().render().unwrap();
    for family in page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter")) {
        assert!(section("## Deployment").contains(&format!("`{family}_total`")), "{family}");
    }
}

#[test]
fn every_command_exists_with_its_options() {
    let program = Arguments::command();
    let mut seen = Names::new();
    for text in [README, CONTRIBUTING] {
        let calls = text.split('\n').flat_map(|line| {
            ["quotefold ", "cargo run --release -- ", "cargo run -- "]
                .map(|call| line.split_once(call).map(|(_, after)| after))
        });
        for words in calls.flatten().map(|after| after.split(['`', '#', '>', ';']).next().unwrap().split_whitespace()) {
            let mut words = words.peekable();
            let Some(name) = words.next_if(|word| word.bytes().all(|byte| byte.is_ascii_lowercase())) else { continue };
            let Some(command) = program.find_subcommand(name) else { panic!("there is no command {name:?}") };
            for option in words.filter_map(|word| word.strip_prefix("--")) {
                assert!(command.get_arguments().any(|known| known.get_long() == Some(option)), "{name} --{option}");
            }
            seen.insert(name.to_owned());
        }
    }
    // one that is hidden is for the program itself
    let shown = program.get_subcommands().filter(|command| !command.is_hide_set());
    assert_eq!(seen, shown.map(|command| command.get_name().to_owned()).collect::<Names>());
}
