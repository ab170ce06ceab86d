//! Tells a web page from data: a captive portal, a firewall's refusal, a vendor's own page for an unknown symbol.
//!
//! The body decides. Some vendors send JSON as `text/html`, and some pages come as `application/json`.

use crate::provider::description::Notation;

/// The elements that make a text a page, as browsers tell it (WHATWG MIME Sniffing, 7.1).
const ELEMENTS: [&str; 21] = [
    "html", "head", "script", "iframe", "h1", "h2", "h3", "div", "font", "table", "a", "style", "title", "b", "body",
    "br", "p", "meta", "center", "pre", "span",
];

/// Whether a body is a web page. In XML any element may come first, so there it must say that it is HTML.
pub(super) fn is_page(body: &[u8], notation: Notation) -> bool {
    let mut rest = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body).trim_ascii_start();
    while let Some(after) = after_prolog(rest) {
        rest = after.trim_ascii_start();
    }
    let Some((b'<', rest)) = rest.split_first() else { return false };
    if is_named(rest, "!doctype") {
        return is_named(rest.get("!doctype".len()..).unwrap_or_default().trim_ascii_start(), "html");
    }
    match notation {
        Notation::Xml => is_named(rest, "html"),
        Notation::Json | Notation::Csv => ELEMENTS.iter().any(|element| is_named(rest, element)),
    }
}

/// What follows a comment or a processing instruction such as an XML declaration.
fn after_prolog(body: &[u8]) -> Option<&[u8]> {
    let after = |begin: &[u8], end: &[u8]| {
        let inside = body.strip_prefix(begin)?;
        let at = inside.windows(end.len()).position(|window| window == end)?;
        inside.get(at + end.len()..)
    };
    after(b"<!--", b"-->").or_else(|| after(b"<?", b"?>"))
}

/// Whether a text begins with this name, and the name ends there.
fn is_named(text: &[u8], name: &str) -> bool {
    let (begin, rest) = text.split_at_checked(name.len()).unwrap_or((text, &[]));
    let ends = rest.first().is_none_or(|byte| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/'));
    begin.eq_ignore_ascii_case(name.as_bytes()) && ends
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_told_by_how_it_begins() {
        for page in [
            "<!DOCTYPE html><html><body>no</body></html>",
            "\u{feff}\r\n  <!doctype HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\">",
            "<html lang=en>",
            "<HTML>",
            "<!-- cached --><!-- by a --><html>",
            "<?xml version=\"1.0\"?>\n<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Strict//EN\">",
            "<?xml version=\"1.0\"?><html xmlns=\"http://www.w3.org/1999/xhtml\">",
        ] {
            for notation in [Notation::Json, Notation::Csv, Notation::Xml] {
                assert!(is_page(page.as_bytes(), notation), "{page} as {notation:?}");
            }
        }
    }

    #[test]
    fn a_piece_of_a_page_is_one_where_no_xml_is_expected() {
        for piece in
            ["<h1>503 Service Unavailable</h1>", "<center>nginx</center>", "<script>go()</script>", "<br/>", "<p"]
        {
            assert!(is_page(piece.as_bytes(), Notation::Json) && is_page(piece.as_bytes(), Notation::Csv), "{piece}");
            assert!(!is_page(piece.as_bytes(), Notation::Xml), "{piece}");
        }
    }

    #[test]
    fn data_is_no_page_whatever_is_in_it() {
        for data in [
            "",
            " ",
            "{\"page\":\"<!doctype html>\"}",
            "[]",
            "symbol,price\n<html>,1",
            "<",
            "<!",
            "<!--",
            "<?xml version=\"1.0\"?><gesmes:Envelope>",
            "<!DOCTYPE rates><rates/>",
            "<htmlish/>",
            "<prices><html/></prices>",
            "<table-of-rates/>",
            "Too many requests",
        ] {
            for notation in [Notation::Json, Notation::Csv, Notation::Xml] {
                assert!(!is_page(data.as_bytes(), notation), "{data} as {notation:?}");
            }
        }
    }
}
