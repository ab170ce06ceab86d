//! Says what a filter may not contain, and why: anything that may not end, that looks beyond the reply, or that
//! overflows the stack because it nests too deeply or makes values that do.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Pattern, Term};
use jaq_core::ops::Math;
use jaq_core::path::Part;

/// A part of a filter that is refused.
pub(super) struct Refused<'s> {
    /// The part, as a slice of the filter; for a sign such as `..`, whose position is not known, any text that equals
    /// it.
    pub(super) part: &'s str,
    /// What it is, why it is refused, and what to write instead.
    pub(super) message: String,
}

const ENDLESS: &str = "which may never end; walk the reply with .[], map or to_entries";
const OUTSIDE: &str =
    "but a filter sees the reply and nothing else: no environment, no other input, no output, no exit";
const CLOCK: &str =
    "but quotefold reads the times: hand them over as at, at_ms, at_us or at_ns, with zone for a local time";
const REGEX: &str =
    "but there are no regular expressions here: use split, ltrimstr, rtrimstr, startswith or a lookup object";

const NESTS: &str = "which may nest a value within itself again and again, and a value nested so deeply takes the \
     process down; use add, map, group_by, min_by, max_by or first";
const PATHS: &str = "which goes as deep as its path is long, and a value nested so deeply takes the process down; \
     write the path out: .a.b[0]";

/// The deepest nesting of a filter. What follows `|` counts as nested in what precedes it. Both reading and running a
/// filter take stack for every level.
pub(super) const DEEPEST: usize = 32;

const REPEATS: &str = "which repeats a text, if it meets one, until the memory is full; hand over prices and times as \
     they stand in the body, and make sure that anything else you multiply is a number: (… | tonumber)";

/// Why jq's filter of this name is not in the box; `None` if it is.
pub(super) fn reason(name: &str, arguments: usize) -> Option<&'static str> {
    Some(match name {
        "range" | "repeat" | "while" | "until" | "recurse" | "combinations" => ENDLESS,
        "walk" => NESTS,
        "getpath" | "setpath" | "delpaths" => PATHS,
        "env" | "input" | "inputs" | "input_line_number" | "get_search_list" => OUTSIDE,
        "halt" | "halt_error" | "debug" | "debug_empty" | "stderr" | "stderr_empty" => OUTSIDE,
        "now" | "localtime" | "strflocaltime" | "mktime" | "strptime" => CLOCK,
        "test" | "match" | "capture" | "scan" | "splits" | "sub" | "gsub" => REGEX,
        "matches" | "split_matches" | "split_" | "scan_" | "capture_of_match" => REGEX,
        // with one argument, it splits at a plain text
        "split" if arguments == 2 => REGEX,
        _ => return None,
    })
}

/// Walks the whole filter, and refuses the first part that is not in the box.
pub(super) fn check<'s>(term: &Term<&'s str>) -> Result<(), Refused<'s>> {
    within(term, DEEPEST)
}

fn within<'s>(term: &Term<&'s str>, levels: usize) -> Result<(), Refused<'s>> {
    let levels = levels.checked_sub(1).ok_or_else(too_deep)?;
    let check = |term: &Term<&'s str>| within(term, levels);
    let check_pattern = |pattern: &Pattern<&'s str>| pattern_within(pattern, levels);
    match term {
        Term::Recurse => Err(Refused { part: "..", message: format!("found `..`, {ENDLESS}") }),
        Term::Def(definitions, _) => {
            let name = definitions.first().map_or("", |definition| definition.name);
            let why = "but a filter cannot define filters, because they may call themselves for ever";
            Err(Refused { part: name, message: format!("found `def {name}`, {why}") })
        }
        Term::Call(name, arguments) => match reason(name, arguments.len()) {
            Some(why) => Err(Refused { part: name, message: format!("found `{name}`, {why}") }),
            None => arguments.iter().try_for_each(check),
        },
        Term::Id | Term::Num(_) | Term::Var(_) | Term::Break(_) | Term::Arr(None) => Ok(()),
        Term::Arr(Some(inner)) | Term::Neg(inner) | Term::Label(_, inner) => check(inner),
        Term::Str(_, parts) => parts.iter().try_for_each(|part| match part {
            StrPart::Term(inner) => check(inner),
            StrPart::Str(_) | StrPart::Char(_) => Ok(()),
        }),
        Term::Obj(fields) => fields.iter().try_for_each(|(key, value)| {
            check(key)?;
            value.iter().try_for_each(check)
        }),
        Term::BinOp(left, operator, right) => {
            check(left)?;
            match operator {
                BinaryOp::Pipe(Some(pattern)) => check_pattern(pattern)?,
                BinaryOp::Math(Math::Mul) if is_number(left) && is_number(right) => {}
                BinaryOp::Math(Math::Mul) | BinaryOp::UpdateMath(Math::Mul) => {
                    return Err(Refused { part: "*", message: format!("found `*`, {REPEATS}") });
                }
                _ => {}
            }
            check(right)
        }
        Term::Fold(name, ..) => Err(Refused { part: name, message: format!("found `{name}`, {NESTS}") }),
        Term::TryCatch(attempt, catch) => {
            check(attempt)?;
            catch.iter().try_for_each(|inner| check(inner))
        }
        Term::IfThenElse(branches, otherwise) => {
            branches.iter().try_for_each(|(condition, then)| check(condition).and_then(|()| check(then)))?;
            otherwise.iter().try_for_each(|inner| check(inner))
        }
        Term::Path(head, path) => {
            check(head)?;
            path.0.iter().try_for_each(|(part, _)| match part {
                Part::Index(index) => check(index),
                Part::Range(from, to) => from.iter().chain(to).try_for_each(check),
            })
        }
    }
}

/// Whether the form of a filter shows that it gives nothing but numbers.
fn is_number(term: &Term<&str>) -> bool {
    match term {
        Term::Num(_) => true,
        Term::Call(name, _) => matches!(*name, "tonumber" | "length" | "floor" | "round" | "ceil"),
        Term::Neg(inner) => is_number(inner),
        Term::BinOp(_, BinaryOp::Pipe(_), right) => is_number(right),
        Term::BinOp(left, BinaryOp::Math(_), right) => is_number(left) && is_number(right),
        _ => false,
    }
}

fn too_deep<'s>() -> Refused<'s> {
    // no single part is to blame
    Refused { part: "", message: format!("the filter is nested deeper than {DEEPEST} levels") }
}

fn pattern_within<'s>(pattern: &Pattern<&'s str>, levels: usize) -> Result<(), Refused<'s>> {
    let levels = levels.checked_sub(1).ok_or_else(too_deep)?;
    match pattern {
        Pattern::Var(_) => Ok(()),
        Pattern::Arr(items) => items.iter().try_for_each(|item| pattern_within(item, levels)),
        Pattern::Obj(fields) => fields.iter().try_for_each(|(key, value)| {
            within(key, levels)?;
            pattern_within(value, levels)
        }),
    }
}
