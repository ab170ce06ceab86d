//! The lines of a terminal that a watch draws over and over. Whatever happens, the cursor is there again at the end.

use std::io;

use crate::cli::lines::Lines;
use crate::cli::print::write;
use crate::cli::terminal::Terminal;

const HIDE_CURSOR: &str = "\u{1b}[?25l";
const SHOW_CURSOR: &str = "\u{1b}[?25h";
const CLEAR_SCREEN: &str = "\u{1b}[2J\u{1b}[H";
const CLEAR_TO_END_OF_LINE: &str = "\u{1b}[K";
const CLEAR_BELOW: &str = "\u{1b}[J";

/// A part of the screen.
pub(super) struct Screen {
    /// What was drawn last.
    drawn: Option<Drawn>,
}

/// How many lines were drawn, and on a screen of which size.
#[derive(Clone, Copy)]
struct Drawn {
    lines: usize,
    size: (usize, usize),
}

impl Screen {
    /// Nothing is drawn yet.
    pub(super) fn new() -> Self {
        Screen { drawn: None }
    }

    /// Draws lines over those that were drawn before. Says whether the terminal is still there.
    pub(super) fn draw(&mut self, lines: Lines, terminal: &Terminal) -> io::Result<bool> {
        // the cursor stays below the lines, so they get one line less than there is
        let lines = lines.at_most(terminal.height.saturating_sub(1));
        let size = (terminal.width, terminal.height);
        let text = frame(&lines, self.drawn, size);
        self.drawn = Some(Drawn { lines: lines.len(), size });
        write(text.as_bytes())
    }

    /// Gives the terminal back as it was. What is drawn later begins below.
    pub(super) fn leave(&mut self) -> io::Result<()> {
        match self.drawn.take() {
            Some(_) => write(SHOW_CURSOR.as_bytes()).map(drop),
            None => Ok(()),
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // a terminal that has gone has no cursor either
        let _ = self.leave();
    }
}

/// The text that replaces what was drawn before. All of it is written at once, so that nothing flickers.
fn frame(lines: &Lines, before: Option<Drawn>, size: (usize, usize)) -> String {
    let to_the_first_line = match before {
        None => HIDE_CURSOR.to_owned(),
        // a terminal that changes its size moves the lines that are on it
        Some(drawn) if drawn.size != size => CLEAR_SCREEN.to_owned(),
        Some(Drawn { lines: 0, .. }) => String::new(),
        Some(Drawn { lines, .. }) => format!("\u{1b}[{lines}F"),
    };
    // a line is cleared before it is written: behind the last column, this would take the last character away
    let lines: String = lines.iter().map(|line| format!("{CLEAR_TO_END_OF_LINE}{line}\n")).collect();
    format!("{to_the_first_line}{lines}{CLEAR_BELOW}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Lines {
        let mut lines = Lines::new();
        text.lines().for_each(|line| lines.push(line.to_owned()));
        lines
    }

    #[test]
    fn a_frame_is_drawn_over_the_one_before_it() {
        let size = (80, 24);
        assert_eq!(frame(&lines("a\nb"), None, size), "\u{1b}[?25l\u{1b}[Ka\n\u{1b}[Kb\n\u{1b}[J");
        let drawn = Some(Drawn { lines: 2, size });
        assert_eq!(frame(&lines("c"), drawn, size), "\u{1b}[2F\u{1b}[Kc\n\u{1b}[J");
        assert_eq!(frame(&lines("c"), drawn, (50, 24)), "\u{1b}[2J\u{1b}[H\u{1b}[Kc\n\u{1b}[J");
    }
}
