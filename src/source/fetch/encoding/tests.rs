use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

const LIMIT: usize = 64 << 10;

/// How a vendor may pack a body.
#[derive(Clone, Copy, Debug)]
enum Packer {
    Gzip { level: u32 },
    Zlib { level: u32 },
    Bare { level: u32 },
    Brotli { quality: u32, window: u32 },
    Zstd { level: i32, checksum: bool },
}

impl Packer {
    fn pack(self, body: &[u8]) -> Vec<u8> {
        match self {
            Packer::Gzip { level } => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
                encoder.write_all(body).unwrap();
                encoder.finish().unwrap()
            }
            Packer::Zlib { level } => {
                let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(level));
                encoder.write_all(body).unwrap();
                encoder.finish().unwrap()
            }
            Packer::Bare { level } => {
                let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(level));
                encoder.write_all(body).unwrap();
                encoder.finish().unwrap()
            }
            Packer::Brotli { quality, window } => {
                let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4096, quality, window);
                encoder.write_all(body).unwrap();
                encoder.into_inner()
            }
            Packer::Zstd { level, checksum } => {
                let mut encoder = zstd::stream::Encoder::new(Vec::new(), level).unwrap();
                encoder.include_checksum(checksum).unwrap();
                encoder.write_all(body).unwrap();
                encoder.finish().unwrap()
            }
        }
    }

    fn coding(self) -> Coding {
        match self {
            Packer::Gzip { .. } => Coding::Gzip,
            Packer::Zlib { .. } | Packer::Bare { .. } => Coding::Deflate,
            Packer::Brotli { .. } => Coding::Brotli,
            Packer::Zstd { .. } => Coding::Zstd,
        }
    }

    /// Whether the format can tell that a bit was flipped on the way.
    fn is_checked(self) -> bool {
        matches!(self, Packer::Gzip { .. } | Packer::Zlib { .. } | Packer::Zstd { checksum: true, .. })
    }
}

fn packers() -> impl Strategy<Value = Packer> {
    prop_oneof![
        (0..10_u32).prop_map(|level| Packer::Gzip { level }),
        (0..10_u32).prop_map(|level| Packer::Zlib { level }),
        (0..10_u32).prop_map(|level| Packer::Bare { level }),
        (0..12_u32, 10..25_u32).prop_map(|(quality, window)| Packer::Brotli { quality, window }),
        (-5..20_i32, any::<bool>()).prop_map(|(level, checksum)| Packer::Zstd { level, checksum }),
    ]
}

/// Bodies that hardly pack at all, and bodies that do so well.
fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let row = r#"{"symbol":"BTC-USD","price":"58123.45"},"#;
    prop_oneof![
        prop::collection::vec(any::<u8>(), 1..3_000),
        (1..800_usize).prop_map(move |rows| row.repeat(rows).into_bytes()),
        (prop::collection::vec(0..4_u8, 1..40), 1..500_usize).prop_map(|(some, times)| some.repeat(times)),
    ]
}

fn named(header: &str) -> Vec<Coding> {
    codings(&HeaderMap::from_iter([(CONTENT_ENCODING, header.parse().unwrap())]))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn whatever_was_packed_is_unpacked(packer in packers(), body in bodies()) {
        let packed = packer.pack(&body);
        prop_assert_eq!(decode(&packed, &[packer.coding()], LIMIT), Ok(body));
    }

    #[test]
    fn whatever_was_packed_twice_is_unpacked_twice(inner in packers(), outer in packers(), body in bodies()) {
        let packed = outer.pack(&inner.pack(&body));
        prop_assert_eq!(decode(&packed, &[inner.coding(), outer.coding()], LIMIT), Ok(body));
    }

    #[test]
    fn a_body_that_breaks_off_is_never_taken_for_a_whole_one(packer in packers(), body in bodies(), end in any::<Index>()) {
        let packed = packer.pack(&body);
        let cut = &packed[..end.index(packed.len())];
        match decode(cut, &[packer.coding()], LIMIT) {
            Err(DecodeError::Damaged { .. }) => {}
            // too short to be anything but text, and shown as the text it is
            Ok(same) => prop_assert!(same == cut && is_text(cut)),
            Err(other) => prop_assert!(false, "{other}"),
        }
    }

    #[test]
    fn a_flipped_bit_is_noticed_wherever_the_format_can(packer in packers(), body in bodies(), at in any::<Index>(), bit in 0..8_u8) {
        let mut packed = packer.pack(&body);
        let at = at.index(packed.len());
        packed[at] ^= 1_u8 << bit;
        if let Ok(unpacked) = decode(&packed, &[packer.coding()], LIMIT) {
            prop_assert!(unpacked.len() <= LIMIT);
            // brotli and bare deflate have no checksum
            prop_assert!(!packer.is_checked() || unpacked == body);
        }
    }

    #[test]
    fn nothing_behind_the_end_is_let_through(packer in packers(), body in bodies(), more in prop::collection::vec(1..255_u8, 1..9)) {
        let packed = [packer.pack(&body), more].concat();
        prop_assert!(decode(&packed, &[packer.coding()], LIMIT).is_err());
    }

    #[test]
    fn not_a_byte_more_than_the_limit_is_unpacked(packer in packers(), body in bodies(), limit in any::<Index>()) {
        let limit = limit.index(body.len());
        prop_assert_eq!(decode(&packer.pack(&body), &[packer.coding()], limit), Err(DecodeError::TooLong));
    }

    #[test]
    fn any_bytes_under_any_name_are_a_failure_or_a_body_within_the_limit(
        bytes in prop::collection::vec(any::<u8>(), 0..2_000),
        magic in prop::sample::select(vec![&b""[..], b"\x1f\x8b\x08\x00", b"\x28\xb5\x2f\xfd", b"\x78\x9c", b"\x1b"]),
        header in prop::sample::select(vec!["gzip", "deflate", "br", "zstd", "x-gzip, br", "utf-8", "deflate, gzip, zstd"]),
    ) {
        let body = [magic, &bytes].concat();
        if let Ok(unpacked) = decode(&body, &named(header), 1_000.max(body.len())) {
            prop_assert!(unpacked.len() <= 1_000.max(body.len()));
        }
    }
}

#[test]
fn the_header_is_read_whatever_its_case_and_however_many_there_are() {
    assert_eq!(named("GZip"), [Coding::Gzip]);
    assert_eq!(named("x-gzip , identity,, br"), [Coding::Gzip, Coding::Brotli]);
    let mut headers = HeaderMap::new();
    headers.append(CONTENT_ENCODING, "deflate".parse().unwrap());
    headers.append(CONTENT_ENCODING, "zstd".parse().unwrap());
    assert_eq!(codings(&headers), [Coding::Deflate, Coding::Zstd]);
    assert_eq!(named("UTF-8"), [Coding::Other("utf-8".to_owned())]);
    assert!(codings(&HeaderMap::new()).is_empty());
}

#[test]
fn the_first_bytes_outweigh_the_header() {
    let body = br#"{"p":"1"}"#;
    let gzip = Packer::Gzip { level: 6 }.pack(body);
    let zstd = Packer::Zstd { level: 3, checksum: true }.pack(body);
    for codings in [&[][..], &[Coding::Deflate], &[Coding::Gzip], &[Coding::Zstd], &[Coding::Other("utf-8".into())]] {
        for packed in [&gzip, &zstd] {
            assert!(is_packed(packed, codings));
            assert_eq!(decode(packed, codings, LIMIT).unwrap(), body, "{codings:?}");
        }
    }
    // a file that was packed long ago, and packed again on the way
    assert_eq!(decode(&Packer::Zlib { level: 9 }.pack(&gzip), &[Coding::Deflate], LIMIT).unwrap(), body);
}

#[test]
fn text_that_is_said_to_be_packed_was_unpacked_on_the_way() {
    for text in ["[{\"s\":\"BTC-USD\",\"p\":\"1\"}]", "symbol,price\r\nA,1\r\n", "<a>\u{e9}</a>", ""] {
        for header in ["gzip", "deflate", "br", "zstd", "utf-8", "none"] {
            assert_eq!(decode(text.as_bytes(), &named(header), LIMIT).unwrap(), text.as_bytes(), "{header}");
        }
    }
    let binary = [0xff, 0, 1, 2];
    let error = decode(&binary, &named("dcb"), LIMIT).unwrap_err();
    assert_eq!(error.to_string(), "the reply is encoded as \"dcb\", which was not asked for (gzip, deflate, br, zstd)");
    assert!(!is_packed(b"{}", &[]) && !is_packed(b"", &named("gzip")));
}

#[test]
fn megabytes_in_a_few_hundred_bytes_are_not_unpacked() {
    let zeros = vec![0; 8 << 20];
    for packer in [
        Packer::Gzip { level: 6 },
        Packer::Bare { level: 6 },
        Packer::Brotli { quality: 5, window: 22 },
        Packer::Zstd { level: 3, checksum: false },
    ] {
        let bomb = packer.pack(&zeros);
        assert_eq!(decode(&bomb, &[packer.coding()], LIMIT), Err(DecodeError::TooLong), "{packer:?}");
        // nor is one that hides in another
        let hidden = Packer::Gzip { level: 6 }.pack(&bomb);
        assert_eq!(decode(&hidden, &[packer.coding(), Coding::Gzip], 1 << 20), Err(DecodeError::TooLong), "{packer:?}");
    }
}

#[test]
fn a_body_is_unpacked_three_times_over_and_not_four_times() {
    let once = |body: Vec<u8>| Packer::Gzip { level: 6 }.pack(&body);
    let three = once(once(once(b"{}".to_vec())));
    assert_eq!(decode(&three, &[], LIMIT).unwrap(), b"{}");
    assert_eq!(decode(&once(three), &[], LIMIT), Err(DecodeError::TooManyLayers));
}

#[test]
fn several_members_and_frames_are_one_body() {
    for packer in [Packer::Gzip { level: 6 }, Packer::Zstd { level: 3, checksum: true }] {
        let both = [packer.pack(b"[1,"), packer.pack(b"2]")].concat();
        assert_eq!(decode(&both, &[packer.coding()], LIMIT).unwrap(), b"[1,2]");
    }
    // a frame that decoders have to skip
    let skipped =
        [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3], &Packer::Zstd { level: 3, checksum: false }.pack(b"1")[..]];
    assert_eq!(decode(&skipped.concat(), &[Coding::Zstd], LIMIT).unwrap(), b"1");
}
