//! The rows of a table one below the other, a line for each cell: for what does not fit side by side.

use super::Table;
use crate::cli::lines::{Lines, Tone, painted, width, wrapped};

/// What begins a line with a cell.
const INDENT: usize = 2;

/// The fewest columns of a terminal that anything is laid out for. A price has at most 31 characters.
const NARROWEST: usize = 40;

/// The fewest columns for what a cell says, beside its head.
const NARROWEST_CELL: usize = 20;

/// Each row as a record: its first cell, and below it the others beside their heads.
pub(super) fn lines(table: &Table, most: usize, colours: bool) -> Lines {
    let most = most.max(NARROWEST);
    let heads = table.columns.iter().skip(1).map(|column| width(column.head)).max().unwrap_or(0);
    let before = INDENT + heads + 2;
    let mut lines = Lines::new();
    for row in &table.rows {
        lines.gap();
        let mut cells = table.columns.iter().zip(row);
        if let Some((_, first)) = cells.next() {
            wrapped(&first.text, most, most).iter().for_each(|line| lines.push(painted(line, Tone::Head, colours)));
        }
        for (column, cell) in cells.filter(|(_, cell)| !cell.text.is_empty()) {
            let head = format!("{:INDENT$}{}", "", column.head);
            let beside = most.saturating_sub(before);
            let widest_word = cell.text.split_whitespace().map(width).max().unwrap_or(0);
            let painted = |line: &str| painted(line, cell.tone, colours);
            // a number that is too wide to stand beside its head has the next line to itself
            if beside < NARROWEST_CELL || widest_word > beside {
                lines.push(head);
                let indent = 2 * INDENT;
                for line in wrapped(&cell.text, most - indent, most - indent) {
                    lines.push(format!("{:indent$}{}", "", painted(&line)));
                }
                continue;
            }
            let padding = before - width(&head);
            let mut texts = wrapped(&cell.text, beside, beside).into_iter();
            let first = texts.next().unwrap_or_default();
            lines.push(format!("{head}{:padding$}{}", "", painted(&first)));
            for line in texts {
                lines.push(format!("{:before$}{}", "", painted(&line)));
            }
        }
    }
    lines
}
