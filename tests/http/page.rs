//! The page at `/`: what it says before its script runs, what it may load, and who may see it.

use crate::support::service::Service;
use crate::support::{Reply, Upstream, get, post, read, rows, write};

const KEY: &str = "correct-horse-battery";

/// A service over two vendors that quote everything but `NONE-USD`.
fn service(settings: &str) -> (Service, [Upstream; 2]) {
    let vendor = || {
        Upstream::new(|call| {
            let asked = call.asked();
            let had = asked.iter().filter(|symbol| *symbol != "NONE-USD");
            call.json(&rows(&had.map(|symbol| (symbol.as_str(), "100")).collect::<Vec<_>>()))
        })
    };
    let vendors = [vendor(), vendor()];
    let sources = [vendors[0].source("alpha", "batch = 100"), vendors[1].source("beta", "batch = 100")];
    (Service::with(&format!("[server]\ntimeout = \"8s\"\n{settings}"), &sources), vendors)
}

fn ask(service: &Service, method: &str, target: &str, lines: &str) -> Reply {
    let head = format!("{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nConnection: close\r\n{lines}\r\n");
    read(write(service.address, &head))
}

#[test]
fn the_page_has_the_prices_that_were_asked_for() {
    let (service, _vendors) = service("");
    // as a form sends it: a space after the comma, a comma at the end, an empty currency
    let page = ask(&service, "GET", "/?symbols=BTC-USD%2C+NONE-USD%2C&currency=", "");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")), "{page:?}");
    assert_eq!(page.header("cache-control"), Some("no-store"));
    for words in [
        ">BTC-USD</th>",
        ">100</span> USD<",
        ">NONE-USD</th>",
        ">no price</span>",
        "value=\"BTC-USD, NONE-USD\"",
        "<title>BTC-USD, NONE-USD · quotefold</title>",
        "curl &#39;http://127.0.0.1:8080/prices?symbols=BTC-USD,NONE-USD&#39;",
    ] {
        assert!(page.body.contains(words), "{words:?} is not in {}", page.body);
    }
    assert!(!page.body.contains("Simulated") && !page.body.contains("id=\"key\""), "{}", page.body);
}

#[test]
fn a_space_that_was_typed_after_a_symbol_is_no_part_of_it() {
    let (service, _vendors) = service("");
    for typed in ["BTC-USD%2C+ETH-USD+", "+BTC-USD+%2CETH-USD%2C+"] {
        let page = get(service.address, &format!("/?symbols={typed}&currency="));
        assert!(page.body.contains("value=\"BTC-USD, ETH-USD\""), "{typed}: {}", page.body);
    }
    let page = get(service.address, "/?symbols=BTC-USD+&currency=");
    assert!(page.body.contains("value=\"BTC-USD\"") && page.body.contains(">BTC-USD</th>"), "{}", page.body);
}

#[test]
fn an_answer_that_may_be_kept_makes_a_page_like_any_other() {
    let lasting = "cacheable = true\n[freshness]\nrefresh_after = \"1h\"\nusable_for = \"2h\"\nfallback_for = \"3h\"\n";
    let (service, _vendors) = service(lasting);
    for _ in 0..3 {
        let page = ask(&service, "GET", "/?symbols=BTC-USD", "Accept-Encoding: gzip\r\nIf-None-Match: *\r\n");
        assert_eq!((page.status, page.header("cache-control")), (200, Some("no-store")), "{page:?}");
        assert!(page.header("content-encoding").is_none() && page.header("etag").is_none(), "{page:?}");
        assert!(page.body.contains(">100</span> USD<"), "{}", page.body);
    }
}

#[test]
fn who_asks_for_nothing_sees_what_is_watched_or_examples() {
    let (examples, _vendors) = service("");
    let page = get(examples.address, "/");
    assert!(page.body.contains("href=\"?symbols=BTC-USD,ETH-USD\"") && !page.body.contains("<table"), "{}", page.body);
    let (watching, _vendors) = service("[watch]\nsymbols = [\"ETH-USD\"]\n");
    let page = get(watching.address, "/");
    assert!(page.body.contains("data-symbols=\"ETH-USD\"") && page.body.contains(">ETH-USD</th>"), "{}", page.body);
    // each in its own currency, unless another is asked for
    assert!(get(watching.address, "/?currency=EUR").body.contains("symbols=ETH-USD&amp;currency=EUR"));
}

#[test]
fn what_was_typed_is_shown_as_text() {
    let (service, _vendors) = service("");
    let page = get(service.address, "/?symbols=%3Cscript%3Ealert(%22x%22)%3C/script%3E,%7B%7Bkey%7D%7D&currency=EUR");
    assert_eq!(page.status, 200, "the page is there, whatever is in it");
    assert!(page.body.contains("&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;</th>"), "{}", page.body);
    assert!(!page.body.contains("<script>") && page.body.contains("{{key}}"), "{}", page.body);
}

#[test]
fn a_wrong_question_is_answered_by_a_page_that_says_what_is_wrong() {
    let (service, vendors) = service("");
    let many: String = (0..101).map(|number| format!("C{number}-USD,")).collect();
    for (query, words) in [
        ("symbols=BTC-USD&currency=%3Cb%3E", "&lt;b&gt;"),
        ("symbols=%ff", "UTF-8"),
        (&*format!("symbols={many}"), "100"),
    ] {
        let page = get(service.address, &format!("/?{query}"));
        assert_eq!(page.status, 400, "{page:?}");
        let (_, wrong) =
            page.body.split_once("<p id=\"wrong\" class=\"wrong\" >").expect("the complaint is not hidden");
        assert!(wrong.split("</p>").next().unwrap().contains(words), "{}", page.body);
    }
    assert_eq!(vendors[0].calls(), 0);
}

#[test]
fn only_the_page_may_load_what_is_beside_it() {
    let (service, _vendors) = service("");
    let policy = |path: &str| get(service.address, path).header("content-security-policy").unwrap().to_owned();
    let page = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                frame-ancestors 'none'; base-uri 'none'; form-action 'self'";
    for path in ["/", "/?symbols=BTC-USD", "/?symbols=%ff"] {
        assert_eq!(policy(path), page, "{path}");
    }
    for path in ["/prices?symbols=BTC-USD", "/page/page.js", "/page/favicon.svg", "/sources", "/nowhere", "/health"] {
        assert_eq!(policy(path), "default-src 'none'; frame-ancestors 'none'", "{path}");
    }
    for path in ["/", "/page/page.js"] {
        let reply = get(service.address, path);
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(reply.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(reply.header("cross-origin-resource-policy"), Some("same-origin"));
    }
}

#[test]
fn every_file_that_the_page_names_is_there_with_its_type() {
    let (service, _vendors) = service("");
    let page = get(service.address, "/").body;
    let named = page.split("\"page/").skip(1).map(|rest| rest.split('"').next().unwrap());
    for name in named.chain(["card.js", "strip.js", "favicon-simulated.svg"]) {
        let file = get(service.address, &format!("/page/{name}"));
        let kind = match name.rsplit('.').next().unwrap() {
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            _ => "image/svg+xml",
        };
        assert_eq!((file.status, file.header("content-type")), (200, Some(kind)), "{name}");
    }
    for path in ["/page/", "/page/nothing.js", "/page/page.html", "/page/../page/page.js", "/page"] {
        assert_eq!(get(service.address, path).problem()["type"], "/problems/no-such-path", "{path}");
    }
}

#[test]
fn the_page_and_its_files_are_read_and_nothing_else() {
    let (service, _vendors) = service("");
    for (path, methods) in [("/", "GET,HEAD"), ("/page/page.css", "GET,HEAD")] {
        let head = ask(&service, "HEAD", path, "");
        assert!(head.status == 200 && head.body.is_empty() && head.header("content-length") != Some("0"), "{head:?}");
        let refused = post(service.address, path);
        assert_eq!((refused.status, refused.header("allow")), (405, Some(methods)), "{path}");
    }
}

#[test]
fn with_keys_the_page_needs_none_and_has_nothing_that_they_protect() {
    let (service, vendors) = service(&format!("[access]\nkeys = [\"{KEY}\"]\n[watch]\nsymbols = [\"ETH-USD\"]\n"));
    let with_key = format!("Authorization: Bearer {KEY}\r\n");
    for lines in ["", &with_key, "Authorization: Bearer wrong\r\n"] {
        for path in ["/", "/?symbols=ETH-USD"] {
            let page = ask(&service, "GET", path, lines);
            assert_eq!(page.status, 200, "{page:?}");
            assert!(page.body.contains("id=\"key\"") && page.body.contains("data-key"), "{}", page.body);
            assert!(!page.body.contains("ETH-USD</th>") && page.body.contains("data-symbols=\"\""), "{}", page.body);
            assert!(!page.body.contains("<table"), "{}", page.body);
        }
        assert_eq!(ask(&service, "GET", "/page/page.js", lines).status, 200);
    }
    for path in ["/prices?symbols=ETH-USD", "/symbols?q=eth", "/sources", "/page/nothing.js", "/page", "//"] {
        assert_eq!(get(service.address, path).status, 401, "{path}");
    }
    assert_eq!(vendors[0].calls() + vendors[1].calls(), 0);
    // the field for the key has no name, so that no form puts it into an address
    let page = get(service.address, "/").body;
    let field = page.split("<input id=\"key\"").nth(1).and_then(|rest| rest.split('>').next()).unwrap();
    assert!(!field.contains("name="), "{field}");
}

#[test]
fn a_page_with_prices_counts_against_the_rate_and_its_files_do_not() {
    let (service, _vendors) = service("[access]\nrate = \"2/h\"\n");
    for _ in 0..5 {
        assert_eq!(get(service.address, "/page/page.css").status, 200);
    }
    let statuses = [(); 3].map(|()| get(service.address, "/").status);
    assert_eq!(statuses, [200, 200, 429]);
}

#[test]
fn the_page_is_counted_by_its_path_and_its_files_together() {
    let (service, _vendors) = service("");
    for path in ["/", "/page/page.js", "/page/page.css"] {
        get(service.address, path);
    }
    let metrics = get(service.address, "/metrics").body;
    for (route, count) in [("/", 1), ("/page/{file}", 2)] {
        let is_it = |line: &&str| line.contains(&format!("route=\"{route}\"")) && line.contains("code=\"200\"");
        let line = metrics.lines().find(is_it).unwrap_or_else(|| panic!("{route} is not in {metrics}"));
        assert!(line.ends_with(&format!(" {count}")), "{line}");
    }
}
