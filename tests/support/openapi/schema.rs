//! Compares values with the schemas of a description: the part of JSON Schema that the description uses.
//!
//! A keyword that is not known here is a difference, too, so that nothing in the description goes unchecked.

use jiff::Timestamp;
use serde_json::{Map, Value};

/// Keywords that say nothing about values.
const ABOUT: [&str; 4] = ["description", "examples", "example", "default"];

/// The patterns that the description uses, each with what it stands for.
type Fits = fn(&str) -> bool;
const PATTERNS: [(&str, Fits); 2] = [
    (r"^-?[0-9]+(\.[0-9]+)?$", |text| is_decimal(text.strip_prefix('-').unwrap_or(text))),
    (r"^[0-9]+(\.[0-9]+)?%$", |text| text.strip_suffix('%').is_some_and(is_decimal)),
];

/// The schemas of a description.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schemas<'d>(&'d Value);

impl<'d> Schemas<'d> {
    pub(crate) fn of(document: &'d Value) -> Self {
        Schemas(document)
    }

    /// What a reference leads to, or the value itself.
    pub(crate) fn resolved(self, value: &'d Value) -> &'d Value {
        match reference(value) {
            Some(path) => {
                let target = path.strip_prefix('#').and_then(|pointer| self.0.pointer(pointer));
                self.resolved(target.unwrap_or_else(|| panic!("{path} leads nowhere")))
            }
            None => value,
        }
    }

    /// Everything in which a value differs from a schema. `place` is where the value is, as a JSON pointer.
    pub(crate) fn differences(self, place: &str, value: &Value, schema: &Value) -> Vec<String> {
        let Some(keywords) = schema.as_object() else {
            return vec![format!("{place}: {schema} is no schema")];
        };
        let comparing = Comparing { schemas: self, place, keywords };
        keywords.iter().flat_map(|(keyword, rule)| comparing.by_keyword(keyword, rule, value)).collect()
    }
}

/// A value that is being compared.
#[derive(Clone, Copy)]
struct Comparing<'a> {
    schemas: Schemas<'a>,
    place: &'a str,
    /// The schema, of which one keyword may depend on another.
    keywords: &'a Map<String, Value>,
}

impl Comparing<'_> {
    fn by_keyword(self, keyword: &str, rule: &Value, value: &Value) -> Vec<String> {
        match keyword {
            "$ref" => {
                let schema = self.schemas.0.pointer(rule.as_str().unwrap_or_default().trim_start_matches('#'));
                let schema = schema.unwrap_or_else(|| panic!("{rule} leads nowhere"));
                let found = self.schemas.differences(self.place, value, schema);
                let name = rule.as_str().unwrap_or_default().rsplit('/').next().unwrap_or_default();
                found
                    .into_iter()
                    .map(|found| if found.ends_with(')') { found } else { format!("{found} ({name})") })
                    .collect()
            }
            "oneOf" => self.one_of(rule, value),
            "properties" => self.fields(rule, value),
            "required" => self.missing(rule, value),
            // what `properties` does not name is compared with this there
            "additionalProperties" if self.keywords.contains_key("properties") => Vec::new(),
            "additionalProperties" => {
                self.each(value.as_object().into_iter().flatten().map(|(name, field)| (name.clone(), field)), rule)
            }
            "propertyNames" => {
                let names = value.as_object().into_iter().flatten().map(|(name, _)| Value::from(name.as_str()));
                names.flat_map(|name| self.schemas.differences(&self.at(&name.to_string()), &name, rule)).collect()
            }
            "items" => {
                let items = value.as_array().into_iter().flatten().enumerate();
                self.each(items.map(|(number, item)| (number.to_string(), item)), rule)
            }
            _ if ABOUT.contains(&keyword) || keyword.starts_with("x-") => Vec::new(),
            _ => self.limit(keyword, rule, value).into_iter().collect(),
        }
    }

    fn at(self, name: &str) -> String {
        format!("{}/{name}", self.place)
    }

    fn each<'v>(self, parts: impl Iterator<Item = (String, &'v Value)>, schema: &Value) -> Vec<String> {
        parts.flat_map(|(name, part)| self.schemas.differences(&self.at(&name), part, schema)).collect()
    }

    /// The differences to the nearest of the alternatives, if the value is not exactly one of them.
    fn one_of(self, alternatives: &Value, value: &Value) -> Vec<String> {
        let alternatives = alternatives.as_array().into_iter().flatten();
        let compared = alternatives.map(|schema| self.schemas.differences(self.place, value, schema));
        let mut compared: Vec<Vec<String>> = compared.collect();
        match compared.iter().filter(|found| found.is_empty()).count() {
            1 => Vec::new(),
            0 => {
                // another type altogether says less than a wrong field
                compared.sort_by_key(|found| (found.iter().any(|found| found.contains("the type is")), found.len()));
                compared.into_iter().next().unwrap_or_default()
            }
            count => vec![format!("{}: {} is {count} of the alternatives at once", self.place, brief(value))],
        }
    }

    fn fields(self, described: &Value, value: &Value) -> Vec<String> {
        let others = self.keywords.get("additionalProperties").filter(|others| others.is_object());
        let compare = |(name, field): (&String, &Value)| match described.get(name).or(others) {
            Some(schema) => self.schemas.differences(&self.at(name), field, schema),
            None => vec![format!("{}: the field is not described; it is {}", self.at(name), brief(field))],
        };
        value.as_object().into_iter().flatten().flat_map(compare).collect()
    }

    fn missing(self, required: &Value, value: &Value) -> Vec<String> {
        let Some(fields) = value.as_object() else { return Vec::new() };
        let names = required.as_array().into_iter().flatten().filter_map(Value::as_str);
        let missing = names.filter(|name| !fields.contains_key(*name));
        missing.map(|name| format!("{}: the field is missing", self.at(name))).collect()
    }

    /// What breaks a limit that concerns the value itself and nothing in it.
    fn limit(self, keyword: &str, rule: &Value, value: &Value) -> Option<String> {
        let count = value.as_array().map(Vec::len);
        let length = value.as_str().map(|text| text.chars().count());
        let most = usize::try_from(rule.as_u64().unwrap_or_default()).unwrap_or(usize::MAX);
        let rule_text = rule.as_str().unwrap_or_default();
        let holds = match keyword {
            "type" => has_type(value, rule),
            "enum" => rule.as_array().is_some_and(|values| values.contains(value)),
            "const" => rule == value,
            "minItems" => count.is_none_or(|count| count >= most),
            "maxItems" => count.is_none_or(|count| count <= most),
            "minLength" => length.is_none_or(|length| length >= most),
            "maxLength" => length.is_none_or(|length| length <= most),
            "minimum" => value.as_i64().zip(rule.as_i64()).is_none_or(|(value, least)| value >= least),
            "maximum" => value.as_i64().zip(rule.as_i64()).is_none_or(|(value, most)| value <= most),
            "pattern" => value.as_str().is_none_or(|text| has_pattern(text, rule_text)),
            "format" => value.as_str().is_none_or(|text| has_format(text, rule_text)),
            _ => return Some(format!("{}: no test knows the keyword {keyword}", self.place)),
        };
        let what = if keyword == "type" { "the type is" } else { keyword };
        (!holds).then(|| format!("{}: {} is found, but {what} {rule}", self.place, brief(value)))
    }
}

fn reference(value: &Value) -> Option<&str> {
    value.get("$ref").and_then(Value::as_str)
}

fn has_type(value: &Value, types: &Value) -> bool {
    let is = |name: &Value| match name.as_str().unwrap_or_default() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        // no number here may be a float
        other => panic!("{other} is no type of a reply"),
    };
    types.as_array().map_or_else(|| is(types), |types| types.iter().any(is))
}

fn has_pattern(text: &str, pattern: &str) -> bool {
    let known = PATTERNS.iter().find(|(known, _)| *known == pattern);
    known.unwrap_or_else(|| panic!("no test knows the pattern {pattern}")).1(text)
}

fn has_format(text: &str, format: &str) -> bool {
    match format {
        // the pattern says what it is
        "decimal" => true,
        "date-time" => {
            let is_utc_in_milliseconds = text.len() == "2026-11-21T08:24:15.729Z".len() && text.ends_with('Z');
            is_utc_in_milliseconds && text.parse::<Timestamp>().is_ok()
        }
        "uri-reference" => text.starts_with('/') && !text.contains(' '),
        other => panic!("no test knows the format {other}"),
    }
}

fn is_decimal(text: &str) -> bool {
    let is_digits = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once('.').map_or_else(|| is_digits(text), |(whole, rest)| is_digits(whole) && is_digits(rest))
}

/// A value, short enough for a message.
fn brief(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 80 { text } else { text.chars().take(79).chain(['…']).collect() }
}
