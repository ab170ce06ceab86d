//! Writes to stdout. A reader that has gone is not an error, as in `quotefold sources | head -1`.

use std::io::{self, ErrorKind, IsTerminal, Write};

use serde_json::Value;

use super::lines::Lines;
use crate::logging;
use crate::text::{printable, printable_json};

/// Prints a text without control characters: vendors and servers wrote parts of it, and must not steer the terminal.
pub(super) fn print(text: &str) -> io::Result<()> {
    write(printable(text).as_bytes()).map(drop)
}

/// Prints lines, whose texts have no control characters in them.
pub(super) fn show(lines: &Lines) -> io::Result<()> {
    write(lines.text().as_bytes()).map(drop)
}

/// Prints JSON with control characters escaped, so that it means the same and does not steer the terminal.
pub(super) fn print_json(value: &Value) -> io::Result<()> {
    write(format!("{}\n", printable_json(&format!("{value:#}"))).as_bytes()).map(drop)
}

/// Prints a body as it came, which programs rely on. A terminal gets it without control characters.
pub(super) fn as_it_came(body: &[u8]) -> io::Result<()> {
    if io::stdout().is_terminal() {
        print(&String::from_utf8_lossy(body).replace("\r\n", "\n"))
    } else {
        write(body).map(drop)
    }
}

/// Writes bytes, all at once; says whether their reader is still there.
pub(super) fn write(bytes: &[u8]) -> io::Result<bool> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error),
    }
}

/// Prints a message to stderr.
pub(super) fn complain(text: &str) {
    logging::say(&printable(text));
}
