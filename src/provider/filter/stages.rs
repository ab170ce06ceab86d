//! Finds where a filter failed: the first stage of its pipes that fails in the same way as the whole filter.
//!
//! To try a stage, the filter is run up to that stage, and then with it. That takes several runs, so it is done only
//! for people who examine a source by hand, and never on the path of a request.

use jaq_core::load::lex::{Lexer, Tok, Token};

use super::{Filter, Rows, RunError, offset, position};

/// Where a filter failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line within the filter, from 1.
    pub line: usize,
    /// The character within the line, from 1.
    pub column: usize,
    /// The stage that failed, as the filter writes it.
    pub stage: String,
    /// The value on which it failed, as JSON.
    pub given: Option<String>,
}

/// A run that failed, and how to run any other filter on the same reply.
struct Search<'a> {
    code: &'a str,
    failure: &'a RunError,
    run: &'a dyn Fn(&Filter) -> Rows,
}

/// A pipe somewhere in a filter. Any part of it, put between these two texts, makes a filter that runs only what leads
/// to that part.
struct Pipe<'t, 's> {
    before: String,
    tokens: &'t [Token<&'s str>],
    after: String,
}

impl Filter {
    /// The place at which this filter failed; `None` if something else failed. `run` runs a filter on the same reply.
    pub fn place(&self, failure: &RunError, run: &dyn Fn(&Filter) -> Rows) -> Option<Place> {
        if !matches!(failure, RunError::Filter(_)) {
            return None;
        }
        let tokens = Lexer::new(self.code.as_str()).lex().ok()?;
        let search = Search { code: &self.code, failure, run };
        search.within(&Pipe { before: String::new(), tokens: &tokens, after: String::new() })
    }
}

impl Search<'_> {
    /// The first stage of a pipe that fails; if that has brackets or branches, the first stage within them that does.
    fn within(&self, pipe: &Pipe<'_, '_>) -> Option<Place> {
        let (before, tokens) = stages(pipe.tokens).into_iter().find_map(|stage| {
            let before = format!("{}{}", pipe.before, self.text_between(pipe.tokens, stage));
            self.fails(&format!("{before}{}{}", self.text(stage), pipe.after)).then_some((before, stage))
        })?;
        let stage = Pipe { before, tokens, after: pipe.after.clone() };
        self.inside(&stage).iter().find_map(|inner| self.within(inner)).or_else(|| self.place(&stage))
    }

    fn place(&self, stage: &Pipe<'_, '_>) -> Option<Place> {
        let (line, column) = position(self.code, stage.tokens.first()?.0);
        let text = self.text(stage.tokens);
        Some(Place { line, column, stage: text.to_owned(), given: self.given(stage, text) })
    }

    /// The first of the values that reached a stage on which it failed.
    fn given(&self, stage: &Pipe<'_, '_>, text: &str) -> Option<String> {
        let Pipe { before, after, .. } = stage;
        let passed = self.rows(&format!("{before}(({text} | empty), .){after}"))?.rows.len();
        let given = self.rows(&format!("{before}.{after}"))?;
        given.rows.get(passed).map(ToString::to_string)
    }

    fn fails(&self, code: &str) -> bool {
        self.rows(code).is_some_and(|rows| rows.failure.as_ref() == Some(self.failure))
    }

    /// The rows of another filter on the same reply; `None` if the text is not a filter, such as one that is cut before
    /// `as $x`.
    fn rows(&self, code: &str) -> Option<Rows> {
        Filter::compile(code).ok().map(|filter| (self.run)(&filter))
    }

    /// The pipes within a stage: the content of its brackets, or the branches of its `if`.
    fn inside<'t, 's>(&self, stage: &Pipe<'t, 's>) -> Vec<Pipe<'t, 's>> {
        let Pipe { before, tokens, after } = stage;
        match tokens {
            [Token(text, Tok::Block(inner))] if text.starts_with(['(', '[']) => {
                let tokens = inner.split_last().map_or(&[][..], |(_, inner)| inner);
                vec![Pipe { before: format!("{before}("), tokens, after: format!("){after}") }]
            }
            _ => self.branches(stage),
        }
    }

    /// The conditions and branches of an `if` that is a whole stage. The text before each makes sure that no other
    /// branch is taken.
    fn branches<'t, 's>(&self, stage: &Pipe<'t, 's>) -> Vec<Pipe<'t, 's>> {
        let (mut before, mut after, mut condition) = (stage.before.clone(), stage.after.clone(), "");
        let mut pipes = Vec::new();
        for (keyword, tokens) in parts_of_if(stage.tokens) {
            let (opening, closing) = match keyword {
                "then" => (format!("if {condition} then ("), ") else empty end"),
                _ => ("(".to_owned(), ")"),
            };
            pipes.push(Pipe { before: format!("{before}{opening}"), tokens, after: format!("{closing}{after}") });
            if keyword == "then" {
                before += &format!("if {condition} then empty else ");
                after = format!(" end{after}");
            } else {
                condition = self.text(tokens);
            }
        }
        pipes
    }

    /// The filter's text from the first of these tokens to the last.
    fn text(&self, tokens: &[Token<&str>]) -> &str {
        let end = tokens.last().map_or(0, |Token(last, _)| offset(self.code, last) + last.len());
        tokens.first().and_then(|Token(first, _)| self.code.get(offset(self.code, first)..end)).unwrap_or_default()
    }

    /// The filter's text in a pipe before one of its stages.
    fn text_between(&self, pipe: &[Token<&str>], stage: &[Token<&str>]) -> &str {
        let ends = pipe.first().zip(stage.first());
        ends.and_then(|(from, to)| self.code.get(offset(self.code, from.0)..offset(self.code, to.0)))
            .unwrap_or_default()
    }
}

/// The stages of a pipe. A value that `as` binds is a stage as well, both without and with its pattern.
fn stages<'t, 's>(tokens: &'t [Token<&'s str>]) -> Vec<&'t [Token<&'s str>]> {
    let (mut depth, mut start, mut stages) = (0_usize, 0, Vec::new());
    for (at, Token(text, kind)) in tokens.iter().enumerate() {
        match (kind, *text) {
            (Tok::Word, "if") => depth += 1,
            (Tok::Word, "end") => depth = depth.saturating_sub(1),
            (Tok::Word, "as") if depth == 0 => stages.push(&tokens[start..at]),
            (Tok::Sym, "|") if depth == 0 => {
                stages.push(&tokens[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    stages.push(&tokens[start..]);
    stages
}

/// The keywords of an `if` with what follows each, if the tokens are one `if` and nothing else.
fn parts_of_if<'t, 's>(tokens: &'t [Token<&'s str>]) -> Vec<(&'s str, &'t [Token<&'s str>])> {
    let (mut depth, mut keywords) = (0_usize, Vec::new());
    for (at, Token(text, kind)) in tokens.iter().enumerate() {
        let is_word = matches!(kind, Tok::Word);
        depth += usize::from(is_word && *text == "if");
        if depth == 0 {
            return Vec::new();
        }
        if is_word && depth == 1 && matches!(*text, "if" | "then" | "elif" | "else" | "end") {
            keywords.push((*text, at));
        }
        depth -= usize::from(is_word && *text == "end");
    }
    let next = keywords.iter().skip(1);
    keywords.iter().zip(next).map(|((keyword, from), (_, to))| (*keyword, &tokens[from + 1..*to])).collect()
}

#[cfg(test)]
mod tests;
