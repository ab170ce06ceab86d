//! The example answers, and the tables that explain their fields.

use std::collections::BTreeSet;

use quotefold::question::Question;
use serde_json::Value;

use crate::support::demo;
use crate::support::pages::page;

/// The key that marks fields left out of an example.
const LEFT_OUT: &str = "…";

type Names = BTreeSet<String>;

fn fields(value: &Value) -> Names {
    value.as_object().unwrap().keys().cloned().collect()
}

/// The demo's answers: with the envelope, without it, and for a wrong parameter.
struct Answers {
    all: Value,
    single: Value,
    wrong: String,
}

async fn demo_answers(query: &str) -> Answers {
    let (service, _venues) = demo(|text| text).await;
    let now = || service.clock().now();
    let question = Question::parse(query, service.bounds(), now()).unwrap();
    let wrong = Question::parse("no=such", service.bounds(), now()).unwrap_err();
    let answer = service.answer(&question).await;
    let all = serde_json::from_slice(&answer.body(now().wall).unwrap()).unwrap();
    let single = serde_json::from_slice(&answer.single_body(now().wall).unwrap()).unwrap();
    Answers { all, single, wrong: wrong.detail }
}

/// Compares the fields of an object in an example with those in a real answer.
fn same_shape(place: &str, shown: &Value, real: &Value) {
    let (mut shown, real) = (fields(shown), fields(real));
    if shown.remove(LEFT_OUT) {
        assert!(shown.is_subset(&real), "{place}: {shown:?}, {real:?}");
    } else {
        assert_eq!(shown, real, "{place}");
    }
}

/// The example of an answer on a page.
fn example(path: &str) -> Value {
    let shown = page(path).blocks().into_iter().find(|block| block.kind == "json");
    serde_json::from_str(&shown.unwrap_or_else(|| panic!("{path} shows no answer")).text).unwrap()
}

fn same_quotes(shown: &Value, real: &Value) {
    let quotes = shown["quotes"].as_array().unwrap();
    assert_eq!(quotes.len(), real["quotes"].as_array().unwrap().len());
    quotes.iter().for_each(|quote| same_shape("a quote", quote, &real["quotes"][0]));
    same_shape("the sources", &shown["sources"], &real["sources"]);
}

#[tokio::test]
async fn the_examples_and_the_tables_have_the_fields_of_a_real_answer() {
    let http = page("docs/http.md");
    let shown = example("docs/http.md");
    let Answers { all: mut real, single, wrong } = demo_answers("symbols=aapl").await;
    assert_eq!(http.first_column("### Envelope"), fields(&real));
    real.as_object_mut().unwrap().remove("renamed");
    same_shape("the envelope", &shown, &real);

    let (shown, real) = (&shown["prices"][0], &real["prices"][0]);
    assert_eq!(http.first_column("### Entry"), fields(real));
    same_shape("the entry", shown, real);
    assert_eq!(http.first_column("### Rule"), fields(&real["rule"]));
    same_shape("the rule", &shown["rule"], &real["rule"]);
    assert_eq!(http.first_column("### Quote"), fields(&real["quotes"][0]));
    same_quotes(shown, real);

    let shown = example("README.md");
    same_shape("the README's entry", &shown, &single);
    same_quotes(&shown, &single);

    let (_, parameters) = wrong.split_once("expected one of ").unwrap();
    // a refusal names what there is to say, and not what is ignored
    let parameters: Names = parameters.split(", ").chain(["_"]).map(str::to_owned).collect();
    assert_eq!(http.first_column("### Parameters"), parameters);
}
