//! Tables for people: columns of one kind each, laid out for the terminal that shows them.
//!
//! A table says in which order its columns give way where the terminal is narrow. Numbers are always whole, and never wrapped.
//! Where nothing helps, each row becomes a record of several lines. Nothing here knows what a table is about, or writes to
//! anything.

mod layout;
mod records;
#[cfg(test)]
mod tests;

use super::lines::{Lines, Tone};
use super::terminal::Terminal;
use crate::text::in_one_line;
use layout::Layout;

/// A table with its rows.
#[derive(Clone, Debug)]
pub(super) struct Table {
    columns: Vec<Column>,
    steps: Vec<Step>,
    rows: Vec<Vec<Cell>>,
}

/// The name of a column, and how its cells stand to one another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    head: &'static str,
    kind: Kind,
}

/// How the cells of a column stand to one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// They begin below one another.
    Left,
    /// They end below one another.
    Right,
    /// Their decimal points stand below one another.
    Decimal,
    /// They are sentences, which may be wrapped. Only the last column can be one.
    Prose,
}

/// One step towards a narrower table. Columns are named by their heads.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// The column gets a shorter head.
    Head(&'static str, &'static str),
    /// The cells of the column say only what they have to.
    Short(&'static str),
    /// The texts of the column are cut, but keep at least this many columns of the terminal. Not for numbers.
    Cut(&'static str, usize),
    /// The sentences of the last column stand below their rows.
    Below(&'static str),
    /// The numbers of the column end below one another, whatever their decimals.
    Ragged(&'static str),
    /// The column is left out.
    Drop(&'static str),
}

/// What stands in a row under a head: a text that can be shown as it is.
#[derive(Clone, Debug, Default)]
pub(super) struct Cell {
    text: String,
    /// What it says where there is little room.
    short: Option<String>,
    tone: Tone,
}

/// Columns for the kinds of cells.
impl Column {
    /// Words and names.
    pub(super) const fn left(head: &'static str) -> Self {
        Column { head, kind: Kind::Left }
    }

    /// Counts and lengths of time.
    pub(super) const fn right(head: &'static str) -> Self {
        Column { head, kind: Kind::Right }
    }

    /// Prices.
    pub(super) const fn decimal(head: &'static str) -> Self {
        Column { head, kind: Kind::Decimal }
    }

    /// Sentences, in the last column.
    pub(super) const fn prose(head: &'static str) -> Self {
        Column { head, kind: Kind::Prose }
    }
}

impl Cell {
    /// A text without the characters that control a terminal; a line break in a cell would look like another row.
    pub(super) fn new(text: impl AsRef<str>) -> Self {
        Cell { text: in_one_line(text.as_ref()).trim_end().to_owned(), ..Cell::default() }
    }

    /// A text, or a dash where there is none, so that programs can count the cells of a line.
    pub(super) fn or_dash(text: Option<impl AsRef<str>>) -> Self {
        match text {
            Some(text) if !text.as_ref().is_empty() => Cell::new(text),
            _ => Cell::new("-"),
        }
    }

    /// The same, which says only this where there is little room.
    pub(super) fn short(self, short: impl AsRef<str>) -> Self {
        Cell { short: Some(Cell::new(short).text), ..self }
    }

    /// The same in another colour.
    pub(super) fn tone(self, tone: Tone) -> Self {
        Cell { tone, ..self }
    }
}

impl Table {
    /// A table without rows. The steps are taken one after the other until it fits.
    pub(super) fn new(columns: impl Into<Vec<Column>>, steps: impl Into<Vec<Step>>) -> Self {
        Table { columns: columns.into(), steps: steps.into(), rows: Vec::new() }
    }

    /// Adds a row, with a cell for each column.
    pub(super) fn push(&mut self, cells: impl Into<Vec<Cell>>) {
        let mut cells = cells.into();
        debug_assert_eq!(cells.len(), self.columns.len(), "a cell for each column");
        cells.resize(self.columns.len(), Cell::default());
        self.rows.push(cells);
    }

    /// The table on this terminal. On anything else each row is one line, as wide as it is, without colours.
    pub(super) fn on(&self, terminal: Option<&Terminal>) -> Lines {
        match terminal {
            Some(terminal) => self.within(terminal.width, terminal.colours),
            None => Layout::of(self).lines(None, false),
        }
    }

    /// The table in at most this many columns of a terminal.
    fn within(&self, width: usize, colours: bool) -> Lines {
        let mut layout = Layout::of(self);
        let mut steps = self.steps.iter();
        while !layout.fits(width) {
            match steps.next() {
                Some(step) => layout.take(*step, width),
                None => return records::lines(self, width, colours),
            }
        }
        layout.lines(Some(width), colours)
    }
}
