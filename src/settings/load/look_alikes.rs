//! Finds what was probably meant for a key and sets nothing: variables such as `QUOTEFOLD_SERVER_LISTEN`, and keys outside of their
//! section.

use super::LoadOptions;
use super::document::Document;
use super::environment::is_key;
use crate::provider::catalogue::catalogue;
use crate::settings::error::{ConfigError, Report};
use crate::symbol::Class;
use crate::text::near::nearest;

/// The variables of ours that set no key.
const OWN: [&str; 3] = ["QUOTEFOLD_CONFIG", "QUOTEFOLD_KEY", "QUOTEFOLD_UNOFFICIAL"];

/// The sections whose keys stand directly below them.
const SECTIONS: [&str; 8] = ["server", "access", "freshness", "fold", "state", "shared", "watch", "log"];

/// Reports variables that look like ours and are not; `read` lists what was read, for people. One that means a key is an error.
/// Any other one is remarked upon, since it may belong to whatever starts this program.
pub(super) fn check(document: &Document<'_>, options: &LoadOptions, read: &[String], report: &mut Report<'_>) {
    let is_read = |name: &str| read.iter().any(|from| from.strip_prefix("variable ") == Some(name));
    for name in options.environment.keys() {
        let upper = name.to_ascii_uppercase();
        let Some(rest) = upper.strip_prefix("QUOTEFOLD_") else { continue };
        let is_ours = *name == upper && (rest.contains("__") || OWN.contains(&upper.as_str()));
        if is_ours || is_read(name) || is_of_kubernetes(rest) {
            continue;
        }
        match meant(document, rest) {
            Some(meant) => report.add([ConfigError {
                file: name.clone(),
                line: None,
                key: String::new(),
                message: format!("this variable sets nothing; write {meant}, or remove it"),
            }]),
            None => report.remark_about(name, "this variable sets nothing, although it looks like one of quotefold's"),
        }
    }
}

/// The names that Kubernetes gives to the ports of services called `quotefold` or `quotefold-…`.
fn is_of_kubernetes(rest: &str) -> bool {
    ["SERVICE_HOST", "SERVICE_PORT", "PORT_"].iter().any(|part| rest.contains(part))
        || rest == "PORT"
        || rest.ends_with("_PORT")
}

/// The variable that was probably meant by one whose name goes on like this after `QUOTEFOLD_`, in capitals.
fn meant(document: &Document<'_>, rest: &str) -> Option<String> {
    let variable = |parts: &[&str]| format!("QUOTEFOLD_{}", parts.join("__").to_ascii_uppercase().replace('-', "_"));
    let one = rest.replace("__", "_").to_ascii_lowercase();
    let own = nearest(&one, ["config", "key", "unofficial"].into_iter());
    let in_section = |section: &'static str| {
        let key = one.strip_prefix(section).and_then(|key| key.strip_prefix('_')).unwrap_or(&one);
        is_key(&[section, key]).then(|| variable(&[section, key]))
    };
    let in_table = |(section, name): (&str, &str)| {
        let start = format!("{section}_{}_", spelled(name));
        let key = one.strip_prefix(&start).filter(|key| is_key(&[section, name, key]))?;
        Some(variable(&[section, name, key]))
    };
    let named = document.keys(&["sources"]).into_iter().chain(catalogue().keys().cloned());
    let sources = named.filter_map(|name| in_table(("sources", &name)));
    let classes = Class::ALL.into_iter().filter_map(|class| in_table(("class", class.as_str())));
    let symbols = document.keys(&["symbols"]).into_iter().filter_map(|name| in_table(("symbols", &name)));
    let of_tables = || sources.chain(classes).chain(symbols).next();
    SECTIONS.into_iter().find_map(in_section).or_else(of_tables).or_else(|| own.map(|name| variable(&[name])))
}

/// A name as a part of a variable's name, in lower case.
fn spelled(name: &str) -> String {
    name.to_ascii_lowercase().replace('-', "_")
}

/// Adds to errors about keys outside of any section where they belong.
pub(super) fn say_where_keys_belong(errors: &mut [ConfigError]) {
    for error in errors.iter_mut() {
        let names: Vec<&str> = error.key.split('.').collect();
        let is_upper = |name: &str| !name.is_empty() && !name.bytes().any(|byte| byte.is_ascii_lowercase());
        if let (["symbols", front, end], true) = (&names[..], error.message.starts_with("unknown key"))
            && is_upper(end)
        {
            error.message = format!("a name with a dot stands in quotes: [symbols.\"{front}.{end}\"]");
        }
    }
    for error in errors.iter_mut().filter(|error| !error.key.contains('.')) {
        let is_unknown = error.message.starts_with("unknown key");
        let section = SECTIONS.into_iter().find(|section| is_unknown && is_key(&[section, &error.key]));
        if let Some(section) = section {
            error.message = format!("a key of [{section}] outside of it; write this line below [{section}]");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_with_single_underscores_is_told_which_one_was_meant() {
        let (document, _) = Document::parse("x.toml", "[sources.kraken-eu]\nlike = \"kraken\"").unwrap();
        let meant = |rest: &str| meant(&document, rest);
        for (rest, right) in [
            ("SERVER_LISTEN", "QUOTEFOLD_SERVER__LISTEN"),
            ("LISTEN", "QUOTEFOLD_SERVER__LISTEN"),
            ("SERVER_MAX_SYMBOLS", "QUOTEFOLD_SERVER__MAX_SYMBOLS"),
            ("SERVER__LISTEN", "QUOTEFOLD_SERVER__LISTEN"),
            ("SOURCES_KRAKEN_EU_BASE_URL", "QUOTEFOLD_SOURCES__KRAKEN_EU__BASE_URL"),
            ("SOURCES_FINNHUB_KEY", "QUOTEFOLD_SOURCES__FINNHUB__KEY"),
            ("CLASS_FX_USABLE_FOR", "QUOTEFOLD_CLASS__FX__USABLE_FOR"),
            ("CONFIGS", "QUOTEFOLD_CONFIG"),
        ] {
            assert_eq!(meant(rest).as_deref(), Some(right), "{rest}");
        }
        for stranger in ["VERSION", "IMAGE_TAG", "SOURCES_NOSUCH_KEY", "TEST_PANICS"] {
            assert_eq!(meant(stranger), None, "{stranger}");
        }
    }

    #[test]
    fn what_kubernetes_adds_is_not_taken_for_ours() {
        for rest in ["PORT", "SERVICE_HOST", "SERVICE_PORT_HTTP", "PORT_80_TCP_ADDR", "SERVER_PORT", "WEB_SERVICE_HOST"]
        {
            assert!(is_of_kubernetes(rest), "{rest}");
        }
        assert!(!is_of_kubernetes("SERVER_LISTEN"));
    }
}
