//! Bodies that are compressed, have a wrong content type, come from another address, or state times in another unit.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

use super::{Case, assert_priced, own, source_of, verdict};
use crate::support::{After, Call, Configuration, Program, start};

/// A reply, compressed with gzip.
fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn zlib(body: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn bare_deflate(body: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn brotli(body: &[u8]) -> Vec<u8> {
    let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4096, 5, 22);
    encoder.write_all(body).unwrap();
    encoder.into_inner()
}

fn zstd(body: &[u8]) -> Vec<u8> {
    zstd::encode_all(body, 3).unwrap()
}

/// Sends a reply in pieces of a few bytes.
fn in_pieces(call: &mut Call<'_>, headers: &str, body: &[u8]) -> After {
    call.raw(&format!("HTTP/1.1 200 OK\r\n{headers}Transfer-Encoding: chunked\r\n\r\n"));
    let mut chance = fastrand::Rng::with_seed(7);
    let mut rest = body;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(chance.usize(1..=rest.len().min(9)));
        call.raw(&format!("{:x}\r\n", piece.len()));
        call.bytes(piece);
        call.raw("\r\n");
        rest = behind;
    }
    call.raw("0\r\n\r\n");
    After::Keep
}

const PATIENT_SERVER: &str = "[server]\ntimeout = \"9s\"\n";

/// A source with a generous timeout.
fn patient(name: &str) -> String {
    format!("{}timeout = \"8s\"\n", own(name, "equity"))
}

/// A source's name, its headers, and how it encodes a body.
type Packed = (&'static str, &'static str, fn(&[u8]) -> Vec<u8>);

#[test]
fn compressed_replies_are_requested_and_any_encoding_is_read() {
    const BODY: &str = r#"{"p":"40.10","c":"USD"}"#;
    const SOURCES: [Packed; 12] = [
        ("gzip", "Content-Encoding: gzip\r\n", gzip),
        ("x-gzip", "Content-Encoding: X-GZIP\r\n", gzip),
        ("zlib", "Content-Encoding: deflate\r\n", zlib),
        ("bare", "Content-Encoding: deflate\r\n", bare_deflate),
        ("brotli", "Content-Encoding: br\r\n", brotli),
        ("zstd", "Content-Encoding: zstd\r\n", zstd),
        ("twice", "Content-Encoding: gzip, br\r\n", |body| brotli(&gzip(body))),
        // compressed, without saying so
        ("unnamed", "Content-Type: application/json\r\n", gzip),
        // decompressed on the way, but still labelled as compressed
        ("unpacked", "Content-Encoding: gzip\r\n", <[u8]>::to_vec),
        ("misnamed", "Content-Encoding: utf-8\r\n", <[u8]>::to_vec),
        ("html", "Content-Type: text/html; charset=utf-8\r\n", <[u8]>::to_vec),
        ("marked", "Content-Type: application/json\r\n", |body| [b"\xEF\xBB\xBF", body].concat()),
    ];
    let sources: String = SOURCES.iter().map(|(name, ..)| patient(name)).collect();
    let packed = SOURCES.map(|(name, headers, pack)| (name, headers, pack(BODY.as_bytes())));
    let case = Case::new(&format!("{PATIENT_SERVER}{sources}"), move |call| {
        let source = source_of(call).to_owned();
        let (_, headers, body) = packed.iter().find(|(name, ..)| *name == source).unwrap();
        in_pieces(call, headers, body)
    });
    let entry = case.entry("AAPL");
    for (source, ..) in SOURCES {
        assert_eq!(verdict(&entry, source), "used", "{source}: {entry:#}");
    }
    assert_priced(&entry, Some("40.1"), Some("USD"), "ok");
    for head in case.vendors.heads() {
        assert!(head.to_ascii_lowercase().contains("accept-encoding: gzip, deflate, br, zstd\r\n"), "{head}");
    }
}

#[test]
fn json_labelled_as_html_is_read_from_a_catalogue_source_too() {
    let case = Case::new("[sources.coinbase]\nbase_url = \"http://VENDORS\"\n", |call| {
        let body = r#"{"trade_id":1,"price":"58123.4","size":"0.1","bid":"58123","ask":"58124","volume":"1207.5"}"#;
        call.reply(200, "Content-Type: text/html\r\n", body)
    });
    let entry = case.entry("BTC-USD");
    let quote = &entry["quotes"][0];
    assert_eq!((&quote["source"], &quote["price"]), (&"coinbase".into(), &"58123.4".into()), "{entry:#}");
}

#[test]
fn a_source_with_its_own_accept_encoding_is_asked_for_that() {
    let source = format!("{}headers = {{ Accept-Encoding = \"identity\" }}\n", own("a", "equity"));
    let case = Case::new(&source, |call| call.json(r#"{"p":"40.1"}"#));
    assert_eq!(verdict(&case.entry("AAPL"), "a"), "used");
    let heads = case.vendors.heads();
    let asked = heads[0].lines().filter(|line| line.to_ascii_lowercase().starts_with("accept-encoding"));
    assert_eq!(asked.collect::<Vec<_>>(), ["accept-encoding: identity"]);
}

#[test]
fn a_body_that_cannot_be_unpacked_costs_one_quote() {
    const BODY: &str = r#"{"p":"1","c":"USD"}"#;
    const TOO_LONG: &str = "failed / too_large";
    const SOURCES: [(Packed, &str, &str); 9] = [
        (
            ("cut", "Content-Encoding: gzip\r\n", |body| gzip(body)[..20].to_vec()),
            "failed / malformed",
            "gzip: it breaks off",
        ),
        (
            ("cut-br", "Content-Encoding: br\r\n", |body| brotli(body)[..20].to_vec()),
            "failed / malformed",
            "br: it breaks off",
        ),
        (("false", "Content-Encoding: br\r\n", gzip), "failed / malformed", "as br"),
        (("flipped", "Content-Encoding: gzip\r\n", flipped), "failed / malformed", "as gzip"),
        (("other", "Content-Encoding: dcb\r\n", brotli), "failed / malformed", "encoded as \"dcb\""),
        (
            ("deep", "Content-Encoding: gzip\r\n", |body| gzip(&gzip(&gzip(&gzip(body))))),
            "failed / malformed",
            "3 times",
        ),
        (("bomb", "Content-Encoding: gzip\r\n", |_| gzip(&vec![b' '; 20 << 20])), TOO_LONG, "max_body = 262144 bytes"),
        (
            ("bomb-br", "Content-Encoding: br\r\n", |_| brotli(&vec![b' '; 20 << 20])),
            TOO_LONG,
            "max_body = 262144 bytes",
        ),
        (
            ("bomb-zstd", "Content-Encoding: zstd\r\n", |_| zstd(&vec![b' '; 20 << 20])),
            TOO_LONG,
            "max_body = 262144 bytes",
        ),
    ];
    fn flipped(body: &[u8]) -> Vec<u8> {
        let mut packed = gzip(body);
        packed[15] ^= 4;
        packed
    }
    let names = SOURCES.iter().map(|((name, ..), ..)| *name).chain(["honest", "sister"]);
    let sources: String = names.map(patient).collect();
    let packed = SOURCES.map(|((name, headers, pack), ..)| (name, headers, pack(BODY.as_bytes())));
    let case = Case::new(&format!("{PATIENT_SERVER}{sources}"), move |call| {
        let source = source_of(call).to_owned();
        match packed.iter().find(|(name, ..)| *name == source) {
            Some((_, headers, body)) => in_pieces(call, headers, body),
            None => call.json(r#"{"p":"40.1","c":"USD"}"#),
        }
    });
    let entry = case.entry("AAPL");
    assert_priced(&entry, Some("40.1"), Some("USD"), "ok");
    for ((source, ..), said, words) in SOURCES {
        assert_eq!(verdict(&entry, source), said, "{source}: {entry:#}");
        let quotes = entry["quotes"].as_array().unwrap();
        let detail = quotes.iter().find(|quote| quote["source"] == source).unwrap()["detail"].as_str().unwrap();
        assert!(detail.contains(words), "{source}: {detail}");
    }
    assert_eq!(case.get("/health/live").status, 200);
}

#[test]
fn a_status_counts_even_if_its_body_cannot_be_read() {
    let case = Case::new(&own("a", "equity"), |call| {
        call.raw("HTTP/1.1 429 Said\r\nRetry-After: 7\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n");
        call.bytes(&[0x1f, 0x8b, 8, 0]);
        After::Keep
    });
    assert_eq!(verdict(&case.entry("AAPL"), "a"), "failed / rate_limited");
}

#[test]
fn a_redirect_names_its_target_and_says_what_to_do() {
    let source = "[sources.a]\nclasses = [\"equity\"]\nkey = \"s3cret\"\nurl = \"http://VENDORS/{key}/{symbol}\"\n\
                  jq = \"{price: .p}\"\n";
    let redirecting = || {
        Case::new(source, |call| {
            let location = match call.target().rsplit('/').next().unwrap_or_default() {
                "AAPL" => "https://new.test/v2/s3cret/AAPL?token=s3cret#x",
                _ => "/login?back=MSFT",
            };
            call.reply(301, &format!("Location: {location}\r\n"), "<html>moved</html>")
        })
    };
    let detail = |case: &Case, symbol: &str| {
        let entry = case.entry(symbol);
        assert_eq!(verdict(&entry, "a"), "failed / http_status");
        entry["quotes"][0]["detail"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        detail(&redirecting(), "AAPL"),
        "the source replied with status 301: a redirect to https://new.test/v2/***/AAPL, which is not followed; if the \
         source has moved there, name that address in its url or base_url"
    );
    let case = redirecting();
    assert!(detail(&case, "MSFT").contains(&format!("a redirect to http://{}/login, which", case.vendors.address)));
}

#[test]
fn milliseconds_in_the_field_for_seconds_hint_at_the_other_field() {
    let case = Case::of_own("equity", &[("a", r#"{"p":"40.1","t":1764340000123}"#)]);
    let entry = case.entry("AAPL");
    assert_eq!(verdict(&entry, "a"), "failed / malformed");
    let detail = entry["quotes"][0]["detail"].as_str().unwrap();
    let hint = "`at` is \"1764340000123\", which is not a time of a quote in seconds; in milliseconds it would be \
                2025-11-28T14:26:40Z: name it `at_ms`";
    assert!(detail.contains(hint), "{detail}");
    // `check` says the same
    let configuration = own("a", "equity").replace("VENDORS", &case.vendors.address.to_string());
    let configuration = Configuration::new(&configuration);
    let arguments = ["check", "a", "AAPL", "--live", "--config", configuration.path()];
    let ended = Program::new(&mut start(&arguments, &[])).ended();
    assert!(ended.stdout.contains("name it `at_ms`"), "{}\n{}", ended.stdout, ended.stderr);
}
