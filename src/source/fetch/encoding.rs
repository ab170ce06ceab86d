//! Decodes the `Content-Encoding` of a body.
//!
//! A body is unpacked as its header says, unless its first bytes show another format: files that were compressed when
//! they were stored are often served without that header. A body that is plain text although its header names a format
//! was unpacked by a proxy, and is read as it is.
//!
//! Memory is bounded by `limit`, one step, and the decoder's window: at most 16 MiB for brotli, 8 MiB or `limit` for zstd,
//! 32 KiB for the others.

mod decoders;

use std::borrow::Cow;

use reqwest::header::{CONTENT_ENCODING, HeaderMap};

/// The formats that sources are asked for.
pub(super) const ACCEPTED: &str = "gzip, deflate, br, zstd";

/// How many times over a body may be packed. There are bodies that unpack to themselves.
const MOST_LAYERS: usize = 3;

/// A format that a body can be packed in, as `Content-Encoding` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// `gzip`: RFC 1952, one member or several.
    Gzip,
    /// `deflate`: the zlib format (RFC 1950) by RFC 9110, but some servers send bare deflate (RFC 1951).
    Deflate,
    /// `br`: RFC 7932.
    Brotli,
    /// `zstd`: RFC 8878, one frame or several.
    Zstd,
    /// Anything else.
    Other(String),
}

/// Why a body cannot be unpacked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum DecodeError {
    /// Unpacked, it would be longer than allowed.
    #[error("the reply is longer than allowed")]
    TooLong,
    /// It breaks off, or it is not in the format that it should have.
    #[error("the reply cannot be unpacked as {coding}: {why}")]
    Damaged { coding: &'static str, why: String },
    /// Its format is not one of those that were asked for.
    #[error("the reply is encoded as {0:?}, which was not asked for ({ACCEPTED})")]
    Unknown(String),
    /// It is packed too many times over.
    #[error("the reply is packed more than {MOST_LAYERS} times over")]
    TooManyLayers,
}

/// The codings that a head names, in the order in which they were applied.
pub(super) fn codings(headers: &HeaderMap) -> Vec<Coding> {
    let values = headers.get_all(CONTENT_ENCODING).iter();
    let names = values.flat_map(|value| {
        let text = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
        text.split(',').map(|name| name.trim().to_owned()).collect::<Vec<_>>()
    });
    names.filter(|name| !matches!(name.as_str(), "" | "identity")).map(Coding::named).collect()
}

/// Whether a body has to be unpacked at all.
pub(super) fn is_packed(body: &[u8], codings: &[Coding]) -> bool {
    !body.is_empty() && (!codings.is_empty() || Coding::shown_by(body).is_some())
}

/// The body as it was before it was packed; at most `limit` bytes of it.
///
/// # Errors
/// The body is damaged, unpacks to more than `limit`, or is packed in an unknown format or too many times over.
pub(super) fn decode(body: &[u8], codings: &[Coding], limit: usize) -> Result<Vec<u8>, DecodeError> {
    let mut named = codings.to_vec();
    let mut body = Cow::Borrowed(body);
    for _ in 0..=MOST_LAYERS {
        let Some(coding) = outermost(&mut named, &body) else { return Ok(body.into_owned()) };
        body = match coding.decode(&body, limit) {
            Ok(unpacked) => Cow::Owned(unpacked),
            Err(DecodeError::Damaged { .. } | DecodeError::Unknown(_)) if is_text(&body) => {
                return Ok(body.into_owned());
            }
            Err(error) => return Err(error),
        };
    }
    Err(DecodeError::TooManyLayers)
}

/// The outermost format of a body, as far as its header and its first bytes tell.
fn outermost(named: &mut Vec<Coding>, body: &[u8]) -> Option<Coding> {
    if body.is_empty() {
        return None;
    }
    match (named.pop(), Coding::shown_by(body)) {
        // brotli has no first bytes of its own: it may begin like any of the others
        (Some(Coding::Brotli), _) => Some(Coding::Brotli),
        (named, shown) => shown.or(named),
    }
}

/// Whether a body is text that cannot be packed data: UTF-8 without control characters.
fn is_text(body: &[u8]) -> bool {
    let is_printed = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r');
    std::str::from_utf8(body).is_ok_and(|text| text.chars().all(is_printed))
}

impl Coding {
    fn named(name: String) -> Self {
        match name.as_str() {
            "gzip" | "x-gzip" => Coding::Gzip,
            "deflate" => Coding::Deflate,
            "br" => Coding::Brotli,
            "zstd" => Coding::Zstd,
            _ => Coding::Other(name),
        }
    }

    /// The format that begins with these bytes, if no text and no other format begins with them.
    fn shown_by(body: &[u8]) -> Option<Self> {
        match body {
            [0x1f, 0x8b, 8, ..] => Some(Coding::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Coding::Zstd),
            _ => None,
        }
    }

    fn decode(&self, body: &[u8], limit: usize) -> Result<Vec<u8>, DecodeError> {
        match self {
            Coding::Gzip => decoders::gzip(body, limit),
            Coding::Deflate => decoders::deflate(body, limit),
            Coding::Brotli => decoders::brotli(body, limit),
            Coding::Zstd => decoders::zstd(body, limit),
            Coding::Other(name) => Err(DecodeError::Unknown(name.clone())),
        }
    }
}

#[cfg(test)]
mod tests;
