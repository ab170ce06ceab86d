//! The description of the interface and its page are served to everyone, at both addresses, and load nothing else.

use crate::support::pages::{ROOT, code, page};
use crate::support::service::Service;
use crate::support::{Configuration, Program, Reply, Upstream, get, read, write};

const FILES: [(&str, &str, &str); 4] = [
    ("/openapi.json", "application/json", "openapi.json"),
    ("/docs", "text/html; charset=utf-8", "docs/page.html"),
    ("/docs/page.js", "text/javascript; charset=utf-8", "docs/page.js"),
    ("/docs/page.css", "text/css; charset=utf-8", "docs/page.css"),
];

fn file(name: &str) -> String {
    let path = format!("{ROOT}/src/server/{name}");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn service(access: &str) -> Service {
    Service::with(&format!("[server]\ntimeout = \"8s\"\n{access}"), &[Upstream::quoting("100").source("a", "")])
}

#[test]
fn each_file_is_served_as_it_is_without_a_key_and_is_not_kept() {
    let service = service("[access]\nkeys = [\"correct-horse-battery\"]\n");
    for (path, kind, name) in FILES {
        let reply = service.get(path);
        assert_eq!((reply.status, reply.header("content-type")), (200, Some(kind)), "{path}");
        assert_eq!((reply.header("cache-control"), reply.header("etag")), (Some("no-store"), None), "{path}");
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert!(reply.body == file(name), "{path} is not its file");
    }
    assert_eq!(service.get("/prices/BTC-USD").status, 401);
}

#[test]
fn they_are_read_and_nothing_else() {
    let service = service("");
    let ask = |method: &str, path: &str| -> Reply {
        read(write(service.address, &format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")))
    };
    for (path, _, name) in FILES {
        let head = ask("HEAD", path);
        let length = head.header("content-length").and_then(|length| length.parse().ok());
        assert_eq!((head.status, head.body.as_str(), length), (200, "", Some(file(name).len())), "{path}");
        let refused = ask("POST", path);
        assert_eq!((refused.status, refused.header("allow")), (405, Some("GET,HEAD")), "{path}");
    }
    assert_eq!(service.get("/docs/other.js").status, 404);
    assert_eq!(service.get("/docs/").status, 404);
}

#[test]
fn both_addresses_serve_them() {
    let vendor = Upstream::quoting("100");
    let text = format!("[access]\nadmin_listen = \"127.0.0.1:0\"\n{}", vendor.source("a", ""));
    let configuration = Configuration::new(&text);
    let arguments = ["serve", "--config", configuration.path(), "--listen", "127.0.0.1:0"];
    let program = Program::new(&mut crate::support::start(&arguments, &[]));
    let addresses = program.addresses();
    assert_eq!(addresses.len(), 2);
    for address in addresses {
        for (path, _, name) in FILES {
            assert!(get(address, path).body == file(name), "{address}{path}");
        }
    }
}

#[test]
fn the_page_may_load_its_own_files_alone_and_runs_nothing_that_stands_in_it() {
    let service = service("");
    let policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                  frame-ancestors 'none'; base-uri 'none'; form-action 'self'";
    assert_eq!(service.get("/docs").header("content-security-policy"), Some(policy));
    let page = file("docs/page.html");
    for inline in ["<style", " style=", " onclick", " onload", "javascript:", "://"] {
        assert!(!page.contains(inline), "{inline} is in the page");
    }
    let scripts: Vec<&str> = page.split("<script").skip(1).map(|rest| rest.split('>').next().unwrap()).collect();
    assert_eq!(scripts, [" src=\"docs/page.js\" defer"]);
    let script = file("docs/page.js");
    for markup in ["innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "://\"", "http:"] {
        assert!(!script.contains(markup), "{markup} is in the script");
    }
    assert!(!file("docs/page.css").contains("url("));
}

#[test]
fn the_page_says_something_without_javascript() {
    let page = file("docs/page.html");
    let (_, rest) = page.split_once("<noscript>").unwrap();
    let (without, _) = rest.split_once("</noscript>").unwrap();
    assert!(without.contains("href=\"openapi.json\""), "{without}");
    let described = file("openapi.json");
    let paths = without.split("<code>GET ").skip(1).map(|rest| rest.split(['?', '<']).next().unwrap());
    let paths: Vec<&str> = paths.collect();
    assert!(paths.len() > 3, "{paths:?}");
    for path in paths {
        let path = path.replace("/prices/AAPL", "/prices/{symbol}");
        assert!(described.contains(&format!("\n    \"{path}\": {{")), "{path}");
    }
}

#[test]
fn the_documentation_says_where_they_are() {
    let rows = page("docs/http.md").rows("## Paths");
    let paths: Vec<String> = rows.iter().flat_map(|row| code(&row[0])).map(str::to_owned).collect();
    for path in ["GET /openapi.json", "/docs"] {
        assert!(paths.iter().any(|listed| listed == path), "{path} is not in {paths:?}");
    }
}
