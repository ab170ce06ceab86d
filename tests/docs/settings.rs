//! The configuration that the documentation shows.

use std::collections::BTreeMap;

use quotefold::settings::load::{LoadOptions, load};

use crate::support::pages::{ROOT, code, pages};

/// Values for the variables that a text uses.
fn variables(text: &str) -> BTreeMap<String, String> {
    let names = text.split("${").skip(1).filter_map(|rest| rest.split('}').next());
    names.map(|name| (name.to_owned(), "a-value-for-this-test".to_owned())).collect()
}

fn errors(name: &str, text: &str) -> Option<String> {
    let options = LoadOptions {
        text: Some((name.to_owned(), text.to_owned())),
        environment: variables(text),
        ..LoadOptions::default()
    };
    load(&options).err().map(|errors| errors.to_string())
}

#[test]
fn every_block_of_configuration_loads_alone_or_after_those_before_it() {
    let mut loaded = 0;
    for page in pages() {
        let mut before = String::new();
        for block in page.blocks().into_iter().filter(|block| block.kind == "toml") {
            before += &block.text;
            if let Some(alone) = errors(&block.at, &block.text) {
                let below = errors(&block.at, &before);
                assert_eq!(below, None, "{}: {}\nalone: {alone}", block.at, block.text);
            }
            loaded += 1;
        }
    }
    assert!(loaded >= 5, "only {loaded} blocks were found");
}

#[test]
fn every_setting_that_is_named_with_its_section_exists() {
    let annotated = std::fs::read_to_string(format!("{ROOT}/config/quotefold.toml")).unwrap();
    let mut known = Vec::new();
    let mut section = "";
    for line in annotated.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            section = name;
        } else if let Some((key, _)) = line.trim_start_matches('#').split_once(" = ") {
            known.push(format!("{section}.{key}"));
        }
    }
    let sections = ["server", "access", "freshness", "fold", "watch", "state", "shared", "log"];
    for page in pages() {
        for named in code(&page.text) {
            let Some((section, key)) = named.split_once('.') else { continue };
            let is_key = key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            if sections.contains(&section) && is_key && key != "rs" && key != "json" {
                assert!(known.iter().any(|known| known == named), "{}: there is no setting {named}", page.path);
            }
        }
    }
}
