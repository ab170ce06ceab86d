//! Writes to stdout, and takes it calmly when nobody reads: `quotefold sources | head -1` is no error.

use std::io::{self, ErrorKind, Write};

use serde_json::Value;

use crate::logging;
use crate::text::{in_one_line, printable, printable_json};

/// Prints a text. Vendors and servers wrote parts of it, and none of them may steer the reader's terminal.
pub(super) fn print(text: &str) -> io::Result<()> {
    write(&printable(text))
}

/// Prints JSON so that it says the same, and steers no terminal either.
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

/// Says on stderr what is wrong.
pub(super) fn complain(text: &str) {
    logging::say(&printable(text));
}

/// Lines up a table's columns; the last one may be as long as it likes.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    // a line break in a cell would begin a row that is not in the data
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| in_one_line(cell)).collect()).collect();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let line = |row: &Vec<String>| {
        let cells = row.iter().enumerate().map(|(column, cell)| format!("{cell:<0$}  ", width(column).unwrap_or(0)));
        format!("{}\n", cells.collect::<String>().trim_end())
    };
    rows.iter().map(line).collect()
}
