//! Answers what a walk asks of values, as the interpreter would; `None` if only that knows.

use std::borrow::Cow;

use jaq_json::{Num, Val};
use memchr::memmem;

/// Where in a text another one is sought.
#[derive(Clone, Copy)]
pub(in crate::provider::filter) enum Place {
    Anywhere,
    Start,
    End,
}

impl Place {
    /// The place that a filter of this name looks at.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "contains" => Place::Anywhere,
            "startswith" => Place::Start,
            "endswith" => Place::End,
            _ => return None,
        })
    }

    pub(super) fn finds(self, text: &[u8], other: &[u8]) -> bool {
        match self {
            Place::Anywhere => memmem::find(text, other).is_some(),
            Place::Start => text.starts_with(other),
            Place::End => text.ends_with(other),
        }
    }
}

/// What a value has under a key.
pub(super) fn at<'v>(value: Cow<'v, Val>, key: &Val) -> Option<Cow<'v, Val>> {
    let nothing = Cow::Owned(Val::Null);
    match (&*value, key) {
        (Val::Null, Val::TStr(_)) => return Some(nothing),
        (Val::Obj(_), Val::TStr(_)) | (Val::Arr(_), Val::Num(Num::Int(0..))) => {}
        _ => return None,
    }
    Some(match value {
        Cow::Borrowed(value) => part(value, key).map_or(nothing, Cow::Borrowed),
        Cow::Owned(value) => part(&value, key).cloned().map_or(nothing, Cow::Owned),
    })
}

fn part<'v>(value: &'v Val, key: &Val) -> Option<&'v Val> {
    match (value, key) {
        (Val::Obj(fields), key) => fields.get(key),
        (Val::Arr(items), Val::Num(Num::Int(place))) => items.get(usize::try_from(*place).ok()?),
        _ => None,
    }
}

pub(super) fn is_true(value: &Val) -> bool {
    !matches!(value, Val::Null | Val::Bool(false))
}

pub(super) fn type_of(value: &Val) -> Option<&'static str> {
    Some(match value {
        Val::Null => "null",
        Val::Bool(_) => "boolean",
        Val::Num(_) => "number",
        Val::TStr(_) => "string",
        Val::Arr(_) => "array",
        Val::Obj(_) => "object",
        Val::BStr(_) => return None,
    })
}
