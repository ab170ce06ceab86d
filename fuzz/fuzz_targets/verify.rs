//! A saved answer: it is refused with a reason, or recomputed, and what differs is named the same however the text is laid out.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quotefold::verify::{Unverifiable, verify};
use serde_json::Value;

fuzz_target!(|text: &str| {
    let verified = match verify(text) {
        Ok(verified) => verified,
        Err(why) => return assert!(!why.to_string().is_empty() && is_about(&why, text)),
    };
    assert!(!verified.is_empty());
    for entry in &verified {
        assert!(entry.differences.iter().all(|difference| difference.stated != difference.recomputed), "{entry:?}");
        assert!(entry.differences.iter().all(|difference| !difference.field.is_empty()), "{entry:?}");
        assert!(entry.quotes <= text.len() && entry.rates.len() <= text.len());
    }
    // the same entries, laid out for people; a float may be another one once it is written and read again
    let values: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(text).into_iter().collect();
    let values = values.unwrap();
    if !values.iter().any(has_floats) {
        let laid_out: String = values.iter().map(|value| format!("{value:#}\n")).collect();
        assert_eq!(verify(&laid_out).as_ref(), Ok(&verified));
    }
});

fn has_floats(value: &Value) -> bool {
    match value {
        Value::Array(values) => values.iter().any(has_floats),
        Value::Object(fields) => fields.values().any(has_floats),
        value => value.is_f64(),
    }
}

/// Whether a refusal names a symbol that is in the text, if it names one.
fn is_about(why: &Unverifiable, text: &str) -> bool {
    match why {
        Unverifiable::NotJson(_) | Unverifiable::NotAnAnswer => true,
        Unverifiable::WithoutQuotes(symbol) | Unverifiable::Unreadable { symbol, .. } => {
            // an escape stands for another letter
            text.contains('\\') || text.contains(symbol.as_str())
        }
    }
}
