//! Lets clients, and caches between them and this service, keep answers and recognise them, and packs large ones. Only with
//! `server.cacheable`: without it, every answer is `no-store`.

use std::io::Write;
use std::time::Duration;

use axum::http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, ETAG, IF_NONE_MATCH, VARY};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::settings::Settings;

/// A shorter body is not packed: it fits into a few packets as it is.
const SHORTEST_PACKED: usize = 8 * 1024;

/// Quick, and nearly as good as more for texts that repeat themselves.
const LEVEL: Compression = Compression::new(1);

/// What in a request an answer depends on: the format, whether it may be packed, and which pages may read it.
const VARIES_BY: HeaderValue = HeaderValue::from_static("Accept, Accept-Encoding, Origin");

/// How answers may be kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caching {
    /// Whether only the client itself may keep them: those who ask have keys.
    is_private: bool,
}

/// What a request says of the answer that it wants.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    /// How answers may be kept, if they may.
    pub(super) caching: Option<Caching>,
    /// Whether it may be packed.
    gzip: bool,
    /// The tags of the answers that the client has.
    known: Vec<String>,
}

impl Caching {
    /// How the settings allow answers to be kept; `None` if they do not.
    pub(super) fn of(settings: &Settings) -> Option<Self> {
        settings.server.cacheable.then_some(Caching { is_private: !settings.access.keys.is_empty() })
    }

    /// Says in a reply for how long it may be kept, and by which tag it is recognised.
    pub(super) fn mark(self, reply: &mut Response, lasts: Duration, tag: &str) {
        let headers = reply.headers_mut();
        let keep = match (lasts.as_secs(), self.is_private) {
            // less than a second
            (0, _) => "no-store".to_owned(),
            (seconds, true) => format!("private, max-age={seconds}"),
            (seconds, false) => format!("max-age={seconds}"),
        };
        // digits and hexadecimal digits are fit for a header
        let written = [(CACHE_CONTROL, keep), (ETAG, quoted(tag))];
        for (name, value) in written {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        headers.insert(VARY, VARIES_BY);
    }
}

/// An answer's tag as it stands in headers. It is weak: two answers with the same tag may state other ages.
fn quoted(tag: &str) -> String {
    format!("W/\"{tag}\"")
}

impl Wanted {
    /// What the headers of a request say.
    pub(super) fn of(caching: Caching, headers: &HeaderMap) -> Self {
        let values = |name| headers.get_all(name).into_iter().filter_map(|value: &HeaderValue| value.to_str().ok());
        let tags = values(IF_NONE_MATCH).flat_map(|list| list.split(','));
        let opaque = |tag: &str| tag.trim().trim_start_matches("W/").trim_matches('"').to_owned();
        let gzip = values(ACCEPT_ENCODING).flat_map(|list| list.split(',')).any(accepts_gzip);
        Wanted { caching: Some(caching), gzip, known: tags.map(opaque).collect() }
    }

    /// Whether the client has the answer with this tag.
    pub(super) fn has(&self, tag: &str) -> bool {
        self.known.iter().any(|known| known == "*" || known == tag)
    }

    /// Whether to pack a body of this length.
    pub(super) fn packs(&self, length: usize) -> bool {
        self.gzip && length >= SHORTEST_PACKED
    }
}

/// Whether one entry of `Accept-Encoding` allows gzip: `gzip`, `x-gzip;q=0.5`, `*`.
fn accepts_gzip(entry: &str) -> bool {
    let mut parts = entry.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let is_named = ["gzip", "x-gzip", "*"].iter().any(|own| name.eq_ignore_ascii_case(own));
    let refuses = |weight: &str| {
        let weight = weight.trim_start_matches(['q', 'Q']).trim_start().trim_start_matches('=').trim();
        weight.trim_start_matches('0').trim_start_matches('.').trim_matches('0').is_empty()
    };
    is_named && !parts.any(refuses)
}

/// A body, packed; `None` if that fails, which memory never does.
pub(super) fn packed(parts: &[impl AsRef<[u8]>]) -> Option<Vec<u8>> {
    let length: usize = parts.iter().map(|part| part.as_ref().len()).sum();
    let mut packing = GzEncoder::new(Vec::with_capacity(length / 4), LEVEL);
    parts.iter().try_for_each(|part| packing.write_all(part.as_ref())).ok()?;
    packing.finish().ok()
}

/// Says in a reply that its body is packed.
pub(super) fn note_packed(reply: &mut Response) {
    reply.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(name: axum::http::HeaderName, value: &str) -> Wanted {
        Wanted::of(Caching { is_private: false }, &HeaderMap::from_iter([(name, value.parse().unwrap())]))
    }

    #[test]
    fn gzip_is_used_where_the_client_accepts_it() {
        for accepting in ["gzip", "br, gzip", "GZIP;q=0.5", "deflate, x-gzip", "*", "gzip; q=1.0", "*;q=0.001"] {
            assert!(wanted(ACCEPT_ENCODING, accepting).gzip, "{accepting}");
        }
        for refusing in ["", "br", "identity", "gzip;q=0", "gzip; q=0.000", "*;q=0.0", "gzipped"] {
            assert!(!wanted(ACCEPT_ENCODING, refusing).gzip, "{refusing}");
        }
        assert!(!Wanted::of(Caching { is_private: false }, &HeaderMap::new()).gzip);
        let wanted = wanted(ACCEPT_ENCODING, "gzip");
        assert!(wanted.packs(SHORTEST_PACKED) && !wanted.packs(SHORTEST_PACKED - 1));
        assert!(!Wanted::default().packs(usize::MAX));
    }

    #[test]
    fn a_tag_is_recognised_weak_or_not_alone_or_in_a_list() {
        for known in ["W/\"ab12\"", "\"ab12\"", "\"x\", W/\"ab12\"", "*"] {
            assert!(wanted(IF_NONE_MATCH, known).has("ab12"), "{known}");
        }
        for other in ["", "W/\"ab1\"", "\"\"", "W/\"AB12\""] {
            assert!(!wanted(IF_NONE_MATCH, other).has("ab12"), "{other}");
        }
    }

    #[test]
    fn what_is_packed_is_the_same_when_it_is_unpacked() {
        let body = "[\"0.1\",\"0.2\"]".repeat(1_000).into_bytes();
        let (start, end) = body.split_at(1_234);
        let packed = packed(&[start, end]).unwrap();
        assert!(packed.len() * 4 < body.len());
        let mut unpacked = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&packed[..]), &mut unpacked).unwrap();
        assert_eq!(unpacked, body);
    }
}
