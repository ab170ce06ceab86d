//! The program on a terminal: what it shows fits, and what it draws over and over leaves the terminal as it was.
//!
//! `script` runs a command on a terminal of its own, and writes what that shows to its own stdout.

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr;

use crate::support::{Configuration, Program, Upstream, get, post, start, until};

const HIDE_CURSOR: &str = "\u{1b}[?25l";
const SHOW_CURSOR: &str = "\u{1b}[?25h";

/// The program with these arguments on a terminal of this many columns; at its end, the terminal shows the exit code.
fn on_a_terminal(columns: usize, before: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Program {
    let program = env!("CARGO_BIN_EXE_quotefold");
    let quoted: Vec<String> = arguments.iter().map(|argument| format!("'{argument}'")).collect();
    let line = format!("stty cols {columns} rows 40; {before} '{program}' {}; echo \"code $?\"", quoted.join(" "));
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    command.env_clear().env("PATH", path).env("SHELL", "/bin/sh").env("TERM", "xterm").envs(variables.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).current_dir(std::env::temp_dir());
    Program::new(&mut command)
}

/// What the terminal shows until the program has ended, without the carriage returns.
fn shown(columns: usize, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    on_a_terminal(columns, "", arguments, variables).ended().stdout.replace('\r', "")
}

/// A text without the codes for colours.
fn without_colours(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    first + &parts.map(|part| part.split_once('m').map_or(part, |(_, rest)| rest)).collect::<String>()
}

fn assert_fits(text: &str, columns: usize) {
    for line in without_colours(text).lines() {
        assert!(line.width() <= columns, "wider than {columns}: {line:?}\n{text}");
    }
}

/// The demo, with whole answers.
fn demo() -> (Program, String) {
    let (program, address) = Program::demo();
    until("a whole answer", || get(address, "/prices?symbols=AAPL,MSFT").header("prices-status") == Some("complete"));
    (program, format!("http://{address}"))
}

#[test]
fn get_fits_terminals_of_every_width_and_its_sentences_are_whole() {
    let (_program, url) = demo();
    for columns in [50, 80, 120, 200] {
        let text = shown(columns, &["get", "AAPL", "MSFT", "NOSUCH9", "--url", &url], &[]);
        let table = text.split_once("SYMBOL").expect("a table").1;
        assert_fits(table, columns);
        let words = without_colours(&text).split_whitespace().collect::<Vec<_>>().join(" ");
        let sentence = "NOSUCH9: \"NOSUCH9\" is not spelled like a symbol; write AAPL, BRK.B, VOD.L, ^GSPC, BTC-USD, EURUSD=X or an ISIN";
        assert!(words.contains(sentence) && words.ends_with("code 1"), "{text}");
        assert!(text.contains("\u{1b}[32mok\u{1b}[0m"), "{text}");
    }
}

#[test]
fn a_single_symbol_has_a_row_for_each_source() {
    let (_program, url) = demo();
    assert_eq!(post(url.trim_start_matches("http://").parse().unwrap(), "/demo/alpha/lie").status, 200);
    until("alpha is excluded", || {
        let text = without_colours(&shown(80, &["get", "AAPL", "--url", &url], &[]));
        let row = |source: &str| text.lines().find(|line| line.starts_with(source)).unwrap_or_default().to_owned();
        assert_fits(text.split_once("SYMBOL").expect("a table").1, 80);
        row("alpha").contains(" excluded ") && row("alpha").contains(" outlier: ") && row("beta").contains(" used ")
    });
}

#[test]
fn there_are_no_colours_where_they_are_not_wanted_or_not_known() {
    let (_program, url) = demo();
    for variables in [[("NO_COLOR", "1"), ("LANG", "C")], [("TERM", "dumb"), ("LANG", "C")]] {
        let text = shown(80, &["get", "AAPL", "--url", &url], &variables);
        assert!(text.contains("SYMBOL") && !text.contains('\u{1b}'), "{variables:?}: {text}");
    }
    let wide = shown(200, &["get", "AAPL", "NOSUCH9", "--url", &url], &[("COLUMNS", "50")]);
    assert_fits(wide.split_once("SYMBOL").expect("a table").1, 50);
}

#[test]
fn on_a_terminal_the_other_commands_show_what_fits_and_all_shows_the_rest() {
    for (command, rest) in
        [("sources", "https://finnhub.io/register"), ("config", "max_connections"), ("check", "kraken: ok")]
    {
        let some = shown(80, &[command], &[]);
        assert_fits(&some, 80);
        assert!(some.contains("--all") && !some.contains(rest) && some.contains("code 0"), "{command}: {some}");
        let all = shown(80, &[command, "--all"], &[]);
        assert!(all.contains(rest) && all.contains("code 0"), "{command}: {all}");
    }
}

#[test]
fn a_watch_draws_over_what_it_has_drawn_and_ctrl_c_gives_the_cursor_back() {
    let (_program, url) = demo();
    let interrupt = "timeout --foreground --preserve-status --signal=INT 3";
    let ended = on_a_terminal(80, interrupt, &["get", "AAPL", "BTC-USD", "--watch=1s", "--url", &url], &[]).ended();
    let text = ended.stdout.replace('\r', "");
    assert!(text.matches("SYMBOL").count() >= 2 && text.contains("Ctrl-C ends"), "{text:?}");
    assert!(
        text.contains("\u{1b}[5F") || text.contains("\u{1b}[6F") || text.contains("\u{1b}[7F"),
        "it goes back: {text:?}"
    );
    assert!(text.contains("CHANGE") && ["↑", "↓", "="].iter().any(|sign| text.contains(sign)), "{text:?}");
    let (hidden, back) = (text.find(HIDE_CURSOR), text.rfind(SHOW_CURSOR));
    assert!(hidden.is_some() && back > hidden, "{text:?}");
    assert!(text.trim_end().ends_with("code 130"), "{text:?}");
}

#[test]
fn a_watch_elsewhere_appends_blocks_until_a_signal() {
    let (_demo, url) = demo();
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let watch = Program::new(&mut start(&["get", "AAPL", "MSFT", "--watch=1s", "--url", &url], &[]));
        until("two blocks", || watch.said_on_stdout().matches("SYMBOL").count() >= 2);
        watch.signal(name);
        let ended = watch.ended();
        assert_eq!(ended.code, Some(code), "{ended:?}");
        assert!(!ended.stdout.contains('\u{1b}') && ended.stderr.contains(&format!("answered by {url}")), "{ended:?}");
        let first = ended.stdout.split("\n\n").next().unwrap();
        let lines: Vec<&str> = first.lines().collect();
        assert!(lines[0].starts_with("# 20") && lines[0].ends_with('Z') && lines[1].starts_with("SYMBOL"), "{first}");
        assert!(lines[2].starts_with("AAPL ") && lines[3].starts_with("MSFT ") && lines.len() == 4, "{first}");
    }
}

#[test]
fn a_watch_says_that_the_server_is_gone_and_goes_on() {
    let (demo, address) = Program::demo();
    let url = format!("http://{address}");
    until("an answer", || get(address, "/prices?symbols=AAPL").status == 200);
    let watch = Program::new(&mut start(&["get", "AAPL", "--watch=1s", "--url", &url], &[]));
    until("a block", || watch.said_on_stdout().contains("AAPL"));
    drop(demo);
    until("it says so", || watch.said_on_stderr().contains("no quotefold at"));
    let said = watch.said_on_stderr();
    std::thread::sleep(Duration::from_millis(2_500));
    assert_eq!(watch.said_on_stderr(), said, "it does not say the same again");
    let listen = address.to_string();
    let again = Program::new(&mut start(&["demo", "--quiet", "--listen", &listen], &[]));
    again.ready();
    until("it is back", || watch.said_on_stderr().matches("answered by").count() == 2);
    watch.signal("INT");
    assert_eq!(watch.ended().code, Some(130));
}

#[test]
fn a_watch_without_a_reader_ends() {
    let vendor = Upstream::quoting("100");
    let sources = format!("{}{}", vendor.source("a", ""), vendor.source("b", ""));
    let (_program, address) = Program::serve(&Configuration::new(&sources), &[]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let url = format!("http://{address}");
    let ended = Program::new(start(&["get", "BTC-USD", "--watch=1s", "--url", &url], &[]).stdout(writer)).ended();
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn a_watch_that_sees_nothing_at_first_ends_like_a_single_look() {
    let url = format!("http://{}", crate::support::NOBODY);
    let ended = crate::support::run(&["get", "AAPL", "--watch", "--url", &url]);
    assert_eq!(ended.code, Some(69), "{ended:?}");
    for wrong in ["--watch=1ms", "--watch=soon", "--watch=0s"] {
        assert_eq!(crate::support::run(&["get", "AAPL", wrong]).code, Some(64), "{wrong}");
    }
    assert_eq!(crate::support::run(&["get", "AAPL", "--watch", "--json"]).code, Some(64));
}

#[test]
fn a_format_is_asked_of_the_server_and_its_body_is_printed_as_it_came() {
    let body = "symbol,price\r\nAAPL,1\r\n";
    let server = Upstream::new(move |call| {
        let head = "Prices-Status: partial\r\nContent-Type: text/csv\r\n";
        if call.target().ends_with("&format=csv") { call.reply(200, head, body) } else { call.reply(400, "", "") }
    });
    let url = format!("http://{}", server.address);
    let mut command = start(&["get", "AAPL", "--format", "csv", "--url", &url], &[]);
    let output = command.output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stdout).unwrap().as_str()), (Some(1), body));
    // JSON is what a server answers by itself, so even an old one can be asked for it
    let answer: Value = json!({ "status": "complete", "prices": [] });
    let text = answer.to_string();
    let server = Upstream::new(move |call| {
        assert!(!call.target().contains("format"), "{}", call.target());
        call.reply(200, "Prices-Status: complete\r\nContent-Type: application/json\r\n", &text)
    });
    let url = format!("http://{}", server.address);
    let [format, json] = [&["--format", "json"][..], &["--json"]]
        .map(|option| crate::support::run(&[&["get", "AAPL", "--url", &url][..], option].concat()));
    assert_eq!((format.code, &format.stdout), (Some(0), &json.stdout), "{format:?}");
}
