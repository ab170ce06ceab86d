//! Finds the fields of the rows that a filter makes, as far as its text shows them: the names in the objects at its end.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Term};
use jaq_core::ops::Math;
use jaq_core::path::Part;

use super::{Filter, FilterError};
use crate::text::near::nearest;
use crate::text::synonyms;

/// A field with its place within the filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) column: usize,
}

impl Filter {
    /// The first field of its rows that is not among the `known` ones, as far as its text shows; `None` if there is no such field.
    pub(crate) fn unknown_field(&self, known: &[&str]) -> Option<FilterError> {
        let Field { name, line, column } = self.fields.iter().find(|field| !known.contains(&field.name.as_str()))?;
        let cure = match nearest(name, known.iter().copied()).or_else(|| synonyms::meant(name, known)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("a row can have {}", known.join(", ")),
        };
        let message = format!("no row has a field `{name}`; {cure}");
        Some(FilterError { line: *line, column: *column, message })
    }
}

/// The names of the fields of every object that is a row of a filter, as slices of the filter.
pub(super) fn named<'s>(filter: &Term<&'s str>) -> Vec<&'s str> {
    let mut names = Vec::new();
    collect(filter, &mut names);
    names
}

fn collect<'s>(term: &Term<&'s str>, names: &mut Vec<&'s str>) {
    match term {
        Term::Obj(fields) => names.extend(fields.iter().filter_map(|(key, _)| constant(key))),
        Term::BinOp(left, BinaryOp::Pipe(None), right) if hands_on(right) => collect(left, names),
        Term::BinOp(_, BinaryOp::Pipe(_), right) => collect(right, names),
        Term::BinOp(left, BinaryOp::Comma | BinaryOp::Alt | BinaryOp::Math(Math::Add), right) => {
            collect(left, names);
            collect(right, names);
        }
        Term::IfThenElse(branches, otherwise) => {
            branches.iter().for_each(|(_, then)| collect(then, names));
            otherwise.iter().for_each(|otherwise| collect(otherwise, names));
        }
        Term::Label(_, inner) | Term::TryCatch(inner, _) => collect(inner, names),
        // the items of a list that is made on the spot
        Term::Path(list, path) => match (&**list, &path.0[..]) {
            (Term::Arr(Some(items)), [(Part::Range(None, None), _)]) => collect(items, names),
            (Term::Call("map", arguments), [(Part::Range(None, None), _)]) => {
                arguments.iter().for_each(|item| collect(item, names));
            }
            _ => {}
        },
        _ => {}
    }
}

/// Whether a stage gives nothing but what it gets.
fn hands_on(term: &Term<&str>) -> bool {
    matches!(term, Term::Id | Term::Call("select", _))
}

/// The name of a field, unless it is calculated.
fn constant<'s>(key: &Term<&'s str>) -> Option<&'s str> {
    match key {
        Term::Str(None, parts) => match parts[..] {
            [StrPart::Str(name)] => Some(name),
            _ => None,
        },
        Term::Var(name) => name.strip_prefix('$'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown(code: &str) -> Option<String> {
        let filter = Filter::compile(code).unwrap_or_else(|error| panic!("{code}: {error}"));
        filter.unknown_field(&["symbol", "price", "bid"]).map(|error| error.to_string())
    }

    #[test]
    fn a_field_that_no_row_has_is_named_with_its_place() {
        for code in [
            "{symbol: .s, prize: .p}",
            ".[] | {symbol, prize: .p}",
            ".[] | {\"symbol\": .s, \"prize\": .p} | select(.symbol != null)",
            "if .ok then .[] | {prize} else {symbol} end",
            "map({symbol: .s, prize: .p})[]",
            "[.[] | {prize}][]",
            ".p as $prize | {symbol: .s, $prize}",
            "{symbol: .s} + {prize: .p}",
            "try {prize: .p}",
        ] {
            let said = unknown(code).unwrap_or_else(|| panic!("{code}"));
            assert!(said.contains("no row has a field `prize`; did you mean `price`?"), "{said}");
        }
        let said = unknown(".[]\n| {symbol, prize: .p}").unwrap();
        assert!(said.starts_with("line 2, column 12: "), "{said}");
        assert!(unknown("{last: .l}").unwrap().contains("did you mean `price`?"));
        assert!(unknown("{turnover: .v}").unwrap().contains("a row can have symbol, price, bid"));
    }

    #[test]
    fn fields_of_objects_that_are_no_rows_may_have_any_name() {
        for code in [
            ".[] | {key: .k, value: .v} | {symbol: .key, price: .value}",
            ".[] | {symbol, price: {last: .l}.last}",
            "if {other: 1}.other == 1 then {symbol} else empty end",
            "to_entries[] | {symbol: .key, (.value.name): 1}",
            ".rows[]",
            "map({other: .a}) | .[] | {symbol: .other}",
        ] {
            assert_eq!(unknown(code), None, "{code}");
        }
    }
}
