//! Runs the plain parts of filters without the interpreter: conditions, tests of texts, lists, and objects made of fields.
//!
//! For most replies nothing else of a filter runs, and the interpreter makes an iterator for every step. Here the filter is
//! walked. Whatever a filter or a reply has beyond that is left to the interpreter, errors included: it then runs the
//! whole filter from its beginning. So both give the same rows.

mod values;

use std::borrow::Cow;

use jaq_core::ValT;
use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Pattern, Term};
use jaq_core::ops::Cmp;
use jaq_core::path::{Opt, Part, Path};
use jaq_json::{Map, Val};

use super::fuel::Meter;
use super::{MOST_ROWS, Rows};
use values::{Place, at, is_true, type_of};

/// A filter, or a part of one, that gives any number of values.
pub(super) enum Flow {
    /// One value.
    One(Pick),
    /// No value.
    Nothing,
    /// The values of one part, and then those of another.
    Both(Box<Flow>, Box<Flow>),
    /// What follows a value, or each item of a list; its variable, if it is bound to one, comes after those before it.
    Then { from: Pick, is_list: bool, is_bound: bool, flow: Box<Flow> },
    /// One of two parts.
    If(Pick, Box<Flow>, Box<Flow>),
    /// What only the interpreter runs.
    Other,
}

/// A part of a filter that gives exactly one value.
pub(super) enum Pick {
    Input,
    /// A variable, by its place among those that are bound.
    Variable(usize),
    Constant(Val),
    /// What a value has under one key after the other.
    Path(Box<Pick>, Vec<Pick>),
    Object(Vec<(Val, Pick)>),
    Alternative(Box<Pick>, Box<Pick>),
    If(Box<Pick>, Box<Pick>, Box<Pick>),
    Compare(Cmp, Box<Pick>, Box<Pick>),
    And(Box<Pick>, Box<Pick>),
    Or(Box<Pick>, Box<Pick>),
    Pipe(Box<Pick>, Box<Pick>),
    Has(Box<Pick>),
    Type,
    Not,
    LowerCase,
    /// Whether a text has another one at a place.
    Finds(Place, Box<Pick>),
}

/// Why a filter is not walked to its end.
enum Stop {
    /// The interpreter has to run it.
    Other,
    /// There are more than the most rows that are taken.
    Full,
}

/// One walk through a filter.
struct Walk<'r> {
    /// The variables that are bound here.
    bound: Vec<Val>,
    meter: &'r Meter,
    rows: &'r mut Rows,
}

impl Flow {
    /// Reads a filter in which these variables are bound.
    pub(super) fn of<'s>(term: &Term<&'s str>, bound: &mut Vec<&'s str>) -> Flow {
        match term {
            Term::BinOp(left, BinaryOp::Pipe(None), right) if let Some(condition) = selected(left, bound) => {
                match Flow::of(right, bound) {
                    Flow::Other => Flow::Other,
                    flow => Flow::If(condition, Box::new(flow), Box::new(Flow::Nothing)),
                }
            }
            Term::BinOp(left, BinaryOp::Pipe(pattern), right) => {
                let (is_list, from) = match list(left, bound) {
                    Some(list) => (true, Some(list)),
                    None => (false, Pick::of(left, bound)),
                };
                let name = match pattern {
                    Some(Pattern::Var(name)) => Some(*name),
                    Some(Pattern::Arr(_) | Pattern::Obj(_)) => return Flow::Other,
                    None => None,
                };
                let Some(from) = from else { return Flow::Other };
                bound.extend(name);
                let flow = Flow::of(right, bound);
                bound.truncate(bound.len() - usize::from(name.is_some()));
                if flow.is_other() {
                    return Flow::Other;
                }
                Flow::Then { from, is_list, is_bound: name.is_some(), flow: Box::new(flow) }
            }
            Term::BinOp(left, BinaryOp::Comma, right) => {
                let (left, right) = (Flow::of(left, bound), Flow::of(right, bound));
                if left.is_other() || right.is_other() {
                    return Flow::Other;
                }
                Flow::Both(Box::new(left), Box::new(right))
            }
            Term::IfThenElse(branches, otherwise) => {
                let otherwise = otherwise.as_ref().map_or(Flow::One(Pick::Input), |term| Flow::of(term, bound));
                branches.iter().rev().fold(otherwise, |otherwise, (condition, then)| {
                    let Some(condition) = Pick::of(condition, bound) else { return Flow::Other };
                    Flow::If(condition, Box::new(Flow::of(then, bound)), Box::new(otherwise))
                })
            }
            Term::Call("empty", arguments) if arguments.is_empty() => Flow::Nothing,
            Term::Call("select", _) => selected(term, bound).map_or(Flow::Other, |condition| {
                Flow::If(condition, Box::new(Flow::One(Pick::Input)), Box::new(Flow::Nothing))
            }),
            _ => match list(term, bound) {
                Some(from) => {
                    Flow::Then { from, is_list: true, is_bound: false, flow: Box::new(Flow::One(Pick::Input)) }
                }
                None => Pick::of(term, bound).map_or(Flow::Other, Flow::One),
            },
        }
    }

    /// Whether nothing of it can be walked.
    pub(super) fn is_other(&self) -> bool {
        matches!(self, Flow::Other)
    }

    /// Adds the rows for a reply, given the values of the variables. Returns whether that is all: if not, what was added means
    /// nothing, and the interpreter has to run the filter.
    pub(super) fn walk(&self, input: &Val, bound: Vec<Val>, meter: &Meter, rows: &mut Rows) -> bool {
        let mut walk = Walk { bound, meter, rows };
        match walk.flow(self, input) {
            Ok(()) => true,
            Err(Stop::Full) => {
                rows.cut = true;
                true
            }
            Err(Stop::Other) => false,
        }
    }
}

impl Walk<'_> {
    fn flow(&mut self, flow: &Flow, input: &Val) -> Result<(), Stop> {
        self.meter.step();
        match flow {
            Flow::One(pick) => {
                let row = self.pick(pick, input)?.into_owned();
                if self.rows.rows.len() == MOST_ROWS {
                    return Err(Stop::Full);
                }
                self.rows.rows.push(row);
                Ok(())
            }
            Flow::Nothing => Ok(()),
            Flow::Both(first, second) => self.flow(first, input).and_then(|()| self.flow(second, input)),
            Flow::Then { from, is_list: false, is_bound, flow } => {
                let value = self.pick(from, input)?.into_owned();
                self.then(flow, *is_bound, input, &value)
            }
            Flow::Then { from, is_list: true, is_bound, flow } => match self.pick(from, input)?.into_owned() {
                Val::Arr(items) => items.iter().try_for_each(|item| self.then(flow, *is_bound, input, item)),
                Val::Obj(fields) => fields.values().try_for_each(|item| self.then(flow, *is_bound, input, item)),
                _ => Err(Stop::Other),
            },
            Flow::If(condition, then, otherwise) => {
                let condition = is_true(&*self.pick(condition, input)?);
                self.flow(if condition { then } else { otherwise }, input)
            }
            Flow::Other => Err(Stop::Other),
        }
    }

    /// What follows a value, be it bound or piped.
    fn then(&mut self, flow: &Flow, is_bound: bool, input: &Val, value: &Val) -> Result<(), Stop> {
        if !is_bound {
            return self.flow(flow, value);
        }
        self.bound.push(value.clone());
        let ended = self.flow(flow, input);
        self.bound.pop();
        ended
    }

    fn pick<'v>(&'v self, pick: &'v Pick, input: &'v Val) -> Result<Cow<'v, Val>, Stop> {
        pick.value(input, &self.bound, self.meter).ok_or(Stop::Other)
    }
}

impl Pick {
    fn of(term: &Term<&str>, bound: &[&str]) -> Option<Pick> {
        let of = |term: &Term<&str>| Pick::of(term, bound).map(Box::new);
        Some(match term {
            Term::Id => Pick::Input,
            Term::Num(number) => Pick::Constant(Val::from_num(number).ok()?),
            Term::Str(None, parts) => Pick::Constant(text(parts)?),
            Term::Var(name) => Pick::Variable(bound.iter().rposition(|other| other == name)?),
            Term::Call("null", arguments) if arguments.is_empty() => Pick::Constant(Val::Null),
            Term::Call("true", arguments) if arguments.is_empty() => Pick::Constant(Val::Bool(true)),
            Term::Call("false", arguments) if arguments.is_empty() => Pick::Constant(Val::Bool(false)),
            Term::Call("type", arguments) if arguments.is_empty() => Pick::Type,
            Term::Call("not", arguments) if arguments.is_empty() => Pick::Not,
            Term::Call("ascii_downcase", arguments) if arguments.is_empty() => Pick::LowerCase,
            Term::Call("has", arguments) => match &arguments[..] {
                [key] => Pick::Has(of(key)?),
                _ => return None,
            },
            Term::Call(name, arguments) => match &arguments[..] {
                [text] => Pick::Finds(Place::named(name)?, of(text)?),
                _ => return None,
            },
            Term::Path(head, Path(parts)) => path(head, parts, bound)?,
            Term::Obj(fields) => {
                let fields = fields.iter().map(|(key, value)| named(key, value.as_ref(), bound));
                Pick::Object(fields.collect::<Option<_>>()?)
            }
            Term::IfThenElse(branches, otherwise) => {
                let otherwise = otherwise.as_ref().map_or(Some(Pick::Input), |term| Pick::of(term, bound))?;
                branches.iter().rev().try_fold(otherwise, |otherwise, (condition, then)| {
                    Some(Pick::If(of(condition)?, of(then)?, Box::new(otherwise)))
                })?
            }
            Term::BinOp(left, operator, right) => {
                let (left, right) = (of(left)?, of(right)?);
                match operator {
                    BinaryOp::Pipe(None) => Pick::Pipe(left, right),
                    BinaryOp::Alt => Pick::Alternative(left, right),
                    BinaryOp::And => Pick::And(left, right),
                    BinaryOp::Or => Pick::Or(left, right),
                    BinaryOp::Cmp(how) => Pick::Compare(*how, left, right),
                    _ => return None,
                }
            }
            _ => return None,
        })
    }

    /// Its value; `None` if only the interpreter knows it.
    fn value<'v>(&'v self, input: &'v Val, bound: &'v [Val], meter: &Meter) -> Option<Cow<'v, Val>> {
        let value = |pick: &'v Pick| pick.value(input, bound, meter);
        let holds = |pick: &'v Pick| value(pick).map(|value| is_true(&value));
        let bool = |is: bool| Some(Cow::Owned(Val::Bool(is)));
        match self {
            Pick::Input => Some(Cow::Borrowed(input)),
            Pick::Variable(place) => bound.get(*place).map(Cow::Borrowed),
            Pick::Constant(constant) => Some(Cow::Borrowed(constant)),
            Pick::Path(of, keys) => keys.iter().try_fold(value(of)?, |of, key| at(of, &*value(key)?)),
            Pick::Object(fields) => {
                let mut object = Map::with_capacity_and_hasher(fields.len(), Default::default());
                for (name, field) in fields {
                    object.insert(name.clone(), value(field)?.into_owned());
                }
                Some(Cow::Owned(Val::obj(object)))
            }
            Pick::Alternative(first, second) => value(first).and_then(|first| match is_true(&first) {
                true => Some(first),
                false => value(second),
            }),
            Pick::If(condition, then, otherwise) => value(if holds(condition)? { then } else { otherwise }),
            Pick::Compare(how, left, right) => {
                // whole bodies may be compared
                meter.step();
                bool(how.run(&*value(left)?, &*value(right)?))
            }
            Pick::And(left, right) => bool(holds(left)? && holds(right)?),
            Pick::Or(left, right) => bool(holds(left)? || holds(right)?),
            Pick::Pipe(from, pick) => match value(from)? {
                Cow::Borrowed(input) => pick.value(input, bound, meter),
                Cow::Owned(input) => pick.value(&input, bound, meter).map(|value| Cow::Owned(value.into_owned())),
            },
            Pick::Has(key) => match (input, &*value(key)?) {
                (Val::Obj(fields), key @ Val::TStr(_)) => bool(fields.contains_key(key)),
                _ => None,
            },
            Pick::Not => bool(!is_true(input)),
            Pick::LowerCase => match input {
                Val::TStr(text) => Some(Cow::Owned(Val::utf8_str(text.to_ascii_lowercase()))),
                _ => None,
            },
            Pick::Finds(place, text) => {
                // a text may be as long as a body
                meter.step();
                match (input, &*value(text)?) {
                    (Val::TStr(text), Val::TStr(other)) => bool(place.finds(text, other)),
                    _ => None,
                }
            }
            Pick::Type => type_of(input).map(|name| Cow::Owned(Val::utf8_str(name))),
        }
    }
}

/// The condition of a term that gives its input only if that holds.
fn selected(term: &Term<&str>, bound: &[&str]) -> Option<Pick> {
    match term {
        Term::Call("select", arguments) => match &arguments[..] {
            [condition] => Pick::of(condition, bound),
            _ => None,
        },
        _ => None,
    }
}

/// The list whose items a term gives, if it ends in `[]`.
fn list(term: &Term<&str>, bound: &[&str]) -> Option<Pick> {
    match term {
        Term::Path(head, Path(parts)) => match parts.split_last() {
            Some(((Part::Range(None, None), Opt::Essential), parts)) => path(head, parts, bound),
            _ => None,
        },
        _ => None,
    }
}

/// A path of keys.
fn path(head: &Term<&str>, parts: &[(Part<Term<&str>>, Opt)], bound: &[&str]) -> Option<Pick> {
    let head = Pick::of(head, bound)?;
    let keys = parts.iter().map(|part| match part {
        (Part::Index(key), Opt::Essential) => Pick::of(key, bound),
        _ => None,
    });
    let keys: Vec<Pick> = keys.collect::<Option<_>>()?;
    Some(if keys.is_empty() { head } else { Pick::Path(Box::new(head), keys) })
}

/// A field of an object: `name: value`, or a name by itself for a field or a variable of that name.
fn named(key: &Term<&str>, value: Option<&Term<&str>>, bound: &[&str]) -> Option<(Val, Pick)> {
    let name = match key {
        Term::Str(None, parts) => text(parts)?,
        Term::Var(name) if value.is_none() => Val::from(name.strip_prefix('$')?.to_owned()),
        _ => return None,
    };
    let value = match (value, key) {
        (Some(value), _) => Pick::of(value, bound)?,
        (None, Term::Var(_)) => Pick::of(key, bound)?,
        (None, _) => Pick::Path(Box::new(Pick::Input), vec![Pick::Constant(name.clone())]),
    };
    Some((name, value))
}

/// A text without anything in it that has to be run.
fn text(parts: &[StrPart<&str, Term<&str>>]) -> Option<Val> {
    let mut text = String::new();
    for part in parts {
        match part {
            StrPart::Str(part) => text.push_str(part),
            StrPart::Char(sign) => text.push(*sign),
            StrPart::Term(_) => return None,
        }
    }
    Some(Val::utf8_str(text.into_bytes()))
}

#[cfg(test)]
mod tests;
