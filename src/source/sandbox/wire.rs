//! The messages to and from a filter's process. Both ends are the same program, so the format has no versions.
//!
//! JSON would not do for the rows: a number that the filter calculated must be recognisable as such, since it is not a price.

use jaq_json::{Map, Num, Rc, Val};

use crate::provider::description::{Layout, Notation, Separator};
use crate::provider::extract::Job;
use crate::provider::filter::{MOST_ROWS, Rows, RunError};

/// The longest reply of a process, in bytes: its rows, each value with its length.
pub(super) const LONGEST_REPLY: usize = 8 << 20;

/// The most values in the rows of one reply: each takes more memory than it has bytes here.
const MOST_VALUES: usize = 50 * MOST_ROWS;

/// The deepest nesting of a row. A filter has 32 levels to put around a value that was read, which has 64.
const DEEPEST: usize = 256;

impl<'a> Job<'a> {
    /// The head of a message. The body is the rest of it.
    pub(super) fn head(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.bytes.extend(self.status.to_le_bytes());
        writer.bytes.push(match self.layout.notation {
            Notation::Json => b'j',
            Notation::Csv => b'c',
            Notation::Xml => b'x',
        });
        writer.bytes.push(self.layout.separator.as_byte());
        writer.count(self.asked.len());
        self.asked.iter().for_each(|symbol| writer.text(symbol.as_bytes()));
        writer.bytes
    }

    /// Reads a message.
    pub(super) fn decode(message: &'a [u8]) -> Result<Self, String> {
        let mut reader = Reader(message);
        let status = u16::from_le_bytes(reader.array()?);
        let notation = match reader.byte()? {
            b'j' => Notation::Json,
            b'c' => Notation::Csv,
            b'x' => Notation::Xml,
            other => return Err(format!("there is no notation {other}")),
        };
        let sign = reader.byte()?;
        let separator = Separator::of_byte(sign).ok_or_else(|| format!("there is no separator {sign}"))?;
        let count = reader.count()?;
        let asked = (0..count).map(|_| reader.text().map(String::from_utf8_lossy)).collect::<Result<_, _>>()?;
        Ok(Job { status, layout: Layout { notation, separator }, asked, body: reader.0 })
    }
}

/// The result of a filter as a message. Rows that are too long for a message count as a filter that did too much.
pub(super) fn reply(rows: &Rows) -> Vec<u8> {
    let mut writer = Writer::default();
    match writer.rows(rows) {
        Some(()) => writer.bytes,
        None => {
            let why = format!("its rows take more than {} MiB or {MOST_VALUES} values", LONGEST_REPLY >> 20);
            let mut writer = Writer::default();
            let failed = Rows { rows: Vec::new(), cut: false, failure: Some(RunError::OutOfFuel(why)) };
            // a few words always have room
            let _ = writer.rows(&failed);
            writer.bytes
        }
    }
}

/// Reads the result of a filter.
pub(super) fn rows(message: &[u8]) -> Result<Rows, String> {
    let mut reader = Reader(message);
    let cut = reader.byte()? == 1;
    let failure = reader.failure()?;
    let count = reader.count()?;
    let rows = (0..count).map(|_| reader.value(DEEPEST)).collect::<Result<_, _>>()?;
    Ok(Rows { rows, cut, failure })
}

/// Writes a message, up to `LONGEST_REPLY`.
#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    values: usize,
}

/// Reads a message, from its beginning.
struct Reader<'a>(&'a [u8]);

impl Writer {
    fn rows(&mut self, rows: &Rows) -> Option<()> {
        self.bytes.push(u8::from(rows.cut));
        self.failure(rows.failure.as_ref());
        self.count(rows.rows.len());
        rows.rows.iter().try_for_each(|row| self.value(row, DEEPEST))
    }

    fn failure(&mut self, failure: Option<&RunError>) {
        let (kind, words) = match failure {
            None => (b'-', ""),
            Some(RunError::Body(Notation::Json, why)) => (b'j', why.as_str()),
            Some(RunError::Body(Notation::Csv, why)) => (b'c', why.as_str()),
            Some(RunError::Body(Notation::Xml, why)) => (b'x', why.as_str()),
            Some(RunError::Filter(why)) => (b'f', why.as_str()),
            Some(RunError::OutOfFuel(why)) => (b'm', why.as_str()),
            Some(RunError::Panic) => (b'p', ""),
        };
        self.bytes.push(kind);
        // the text of an error may hold a whole value; a caller sees its beginning
        let end = words.floor_char_boundary(LONGEST_REPLY / 4);
        self.text(&words.as_bytes()[..end]);
    }

    /// Writes a value; `None` if there is no room for it.
    fn value(&mut self, value: &Val, levels: usize) -> Option<()> {
        let levels = levels.checked_sub(1)?;
        self.values += 1;
        if self.values > MOST_VALUES || self.bytes.len() > LONGEST_REPLY {
            return None;
        }
        match value {
            Val::Null => self.bytes.push(b'n'),
            Val::Bool(is) => self.bytes.push(if *is { b't' } else { b'f' }),
            Val::Num(Num::Int(number)) => self.tagged(b'i', number.to_string().as_bytes())?,
            Val::Num(Num::BigInt(number)) => self.tagged(b'I', number.to_string().as_bytes())?,
            Val::Num(Num::Float(number)) => self.tagged(b'd', &number.to_le_bytes())?,
            Val::Num(Num::Dec(text)) => self.tagged(b'l', text.as_bytes())?,
            Val::TStr(text) => self.tagged(b's', text)?,
            Val::BStr(bytes) => self.tagged(b'b', bytes)?,
            Val::Arr(items) => {
                self.bytes.push(b'[');
                self.count(items.len());
                items.iter().try_for_each(|item| self.value(item, levels))?;
            }
            Val::Obj(fields) => {
                self.bytes.push(b'{');
                self.count(fields.len());
                fields.iter().try_for_each(|(key, value)| {
                    self.value(key, levels)?;
                    self.value(value, levels)
                })?;
            }
        }
        (self.bytes.len() <= LONGEST_REPLY).then_some(())
    }

    fn tagged(&mut self, tag: u8, bytes: &[u8]) -> Option<()> {
        if bytes.len() > LONGEST_REPLY {
            return None;
        }
        self.bytes.push(tag);
        self.text(bytes);
        Some(())
    }

    fn text(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.bytes.extend_from_slice(bytes);
    }

    fn count(&mut self, count: usize) {
        self.bytes.extend(u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
    }
}

impl<'a> Reader<'a> {
    fn failure(&mut self) -> Result<Option<RunError>, String> {
        let kind = self.byte()?;
        let words = String::from_utf8_lossy(self.text()?).into_owned();
        Ok(Some(match kind {
            b'-' => return Ok(None),
            b'j' => RunError::Body(Notation::Json, words),
            b'c' => RunError::Body(Notation::Csv, words),
            b'x' => RunError::Body(Notation::Xml, words),
            b'f' => RunError::Filter(words),
            b'm' => RunError::OutOfFuel(words),
            b'p' => RunError::Panic,
            other => return Err(format!("there is no failure {other}")),
        }))
    }

    fn value(&mut self, levels: usize) -> Result<Val, String> {
        let levels = levels.checked_sub(1).ok_or("it is nested too deeply")?;
        Ok(match self.byte()? {
            b'n' => Val::Null,
            b't' => Val::Bool(true),
            b'f' => Val::Bool(false),
            b'i' | b'I' => {
                let text = String::from_utf8_lossy(self.text()?);
                Val::Num(Num::from_str_radix(&text, 10).ok_or("it holds a number that cannot be read")?)
            }
            b'd' => {
                let bytes = self.text()?.try_into().map_err(|_| "it holds a number that cannot be read")?;
                Val::Num(Num::Float(f64::from_le_bytes(bytes)))
            }
            b'l' => Val::Num(Num::Dec(Rc::new(String::from_utf8_lossy(self.text()?).into_owned()))),
            b's' => Val::utf8_str(self.text()?.to_vec()),
            b'b' => Val::byte_str(self.text()?.to_vec()),
            b'[' => {
                let count = self.count()?;
                (0..count).map(|_| self.value(levels)).collect::<Result<_, _>>()?
            }
            b'{' => {
                let count = self.count()?;
                let fields = (0..count).map(|_| Ok((self.value(levels)?, self.value(levels)?)));
                Val::obj(fields.collect::<Result<Map, String>>()?)
            }
            other => return Err(format!("there is no value {other}")),
        })
    }

    fn text(&mut self) -> Result<&'a [u8], String> {
        let length = self.count()?;
        self.take(length)
    }

    fn count(&mut self) -> Result<usize, String> {
        self.array().map(|bytes| u32::from_le_bytes(bytes) as usize)
    }

    fn byte(&mut self) -> Result<u8, String> {
        self.array().map(|[byte]| byte)
    }

    fn array<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], String> {
        let bytes = self.take(LENGTH)?;
        bytes.try_into().map_err(|_| "it ends too early".to_owned())
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or("it ends too early")?;
        self.0 = rest;
        Ok(taken)
    }
}
