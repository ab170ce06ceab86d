//! Reads and writes `traceparent`, the header by which services tell each other which trace a request belongs to: [W3C Trace
//! Context](https://www.w3.org/TR/trace-context/).

use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};

use reqwest::header::{HeaderMap, HeaderValue};

use super::PARENT;

/// The length of a header of version 00. Later versions may go on after it.
const LENGTH: usize = 55;

/// The flags that are passed on: whether the trace is recorded, and whether its id is random. Others are not known yet.
const KNOWN_FLAGS: u8 = 0b11;

/// A span, and the trace that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    pub(super) trace: NonZeroU128,
    pub(super) span: NonZeroU64,
    pub(super) flags: u8,
}

impl TraceParent {
    /// What a request says of the span that it comes from. What is not valid counts as not sent, and so does more than one.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        // most requests have none, and are not kept for long
        let first = headers.get(&PARENT)?;
        if headers.get_all(&PARENT).iter().nth(1).is_some() { None } else { Self::read(first.as_bytes()) }
    }

    fn read(text: &[u8]) -> Option<Self> {
        let (known, rest) = text.split_at_checked(LENGTH)?;
        let mut parts = known.split(|byte| *byte == b'-');
        let mut number = |digits| hexadecimal(parts.next()?, digits);
        let (version, trace, span, flags) = (number(2)?, number(32)?, number(16)?, number(2)?);
        let ends_well = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => rest.first().is_none_or(|next| *next == b'-'),
        };
        if !ends_well || parts.next().is_some() {
            return None;
        }
        let (span, flags) = (u64::try_from(span).ok()?, u8::try_from(flags).ok()?);
        Some(TraceParent { trace: NonZeroU128::new(trace)?, span: NonZeroU64::new(span)?, flags: flags & KNOWN_FLAGS })
    }

    /// Another span of the same trace.
    pub(super) fn child(self) -> Self {
        TraceParent { span: NonZeroU64::MIN | fastrand::u64(..), ..self }
    }

    /// The id of the trace, as people search for it.
    pub fn trace_id(self) -> impl fmt::Display {
        fmt::from_fn(move |f| write!(f, "{:032x}", self.trace))
    }

    pub(super) fn header(self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.to_string()).ok()
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, self.flags)
    }
}

/// A number of exactly this many hexadecimal digits, without capitals.
fn hexadecimal(text: &[u8], digits: usize) -> Option<u128> {
    let is_right = text.len() == digits && text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    u128::from_str_radix(str::from_utf8(text).ok().filter(|_| is_right)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn read(text: &str) -> Option<String> {
        TraceParent::read(text.as_bytes()).map(|parent| parent.to_string())
    }

    #[test]
    fn a_valid_header_is_read_and_its_trace_continued_by_another_span() {
        assert_eq!(read(VALID).unwrap(), VALID);
        let parent = TraceParent::read(VALID.as_bytes()).unwrap();
        assert_eq!(parent.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        let child = parent.child();
        assert!(child.span != parent.span && child.span != parent.child().span);
        assert_eq!((child.trace, child.flags), (parent.trace, parent.flags));
    }

    #[test]
    fn flags_that_are_not_known_yet_are_not_passed_on() {
        for (sent, passed_on) in [("00", "00"), ("02", "02"), ("03", "03"), ("ff", "03"), ("84", "00")] {
            let sent = format!("{}{sent}", &VALID[..53]);
            assert_eq!(read(&sent).unwrap(), format!("{}{passed_on}", &VALID[..53]));
        }
    }

    #[test]
    fn a_later_version_may_go_on_after_what_is_known_of_it() {
        for later in ["01", "cc", "fe"] {
            for rest in ["", "-", "-what-the-future-brings"] {
                assert_eq!(read(&format!("{later}{}{rest}", &VALID[2..])).unwrap(), VALID, "{later} {rest}");
            }
            assert_eq!(read(&format!("{later}{}.more", &VALID[2..])), None, "{later}");
        }
    }

    #[test]
    fn whatever_is_not_valid_is_not_read() {
        let (trace, span) = (&VALID[3..35], &VALID[36..52]);
        for invalid in [
            String::new(),
            "00".to_owned(),
            format!("ff-{trace}-{span}-01"),
            format!("ff-{trace}-{span}-01-more"),
            format!("00-{}-{span}-01", "0".repeat(32)),
            format!("00-{trace}-{}-01", "0".repeat(16)),
            VALID.to_uppercase(),
            VALID.replace('b', "B"),
            format!("0-{trace}-{span}-01"),
            format!("000-{trace}-{span}-01"),
            format!("00-{}-{span}-01", &trace[1..]),
            format!("00-{trace}0-{span}-01"),
            format!("00-{trace}-{}-01", &span[1..]),
            format!("00-{trace}-{span}-1"),
            format!("00-{trace}-{span}-0g"),
            format!("00-{trace}-{span}-+1"),
            format!("00-{trace}-{span}"),
            format!("{VALID}-"),
            format!("{VALID}-more"),
            format!("{VALID} "),
            format!(" {VALID}"),
            format!("00_{trace}_{span}_01"),
            format!("00-{trace}{span}--01"),
            format!("{VALID},{VALID}"),
        ] {
            assert_eq!(read(&invalid), None, "{invalid}");
        }
    }

    #[test]
    fn two_headers_are_none() {
        let header = HeaderValue::from_static(VALID);
        let mut headers = HeaderMap::from_iter([(PARENT, header.clone())]);
        assert!(TraceParent::of(&headers).is_some());
        headers.append(PARENT, header);
        assert_eq!(TraceParent::of(&headers), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            TraceParent::read(&bytes);
        }

        #[test]
        fn what_is_written_is_read_as_the_same(trace in 1_u128.., span in 1_u64.., flags in 0..=KNOWN_FLAGS) {
            let (trace, span) = (NonZeroU128::new(trace).unwrap(), NonZeroU64::new(span).unwrap());
            let parent = TraceParent { trace, span, flags };
            prop_assert_eq!(TraceParent::read(parent.to_string().as_bytes()), Some(parent));
        }
    }
}
