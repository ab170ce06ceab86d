//! Reads a table: one object per line, by the names in its first.

use jaq_json::{Map, Rc, Val};

/// The longest name of a column that is read, in bytes.
const LONGEST_NAME: usize = 256;

/// Reads a table. A single line is no table but a message, such as that a quota is used up: it is given as a text.
pub(super) fn read(bytes: &[u8]) -> Result<Val, String> {
    let message = str::from_utf8(bytes).map_err(|error| error.to_string())?.trim();
    if !message.contains(['\n', '\r']) {
        return Ok(Val::from(message.to_owned()));
    }
    // a line shorter than the first lacks its last fields; a longer one belongs to no table
    let mut lines = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(bytes);
    let names = lines.headers().map_err(|error| error.to_string())?.clone();
    if let Some(name) = names.iter().find(|name| name.len() > LONGEST_NAME) {
        return Err(format!("a name of {} bytes in the first line", name.len()));
    }
    // every line has the same names: they are shared, not copied
    let names: Vec<Val> = names.iter().map(|name| Val::from(name.to_owned())).collect();
    lines.records().map(|line| row(&names, &line.map_err(|error| error.to_string())?)).collect()
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
    use super::*;

    #[test]
    fn lines_are_objects_of_texts_by_the_names_in_the_first() {
        let table = "Symbol,Name,Close\r\nAAPL.US,\"Apple, Inc\",272.50\r\nXXXX.US,N/D,\r\nSHORT\r\n";
        let read = read(table.as_bytes()).unwrap().to_string();
        let expected = r#"[{"Symbol":"AAPL.US","Name":"Apple, Inc","Close":"272.50"},{"Symbol":"XXXX.US","Name":"N/D","Close":""},{"Symbol":"SHORT"}]"#;
        assert_eq!(read, expected);
    }

    #[test]
    fn a_single_line_is_a_message_and_a_longer_line_belongs_to_no_table() {
        assert_eq!(read(b"Exceeded the daily hits limit\n").unwrap().to_string(), "\"Exceeded the daily hits limit\"");
        assert_eq!(read(b"a,b\n1,2,3\n").unwrap_err(), "line 2: 3 fields under 2 names");
        assert!(read(b"a,b\n\xff,1\n").is_err());
        assert!(read(format!("{}\n1\n", "a".repeat(257)).as_bytes()).is_err());
    }
}
