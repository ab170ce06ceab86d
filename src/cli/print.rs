//! Writes to stdout, and takes it calmly when nobody reads: `quotefold sources | head -1` is no error.

use std::io::{self, ErrorKind, Write};

use crate::log;

/// Prints a text as it is.
pub(super) fn print(text: &str) -> io::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// Says on stderr what is wrong.
pub(super) fn complain(text: &str) {
    log::say(text);
}

/// Lines up a table's columns; the last one may be as long as it likes.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let line = |row: &Vec<String>| {
        let cells = row.iter().enumerate().map(|(column, cell)| format!("{cell:<0$}  ", width(column).unwrap_or(0)));
        format!("{}\n", cells.collect::<String>().trim_end())
    };
    rows.iter().map(line).collect()
}
