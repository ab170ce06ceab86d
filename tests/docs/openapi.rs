//! The description of the interface in OpenAPI says what the code and the documentation say, and agrees with itself.

use std::collections::BTreeSet;

use quotefold::failure::SourceError;
use quotefold::symbol::Class;
use serde_json::{Value, json};

use crate::support::openapi::Description;
use crate::support::pages::{code, page};
use crate::tables::{Names, item, names_of, problems};

fn document() -> &'static Value {
    Description::ours().document()
}

fn component(kind: &str, name: &str) -> &'static Value {
    document()["components"][kind].get(name).unwrap_or_else(|| panic!("there are no {kind} {name}"))
}

fn keys(value: &Value) -> Names {
    value.as_object().into_iter().flatten().map(|(key, _)| key.clone()).collect()
}

fn texts(value: &Value) -> Names {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn values(schema: &str) -> Names {
    texts(&component("schemas", schema)["enum"])
}

fn fields(schema: &str) -> Names {
    keys(&component("schemas", schema)["properties"])
}

/// Every value in the document, with the pointer to it.
fn all_values() -> Vec<(String, &'static Value)> {
    let (mut open, mut all) = (vec![(String::new(), document())], Vec::new());
    while let Some((place, value)) = open.pop() {
        all.push((place.clone(), value));
        let fields = value.as_object().into_iter().flatten().map(|(key, field)| (key.clone(), field));
        let items = value.as_array().into_iter().flatten().enumerate().map(|(number, item)| (number.to_string(), item));
        open.extend(fields.chain(items).map(|(name, part)| (format!("{place}/{}", name.replace('/', "~1")), part)));
    }
    all
}

/// Every operation, with its path and method.
fn operations() -> Vec<(&'static str, &'static str, &'static Value)> {
    let paths = document()["paths"].as_object().into_iter().flatten();
    let of_path = |(path, methods): (&'static String, &'static Value)| {
        let methods = methods.as_object().into_iter().flatten();
        methods.map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    };
    paths.flat_map(of_path).collect()
}

fn listed(references: &Value) -> Names {
    let named = |reference: &Value| {
        let parameter = Description::ours().document().pointer(reference["$ref"].as_str()?.trim_start_matches('#'))?;
        Some((parameter["in"].as_str()?.to_owned(), parameter["name"].as_str()?.to_owned()))
    };
    let named = references.as_array().into_iter().flatten().filter_map(named);
    named.filter(|(place, _)| place == "query").map(|(_, name)| name).collect()
}

#[test]
fn it_has_the_version_of_the_program() {
    assert_eq!(document()["openapi"], "3.1.0");
    assert_eq!(document()["info"]["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn it_has_every_status_and_reason_of_the_code() {
    let of_texts = Names::from([item("reason: Some(\"").split('"').next().unwrap().to_owned()]);
    assert_eq!(values("SymbolReason"), &names_of("impl Status {", "pub fn reason(self)") | &of_texts);
    for (schema, implementation, method) in [
        ("SymbolStatus", "impl Status {", "pub fn as_str(self)"),
        ("Completeness", "impl Completeness {", "pub fn as_str(self)"),
        ("QuoteStatus", "impl Verdict {", "pub fn as_str(self)"),
        ("Exclusion", "impl Exclusion {", "pub fn as_str(self)"),
        ("Failure", "impl SourceError {", "pub fn reason(&self)"),
        ("Match", "impl Fit {", "pub fn as_str(self)"),
        ("Role", "impl Role {", "pub fn as_str(self)"),
    ] {
        assert_eq!(values(schema), names_of(implementation, method), "{schema}");
    }
    let classes = [Class::Crypto, Class::Fx, Class::Equity, Class::Index, Class::Fund].map(Class::as_str);
    assert_eq!(values("Class"), classes.map(str::to_owned).into());
    assert!(values("Failure").contains(SourceError::NotAwaited.reason()));
}

#[test]
fn it_has_the_values_of_every_field_that_the_documentation_lists() {
    let http = page("docs/http.md");
    let meaning = |heading: &str, field: &str| -> Names {
        let rows = http.rows(heading);
        let row = rows.iter().find(|row| code(&row[0]).any(|name| name == field));
        let row = row.unwrap_or_else(|| panic!("{field} is not in the table under {heading}"));
        code(&row[1]).map(str::to_owned).collect()
    };
    for (schema, heading, field) in [
        ("Session", "### Entry", "session"),
        ("Role", "### Quote", "role"),
        ("Match", "## Searching for symbols", "match"),
    ] {
        assert!(meaning(heading, field).is_superset(&values(schema)), "{schema}");
    }
    let book = meaning("### Quote", "book");
    assert_eq!(values("Book"), book);
    let of_field = |schema: &str, field: &str| texts(&component("schemas", schema)["properties"][field]["enum"]);
    for (schema, heading, field) in [
        ("Entry", "### Entry", "method"),
        ("Quote", "### Quote", "basis"),
        ("Rule", "### Rule", "below_quorum"),
        ("Rule", "### Rule", "market"),
    ] {
        let said = meaning(heading, field);
        let described = of_field(schema, field);
        assert!(described.len() > 1 && described.is_subset(&said), "{field}: {described:?}, {said:?}");
    }
}

#[test]
fn it_has_every_problem_with_its_code_and_an_example() {
    let names: Names = problems().iter().map(|problem| format!("/problems/{}", problem.name())).collect();
    let field = &component("schemas", "Problem")["properties"]["type"];
    assert_eq!(texts(&field["enum"]), names);
    assert_eq!(keys(&field["x-enumDescriptions"]), names);
    let responses = document()["components"]["responses"].as_object().unwrap();
    let examples = responses.values().flat_map(|response| {
        let examples = &response["content"]["application/problem+json"]["examples"];
        examples.as_object().into_iter().flatten()
    });
    let mut shown = BTreeSet::new();
    for (name, example) in examples {
        let example = &example["value"];
        assert_eq!(example["type"].as_str(), Some(format!("/problems/{name}").as_str()));
        shown.insert((name.clone(), example["status"].as_u64().unwrap()));
    }
    let real = problems().into_iter().map(|problem| (problem.name().to_owned(), problem.status().as_u16().into()));
    assert_eq!(shown, real.collect());
}

#[test]
fn an_operation_shows_only_problems_of_the_code_that_it_lists() {
    let schemas = Description::ours().schemas();
    for (path, method, operation) in operations() {
        for (status, response) in operation["responses"].as_object().unwrap() {
            let content = &schemas.resolved(response)["content"]["application/problem+json"];
            for example in content["examples"].as_object().into_iter().flatten().map(|(_, example)| &example["value"]) {
                assert_eq!(example["status"].to_string(), *status, "{method} {path}");
            }
        }
    }
}

#[test]
fn it_has_every_code_of_the_documentation() {
    let rows = page("docs/http.md").rows("### All codes");
    let listed: Names = rows.into_iter().map(|row| row[0].clone()).collect();
    let described: Names =
        operations().into_iter().flat_map(|(_, _, operation)| keys(&operation["responses"])).collect();
    assert_eq!(described, listed);
}

#[test]
fn it_has_every_path_of_the_documentation() {
    let rows = page("docs/http.md").rows("## Paths");
    let path = |shown: &str| {
        let path = shown.trim_start_matches("GET ").trim_start_matches("POST ").split('?').next().unwrap();
        path.replace("/prices/AAPL", "/prices/{symbol}")
    };
    let listed = rows.iter().flat_map(|row| code(&row[0])).map(path);
    // what is there for people alone is not described
    let listed: Names = listed.filter(|path| path != "/").collect();
    assert_eq!(keys(&document()["paths"]), listed);
}

#[test]
fn it_has_the_parameters_of_the_documentation() {
    let http = page("docs/http.md");
    let documented = http.first_column("### Parameters");
    let of = |path: &str| listed(&document()["paths"][path]["get"]["parameters"]);
    assert_eq!(of("/prices"), documented);
    assert_eq!(fields("PricesForm"), documented);
    let mut of_one = of("/prices/{symbol}");
    assert!(of_one.insert("symbols".to_owned()), "the symbol is in the path");
    assert_eq!(of_one, documented);
    let search: Names = http
        .rows("## Searching for symbols")
        .iter()
        .filter(|row| row.len() == 3)
        .flat_map(|row| code(&row[0]))
        .map(str::to_owned)
        .collect();
    assert_eq!(of("/symbols"), search);
    assert_eq!(of("/prices/stream"), http.first_column("## Prices as they change"));
}

#[test]
fn it_has_the_fields_of_the_documentation() {
    let http = page("docs/http.md");
    for (schema, heading) in
        [("Answer", "### Envelope"), ("Conversion", "### Conversion"), ("Rule", "### Rule"), ("Quote", "### Quote")]
    {
        assert_eq!(fields(schema), http.first_column(heading), "{schema}");
    }
    let mut entry = http.first_column("### Entry");
    entry.insert("simulated".to_owned());
    assert_eq!(fields("Entry"), entry);
    let search = &fields("Found") | &fields("FoundSymbol");
    let rows = http.rows("## Searching for symbols");
    let documented: Names =
        rows.iter().filter(|row| row.len() == 2).flat_map(|row| code(&row[0])).map(str::to_owned).collect();
    assert_eq!(search, documented);
    let rows = http.rows("### Quote");
    let derivation = rows.iter().find(|row| row[0] == "`derivation`").unwrap();
    let named: Names = code(&derivation[1]).map(str::to_owned).collect();
    assert_eq!(&fields("Derivation") | &fields("DerivationRate"), named);
}

#[test]
fn it_has_the_headers_of_the_documentation() {
    let http = page("docs/http.md");
    let lower = |names: Names| -> Names {
        let names = names.iter().map(|name| name.split(':').next().unwrap().to_ascii_lowercase());
        names.filter(|name| !name.starts_with("access-control-")).collect()
    };
    let responses = document()["components"]["responses"].as_object().unwrap();
    let described: Names = responses.values().flat_map(|response| keys(&response["headers"])).collect();
    let mut documented = lower(http.first_column("### Headers of replies"));
    assert!(documented.remove("content-type"), "the media types say it");
    assert_eq!(lower(described), documented);

    let parameters = document()["components"]["parameters"].as_object().unwrap();
    let in_header = parameters.values().filter(|parameter| parameter["in"] == "header");
    let mut named: Names = in_header.filter_map(|parameter| parameter["name"].as_str()).map(str::to_owned).collect();
    assert_eq!(component("securitySchemes", "key")["scheme"], "bearer");
    named.insert("Authorization".to_owned());
    named.extend(code(document()["info"]["description"].as_str().unwrap()).map(str::to_owned));
    let documented = lower(http.first_column("### Headers of requests"));
    assert!(lower(named.clone()).is_superset(&documented), "{named:?}, {documented:?}");
}

#[test]
fn every_reference_leads_somewhere_and_every_component_is_used() {
    let mut used = BTreeSet::new();
    for (place, value) in all_values() {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            let target = document().pointer(reference.trim_start_matches('#'));
            assert!(target.is_some(), "{place} leads to {reference}");
            used.insert(reference.trim_start_matches("#/components/").to_owned());
        }
    }
    for kind in ["parameters", "headers", "responses", "schemas"] {
        for name in keys(&document()["components"][kind]) {
            // these belong to methods, and to paths of the demo, that are not described
            let is_elsewhere = ["WrongMethod", "ForeignPage"].contains(&name.as_str());
            assert!(is_elsewhere || used.contains(&format!("{kind}/{name}")), "nothing uses {kind}/{name}");
        }
    }
}

#[test]
fn every_description_is_a_sentence_and_every_value_of_a_list_has_one() {
    for (place, value) in all_values() {
        let is_example = place.contains("/example");
        if let Some(text) = value.get("description").and_then(Value::as_str).filter(|_| !is_example) {
            let begins = text.starts_with(|c: char| c.is_uppercase() || c.is_ascii_digit());
            assert!(begins && text.ends_with('.'), "{place}: {text}");
        }
        if let Some(meanings) = value.get("x-enumDescriptions") {
            assert_eq!(keys(meanings), texts(&value["enum"]), "{place}");
        }
        let is_object = value["type"] == "object" && value.get("properties").is_some() && !is_example;
        for (name, field) in value["properties"].as_object().into_iter().flatten().filter(|_| is_object) {
            assert!(field.get("description").is_some(), "{place}/{name} is not described");
        }
    }
}

#[test]
fn every_example_of_a_reply_is_as_its_schema_says() {
    let mut compared = 0;
    for (place, content) in all_values() {
        let Some(kind) = place.rsplit('/').next().filter(|_| content.get("schema").is_some()) else { continue };
        let named = content["examples"].as_object().into_iter().flatten().map(|(_, example)| &example["value"]);
        for example in named.chain(content.get("example")) {
            // what a request sends is not compared, since no reply has it
            if kind.ends_with("json") || kind.contains("text") {
                let found = Description::ours().schemas().differences("", example, &content["schema"]);
                assert_eq!(found, Vec::<String>::new(), "{place}");
                compared += 1;
            }
        }
    }
    assert!(compared > 30, "{compared}");
}

#[test]
fn a_decimal_has_its_pattern_and_a_time_its_format() {
    for (place, value) in all_values().into_iter().filter(|(place, _)| place.starts_with("/components/schemas")) {
        if value["format"] == "decimal" {
            assert_eq!(value["pattern"], json!(r"^-?[0-9]+(\.[0-9]+)?$"), "{place}");
        }
        let is_time = place.ends_with("_at") || place.ends_with("/as_of") || place.ends_with("/until");
        if is_time && value.get("type").is_some() && place.contains("/properties/") {
            assert_eq!(value["format"], "date-time", "{place}");
        }
    }
}
