//! `quotefold symbols`: finds symbols by what was typed, among the names that the configuration knows.

use std::io;

use super::print::{complain, print_json, show};
use super::table::{Cell, Column, Step, Table};
use super::terminal::Terminal;
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
        show(&as_table(&found).on(Terminal::of_stdout().as_ref()))?;
    }
    if found.more {
        complain("more symbols fit; type more, or raise --limit");
    }
    Ok(if found.symbols.is_empty() { Exit::NoPrice } else { Exit::Done })
}

fn as_table(found: &Found) -> Table {
    let columns = [
        Column::left("SYMBOL"),
        Column::left("CLASS"),
        Column::left("MATCH"),
        Column::left("CALLED"),
        Column::prose("SOURCES"),
    ];
    let steps = [Step::Below("SOURCES"), Step::Cut("CALLED", 12), Step::Drop("CLASS")];
    let mut table = Table::new(columns, steps);
    for symbol in &found.symbols {
        table.push([
            Cell::new(&symbol.symbol),
            Cell::new(symbol.class.to_string()),
            Cell::new(format!("{}{}", symbol.fit.as_str(), if symbol.known { "" } else { ", not known" })),
            Cell::or_dash(symbol.called.as_ref()),
            Cell::new(symbol.sources.join(" ")),
        ]);
    }
    table
}
