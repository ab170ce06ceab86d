//! Replaces placeholders such as `{symbol}` in a text by their values.

use super::DescriptionError;

/// How many bytes most values have at most.
const SHORT: usize = 32;

/// A text with placeholders.
pub(super) struct Template {
    pieces: Vec<Piece>,
}

enum Piece {
    Text(String),
    Placeholder { name: String, lower: bool },
}

impl Template {
    /// Reads a text. A placeholder is a word of lower-case letters in braces, perhaps with `:lower`. Other braces are
    /// plain text, so that a template can be JSON.
    ///
    /// # Errors
    /// The first placeholder that is not `allowed`, under this `key`.
    pub(super) fn parse(key: &str, text: &str, allowed: &[&str]) -> Result<Self, DescriptionError> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(start) = rest.find('{') {
            let (before, after) = (&rest[..start], &rest[start + 1..]);
            literal.push_str(before);
            let end = after.find(|c: char| !c.is_ascii_lowercase() && c != ':' && c != '_').unwrap_or(after.len());
            let (word, tail) = after.split_at(end);
            let Some(tail) = tail.strip_prefix('}').filter(|_| !word.is_empty()) else {
                literal.push('{');
                rest = after;
                continue;
            };
            if !allowed.contains(&word) {
                let allowed: Vec<String> = allowed.iter().map(|name| format!("{{{name}}}")).collect();
                let message =
                    format!("{{{word}}} is not a placeholder here; the placeholders are {}", allowed.join(" "));
                return Err(DescriptionError::new(key, message));
            }
            if !literal.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut literal)));
            }
            let (name, lower) = word.strip_suffix(":lower").map_or((word, false), |name| (name, true));
            pieces.push(Piece::Placeholder { name: name.to_owned(), lower });
            rest = tail;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal));
        }
        Ok(Template { pieces })
    }

    /// The text with its placeholders replaced; `None` if one of them has no value.
    pub(super) fn fill(&self, value: impl Fn(&str) -> Option<String>) -> Option<String> {
        // most formats are nothing but the symbol
        if let [Piece::Placeholder { name, lower: false }] = &self.pieces[..] {
            return value(name);
        }
        let literal = |piece: &Piece| if let Piece::Text(literal) = piece { literal.len() } else { SHORT };
        let mut text = String::with_capacity(self.pieces.iter().map(literal).sum());
        for piece in &self.pieces {
            match piece {
                Piece::Text(literal) => text.push_str(literal),
                Piece::Placeholder { name, lower: true } => text.push_str(&value(name)?.to_lowercase()),
                Piece::Placeholder { name, lower: false } => text.push_str(&value(name)?),
            }
        }
        Some(text)
    }

    /// Whether it has this placeholder.
    pub(super) fn has(&self, wanted: &str) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Placeholder { name, .. } if name == wanted))
    }
}
