//! What the box allows, and what it keeps out.

use super::*;
use crate::clock::cpu;
use crate::provider::description::Notation;

fn refused(code: &str) -> String {
    Filter::compile(code).err().unwrap_or_else(|| panic!("{code} must be refused")).to_string()
}

fn rows(code: &str, body: &str) -> Rows {
    Filter::compile(code).unwrap_or_else(|error| panic!("{code}: {error}")).run(
        body.as_bytes(),
        Notation::Json,
        200,
        &["BTCUSD"],
        Fuel::most(cpu::timer),
    )
}

fn texts(code: &str, body: &str) -> Vec<String> {
    let rows = rows(code, body);
    assert_eq!(rows.failure, None, "{code}");
    rows.rows.iter().map(ToString::to_string).collect()
}

#[test]
fn a_refusal_in_plain_words_reaches_the_filter_and_a_reply_in_plain_words_does_not() {
    let run = |status| {
        let filter = Filter::compile("{error: .}").unwrap();
        filter.run(b" Slow down, please\n", Notation::Json, status, &[], Fuel::most(cpu::timer))
    };
    let refusal = run(429);
    assert_eq!(refusal.rows.iter().map(ToString::to_string).collect::<Vec<_>>(), ["{\"error\":\"Slow down, please\"}"]);
    for status in [200, 299] {
        assert!(run(status).rows.is_empty() && run(status).failure.is_some(), "{status}");
    }
}

#[test]
fn a_filter_may_run_on_any_thread() {
    fn shared<T: Send + Sync>() {}
    shared::<Filter>();
}

#[test]
fn a_name_that_leads_out_of_the_box_is_refused_with_its_position() {
    assert!(refused("env").starts_with("line 1, column 1: found `env`"));
    assert!(refused(".a\n | .b | halt").starts_with("line 2, column 9: found `halt`"));
    assert!(refused("def f: .; f").starts_with("line 1, column 5: found `def f`"));
    assert!(refused("{price: .p, at: (.t | strptime(\"%Y\"))}").starts_with("line 1, column 23: found `strptime`"));
    assert!(refused("[ ..\n]").starts_with("line 1, column 3: found `..`"));
    assert!(refused("\"a \\(now)\"").starts_with("line 1, column 6: found `now`"));
    let names = "env halt halt_error input inputs debug stderr now localtime strflocaltime(.) mktime strptime(.) \
        range(3) range(1;2) range(1;2;3) repeat(.) while(.;.) until(.;.) recurse recurse(.) recurse(.;.) combinations \
        combinations(2) test(.) test(.;.) match(.) capture(.) scan(.) splits(.) split(.;.) sub(.;.) gsub(.;.) \
        matches(.;.) split_matches(.;.) split_(.;.) scan_(.;.) capture_of_match debug_empty stderr_empty halt(1) \
        input_line_number get_search_list";
    for name in names.split_whitespace() {
        assert!(refused(name).contains(name.split('(').next().unwrap()), "{name}");
        refused(&format!("if .a then [.[] | {name}] else {{({name}): 1}} end"));
        refused(&format!("reduce .[] as {{(\"a\" | {name}): $x}} (0; .)"));
        refused(&format!(".a[{name}:]? // (label $out | try error catch {name})"));
    }
    for name in ["$ENV", "$__prog_args", "$x"] {
        assert!(refused(name).contains("not bound"), "{name}");
    }
}

#[test]
fn a_name_that_nests_values_without_end_is_refused_with_its_position() {
    assert!(refused("reduce .[] as $x (null; [.])").starts_with("line 1, column 1: found `reduce`, which may nest"));
    assert!(refused(".a\n| foreach .[] as $x (null; [.])").starts_with("line 2, column 3: found `foreach`"));
    // each wraps every part of what the other made
    assert!(refused("[walk(walk([.]))]").starts_with("line 1, column 2: found `walk`, which may nest"));
    for code in ["setpath(.; 1)", "getpath(.) = 1", "[delpaths([.])]", "{a: (.b | getpath(.))}"] {
        assert!(refused(code).contains("and a value nested so deeply takes the process down"), "{code}");
    }
    // here the path is written in the filter, so it is no longer than the filter's text
    assert_eq!(texts(".a.b.c |= [.]", r#"{"a":{"b":{"c":1}}}"#), [r#"{"a":{"b":{"c":[1]}}}"#]);
}

#[test]
fn a_filter_of_the_deepest_nesting_is_read_and_run_on_a_small_stack() {
    let shapes = "[%] -% [.[]|%] .as$x|% map(%) {a:%} if(.)then(%)end try(%) [limit(9;%)] label$a|% .a|=(%) with_entries(%) \
        [paths(%)] del(%) .//% first(%) all(.[];any(%)) min_by(%) pick(%) group_by(map_values(%)) [path(%)] isempty(%)";
    let lists = format!("{}{}", "[".repeat(64), "]".repeat(64));
    for shape in shapes.split_whitespace().map(|shape| shape.replace(".as", ". as ")).chain(["\"\\(%)\"".to_owned()]) {
        let (before, after) = shape.split_once('%').unwrap();
        let nested = |levels: usize| format!("{}.{}", before.repeat(levels), after.repeat(levels));
        let deepest = (1..=validate::DEEPEST).rev().find_map(|levels| Filter::compile(&nested(levels)).ok()).unwrap();
        for body in ["[[1]]", r#"{"a":{"a":1}}"#, &lists] {
            let fuel = Fuel { steps: 200_000, ..Fuel::most(cpu::timer) };
            let _ = deepest.run(body.as_bytes(), Notation::Json, 200, &[], fuel);
        }
        assert!(refused(&nested(validate::DEEPEST + 1)).contains("nested deeper"), "{shape}");
        refused(&nested(LONGEST / (before.len() + after.len()) - 1));
        refused(&before.repeat(LONGEST / before.len()));
    }
    let brackets = LONGEST / 2 - 1;
    assert!(Filter::compile(&format!("{}.{}", "(".repeat(brackets), ")".repeat(brackets))).is_ok());
    assert!(refused(&" ".repeat(8193)).contains("the filter has 8193 bytes; 8192 are allowed"));
}

#[test]
fn a_filter_that_does_too_much_is_stopped() {
    let body = format!("[{}0]", "0,".repeat(30_000));
    for code in [
        ".[] as $a | .[] as $b | empty",
        "[.[] as $a | .[] as $b | .[] as $c | {a: $a}]",
        ".[] as $a | sort | group_by(.) | empty",
        "map([.]) | [.[] as $a | .[] | map(select(. == $a))] | map(tojson)",
    ] {
        let used_before = cpu::used();
        let failure = rows(code, &body).failure;
        let used = cpu::used() - used_before;
        assert!(
            matches!(&failure, Some(RunError::OutOfFuel(why)) if why.starts_with("it took ")),
            "{code}: {failure:?}"
        );
        assert!(used < 10 * Fuel::MOST_TIME, "{code} took {used:?}");
    }
    let filter = Filter::compile(".[] | select(. == 1)").unwrap();
    let little = filter.run(body.as_bytes(), Notation::Json, 200, &[], Fuel { steps: 1000, ..Fuel::most(cpu::timer) });
    assert_eq!(little.failure.unwrap().to_string(), "the filter was stopped: it took more than 1000 steps");
    let hurried = Fuel { steps: u64::MAX, time: std::time::Duration::ZERO, timer: cpu::timer };
    let hurried = filter.run(body.as_bytes(), Notation::Json, 200, &[], hurried);
    assert_eq!(
        hurried.failure.unwrap().to_string(),
        "the filter was stopped: it took more than 0 ms of processor time"
    );
    assert_eq!(filter.run(body.as_bytes(), Notation::Json, 200, &[], Fuel::most(cpu::timer)).failure, None);
}

#[test]
fn a_forbidden_name_is_an_ordinary_key() {
    let body = r#"{"now": 1, "env": {"range": 2}}"#;
    assert_eq!(
        texts(".now, .env.range, {now}, {range: 3}, .\"now\"", body),
        ["1", "2", "{\"now\":1}", "{\"range\":3}", "1"]
    );
}

#[test]
fn a_filter_that_cannot_be_read_is_refused_with_the_position() {
    assert_eq!(refused(".a | if . then 1"), "line 1, column 17: the filter ends too early; expected else or end");
    assert!(refused(".a §").starts_with("line 1, column 4: found `§`"));
    assert!(refused(".a b").contains("column 4: found `b`, but expected the filter to end here"));
    assert!(refused(".a | nosuch(1)").contains("column 6: found `nosuch`, but there is no such filter"));
    assert!(refused("import \"x\" as x; .").contains("column 8"));
    assert!(refused("").contains("ends too early"));
}

#[test]
fn everything_else_of_jq_works() {
    assert_eq!(texts("[.[] | flatten] | transpose | add", "[[1,[2]],[3]]"), ["[1,3,2,null]"]);
    assert_eq!(texts("to_entries[] | \"\\(.key)=\\(.value)\"", r#"{"a":1.50}"#), ["\"a=1.50\""]);
    assert_eq!(texts("$status, $asked[0]", "null"), ["200", "\"BTCUSD\""]);
    assert_eq!(texts("split(\",\") | map(ltrimstr(\"x\") | tonumber)", r#""x1.10,x2""#), ["[1.10,2]"]);
    assert_eq!(texts("map_values(if . == null then 0 else . end) | [paths]", "[null]"), ["[[0]]"]);
    assert_eq!(texts("map(select(.code == 0 and .n > 3)) | sort_by(.n) | first.n", r#"[{"code":0,"n":4.0}]"#), ["4.0"]);
}

#[test]
fn a_text_that_is_not_a_number_is_one_error_and_not_endless_ones() {
    let rows = rows("tonumber", "\"abc\"");
    assert!(rows.rows.is_empty());
    assert!(matches!(rows.failure, Some(RunError::Filter(text)) if text.contains("abc")));
    let deep = serde_json::to_string(&"[".repeat(100_000)).unwrap();
    assert!(matches!(self::rows("fromjson", &deep).failure, Some(RunError::Filter(_))));
}

#[test]
fn rows_end_at_the_first_error_and_at_the_limit() {
    let taken = rows(".[] | tonumber", r#"["1", "2", "x", "3"]"#);
    assert_eq!((taken.rows.len(), taken.failure.is_some()), (2, true));
    let many = rows(".[] as $x | .[] as $y | $x", &serde_json::to_string(&vec![0; 200]).unwrap());
    assert_eq!((many.rows.len(), many.cut, many.failure), (MOST_ROWS, true, None));
}

#[test]
fn a_text_cannot_be_repeated_until_the_memory_is_full() {
    for code in [".ts * 1000000000", "1000000000 * .ts", "\"x\" * 5", ".n *= 1000", "{at: (.ts | . * 2)}"] {
        assert!(refused(code).contains("found `*`"), "{code}");
    }
    assert!(refused("[2 *\n.n]").starts_with("line 1, column 4"));
    let numbers = "(.n | tonumber) * 60, 2 * 3, -2 * (.n | tonumber + 1), ($asked | length) * 1000";
    assert_eq!(texts(numbers, r#"{"n":"2"}"#), ["120.0", "6", "-6.0", "1000"]);
}

#[test]
fn a_filter_has_no_more_parts_than_signs_and_words() {
    for (code, expected) in [("", 0), (".", 1), (".a.b_2", 4), ("  .[] | select(.x)  ", 9), ("((.))", 5), ("1 1", 2)] {
        assert_eq!(parts(code), expected, "{code}");
    }
    // reading the catalogue does not take hundreds of megabytes
    let catalogue = crate::provider::catalogue::catalogue().values();
    let most = catalogue.map(|table| parts(&table.settings().jq)).max().unwrap();
    assert!(STACK + most * STACK_PER_PART < 64 << 20, "{most} parts");
    let why = no_thread(20 << 20, &std::io::Error::other("no"));
    assert!(why.contains("20 MiB") && why.contains("ulimit -v"), "{why}");
}
