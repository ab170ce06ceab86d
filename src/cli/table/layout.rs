//! The columns of a table side by side: how wide each is, and what a line says.

use super::{Cell, Kind, Step, Table};
use crate::cli::lines::{Lines, Tone, cut, painted, width, wrapped};

/// What stands between two columns.
const GAP: usize = 2;

/// The narrowest column for sentences, unless they are shorter. It also has room for their longest word.
const NARROWEST_PROSE: usize = 24;

/// What begins the lines of a sentence below its row.
const INDENT: usize = 4;

/// The columns that are shown, and how.
pub(super) struct Layout<'t> {
    columns: Vec<Shown<'t>>,
    /// The sentences that stand below the rows.
    below: Vec<&'t Cell>,
    rows: usize,
}

/// A column that is shown.
struct Shown<'t> {
    /// Its name in the steps.
    name: &'static str,
    head: &'static str,
    kind: Kind,
    cells: Vec<&'t Cell>,
    /// Whether its cells say only what they have to.
    is_short: bool,
    /// The width that its texts are cut to.
    cut_to: Option<usize>,
}

/// How wide a column is, and how much of that is for decimals, with their point.
#[derive(Clone, Copy)]
struct Measure {
    width: usize,
    fraction: usize,
}

impl<'t> Layout<'t> {
    /// Every column, as wide as it is.
    pub(super) fn of(table: &'t Table) -> Self {
        let shown = |(at, column): (usize, &super::Column)| Shown {
            name: column.head,
            head: column.head,
            kind: column.kind,
            cells: table.rows.iter().filter_map(|row| row.get(at)).collect(),
            is_short: false,
            cut_to: None,
        };
        let columns = table.columns.iter().enumerate().map(shown).collect();
        Layout { columns, below: Vec::new(), rows: table.rows.len() }
    }

    /// Whether it fits into this width, with sentences wrapped.
    pub(super) fn fits(&self, width: usize) -> bool {
        self.least_width() <= width
    }

    fn least_width(&self) -> usize {
        let widths = self.columns.iter().map(|column| match column.kind {
            Kind::Prose => column.measure().width.min(column.longest_word().max(NARROWEST_PROSE)),
            _ => column.measure().width,
        });
        widths.sum::<usize>() + GAP * self.columns.len().saturating_sub(1)
    }

    /// Takes one step towards this width.
    pub(super) fn take(&mut self, step: Step, width: usize) {
        let excess = self.least_width().saturating_sub(width);
        let (Step::Head(name, _)
        | Step::Short(name)
        | Step::Cut(name, _)
        | Step::Below(name)
        | Step::Ragged(name)
        | Step::Drop(name)) = step;
        let Some(at) = self.columns.iter().position(|column| column.name == name) else { return };
        let column = &mut self.columns[at];
        match step {
            Step::Head(_, head) => column.head = head,
            Step::Short(_) => column.is_short = true,
            Step::Cut(_, least) => {
                let natural = column.measure().width;
                column.cut_to = Some(natural.saturating_sub(excess).max(least).min(natural));
            }
            Step::Ragged(_) => column.kind = Kind::Right,
            Step::Below(_) => self.below = self.columns.remove(at).cells,
            Step::Drop(_) => drop(self.columns.remove(at)),
        }
    }

    /// The head and the rows. Without a width, nothing is wrapped.
    pub(super) fn lines(&self, width: Option<usize>, colours: bool) -> Lines {
        let measures = self.measures(width);
        let mut lines = Lines::new();
        let heads = self.columns.iter().zip(&measures).map(|(column, measure)| column.padded_head(*measure, colours));
        lines.push(joined(heads));
        for row in 0..self.rows {
            self.push_row(row, &measures, width, colours, &mut lines);
        }
        lines
    }

    /// How wide each column is. One for sentences gets what the others leave.
    fn measures(&self, width: Option<usize>) -> Vec<Measure> {
        let mut measures: Vec<Measure> = self.columns.iter().map(Shown::measure).collect();
        let gaps = GAP * measures.len().saturating_sub(1);
        if let (Some(width), Some(Kind::Prose)) = (width, self.columns.last().map(|column| column.kind))
            && let Some((prose, others)) = measures.split_last_mut()
        {
            let taken = others.iter().map(|measure| measure.width).sum::<usize>() + gaps;
            prose.width = prose.width.min(width.saturating_sub(taken));
        }
        measures
    }

    fn push_row(&self, row: usize, measures: &[Measure], width: Option<usize>, colours: bool, lines: &mut Lines) {
        let mut further = Vec::new();
        let cells = self.columns.iter().zip(measures).map(|(column, measure)| {
            let Some(cell) = column.cells.get(row) else { return String::new() };
            if column.kind == Kind::Prose && width.is_some() {
                let mut sentence = wrapped(column.text(cell), measure.width, measure.width).into_iter();
                let first = sentence.next().unwrap_or_default();
                further = sentence.map(|line| painted(&line, cell.tone, colours)).collect();
                return painted(&first, cell.tone, colours);
            }
            column.padded(cell, *measure, colours)
        });
        lines.push(joined(cells));
        let others = measures.split_last().map_or(&[][..], |(_, others)| others);
        let before: usize = others.iter().map(|measure| measure.width + GAP).sum();
        for line in further {
            lines.push(format!("{:before$}{line}", ""));
        }
        if let (Some(cell), Some(width)) = (self.below.get(row), width) {
            let most = width.saturating_sub(INDENT);
            for line in wrapped(&cell.text, most, most) {
                lines.push(format!("{:INDENT$}{}", "", painted(&line, cell.tone, colours)));
            }
        }
    }
}

impl Shown<'_> {
    /// What a cell says.
    fn text<'c>(&self, cell: &'c Cell) -> &'c str {
        match &cell.short {
            Some(short) if self.is_short => short,
            _ => &cell.text,
        }
    }

    fn longest_word(&self) -> usize {
        let words = self.cells.iter().flat_map(|cell| self.text(cell).split_whitespace());
        words.map(width).max().unwrap_or(0)
    }

    fn measure(&self) -> Measure {
        let (mut whole, mut fraction) = (0, 0);
        for cell in &self.cells {
            let text = self.text(cell);
            let (before, after) = if self.kind == Kind::Decimal { at_the_point(text) } else { (text, "") };
            whole = whole.max(width(before));
            fraction = fraction.max(width(after));
        }
        let natural = width(self.head).max(whole + fraction);
        Measure { width: self.cut_to.map_or(natural, |most| natural.min(most)), fraction }
    }

    fn padded_head(&self, measure: Measure, colours: bool) -> String {
        let head = cut(self.head, measure.width);
        let padding = measure.width.saturating_sub(width(&head));
        let head = painted(&head, Tone::Head, colours);
        match self.kind {
            Kind::Left | Kind::Prose => format!("{head}{:padding$}", ""),
            Kind::Right | Kind::Decimal => format!("{:padding$}{head}", ""),
        }
    }

    /// A cell, filled up to the width of its column.
    fn padded(&self, cell: &Cell, measure: Measure, colours: bool) -> String {
        let text = self.text(cell);
        let text = if self.cut_to.is_some() { cut(text, measure.width) } else { text.to_owned() };
        let padding = measure.width.saturating_sub(width(&text));
        let after = match self.kind {
            Kind::Left | Kind::Prose => padding,
            Kind::Right => 0,
            Kind::Decimal => measure.fraction.saturating_sub(width(at_the_point(&text).1)),
        };
        let before = padding.saturating_sub(after);
        format!("{:before$}{}{:after$}", "", painted(&text, cell.tone, colours), "")
    }
}

/// What stands before the decimal point, and the rest.
fn at_the_point(text: &str) -> (&str, &str) {
    text.split_at(text.find('.').unwrap_or(text.len()))
}

/// A line of cells, without spaces at its end.
fn joined(cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = cells.collect();
    cells.join(&" ".repeat(GAP)).trim_end().to_owned()
}
