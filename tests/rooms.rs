//! The rooms of the crate in their order: each imports only from those above it in this list.
//!
//! Every `crate::` path is looked at, and every `super::` that leaves its room: in `use` or not, grouped, renamed, re-exported,
//! or inside a macro. What is there for tests alone is passed over.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]
#![allow(clippy::disallowed_methods, reason = "a test may block its thread")]

use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// The rooms, ground first.
const ROOMS: &[(&str, &str)] = &[
    ("decimal", "numbers that are money"),
    ("text", "words for people: lists, durations, near names, what a terminal may show"),
    ("clock", "the time, and how far this machine's is off"),
    ("pace", "turns for other tasks in long work"),
    ("permits", "how many may do something at once, while that changes"),
    ("address_space", "how many addresses this process has"),
    ("units", "notations of settings: spans, sizes, limits, patterns"),
    ("reply_memory", "how many bytes replies may hold"),
    ("fingerprint", "short hashes of what must not be kept itself"),
    ("caller", "who asks"),
    ("symbol", "names of what is priced"),
    ("hours", "when markets are open"),
    ("failure", "why there is no quote"),
    ("quote", "what a source said"),
    ("fold", "one price of many quotes, or why not"),
    ("board", "the latest outcome per source and symbol"),
    ("metrics", "what is counted"),
    ("trace", "where work stands in a trace, and its spans"),
    ("provider", "how a provider is described, and what is done with bytes alone"),
    ("settings", "what can be set"),
    ("logging", "the log"),
    ("profile", "what is known of a source without asking it"),
    ("route", "which pair a source is asked for"),
    ("derive", "the quote of one pair, made of another's"),
    ("convert", "a price in the caller's currency"),
    ("shared", "limits that replicas share"),
    ("source", "one source, asked: coalescing, limits, breaker, the wire"),
    ("question", "a query, read and checked"),
    ("plan", "which source is asked for which symbols"),
    ("gather", "the sources asked at once, until the deadline"),
    ("valuation", "everything a plan is about, priced"),
    ("answer", "status, headers and JSON"),
    ("verify", "the prices of a saved answer, recomputed"),
    ("again", "when asking again can change an answer"),
    ("ready", "answers that need no call, kept as text"),
    ("workload", "how much is worked on at once"),
    ("search", "symbols found by what was typed"),
    ("service", "the path of a request, written out"),
    ("state", "what outlives a restart"),
    ("watch", "what is kept fresh without being asked for"),
    ("reload", "the configuration, read again"),
    ("events", "prices as they change, for everyone who looks"),
    ("server", "HTTP"),
    ("demo", "a simulated market"),
    ("cli", "the command line"),
];

/// An import of a room that stands higher, or of the crate's root, which stands above all.
#[derive(Debug, PartialEq, Eq)]
struct Upward {
    from: String,
    to: String,
}

fn place(room: &str) -> usize {
    ROOMS.iter().position(|(name, _)| *name == room).unwrap_or(usize::MAX)
}

#[test]
fn every_room_imports_only_from_rooms_below_it() {
    let mut upward = Vec::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for file in files(&source) {
        let module = module_of(file.strip_prefix(&source).unwrap());
        if module.is_empty() || is_for_tests(&source, &module) {
            continue;
        }
        let found = upward_imports(&module, &fs::read_to_string(&file).unwrap());
        upward.extend(found.into_iter().map(|found| format!("{}: {} -> {}", file.display(), found.from, found.to)));
    }
    assert!(upward.is_empty(), "these imports lead up; see the order of rooms in this file:\n{}", upward.join("\n"));
}

#[test]
fn every_room_of_the_crate_is_in_the_list_and_the_other_way_round() {
    let root: Vec<TokenTree> = tokens(include_str!("../src/lib.rs"));
    let modules = root.windows(2).filter(|pair| pair[0].to_string() == "mod").map(|pair| pair[1].to_string());
    let listed: Vec<&str> = ROOMS.iter().map(|(room, _)| *room).collect();
    assert_eq!(modules.collect::<Vec<_>>(), listed, "src/lib.rs names the rooms in their order");
}

#[test]
fn an_import_that_leads_up_is_found_however_it_is_written() {
    let ways = [
        "use crate::server::Front;",
        "pub use crate::server::Front as Door;",
        "use crate::{clock::Clock, server::{Front, drain::Drain}};",
        "use {crate::clock::Clock, crate::server};",
        "fn f() { let _ = crate::server::Front::new(); }",
        "fn f(front: &crate::server::Front) {}",
        "impl crate::server::Trait for u8 {}",
        "fn f() { println!(\"{}\", crate::server::PORT); }",
        "macro_rules! m { () => { $crate::server::f() } }",
        "use super::super::server::Front;",
        "mod inner { use super::super::super::server::Front; }",
        "fn f() { super::super::server::f() }",
        "const _: () = { use crate::server as above; };",
        "#[cfg(not(test))] use crate::server;",
    ];
    let expected = [Upward { from: "fold".to_owned(), to: "server".to_owned() }];
    for way in ways {
        assert_eq!(upward_imports(&["fold".into(), "price".into()], way), expected, "{way}");
    }
    let root = [Upward { from: "fold".to_owned(), to: "the root".to_owned() }];
    assert_eq!(upward_imports(&["fold".into()], "use crate::Quotefold;"), root);
    assert_eq!(upward_imports(&["fold".into()], "use super::*;"), root);
}

#[test]
fn imports_of_lower_rooms_of_the_own_room_and_of_tests_are_left_alone() {
    let ways = [
        "use crate::clock::Clock;",
        "use crate::fold::Price;",
        "use super::Price;",
        "use super::super::clock::Clock;",
        "pub(in crate::fold) fn f() {}",
        "#[cfg(test)] mod tests { use crate::server::Front; }",
        "#[cfg(test)] use crate::server::Front;",
        "fn f() { #[cfg(test)] crate::server::f(); }",
        "impl A { #[cfg(test)] fn f() { crate::server::f() } }",
        "/// As [`crate::server`].\nfn f() {}",
        "mod inner { use super::super::Price; }",
    ];
    for way in ways {
        assert_eq!(upward_imports(&["fold".into(), "price".into()], way), [], "{way}");
    }
}

/// Every Rust file under a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let (directories, found): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let mut all: Vec<PathBuf> =
        found.into_iter().filter(|file| file.extension().is_some_and(|end| end == "rs")).collect();
    all.extend(directories.iter().flat_map(|directory| files(directory)));
    all
}

/// The module that a file holds: `["fold", "price"]` for `fold/price.rs`; empty for the crate's root and the program's.
fn module_of(file: &Path) -> Vec<String> {
    let mut module: Vec<String> = file.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    let name = module.pop().unwrap();
    match name.as_str() {
        "mod.rs" | "lib.rs" | "main.rs" => {}
        name => module.push(name.trim_end_matches(".rs").to_owned()),
    }
    module
}

/// Whether a module, or one that it is in, is declared for tests alone.
fn is_for_tests(source: &Path, module: &[String]) -> bool {
    (1..module.len()).any(|depth| {
        let parent = source.join(module[..depth].iter().collect::<PathBuf>());
        let candidates = [parent.with_extension("rs"), parent.join("mod.rs")];
        let text = candidates.iter().find_map(|file| fs::read_to_string(file).ok()).unwrap();
        let declares = |tokens: &[TokenTree]| {
            tokens.windows(2).any(|pair| pair[0].to_string() == "mod" && pair[1].to_string() == module[depth])
        };
        declares(&tokens(&text)) && !declares(&without_tests(tokens(&text)))
    })
}

fn tokens(text: &str) -> Vec<TokenTree> {
    text.parse::<TokenStream>().unwrap().into_iter().collect()
}

/// What a file's code imports from rooms above its own.
fn upward_imports(module: &[String], text: &str) -> Vec<Upward> {
    let mut rooms = Vec::new();
    rooms_named(module, &without_tests(tokens(text)), &mut rooms);
    let from = &module[0];
    let upward = rooms.into_iter().filter(|to| place(to) > place(from));
    let named = |to: String| if place(&to) == usize::MAX { "the root".to_owned() } else { to };
    upward.map(|to| Upward { from: from.clone(), to: named(to) }).collect()
}

/// Code without what is compiled for tests alone: from `#[cfg(test)]` up to the next semicolon or closing brace.
fn without_tests(code: Vec<TokenTree>) -> Vec<TokenTree> {
    let mut kept: Vec<TokenTree> = Vec::new();
    let mut tokens = code.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match (&token, tokens.peek()) {
            (TokenTree::Punct(sign), Some(TokenTree::Group(attribute)))
                if sign.as_char() == '#' && is_for_tests_alone(attribute) =>
            {
                tokens.next();
                // further attributes have brackets, so they end nothing
                tokens.by_ref().find(|token| match token {
                    TokenTree::Punct(sign) => sign.as_char() == ';',
                    TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
                    _ => false,
                });
            }
            (TokenTree::Group(group), _) => {
                let inside = without_tests(group.stream().into_iter().collect());
                kept.push(Group::new(group.delimiter(), inside.into_iter().collect()).into());
            }
            _ => kept.push(token),
        }
    }
    kept
}

/// Whether an attribute is `[cfg(test)]`, or `[cfg(all(test, …))]`.
fn is_for_tests_alone(attribute: &Group) -> bool {
    let words: String = attribute.to_string().chars().filter(|sign| !sign.is_whitespace()).collect();
    words == "[cfg(test)]" || words.starts_with("[cfg(all(test,")
}

/// The rooms that some code of a module names from the root on: by `crate::`, or by as many `super::` as lead there.
fn rooms_named(module: &[String], tokens: &[TokenTree], rooms: &mut Vec<String>) {
    let is = |at: usize, word: &str| tokens.get(at).is_some_and(|token| token.to_string() == word);
    let is_path = |at: usize| is(at, ":") && is(at + 1, ":");
    let mut at = 0;
    while at < tokens.len() {
        if is(at, "mod")
            && let (Some(name), Some(TokenTree::Group(inside))) = (tokens.get(at + 1), tokens.get(at + 2))
        {
            let inner: Vec<String> = module.iter().cloned().chain([name.to_string()]).collect();
            rooms_named(&inner, &inside.stream().into_iter().collect::<Vec<_>>(), rooms);
            at += 3;
            continue;
        }
        let mut depth = match () {
            () if is(at, "crate") => Some(0),
            () if is(at, "super") => Some(module.len().saturating_sub(1)),
            () => None,
        };
        if let (Some(levels), true) = (&mut depth, is_path(at + 1)) {
            at += 3;
            while is(at, "super") && is_path(at + 1) {
                *levels = levels.saturating_sub(1);
                at += 3;
            }
            if *levels == 0
                && let Some(next) = tokens.get(at)
            {
                firsts(next, rooms);
            }
            continue;
        }
        if let TokenTree::Group(group) = &tokens[at] {
            // in `pub(in crate::fold)` a room names itself
            rooms_named(module, &group.stream().into_iter().collect::<Vec<_>>(), rooms);
        }
        at += 1;
    }
}

/// What a path goes on with: a name, or each first name of a group.
fn firsts(token: &TokenTree, rooms: &mut Vec<String>) {
    match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
            let mut is_first = true;
            for token in group.stream() {
                match &token {
                    TokenTree::Punct(sign) if sign.as_char() == ',' => is_first = true,
                    token if is_first => {
                        firsts(token, rooms);
                        is_first = false;
                    }
                    _ => {}
                }
            }
        }
        token => rooms.push(token.to_string()),
    }
}
