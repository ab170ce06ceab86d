//! Reads server-sent events (HTML, section 9.2) out of the bytes of a reply, wherever these are cut.

use std::time::Duration;

/// The longest event that is read, in bytes. The longest entry with its proof is far shorter.
const LONGEST: usize = 4 << 20;

/// What some writers put before a text, to say that it is UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// An event.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Event {
    /// What kind of event it is; `message` if it does not say.
    pub(super) name: String,
    /// Its lines of data, with a line feed between any two.
    pub(super) data: String,
}

/// An event, or a line of it, is longer than any that a server sends.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// Reads one stream, from its first byte on.
#[derive(Debug, Default)]
pub(super) struct EventParser {
    /// The beginning of a line that is not whole yet.
    line: Vec<u8>,
    /// Whether a line has ended: only the first may begin with a mark of the byte order.
    is_begun: bool,
    /// Whether the byte before was a carriage return, so that a line feed belongs to the same end of a line.
    was_return: bool,
    name: String,
    data: Option<String>,
    /// How long the server asks its client to wait before it comes back; `None` if it has not said.
    pub(super) retry: Option<Duration>,
}

impl EventParser {
    /// The events that end within these bytes.
    ///
    /// # Errors
    /// One is too long.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<Vec<Event>, TooLong> {
        let mut events = Vec::new();
        for &byte in bytes {
            let is_same_end = std::mem::replace(&mut self.was_return, byte == b'\r') && byte == b'\n';
            match byte {
                _ if is_same_end => {}
                b'\n' | b'\r' => events.extend(self.end_of_line()),
                _ => self.line.push(byte),
            }
            if self.line.len() + self.data.as_ref().map_or(0, String::len) > LONGEST {
                return Err(TooLong);
            }
        }
        Ok(events)
    }

    /// Takes the line that ends here; an empty one ends an event, which is returned.
    fn end_of_line(&mut self) -> Option<Event> {
        let line = std::mem::take(&mut self.line);
        let is_begun = std::mem::replace(&mut self.is_begun, true);
        let line = line.strip_prefix(BYTE_ORDER_MARK).filter(|_| !is_begun).unwrap_or(&line);
        if line.is_empty() {
            return self.end_of_event();
        }
        let line = String::from_utf8_lossy(line);
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            "retry" if value.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.retry = value.parse().ok().map(Duration::from_millis).or(self.retry);
            }
            // a comment has an empty field; ids are of no use to us, since every stream begins with the whole state
            _ => {}
        }
        None
    }

    /// The event that ends here; `None` if it has no data.
    fn end_of_event(&mut self) -> Option<Event> {
        let name = std::mem::take(&mut self.name);
        let name = if name.is_empty() { "message".to_owned() } else { name };
        self.data.take().map(|data| Event { name, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, data: &str) -> Event {
        Event { name: name.to_owned(), data: data.to_owned() }
    }

    /// What a parser reads from pieces, one after the other.
    fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Event>, Option<Duration>) {
        let mut parser = EventParser::default();
        let events = pieces.into_iter().flat_map(|piece| parser.read(piece).unwrap()).collect();
        (events, parser.retry)
    }

    /// Reads the same bytes in two pieces, cut at every place, and byte by byte. All must be read the same.
    fn read_however_cut(stream: &str) -> (Vec<Event>, Option<Duration>) {
        let (bytes, whole) = (stream.as_bytes(), read([stream.as_bytes()]));
        for place in 0..=bytes.len() {
            assert_eq!(read([&bytes[..place], &bytes[place..]]), whole, "cut at {place}");
        }
        assert_eq!(read(bytes.chunks(1)), whole, "byte by byte");
        whole
    }

    #[test]
    fn a_stream_is_read_the_same_wherever_its_bytes_are_cut_also_within_a_character() {
        let data = "{\"detail\":\"−0.5 % – 🙂\"}";
        let stream = format!("retry: 3000\n\n: \n\nevent: price\ndata: {data}\n\n: \n\nevent: bye\ndata: {{}}\n\n");
        let expected = vec![event("price", data), event("bye", "{}")];
        assert_eq!(read_however_cut(&stream), (expected, Some(Duration::from_secs(3))));
    }

    #[test]
    fn lines_may_end_in_any_of_the_three_ways_wherever_their_ends_are_cut() {
        for end in ["\n", "\r\n", "\r"] {
            let stream = ["event: price", "data: 1", "", "data: 2", "", ""].join(end);
            assert_eq!(read_however_cut(&stream).0, [event("price", "1"), event("message", "2")], "{end:?}");
        }
    }

    #[test]
    fn data_of_several_lines_is_one_text_and_one_space_after_the_colon_is_not_part_of_it() {
        assert_eq!(read_however_cut("data: a\ndata:b\ndata:  c\ndata\n\n").0, [event("message", "a\nb\n c\n")]);
    }

    #[test]
    fn comments_ids_unknown_fields_and_events_without_data_are_passed_over() {
        let stream =
            "\u{feff}: a comment\nid: 7\nflavour: sweet\nevent: price\n\nretry: soon\nretry: 1s\n\ndata: x\n\n";
        assert_eq!(read_however_cut(stream), (vec![event("message", "x")], None));
    }

    #[test]
    fn an_event_that_is_not_whole_at_the_end_of_a_stream_is_none() {
        assert_eq!(read_however_cut("data: 1\n\nevent: price\ndata: 2\n").0, [event("message", "1")]);
    }

    #[test]
    fn an_event_that_does_not_end_is_not_kept_in_memory_without_end() {
        for piece in ["x".repeat(1 << 20), format!("data: {}\n", "x".repeat(1 << 20))] {
            let mut parser = EventParser::default();
            assert!((0..8).any(|_| parser.read(piece.as_bytes()) == Err(TooLong)));
        }
    }
}
