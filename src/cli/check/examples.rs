//! Runs a source's filter on its examples, and says which of them fail and why.

use super::explain::{explain, head, readings};
use super::known;
use super::limits::allows;
use crate::clock::cpu;
use crate::provider::description::{Example, SourceSettings};
use crate::provider::example;
use crate::provider::extract::Extractor;
use crate::provider::instruments;
use crate::settings::Settings;

/// The result of a source's examples.
pub(super) struct Proof {
    /// Whether all of them pass.
    pub(super) holds: bool,
    /// How many there are.
    pub(super) examples: usize,
    /// One line with the verdict, then how often the limits allow a call, then the examples that fail.
    pub(super) text: String,
}

/// Runs all examples of a source.
pub(super) fn prove(source: &SourceSettings) -> Proof {
    let name = &source.name;
    let extractor = match Extractor::new(source) {
        Ok(extractor) => extractor,
        Err(error) => {
            return Proof { holds: false, examples: 0, text: format!("{name}: sources.{name}.{error}\n") };
        }
    };
    let wrong: Vec<String> =
        source.examples.iter().filter_map(|example| difference(&extractor, source, example)).collect();
    let wrong = [wrong, wrong_lists(source)].concat();
    let holds = wrong.is_empty();
    let of_list = source.instruments.as_ref().map_or(0, |list| list.examples.len());
    let examples = source.examples.len() + of_list;
    let verdict = match (holds, examples) {
        (true, 0) => "ok, no examples".to_owned(),
        (holds, count) => {
            let plural = if count == 1 { "" } else { "s" };
            format!("{}, {count} example{plural}", if holds { "ok" } else { "WRONG" })
        }
    };
    let limits: String = source.limits.iter().map(|limit| format!("  {}\n", allows(source, *limit))).collect();
    Proof { holds, examples, text: format!("{name}: {verdict}\n{limits}{}", wrong.concat()) }
}

/// How the filter's result differs from an example's, and why; `None` if it does not.
fn difference(extractor: &Extractor, source: &SourceSettings, example: &Example) -> Option<String> {
    let difference = example::check(extractor, source, example, cpu::timer).err()?;
    let mut lines = vec![format!("  example \"{}\": {difference}", example.about)];
    let asked = example::asked(example).unwrap_or_default();
    let reply = example::reply(example);
    let outcomes = extractor.read(&reply, &asked, cpu::timer).map(|extracted| extracted.outcomes);
    let all_quotes = outcomes.is_ok_and(|outcomes| outcomes.iter().all(|(_, outcome)| outcome.is_ok()));
    lines.extend(readings(extractor, &reply, &asked).into_iter().map(|line| format!("    {line}")));
    // if every quote was read, the field that differs says the rest
    if example.error.is_some() || !all_quotes {
        let explained = explain(extractor, &reply, &asked, &difference);
        let body = head(extractor, &reply, "          ");
        lines.extend(std::iter::once(body).chain(explained).map(|line| format!("    {line}")));
    }
    Some(lines.join("\n") + "\n")
}

/// How the lists in the examples differ from what they must be.
fn wrong_lists(source: &SourceSettings) -> Vec<String> {
    let examples = source.instruments.iter().flat_map(|list| &list.examples);
    let wrong = examples.filter_map(|example| {
        let difference = instruments::check(source, example, cpu::timer).err()?;
        Some(format!("  list \"{}\": {difference}\n", example.about))
    });
    wrong.collect()
}

/// What to do about a source without examples; empty if it has some.
pub(super) fn unproved(source: &SourceSettings, settings: &Settings) -> String {
    if !source.examples.is_empty() {
        return String::new();
    }
    let (name, symbol) = (&source.name, known::first(source, settings));
    let symbol = symbol.map_or("SYMBOL".to_owned(), |symbol| symbol.to_string());
    format!(
        "  no example tests its filter yet: `quotefold check {name} {symbol} --live` shows a real reply, and what the \
        filter makes of it;\n  write an example from that ([[sources.{name}.examples]]), and every check will run it\n"
    )
}
