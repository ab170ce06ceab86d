//! Gives a filter those of jq's own definitions that it is built on. All of them, compiled, would take far more memory than the
//! filter itself, once for each source.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::path::Part;

use super::validate;

/// One of jq's own definitions.
pub(super) type Definition = Def<&'static str, Term<&'static str>>;

/// The definitions that a filter names, and those that these name in turn.
pub(super) fn needed_by(filter: &Term<&str>) -> Vec<Definition> {
    let all: Vec<Definition> = all().collect();
    let mut is_needed = vec![false; all.len()];
    let mut names = Vec::new();
    note_names(filter, &mut names);
    while let Some(name) = names.pop() {
        // one name may stand for several, which take different numbers of arguments
        let named = all.iter().zip(&mut is_needed).filter(|(definition, _)| definition.name == name);
        for (definition, is_needed) in named {
            if !std::mem::replace(is_needed, true) {
                note_names(&definition.body, &mut names);
            }
        }
    }
    all.into_iter().zip(is_needed).filter_map(|(definition, is_needed)| is_needed.then_some(definition)).collect()
}

/// jq's own definitions, without those that lead out of the box.
///
/// `recurse` and `range` stay, because `flatten` and `transpose` are built on them; no filter can name them.
fn all() -> impl Iterator<Item = Definition> {
    let all = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    all.filter(|def| matches!(def.name, "recurse" | "range") || validate::reason(def.name, def.args.len()).is_none())
}

/// Notes every name that a part of a filter calls.
fn note_names<'s>(term: &Term<&'s str>, names: &mut Vec<&'s str>) {
    match term {
        Term::Id | Term::Recurse | Term::Num(_) | Term::Var(_) | Term::Break(_) | Term::Arr(None) => {}
        Term::Call(name, arguments) => {
            names.push(*name);
            arguments.iter().for_each(|argument| note_names(argument, names));
        }
        Term::Str(format, parts) => {
            names.extend(format);
            for part in parts {
                if let StrPart::Term(inner) = part {
                    note_names(inner, names);
                }
            }
        }
        Term::Arr(Some(inner)) | Term::Neg(inner) | Term::Label(_, inner) => note_names(inner, names),
        Term::Obj(fields) => {
            for (key, value) in fields {
                [key].into_iter().chain(value).for_each(|term| note_names(term, names));
            }
        }
        Term::BinOp(left, operator, right) => {
            note_names(left, names);
            if let BinaryOp::Pipe(Some(pattern)) = operator {
                note_names_in_pattern(pattern, names);
            }
            note_names(right, names);
        }
        Term::Fold(_, over, pattern, arguments) => {
            note_names(over, names);
            note_names_in_pattern(pattern, names);
            arguments.iter().for_each(|argument| note_names(argument, names));
        }
        Term::TryCatch(attempt, catch) => {
            [attempt].into_iter().chain(catch).for_each(|term| note_names(term, names));
        }
        Term::IfThenElse(branches, otherwise) => {
            let branches = branches.iter().flat_map(|(condition, then)| [condition, then]);
            branches.chain(otherwise.as_deref()).for_each(|term| note_names(term, names));
        }
        Term::Def(definitions, rest) => {
            let bodies = definitions.iter().map(|definition| &definition.body);
            bodies.chain([&**rest]).for_each(|term| note_names(term, names));
        }
        Term::Path(head, path) => {
            note_names(head, names);
            for (part, _) in &path.0 {
                match part {
                    Part::Index(index) => note_names(index, names),
                    Part::Range(from, to) => from.iter().chain(to).for_each(|term| note_names(term, names)),
                }
            }
        }
    }
}

fn note_names_in_pattern<'s>(pattern: &Pattern<&'s str>, names: &mut Vec<&'s str>) {
    match pattern {
        Pattern::Var(_) => {}
        Pattern::Arr(items) => items.iter().for_each(|item| note_names_in_pattern(item, names)),
        Pattern::Obj(fields) => {
            for (key, value) in fields {
                note_names(key, names);
                note_names_in_pattern(value, names);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jaq_core::load::lex::Lexer;
    use jaq_core::load::parse::Parser;

    use super::super::Filter;
    use super::*;

    fn names(filter: &str) -> Vec<&'static str> {
        let tokens = Lexer::new(filter).lex().unwrap();
        let term = Parser::new(&tokens).parse(Parser::term).unwrap();
        let mut names: Vec<&str> = needed_by(&term).iter().map(|definition| definition.name).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    #[test]
    fn a_filter_has_the_definitions_it_is_built_on_and_no_others() {
        assert_eq!(names(".a[0] | {b: .c}"), [""; 0]);
        assert_eq!(names("isarray"), ["isarray"]);
        assert_eq!(names("isarray | not"), ["false", "isarray", "not", "true"]);
        assert!(names("flatten").contains(&"recurse"), "which no filter can name");
    }

    #[test]
    fn a_definition_is_found_wherever_a_filter_names_it() {
        #[rustfmt::skip]
        const PLACES: &[&str] = &[
            "isarray", "[isarray]", "-isarray", "{a: isarray}", "{(isarray): 1}", "\"\\(isarray)\"", "1, isarray",
            "label $out | isarray", "try isarray catch 1", "try 1 catch isarray", "isarray?", ". | isarray",
            "if isarray then 1 end", "if 1 then isarray end", "if 1 then 2 else isarray end", ".[isarray]",
            ".[isarray:]", ".[:isarray]", "isarray[0]", "sort_by(isarray)", "isarray as $x | 1", "1 as $x | isarray",
            ". as {(isarray): $x} | 1", ". as [{(isarray): $x}] | 1", "reduce isarray as $x (1; 2)",
            "reduce 1 as $x (isarray; 2)", "reduce 1 as {(isarray): $x} (1; 2)", "def f: isarray; f", "def f: 1; isarray",
            ".a |= isarray", ".a += isarray", "1 - isarray", "1 // isarray", "isarray and 1",
        ];
        for filter in PLACES {
            assert_eq!(names(filter), ["isarray"], "{filter}");
        }
    }

    #[test]
    fn every_definition_that_a_filter_may_name_compiles_with_those_it_needs() {
        for definition in all().filter(|definition| validate::reason(definition.name, definition.args.len()).is_none())
        {
            let arguments = vec!["."; definition.args.len()].join("; ");
            let arguments = if arguments.is_empty() { arguments } else { format!("({arguments})") };
            let filter = format!("{}{arguments}", definition.name);
            assert!(Filter::compile(&filter).is_ok(), "{filter}: {:?}", Filter::compile(&filter).err());
        }
    }
}
