//! `quotefold symbols`: finds symbols by what was typed, among the names that the configuration knows.

use std::io;

use super::print::{complain, print, print_json, table};
use super::{Exit, Symbols, options, settings, threads};
use crate::search::{Found, Search};

pub(super) fn run(arguments: &Symbols) -> io::Result<Exit> {
    let search = match Search::new(&arguments.text, arguments.limit) {
        Ok(search) => search,
        Err(bad) => {
            complain(&bad.to_string());
            return Ok(Exit::Usage);
        }
    };
    let settings = match settings(&options(&arguments.file)) {
        Ok(settings) => settings,
        Err(exit) => return Ok(exit),
    };
    let runtime = match threads::runtime()? {
        Ok(runtime) => runtime,
        Err(exit) => return Ok(exit),
    };
    let found = runtime.block_on(search.find(&settings, []));
    if let Some(detail) = &found.detail {
        complain(detail);
    }
    if arguments.json {
        print_json(&serde_json::to_value(&found)?)?;
    } else if !found.symbols.is_empty() {
        print(&as_table(&found))?;
    }
    if found.more {
        complain("more symbols fit; type more, or raise --limit");
    }
    Ok(if found.symbols.is_empty() { Exit::NoPrice } else { Exit::Done })
}

fn as_table(found: &Found) -> String {
    let mut rows = vec![["SYMBOL", "CLASS", "MATCH", "CALLED", "SOURCES"].map(str::to_owned).to_vec()];
    for symbol in &found.symbols {
        rows.push(vec![
            symbol.symbol.clone(),
            symbol.class.to_string(),
            format!("{}{}", symbol.fit.as_str(), if symbol.known { "" } else { ", not known" }),
            symbol.called.clone().unwrap_or_else(|| "-".to_owned()),
            symbol.sources.join(" "),
        ]);
    }
    table(&rows)
}
