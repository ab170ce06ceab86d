//! Reads a table as a list of objects: one per line, with the names from the first line.

use jaq_json::{Map, Rc, Val};

use crate::provider::description::Separator;

/// The longest name of a column that is read, in bytes.
const LONGEST_NAME: usize = 256;

/// Reads a table. A single line is usually not a table but a message, such as that a quota is used up, and becomes a
/// text. Only if it must be the names of columns is it an empty table: nothing was found.
pub(super) fn read(bytes: &[u8], separator: Separator) -> Result<Val, String> {
    let message = super::text(bytes)?.trim();
    if message.starts_with('<') {
        return Err("a page, not a table".to_owned());
    }
    if !message.contains(['\n', '\r']) && !is_names(message, char::from(separator.as_byte())) {
        return Ok(Val::from(message.to_owned()));
    }
    // a line that is shorter than the first lacks its last fields, unless the body breaks off in it; a longer one is an
    // error
    let breaks_off = !bytes.ends_with(b"\n") && !bytes.ends_with(b"\r");
    let mut lines = csv::ReaderBuilder::new();
    lines.flexible(true).trim(csv::Trim::All).delimiter(separator.as_byte());
    let mut lines = lines.from_reader(bytes);
    let names = lines.headers().map_err(|error| error.to_string())?.clone();
    if let Some(name) = names.iter().find(|name| name.len() > LONGEST_NAME) {
        return Err(format!("a name of {} bytes in the first line", name.len()));
    }
    // the names are shared by all lines, not copied
    let names: Vec<Val> = distinct(&names).into_iter().map(Val::from).collect();
    let mut rows = Vec::new();
    let mut last = 0;
    for line in lines.records() {
        let line = line.map_err(|error| error.to_string())?;
        last = line.len();
        rows.push(row(&names, &line)?);
    }
    let last_line = message.rsplit(['\n', '\r']).next().unwrap_or_default();
    let is_quote_open = last_line.matches('"').count() % 2 == 1;
    if breaks_off && !rows.is_empty() && (last < names.len() || is_quote_open) {
        return Err("the last line breaks off".to_owned());
    }
    Ok(rows.into_iter().collect())
}

/// Whether a single line can only be the names of columns. A sentence has spaces after its commas and
/// semicolons. Names have none, are
/// all different, are never empty, and are not numbers.
fn is_names(line: &str, separator: char) -> bool {
    let names: Vec<&str> = line.split(separator).map(|name| name.trim_matches('"')).collect();
    let is_name = |name: &&str| !name.is_empty() && !name.starts_with(' ') && name.parse::<f64>().is_err();
    let all_differ = names.iter().enumerate().all(|(at, name)| !names[..at].contains(name));
    names.len() > 1 && names.iter().all(is_name) && all_differ
}

/// The names of the columns. Of several columns with one name, the first keeps it, and the others get a number: `price`, `price.1`.
/// In an object, only the last of them would be left.
fn distinct(names: &csv::StringRecord) -> Vec<String> {
    let mut distinct: Vec<String> = Vec::new();
    for name in names {
        let mut numbered = (1..).map(|number| format!("{name}.{number}"));
        let mut free = name.to_owned();
        while distinct.contains(&free) {
            free = numbered.next().unwrap_or_default();
        }
        distinct.push(free);
    }
    distinct
}

fn row(names: &[Val], line: &csv::StringRecord) -> Result<Val, String> {
    if line.len() > names.len() {
        let number = line.position().map_or(0, csv::Position::line);
        return Err(format!("line {number}: {} fields under {} names", line.len(), names.len()));
    }
    let fields: Map = names.iter().cloned().zip(line.iter().map(|field| Val::from(field.to_owned()))).collect();
    Ok(Val::Obj(Rc::new(fields)))
}

#[cfg(test)]
mod tests {
    use super::{read as read_by, *};

    /// Reads a table whose columns are separated by commas.
    fn read(bytes: &[u8]) -> Result<Val, String> {
        read_by(bytes, Separator::default())
    }

    #[test]
    fn of_two_columns_with_one_name_neither_hides_the_other() {
        let read = read(b"price,at,price,price.1,\n1,2,3,4,5\n").unwrap().to_string();
        assert_eq!(read, r#"[{"price":"1","at":"2","price.1":"3","price.1.1":"4","":"5"}]"#);
    }

    #[test]
    fn lines_become_objects_of_texts_with_the_names_from_the_first() {
        let table = "Symbol,Name,Close\r\nAAPL.US,\"Apple, Inc\",272.50\r\nXXXX.US,N/D,\r\nSHORT\r\n";
        let read = read(table.as_bytes()).unwrap().to_string();
        let expected = r#"[{"Symbol":"AAPL.US","Name":"Apple, Inc","Close":"272.50"},{"Symbol":"XXXX.US","Name":"N/D","Close":""},{"Symbol":"SHORT"}]"#;
        assert_eq!(read, expected);
    }

    #[test]
    fn columns_are_separated_by_the_sign_that_is_stated() {
        let read =
            |table: &str, sign: &str| read_by(table.as_bytes(), Separator::parse(sign).unwrap()).unwrap().to_string();
        assert_eq!(read("a;b\n1,5;\"x;y\"\n", ";"), r#"[{"a":"1,5","b":"x;y"}]"#);
        assert_eq!(read("a\tb\n\t1,5\n", "\t"), r#"[{"a":"","b":"1,5"}]"#);
        assert_eq!(read("a|b\n1|2", "|"), r#"[{"a":"1","b":"2"}]"#);
        assert_eq!(read("symbol;close", ";"), "[]");
        assert!(read("Zu viele Anfragen; bitte warten", ";").starts_with('"'));
        assert!(read("symbol,close", ";").starts_with('"'));
    }

    #[test]
    fn names_without_a_line_under_them_are_an_empty_table() {
        for table in ["Symbol,Close", "Symbol,Date,Close\r\n", "\"Symbol\",\"Last Price\"\n", "s,d2,t2\n\n"] {
            assert_eq!(read(table.as_bytes()).unwrap().to_string(), "[]", "{table:?}");
        }
    }

    #[test]
    fn a_single_line_is_a_message_and_a_line_that_is_too_long_is_an_error() {
        assert_eq!(read(b"Exceeded the daily hits limit\n").unwrap().to_string(), "\"Exceeded the daily hits limit\"");
        assert!(read(b"Sorry, no such symbol").is_ok_and(|read| read.to_string().starts_with('"')));
        assert!(read(b"AAPL,231.44").is_ok_and(|read| read.to_string().starts_with('"')));
        assert_eq!(read(b"a,b\n1,2,3\n").unwrap_err(), "line 2: 3 fields under 2 names");
        for cut in ["a,b,c\n1,27", "a,b,c\n1,2,3\n1", "a,b\n1,\"27"] {
            assert_eq!(read(cut.as_bytes()).unwrap_err(), "the last line breaks off", "{cut:?}");
        }
        for whole in ["a,b,c\n1,27\n", "a,b\n1,27", "a,b\r\n1,\"27\""] {
            assert!(read(whole.as_bytes()).is_ok(), "{whole:?}");
        }
        assert!(read(b"a,b\n\xff,1\n").unwrap_err().ends_with("state its `charset`"));
        assert_eq!(read(b"<!DOCTYPE html>\n<html>\n").unwrap_err(), "a page, not a table");
        assert!(read(format!("{}\n1\n", "a".repeat(257)).as_bytes()).is_err());
    }
}
