//! The documentation as it stands in the repository: its pages, and the headings, tables, links and blocks of code in them.

use std::collections::BTreeSet;
use std::path::Path;

/// The root of the repository.
pub(crate) const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Folders that hold no pages of ours.
const NO_PAGES: [&str; 4] = ["target", ".git", "corpus", "node_modules"];

/// A page.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    /// Where it is, from the root: `docs/http.md`.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// A block of code.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// What stands behind the fence: `sh`, `toml`, `json`, or nothing.
    pub(crate) kind: String,
    pub(crate) text: String,
    /// The page and line at which it begins, for messages.
    pub(crate) at: String,
}

/// One page, by its path from the root.
pub(crate) fn page(path: &str) -> Page {
    let text = std::fs::read_to_string(Path::new(ROOT).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    Page { path: path.to_owned(), text }
}

/// Every page of the repository.
pub(crate) fn pages() -> Vec<Page> {
    let mut found = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(Path::new(ROOT).join(&folder)).expect("a folder of the repository") {
            let entry = entry.expect("an entry of a folder");
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            if entry.path().is_dir() {
                if !NO_PAGES.contains(&name.as_str()) {
                    folders.push(path);
                }
            } else if name.ends_with(".md") {
                found.push(page(&path));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(found.len() > 10, "most pages were not found: {found:?}");
    found
}

/// The words in code within a text: `these` and `those`.
pub(crate) fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

impl Page {
    /// Its lines, each with whether it is part of a block of code.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (bool, &str)> {
        let mut is_code = false;
        self.text.lines().map(move |line| {
            let is_fence = line.trim_start().starts_with("```");
            let is_inside = is_code || is_fence;
            is_code ^= is_fence;
            (is_inside, line)
        })
    }

    /// Its blocks of code, in their order.
    pub(crate) fn blocks(&self) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::new();
        let mut open: Option<(usize, Block)> = None;
        for (number, line) in self.text.lines().enumerate() {
            let indent = line.len() - line.trim_start().len();
            match (&mut open, line.trim_start().strip_prefix("```")) {
                (None, Some(kind)) => {
                    let at = format!("{}:{}", self.path, number + 1);
                    open = Some((indent, Block { kind: kind.to_owned(), text: String::new(), at }));
                }
                (Some(_), Some(_)) => blocks.extend(open.take().map(|(_, block)| block)),
                (Some((indent, block)), None) => {
                    block.text += line.get(*indent..).unwrap_or_default();
                    block.text.push('\n');
                }
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{}: a block of code does not end", self.path);
        blocks
    }

    /// The first block of code of a kind after these words.
    pub(crate) fn block(&self, after: &str, kind: &str) -> String {
        let (_, rest) = self.text.split_once(after).unwrap_or_else(|| panic!("{after:?} is not in {}", self.path));
        let (_, rest) =
            rest.split_once(&format!("\n```{kind}\n")).unwrap_or_else(|| panic!("no {kind} after {after:?}"));
        rest.split_once("```").expect("an end of the block").0.to_owned()
    }

    /// What stands under a heading, up to the next one of any level.
    pub(crate) fn section(&self, heading: &str) -> String {
        let mut lines = self.lines().skip_while(|(is_code, line)| *is_code || *line != heading);
        assert!(lines.next().is_some(), "there is no heading {heading:?} in {}", self.path);
        let lines = lines.take_while(|(is_code, line)| *is_code || !line.starts_with('#'));
        lines.flat_map(|(_, line)| [line, "\n"]).collect()
    }

    /// The cells of the tables under a heading, without their heads.
    pub(crate) fn rows(&self, heading: &str) -> Vec<Vec<String>> {
        let section = self.section(heading);
        let mut rows = Vec::new();
        for line in section.lines().filter(|line| line.starts_with('|')) {
            if line.starts_with("|---") {
                // what came before this line was a head
                rows.pop();
                continue;
            }
            // a bar within a cell is written \|
            let cells = line.replace("\\|", "\u{1}");
            let cells = cells.trim_matches('|').split('|');
            rows.push(cells.map(|cell| cell.trim().replace('\u{1}', "|")).collect());
        }
        rows
    }

    /// The code in the first cells of the tables under a heading.
    pub(crate) fn first_column(&self, heading: &str) -> BTreeSet<String> {
        let rows = self.rows(heading);
        assert!(!rows.is_empty(), "there is no table under {heading:?} in {}", self.path);
        rows.iter().flat_map(|row| code(&row[0])).map(str::to_owned).collect()
    }

    /// Its headings, with their marks: `## Problems`.
    pub(crate) fn headings(&self) -> impl Iterator<Item = &str> {
        self.lines().filter(|(is_code, line)| !is_code && line.starts_with('#')).map(|(_, line)| line)
    }
}
