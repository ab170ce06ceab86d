//! What outlives a restart, even an unclean one.

use std::time::{Duration, Instant};

use crate::support::{After, Configuration, Ended, Folder, Program, Upstream, get, left, rows, run, start, until};

fn terminated(program: Program) -> Ended {
    program.signal("TERM");
    let ended = program.ended();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended
}

#[test]
fn an_orderly_shutdown_saves_the_last_second_too() {
    let (folder, upstream) = (Folder::new(), Upstream::quoting("100"));
    let configuration = folder.configuration(&upstream.source("a", "limits = [\"25/day\"]"));
    let (program, address) = Program::serve(&configuration, &[]);
    let first = get(address, "/prices?symbols=AAPL");
    assert_eq!(left(address), 24);
    let ended = terminated(program);
    assert!(ended.stderr.contains("there is no state yet"), "{}", ended.stderr);
    assert_eq!(folder.names(), ["state.json", "state.json.lock"]);

    let (program, address) = Program::serve(&configuration, &[]);
    assert_eq!(left(address), 24);
    let second = get(address, "/prices?symbols=AAPL");
    assert_eq!(upstream.calls(), 1, "the quote is still young enough");
    for field in ["price", "received_at", "observed_at", "latency_ms"] {
        assert_eq!(first.quote("AAPL", "a")[field], second.quote("AAPL", "a")[field], "{field}");
    }
    let ended = terminated(program);
    for words in ["state restored", "\"quotes\":1", "\"accounts_spent\":1", "\"cooldowns\":0"] {
        assert!(ended.stderr.contains(words), "{words} in {}", ended.stderr);
    }
}

#[test]
fn an_unusable_state_is_set_aside_with_a_warning() {
    let (folder, upstream) = (Folder::new(), Upstream::quoting("100"));
    let configuration = folder.configuration(&upstream.source("a", "limits = [\"25/day\"]"));
    let contents = [
        ("{\"version\":1,\"saved_at\":\"2026-11", "it ends too early at line 1, column 32", ""),
        ("{\"version\":2}", "its version is 2; this program reads version 1", ".2"),
    ];
    for (content, why, number) in contents {
        std::fs::write(folder.file(), content).unwrap();
        let (program, address) = Program::serve(&configuration, &[]);
        assert_eq!(left(address), 25);
        get(address, "/prices?symbols=AAPL&refresh_after=0s");
        let ended = terminated(program);
        let line = ended.stderr.lines().find(|line| line.contains("set aside")).unwrap_or_default();
        let aside = format!("state.json.unreadable{number}");
        for words in ["WARN", why, &aside] {
            assert!(line.contains(words), "{words} in {}", ended.stderr);
        }
        assert_eq!(std::fs::read_to_string(folder.0.join(aside)).unwrap(), content);
        assert_eq!(folder.spent(), 1, "and a new one is kept");
        std::fs::remove_file(folder.file()).unwrap();
    }
}

#[test]
fn another_programs_file_ends_the_start_is_kept_and_not_printed() {
    let (folder, upstream) = (Folder::new(), Upstream::quoting("100"));
    let configuration = folder.configuration(&upstream.source("a", ""));
    let secret = "sk-live-4f9d8a7b";
    let long = format!("{{\"version\":\"{secret}\",\"saved_at\":\"{}\"}}", secret.repeat(100_000));
    for content in [&format!("key = \"{secret}\"\n"), &format!("[{{\"password\":\"{secret}\"}}]"), &long, ""] {
        std::fs::write(folder.file(), content).unwrap();
        let ended = run(&["serve", "--config", configuration.path(), "--listen", "127.0.0.1:0"]);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(78), ""), "{}", ended.stderr);
        assert!(std::fs::read_to_string(folder.file()).unwrap() == *content, "it was changed");
        assert_eq!(folder.names(), ["state.json"], "no file is created beside another program's file");
        assert!(!ended.stderr.contains(secret) && ended.stderr.len() < 1_000, "{:.2000}", ended.stderr);
        for words in ["state.path", "state.json", "line 1, column", "set another path"] {
            assert!(ended.stderr.contains(words), "{words} in {}", ended.stderr);
        }
    }
}

#[test]
fn a_configuration_that_keeps_the_state_in_itself_is_refused_and_stays() {
    let configuration = Configuration::new("");
    let text = format!("[state]\npath = {:?}\n{}", configuration.path(), Upstream::quoting("1").source("a", ""));
    std::fs::write(configuration.path(), &text).unwrap();
    let ended = run(&["serve", "--config", configuration.path(), "--listen", "127.0.0.1:0"]);
    assert_eq!(ended.code, Some(78), "{}", ended.stderr);
    assert_eq!(std::fs::read_to_string(configuration.path()).unwrap(), text);
}

#[test]
fn a_state_from_the_future_counts_as_one_of_now_and_is_logged() {
    let (folder, upstream) = (Folder::new(), Upstream::quoting("100"));
    let configuration = folder.configuration(&upstream.source("a", "limits = [\"25/day\"]"));
    let tomorrow = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24);
    let quote = format!(r#"{{"source":"a","symbol":"AAPL","price":"1","received_at":"{tomorrow}","latency_ms":1}}"#);
    let account = format!(
        r#"{{"spent":[[{},5]],"cooldown":null,"refused":{{"rate_limited":0,"quota_exhausted":0,"unauthorized":0}}}}"#,
        tomorrow.as_second()
    );
    let text = format!(r#"{{"version":1,"saved_at":"{tomorrow}","accounts":{{"a":{account}}},"quotes":[{quote}]}}"#);
    std::fs::write(folder.file(), text).unwrap();
    let (program, address) = Program::serve(&configuration, &[]);
    let limits = get(address, "/sources").json()["sources"][0]["limits"].clone();
    assert_eq!((&limits[0]["left"], &limits[1]["left"]), (&20.into(), &0.into()));
    let ended = terminated(program);
    assert!(ended.stderr.contains("the clock has been set back"), "{}", ended.stderr);
    assert!(ended.stderr.contains("\"dropped\":1"), "{}", ended.stderr);
}

#[test]
fn a_path_that_cannot_be_written_is_a_wrong_configuration() {
    let upstream = Upstream::quoting("100");
    for (path, way_out) in [
        ("/nonexistent/state.json", "there is no folder /nonexistent; create it"),
        // not even root may write there
        ("/proc/state.json", "allow this user to write there, or set another path"),
        ("/tmp", "is not a file"),
    ] {
        let text = format!("[state]\npath = {path:?}\n{}", upstream.source("a", ""));
        let configuration = Configuration::new(&text);
        let ended = run(&["serve", "--config", configuration.path(), "--listen", "127.0.0.1:0"]);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(78), ""), "{ended:?}");
        for words in ["state.path", path, way_out] {
            assert!(ended.stderr.contains(words), "{words} in {}", ended.stderr);
        }
    }
}

#[test]
fn a_disk_that_fails_later_is_logged_once_and_the_service_goes_on() {
    let (folder, upstream) = (Folder::new(), Upstream::quoting("100"));
    let configuration = folder.configuration(&upstream.source("a", "limits = [\"100000/day\"]"));
    let (program, address) = Program::serve(&configuration, &[]);
    let ask = || assert_eq!(get(address, "/prices?symbols=AAPL&refresh_after=0s").status, 200);
    ask();
    until("the state is written", || folder.file().exists());
    let elsewhere = folder.0.with_extension("elsewhere");
    std::fs::rename(&folder.0, &elsewhere).unwrap();
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(4) {
        ask();
        std::thread::sleep(Duration::from_millis(100));
    }
    std::fs::rename(&elsewhere, &folder.0).unwrap();
    let asked = upstream.calls() as u64;
    until("it is written again", || folder.spent() == asked);
    let ended = terminated(program);
    let times = |words: &str| ended.stderr.lines().filter(|line| line.contains(words)).count();
    assert_eq!(times("the state cannot be written"), 1, "{}", ended.stderr);
    assert_eq!(times("the state can be written again"), 1, "{}", ended.stderr);
}

#[test]
fn commands_that_ask_once_leave_the_state_alone() {
    let (folder, upstream) = (Folder::new(), Upstream::quoting("100"));
    let configuration = folder.configuration(&upstream.source("a", ""));
    std::fs::write(folder.file(), "not theirs").unwrap();
    for arguments in [&["get", "AAPL"][..], &["check", "a", "AAPL", "--live"], &["sources"], &["config"]] {
        run(&[arguments, &["--config", configuration.path()]].concat());
        assert_eq!(std::fs::read_to_string(folder.file()).unwrap(), "not theirs", "{arguments:?}");
        assert_eq!(folder.names(), ["state.json"], "{arguments:?}");
    }
    assert!(upstream.calls() >= 2, "the commands did ask the vendor");
}

#[test]
fn a_refused_key_stays_paused_after_a_restart_a_new_one_is_tried() {
    let upstream = Upstream::new(|call| {
        if call.head.contains("new-key") {
            return call.json(&rows(&[("BTC-USD", "100")]));
        }
        call.reply(401, "Content-Type: application/json\r\n", "{}");
        After::Keep
    });
    let folder = Folder::new();
    let source = upstream.source("a", "key = \"${KEY}\"\nheaders = { x-key = \"{key}\" }");
    let configuration = folder.configuration(&source);
    let serve = |key| Program::serve(&configuration, &[("KEY", key)]);
    let ask = |address| get(address, "/prices?symbols=BTC-USD&refresh_after=0s");

    let (program, address) = serve("old-key-old-key");
    (0..30).for_each(|_| drop(ask(address)));
    let ended = terminated(program);
    assert_eq!(upstream.calls(), 1);
    let errors: Vec<&str> = ended.stderr.lines().filter(|line| line.contains("\"ERROR\"")).collect();
    assert!(matches!(errors[..], [line] if line.contains("key refused")), "{}", ended.stderr);
    let text = std::fs::read_to_string(folder.file()).unwrap();
    assert!(!text.contains("old-key"), "{text}");

    let (program, address) = serve("old-key-old-key");
    assert_eq!(ask(address).quote("BTC-USD", "a")["reason"], "unauthorized");
    assert_eq!(upstream.calls(), 1);
    terminated(program);

    let (program, address) = serve("new-key-new-key");
    assert_eq!(ask(address).quote("BTC-USD", "a")["price"], "100");
    assert_eq!(upstream.calls(), 2);
    terminated(program);
}

#[test]
fn a_second_service_waits_for_the_first_to_end_and_takes_its_state_over() {
    let (folder, upstream) = (Folder::new(), Upstream::quoting("100"));
    let configuration = folder.configuration(&upstream.source("a", "limits = [\"25/day\"]"));
    let (first, address) = Program::serve(&configuration, &[]);
    let second = Program::new(&mut start(&["serve", "--config", configuration.path(), "--listen", "127.0.0.1:0"], &[]));
    until("it says that it waits", || second.said_on_stderr().contains("another process uses this file"));
    get(address, "/prices?symbols=AAPL");
    assert_eq!(second.said_on_stdout(), "", "it is not ready while the first one runs");
    terminated(first);
    let address = second.ready();
    assert_eq!(left(address), 24, "it knows the first one's last call");
    terminated(second);
    assert_eq!(folder.names(), ["state.json", "state.json.lock"]);
}

#[test]
fn a_second_service_gives_up_when_the_first_one_should_have_ended() {
    let (folder, upstream) = (Folder::new(), Upstream::quoting("100"));
    let server = "[server]\ndrain_delay = \"200ms\"\ndrain_timeout = \"300ms\"\n";
    let path = folder.file().display().to_string();
    let configuration = Configuration::new(&format!("{server}[state]\npath = {path:?}\n{}", upstream.source("a", "")));
    let (mut first, address) = Program::serve(&configuration, &[]);
    let started = Instant::now();
    let ended = run(&["serve", "--config", configuration.path(), "--listen", "127.0.0.1:0"]);
    assert!(started.elapsed() >= Duration::from_millis(500), "it waits as long as the first may take to end");
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(78), ""), "{}", ended.stderr);
    for words in ["state.path", &path, "is in use by another process", "a file of its own"] {
        assert!(ended.stderr.contains(words), "{words} in {}", ended.stderr);
    }
    assert!(first.runs());
    assert_eq!(get(address, "/prices?symbols=AAPL").status, 200);
}

#[test]
fn a_process_that_is_killed_leaves_the_state_to_the_next_one_at_once() {
    let (folder, upstream) = (Folder::new(), Upstream::quoting("100"));
    let configuration = folder.configuration(&upstream.source("a", ""));
    for _ in 0..3 {
        let (program, _) = Program::serve(&configuration, &[]);
        assert!(!program.said_on_stderr().contains("another process"), "{}", program.said_on_stderr());
        program.signal("KILL");
        program.ended();
    }
    assert!(folder.names().contains(&"state.json.lock".to_owned()), "{:?}", folder.names());
}
