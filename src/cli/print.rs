//! Writes to stdout. A reader that has gone is not an error, as in `quotefold sources | head -1`.

use std::io::{self, ErrorKind, Write};

use serde_json::Value;

use crate::logging;
use crate::text::{in_one_line, printable, printable_json};

/// Prints a text without control characters: vendors and servers wrote parts of it, and must not steer the terminal.
pub(super) fn print(text: &str) -> io::Result<()> {
    write(&printable(text))
}

/// Prints JSON with control characters escaped, so that it means the same and does not steer the terminal.
pub(super) fn print_json(value: &Value) -> io::Result<()> {
    write(&format!("{}\n", printable_json(&format!("{value:#}"))))
}

fn write(text: &str) -> io::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// Prints a message to stderr.
pub(super) fn complain(text: &str) {
    logging::say(&printable(text));
}

/// Aligns a table's columns; the last one is not padded.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    // a line break in a cell would look like another row
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| in_one_line(cell)).collect()).collect();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let line = |row: &Vec<String>| {
        let cells = row.iter().enumerate().map(|(column, cell)| format!("{cell:<0$}  ", width(column).unwrap_or(0)));
        format!("{}\n", cells.collect::<String>().trim_end())
    };
    rows.iter().map(line).collect()
}
