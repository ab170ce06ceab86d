//! `quotefold verify`: a saved answer is recomputed, and a changed one is found out.

use std::io::Write;
use std::process::Stdio;

use crate::support::{Configuration, Ended, Program, get, run, start};

/// Runs `quotefold verify -` with this text on its stdin.
fn verify(text: impl AsRef<[u8]>) -> Ended {
    let mut command = start(&["verify", "-"], &[]);
    let mut program = command.stdin(Stdio::piped()).spawn().unwrap();
    program.stdin.take().unwrap().write_all(text.as_ref()).unwrap();
    let ended = program.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ended { code: ended.status.code(), stdout: text(ended.stdout), stderr: text(ended.stderr) }
}

#[test]
fn a_saved_answer_matches_and_a_changed_one_says_where_it_does_not() {
    let (_program, address) = Program::demo();
    let saved = get(address, "/prices?symbols=AAPL,BTC-USD,not%20one&timeout=10s").body;
    let matching = verify(&saved);
    assert_eq!((matching.code, matching.stderr.as_str()), (Some(0), ""), "{matching:?}");
    assert_eq!(matching.stdout.lines().count(), 3);
    assert!(matching.stdout.lines().all(|line| line.contains("  matches: ")), "{matching:?}");

    let answer: serde_json::Value = serde_json::from_str(&saved).unwrap();
    let price = answer["prices"][0]["price"].as_str().unwrap();
    let changed =
        saved.replacen(&format!("\"price\":\"{price}\",\"plus"), &format!("\"price\":\"1{price}\",\"plus"), 1);
    let differing = verify(&changed);
    assert_eq!(differing.code, Some(1), "{differing:?}");
    let expected = format!("  price: stated \"1{price}\", recomputed \"{price}\"");
    assert_eq!(differing.stdout.lines().nth(1), Some(expected.as_str()), "{differing:?}");
    assert!(differing.stdout.starts_with("AAPL  DIFFERS from what its "), "{differing:?}");
}

#[test]
fn a_file_that_another_system_wrote_is_read_as_the_text_that_it_is() {
    let (_program, address) = Program::demo();
    let saved = get(address, "/prices?symbols=AAPL&timeout=10s").body.replace('\n', "\r\n");
    let utf_16 = |order: fn(u16) -> [u8; 2]| format!("\u{feff}{saved}").encode_utf16().flat_map(order).collect();
    let files: [Vec<u8>; 3] =
        [format!("\u{feff}{saved}").into_bytes(), utf_16(u16::to_le_bytes), utf_16(u16::to_be_bytes)];
    for file in files {
        let verified = verify(&file);
        assert_eq!((verified.code, verified.stderr.as_str()), (Some(0), ""), "{verified:?}");
    }
    for broken in [&b"\x1f\x8b\x08\x00packed\xff"[..], b"{\"symbol\":\"\xff\"}"] {
        let refused = verify(broken);
        assert!(refused.code == Some(64) && refused.stderr.contains("not text in UTF-8 or UTF-16"), "{refused:?}");
    }
}

#[test]
fn a_file_of_lines_is_verified_and_what_is_no_answer_is_a_wrong_command_line() {
    let (_program, address) = Program::demo();
    let lines = Configuration::new(&get(address, "/prices?symbols=AAPL,MSFT&format=ndjson&timeout=10s").body);
    let verified = run(&["verify", lines.path()]);
    assert_eq!((verified.code, verified.stdout.lines().count()), (Some(0), 2), "{verified:?}");

    for (text, says) in [
        (
            get(address, "/prices?symbols=AAPL&quotes=false&timeout=10s").body,
            "AAPL has no quotes: save an answer without `quotes=false`",
        ),
        (get(address, "/prices?no=such").body, "this is not an answer with prices"),
        ("AAPL 231.38".to_owned(), "this is not JSON"),
        (String::new(), "this is not an answer with prices"),
    ] {
        let refused = verify(&text);
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(64), ""), "{refused:?}");
        assert!(refused.stderr.contains(says), "{refused:?}");
    }
    let missing = run(&["verify", "/nowhere/answer.json"]);
    assert!(missing.code == Some(64) && missing.stderr.contains("cannot read /nowhere/answer.json"), "{missing:?}");
}
