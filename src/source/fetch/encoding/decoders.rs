//! Unpacks one layer, a step at a time, and stops at the first byte beyond the limit.
//!
//! Each decoder takes a whole body: a body that breaks off, or that has anything behind its end, is damaged.

use std::io::Read;

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use flate2::bufread::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress, Status};
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::DecodeError;

/// How much is unpacked before the limit is looked at again.
const STEP: usize = 16 << 10;

/// The largest window of zstd that is in use on the web (RFC 9659).
const ZSTD_WINDOW: u64 = 8 << 20;

/// What was unpacked so far.
struct Output {
    bytes: Vec<u8>,
    limit: usize,
}

impl Output {
    fn new(limit: usize) -> Self {
        Output { bytes: Vec::new(), limit }
    }

    fn push(&mut self, part: &[u8]) -> Result<(), DecodeError> {
        if part.len() > self.limit - self.bytes.len() {
            return Err(DecodeError::TooLong);
        }
        self.bytes.extend_from_slice(part);
        Ok(())
    }
}

fn damaged(coding: &'static str, why: &impl ToString) -> DecodeError {
    DecodeError::Damaged { coding, why: why.to_string() }
}

const BREAKS_OFF: &str = "it breaks off";
const GOES_ON: &str = "something stands behind its end";

pub(super) fn gzip(body: &[u8], limit: usize) -> Result<Vec<u8>, DecodeError> {
    let mut decoder = MultiGzDecoder::new(body);
    let (mut output, mut step) = (Output::new(limit), [0; STEP]);
    loop {
        match decoder.read(&mut step) {
            Ok(0) => return Ok(output.bytes),
            Ok(length) => output.push(&step[..length])?,
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                return Err(damaged("gzip", &BREAKS_OFF));
            }
            Err(error) => return Err(damaged("gzip", &error)),
        }
    }
}

/// With its zlib wrapper or without it. No encoder writes a bare stream that begins like the wrapper: it would begin with a
/// stored block whose padding is not zero.
pub(super) fn deflate(body: &[u8], limit: usize) -> Result<Vec<u8>, DecodeError> {
    let wrapped = matches!(*body, [method, flags, ..]
        if method & 0x0f == 8 && method >> 4 <= 7 && u16::from_be_bytes([method, flags]).is_multiple_of(31));
    let mut decoder = Decompress::new(wrapped);
    let (mut output, mut step) = (Output::new(limit), [0; STEP]);
    let mut rest = body;
    loop {
        let (taken, given) = (decoder.total_in(), decoder.total_out());
        let status = decoder.decompress(rest, &mut step, FlushDecompress::None);
        let status = status.map_err(|error| damaged("deflate", &error))?;
        let taken = usize::try_from(decoder.total_in() - taken).unwrap_or(usize::MAX);
        let given = usize::try_from(decoder.total_out() - given).unwrap_or(usize::MAX);
        rest = rest.get(taken..).unwrap_or_default();
        output.push(step.get(..given).unwrap_or_default())?;
        match status {
            Status::StreamEnd if rest.is_empty() => return Ok(output.bytes),
            Status::StreamEnd => return Err(damaged("deflate", &GOES_ON)),
            Status::Ok | Status::BufError if taken == 0 && given == 0 => return Err(damaged("deflate", &BREAKS_OFF)),
            Status::Ok | Status::BufError => {}
        }
    }
}

pub(super) fn brotli(body: &[u8], limit: usize) -> Result<Vec<u8>, DecodeError> {
    let alloc = StandardAlloc::default;
    // strict: without the windows of up to 1 GiB that are no part of the format on the web
    let mut state = BrotliState::new_strict(alloc(), alloc(), alloc());
    let (mut output, mut step) = (Output::new(limit), [0; STEP]);
    let (mut left, mut taken, mut total) = (body.len(), 0, 0);
    loop {
        let (mut room, mut given) = (STEP, 0);
        let result = BrotliDecompressStream(
            &mut left, &mut taken, body, &mut room, &mut given, &mut step, &mut total, &mut state,
        );
        output.push(step.get(..given).unwrap_or_default())?;
        match result {
            BrotliResult::ResultSuccess if left == 0 => return Ok(output.bytes),
            BrotliResult::ResultSuccess => return Err(damaged("br", &GOES_ON)),
            BrotliResult::NeedsMoreOutput => {}
            BrotliResult::NeedsMoreInput => return Err(damaged("br", &BREAKS_OFF)),
            BrotliResult::ResultFailure => return Err(damaged("br", &"it is not brotli, or damaged")),
        }
    }
}

pub(super) fn zstd(body: &[u8], limit: usize) -> Result<Vec<u8>, DecodeError> {
    let mut decoder = FrameDecoder::new();
    decoder.set_max_window_size(ZSTD_WINDOW.max(limit as u64));
    let mut output = Output::new(limit);
    let mut rest = body;
    while !rest.is_empty() {
        match decoder.init(&mut rest) {
            Ok(()) => frame(&mut decoder, &mut rest, &mut output)?,
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                let after = usize::try_from(length).ok().and_then(|length| rest.get(length..));
                rest = after.ok_or_else(|| damaged("zstd", &BREAKS_OFF))?;
            }
            Err(error) => return Err(damaged("zstd", &error)),
        }
    }
    Ok(output.bytes)
}

/// Unpacks the frame whose head was read.
fn frame(decoder: &mut FrameDecoder, rest: &mut &[u8], output: &mut Output) -> Result<(), DecodeError> {
    while !decoder.is_finished() {
        let decoded = decoder.decode_blocks(&mut *rest, BlockDecodingStrategy::UptoBytes(STEP));
        decoded.map_err(|error| damaged("zstd", &error))?;
        output.push(&decoder.collect().unwrap_or_default())?;
    }
    match decoder.get_checksum_from_data() {
        stated @ Some(_) if stated != decoder.get_calculated_checksum() => {
            Err(damaged("zstd", &"its checksum is another"))
        }
        _ => Ok(()),
    }
}
