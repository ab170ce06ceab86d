//! Serves the page at `/`: HTML with prices in it, so that it says something by itself, and the files that keep it up to date
//! in a browser.
//!
//! Where keys are required, the page needs none, and therefore has nothing in it that a key protects: neither prices nor what
//! is watched. Its script asks for a key.

mod asked;
mod files;
mod markup;
mod table;

use std::sync::Arc;

use axum::Extension;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::http::header::HOST;
use axum::response::{IntoResponse, Response};

use super::embedded::{PAGE, marked};
use super::pages::Pages;
use super::pieces::whole;
use super::pricing::Pricing;
use super::problem::Problem;
use super::{form, prices};
use crate::caller::Caller;
use crate::service::Quotefold;
use crate::symbol::Symbol;
use asked::Asked;
use markup::{escaped, filled};
use table::Entry;

/// The path of the page.
pub(super) const PATH: &str = "/";

/// What the simulated market shows to a visitor who asks for nothing: listings, a coin, money.
pub(crate) const OF_THE_DEMO: [&str; 5] = ["AAPL", "VOD.L", "BTC-USD", "ETH-EUR", "EUR-USD"];

/// The most watched symbols that are shown to a visitor who asks for nothing.
const MOST_WATCHED: usize = 20;

/// What a visitor may ask for where nothing is watched, and the words for it.
const EXAMPLES: [(&str, &str); 3] = [
    ("?symbols=BTC-USD,ETH-USD", "BTC-USD, ETH-USD"),
    ("?symbols=EUR-USD,GBP-USD", "EUR-USD, GBP-USD"),
    ("?symbols=AAPL,VOD.L&currency=EUR", "AAPL, VOD.L in EUR"),
];

/// The longest answer that is read, in bytes. Without quotes, an entry takes less than a kilobyte.
const LONGEST_ANSWER: usize = 16 << 20;

const TEMPLATE: &str = include_str!("page/page.html");
const FIELD_FOR_THE_KEY: &str = include_str!("page/key.html");
const IS_SIMULATED: &str = "<p class=\"simulated\"><strong>Simulated</strong>: every price here is invented</p>";

/// Adds the files of the page, which need no key.
pub(super) fn with_files(pages: Pages) -> Pages {
    files::FILES.into_iter().fold(pages, |pages, file| pages.file(file.path, move |_| file.reply()))
}

/// The page for visitors whose keys are not known yet.
pub(super) fn for_keys(service: &Quotefold) -> impl Fn(&HeaderMap) -> Response + Send + Sync + use<> {
    let view = View { is_simulated: service.is_simulated(), is_keyed: true, ..View::default() };
    let html = Bytes::from(view.html());
    move |_| document(None, Body::from(html.clone()))
}

/// `GET /?symbols=AAPL,MSFT&currency=EUR`, where no key is required: the page, with prices that were made as for `/prices`.
pub(super) async fn with_prices(
    State(pricing): State<Pricing>,
    caller: Option<Extension<Caller>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let service = Arc::clone(&pricing.service);
    let by_default = by_default(&service);
    let mut view = View { is_simulated: service.is_simulated(), ..View::default() };
    let answered = match Asked::read(&query.unwrap_or_default()) {
        Ok(asked) => {
            view.asked = asked.or(&by_default);
            view.curl = curl(&headers, &view.asked);
            entries(&pricing, caller, &view.asked).await
        }
        Err(bad) => Err(bad.into()),
    };
    view.by_default = by_default;
    let refusal = match answered {
        Ok(entries) => {
            view.entries = entries;
            None
        }
        Err(problem) => {
            view.wrong = Some(problem.detail().into_owned());
            Some(problem)
        }
    };
    // hundreds of rows take too long for the thread of the connections
    let html = pricing.run(async move { view.html() }).await;
    Ok(document(refusal, whole(service.reply_memory(), html.into())?))
}

/// The symbols for a visitor who asks for nothing.
fn by_default(service: &Quotefold) -> Vec<String> {
    if service.is_simulated() {
        return OF_THE_DEMO.map(str::to_owned).into();
    }
    let watched = &service.settings().watch.symbols;
    watched.iter().take(MOST_WATCHED.min(service.bounds().max_symbols)).map(Symbol::to_string).collect()
}

/// The entries of the answer to what is asked; none if nothing is.
async fn entries(pricing: &Pricing, caller: Option<Extension<Caller>>, asked: &Asked) -> Result<Vec<Entry>, Problem> {
    if asked.symbols.is_empty() {
        return Ok(Vec::new());
    }
    let query = format!("{}&quotes=false", asked.query());
    // no headers: what a browser accepts or has already is about the page
    let reply = prices::many(State(pricing.clone()), caller, HeaderMap::new(), RawQuery(Some(query))).await?;
    let body = to_bytes(reply.into_body(), LONGEST_ANSWER).await.map_err(|_| Problem::Internal)?;
    pricing.run(async move { Entry::all(&body) }).await.map_err(|_| Problem::Internal)
}

/// The line for a terminal that asks the same; `None` if nothing is asked, or if the host is one that a shell might not leave
/// alone.
fn curl(headers: &HeaderMap, asked: &Asked) -> Option<String> {
    if asked.symbols.is_empty() {
        return None;
    }
    let host = headers.get(HOST)?.to_str().ok()?;
    let is_plain = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte));
    is_plain.then(|| format!("curl 'http://{host}{}?{}'", form::PATH, asked.query()))
}

/// Everything that the page says before its script runs.
#[derive(Default)]
struct View {
    is_simulated: bool,
    is_keyed: bool,
    asked: Asked,
    by_default: Vec<String>,
    /// What is wrong with what was asked.
    wrong: Option<String>,
    curl: Option<String>,
    entries: Vec<Entry>,
}

impl View {
    fn html(&self) -> String {
        filled(TEMPLATE, |name| match name {
            "title" => escaped(&self.title()),
            "icon" => (if self.is_simulated { "favicon-simulated.svg" } else { "favicon.svg" }).to_owned(),
            "data" => self.data(),
            "mark" => (if self.is_simulated { IS_SIMULATED } else { "" }).to_owned(),
            "key" => (if self.is_keyed { FIELD_FOR_THE_KEY } else { "" }).to_owned(),
            "symbols" => escaped(&self.asked.symbols.join(", ")),
            "currency" => escaped(&self.asked.currency),
            "wrong" => escaped(self.wrong.as_deref().unwrap_or_default()),
            "no_wrong" => hidden_unless(self.wrong.is_some()),
            "curl" => escaped(self.curl.as_deref().unwrap_or_default()),
            "no_curl" => hidden_unless(self.curl.is_some()),
            "prices" => self.prices(),
            "foot" => concat!("quotefold ", env!("CARGO_PKG_VERSION")).to_owned(),
            _ => String::new(),
        })
    }

    fn title(&self) -> String {
        let symbols = self.asked.symbols.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", ");
        let parts = [if self.is_simulated { "Simulated" } else { "" }, &symbols, "quotefold"];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
    }

    /// What the script must know, as attributes.
    fn data(&self) -> String {
        let symbols = format!("data-symbols=\"{}\"", escaped(&self.by_default.join(",")));
        let simulated = if self.is_simulated { " data-simulated" } else { "" };
        let keyed = if self.is_keyed { " data-key" } else { "" };
        symbols + simulated + keyed
    }

    /// The prices, or what could be asked for.
    fn prices(&self) -> String {
        if !self.entries.is_empty() {
            return table::html(&self.entries);
        }
        if !self.asked.symbols.is_empty() || self.wrong.is_some() {
            return String::new();
        }
        let link =
            |(query, words): (&str, &str)| format!("<li><a href=\"{}\">{}</a></li>\n", escaped(query), escaped(words));
        let links: String = EXAMPLES.into_iter().map(link).collect();
        format!("<p>Ask for symbols above, or look at one of these:</p>\n<ul class=\"examples\">\n{links}</ul>")
    }
}

fn hidden_unless(is_shown: bool) -> String {
    if is_shown { String::new() } else { "hidden".to_owned() }
}

/// The page as a reply. If it says why a question is refused, it has the code of the refusal, and says when to ask again.
fn document(refusal: Option<Problem>, html: Body) -> Response {
    let mut reply = refusal.map_or_else(Response::default, IntoResponse::into_response);
    *reply.body_mut() = html;
    marked(reply, PAGE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use axum::http::header::CONTENT_TYPE;

    fn headers(host: &str) -> HeaderMap {
        HeaderMap::from_iter([(HOST, HeaderValue::from_str(host).unwrap())])
    }

    #[test]
    fn every_place_of_the_template_is_filled() {
        let html = View::default().html();
        assert!(!html.contains("{{") && !html.contains("}}"), "{html}");
        let places = TEMPLATE.split("{{").skip(1).map(|rest| rest.split_once("}}").unwrap().0);
        let [used, known] = [places.map(str::to_owned).collect(), known_places()];
        assert_eq!(used, known);
    }

    /// The places that the code knows, by their names in it.
    fn known_places() -> std::collections::BTreeSet<String> {
        let (_, rest) = include_str!("page.rs").split_once("filled(TEMPLATE, |name| match name {").unwrap();
        let (arms, _) = rest.split_once("_ => String::new()").unwrap();
        arms.lines().filter_map(|line| Some(line.trim().strip_prefix('"')?.split_once('"')?.0.to_owned())).collect()
    }

    #[test]
    fn what_was_asked_is_shown_as_text_wherever_it_stands() {
        let evil = "\"><script>alert('x')</script>{{key}}&";
        let entry = serde_json::json!({
            "symbol": evil, "status": evil, "detail": evil, "price": evil, "plus_minus": evil, "currency": evil,
        });
        let view = View {
            asked: Asked { symbols: vec![evil.to_owned()], currency: evil.to_owned() },
            by_default: vec![evil.to_owned()],
            wrong: Some(evil.to_owned()),
            curl: Some(evil.to_owned()),
            entries: Entry::all(&serde_json::to_vec(&serde_json::json!({ "prices": [entry] })).unwrap()).unwrap(),
            ..View::default()
        };
        let html = view.html();
        assert_eq!(html.matches("<script").count(), TEMPLATE.matches("<script").count());
        assert!(!html.contains("alert('x')") && !html.contains("\"><script"), "{html}");
        assert!(!html.contains(FIELD_FOR_THE_KEY), "what is filled in is not filled again");
        // its places: title, data, field, currency, complaint, line for a terminal, and six in the row
        assert_eq!(html.matches("alert(&#39;x&#39;)").count(), 12, "{html}");
    }

    #[test]
    fn nothing_in_the_page_is_a_script_or_a_style_by_itself() {
        for text in [TEMPLATE, FIELD_FOR_THE_KEY, IS_SIMULATED] {
            let text = text.to_ascii_lowercase();
            assert!(!text.contains("<style") && !text.contains(" style="), "{text}");
            let is_handler = |word: &str| word.starts_with("on") && word.contains('=');
            assert!(!text.split_ascii_whitespace().any(is_handler), "{text}");
            assert!(!text.contains("http://") && !text.contains("https://") && !text.contains("\"//"), "{text}");
            let scripts: Vec<&str> = text.split("<script").skip(1).collect();
            assert!(scripts.iter().all(|script| script.starts_with(" type=\"module\" src=\"page/")), "{text}");
        }
    }

    #[test]
    fn the_line_for_a_terminal_needs_a_host_that_no_shell_changes() {
        let asked = Asked { symbols: vec!["AAPL".to_owned(), "it's".to_owned()], currency: String::new() };
        let line = |host: &str| curl(&headers(host), &asked);
        let expected = "curl 'http://[::1]:8080/prices?symbols=AAPL,it%27s'";
        assert_eq!(line("[::1]:8080").as_deref(), Some(expected));
        for host in ["x'y", "x$(y)", "x;y", "x\\y"] {
            assert_eq!(line(host), None, "{host}");
        }
        assert_eq!(curl(&HeaderMap::new(), &asked), None);
        assert_eq!(curl(&headers("127.0.0.1:8080"), &Asked::default()), None);
    }

    #[test]
    fn a_refusal_is_a_page_with_the_code_and_the_headers_of_the_refusal() {
        let reply = document(Some(Problem::Overloaded), Body::from("<p>"));
        assert_eq!(reply.status(), 503);
        assert_eq!(reply.headers()["retry-after"], "1");
        assert_eq!(reply.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
    }

    #[test]
    fn the_examples_can_be_asked_for() {
        for (query, words) in EXAMPLES {
            let asked = Asked::read(query.strip_prefix('?').unwrap()).unwrap();
            assert!(words.starts_with(&asked.symbols.join(", ")), "{words}");
            assert!(words.ends_with(&asked.currency), "{words}");
        }
    }
}
