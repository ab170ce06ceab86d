//! What is known of the terminal that shows the output, if one does.

use std::env;
use std::io::{self, IsTerminal};

use rustix::termios::tcgetwinsize;

/// The size of a terminal that does not say its own.
const USUAL: (usize, usize) = (80, 24);

/// The widest that COLUMNS can say. A terminal of more is a mistake.
const WIDEST: usize = 10_000;

/// A terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terminal {
    /// How many columns it has.
    pub(super) width: usize,
    /// How many lines it has.
    pub(super) height: usize,
    /// Whether it shows colours, and its user wants them.
    pub(super) colours: bool,
    /// Whether what is on it can be overwritten.
    pub(super) can_redraw: bool,
}

impl Terminal {
    /// The terminal behind stdout; `None` if that is a file or another program.
    pub(super) fn of_stdout() -> Option<Self> {
        let out = io::stdout();
        if !out.is_terminal() {
            return None;
        }
        let size = tcgetwinsize(&out).ok().map(|size| (usize::from(size.ws_col), usize::from(size.ws_row)));
        Some(Self::of(size, |name| env::var(name).ok()))
    }

    /// A terminal of this size, in columns and lines, with these variables.
    fn of(size: Option<(usize, usize)>, variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let stated =
            set("COLUMNS").and_then(|columns| columns.parse().ok()).filter(|columns| (1..=WIDEST).contains(columns));
        let (width, height) = size.unwrap_or((0, 0));
        let or_usual = |own: usize, usual: usize| if own == 0 { usual } else { own };
        // a terminal that does not say what it is may not understand more than text
        let understands = set("TERM").is_some_and(|kind| kind != "dumb");
        Terminal {
            width: stated.unwrap_or_else(|| or_usual(width, USUAL.0)),
            height: or_usual(height, USUAL.1),
            colours: understands && set("NO_COLOR").is_none(),
            can_redraw: understands,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Terminal;

    fn terminal(size: Option<(usize, usize)>, variables: &[(&str, &str)]) -> Terminal {
        let value = |name: &str| variables.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned());
        Terminal::of(size, value)
    }

    #[test]
    fn the_width_is_the_terminals_own_unless_columns_says_another() {
        let width = |size, columns: &str| terminal(size, &[("COLUMNS", columns)]).width;
        assert_eq!(width(Some((120, 40)), ""), 120);
        assert_eq!(width(Some((120, 40)), "50"), 50);
        assert_eq!(width(Some((120, 40)), "0"), 120);
        assert_eq!(width(Some((120, 40)), "wide"), 120);
        assert_eq!(width(Some((0, 0)), ""), 80, "a terminal without a size, as over a serial line");
        assert_eq!(width(None, ""), 80);
        assert_eq!(terminal(Some((0, 0)), &[]).height, 24);
    }

    #[test]
    fn colours_need_a_terminal_that_knows_them_and_a_user_who_wants_them() {
        let colours = |variables: &[(&str, &str)]| terminal(None, variables).colours;
        assert!(colours(&[("TERM", "xterm-256color")]));
        assert!(colours(&[("TERM", "xterm"), ("NO_COLOR", "")]), "only a value says no");
        for without in [&[("TERM", "xterm"), ("NO_COLOR", "1")][..], &[("TERM", "dumb")], &[("TERM", "")], &[]] {
            assert!(!colours(without), "{without:?}");
        }
        assert!(terminal(None, &[("TERM", "xterm"), ("NO_COLOR", "1")]).can_redraw);
        assert!(!terminal(None, &[("TERM", "dumb")]).can_redraw);
    }
}
