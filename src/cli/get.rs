//! `quotefold get`: one answer, from a running server if there is one, else from the sources themselves.

use std::io;
use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::body::body;
use super::health::{check_url, reachable, root_cause};
use super::print::{complain, print, print_json, table};
use super::{Exit, Get, options, settings, threads};
use crate::clock::Clock;
use crate::provider::secrets::mask_url;
use crate::question::{LONGEST_QUERY, Question};
use crate::service::Quotefold;
use crate::text::in_one_line;
use crate::text::words::duration;

/// The timeout for a server with unknown settings: longer than any sane `server.timeout`.
const PATIENCE: Duration = Duration::from_secs(30);

/// The variable with the key for a server whose settings are unknown or have no key.
pub(super) const KEY_VARIABLE: &str = "QUOTEFOLD_KEY";

/// How much longer than its `server.timeout` the server at the configured address may take.
const GRACE: Duration = Duration::from_secs(1);

/// A server's reply, or why there is none.
enum Asked {
    /// An answer with prices.
    Answer(Vec<u8>),
    /// The server refuses the request; its own words.
    Refused(String),
    /// The server cannot answer now; its own words.
    Unable(String),
    /// There is no server, or it is not quotefold.
    NoServer(String),
}

pub(super) fn run(arguments: &Get) -> io::Result<Exit> {
    let runtime = match threads::runtime()? {
        Ok(runtime) => runtime,
        Err(exit) => return Ok(exit),
    };
    let exit = runtime.block_on(get(arguments));
    runtime.shutdown_background();
    exit
}

async fn get(arguments: &Get) -> io::Result<Exit> {
    let escaped = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let currency = arguments.currency.as_ref().map(|code| format!("&currency={}", escaped(code))).unwrap_or_default();
    let query = format!("symbols={}{currency}", escaped(&arguments.symbols.join(",")));
    let options = options(&arguments.file);
    let own_key = options.environment.get(KEY_VARIABLE).filter(|key| !key.is_empty());
    if own_key.is_some_and(|key| !key.bytes().all(|byte| byte.is_ascii_graphic())) {
        let why = "a key with a space, a line break or a non-ASCII character, which cannot be sent";
        return Ok(refused(&format!("{KEY_VARIABLE} holds {why}")));
    }
    let own_key = own_key.map(|key| SecretString::from(key.clone()));
    if let Some(url) = &arguments.url {
        if let Err(why) = check_url(url) {
            return Ok(refused(&why));
        }
        let shown = mask_url(url);
        return match ask(url, &query, own_key.as_ref(), PATIENCE).await {
            Asked::Answer(body) => show(&body, arguments.json, &format!("answered by {shown}")),
            Asked::Refused(why) => Ok(refused(&why)),
            Asked::Unable(why) => Ok(unable(&shown, &why)),
            Asked::NoServer(why) => {
                complain(&format!("no quotefold at {shown}: {why}"));
                Ok(Exit::NoServer)
            }
        };
    }
    let settings = match settings(&options) {
        Ok(settings) => settings,
        Err(exit) => return Ok(exit),
    };
    let url = format!("http://{}", reachable(&settings.server.listen));
    let key = settings.access.keys.first().or(own_key.as_ref());
    let why_not = match ask(&url, &query, key, settings.server.timeout + GRACE).await {
        Asked::Answer(body) => return show(&body, arguments.json, &format!("answered by the server at {url}")),
        Asked::Refused(why) => return Ok(refused(&why)),
        Asked::Unable(why) => return Ok(unable(&url, &why)),
        Asked::NoServer(why) => why,
    };
    let service = match Quotefold::new(settings.for_one_answer(), &Clock::system()) {
        Ok(service) => service,
        Err(error) => {
            complain(&error.to_string());
            return Ok(Exit::Configuration);
        }
    };
    let question = match Question::parse_form(&query, service.bounds(), service.clock().now()) {
        Ok(question) => question,
        Err(bad) => return Ok(refused(&bad.to_string())),
    };
    let answer = service.answer(&question).await;
    let body = answer.body(service.clock().now().wall)?;
    show(&body, arguments.json, &format!("asked directly: no quotefold is running at {url} ({why_not})"))
}

fn refused(why: &str) -> Exit {
    complain(why);
    Exit::Usage
}

fn unable(url: &str, why: &str) -> Exit {
    complain(&format!("the server at {url} cannot answer now: {why}"));
    Exit::NoServer
}

async fn ask(base: &str, query: &str, key: Option<&SecretString>, patience: Duration) -> Asked {
    let client = match crate::source::fetch::connector::client() {
        Ok(client) => client,
        Err(error) => return Asked::NoServer(root_cause(&error.without_url())),
    };
    let prices = format!("{}/prices", base.trim_end_matches('/'));
    // a list that is too long for a URL is sent as a form
    let request = if query.len() > LONGEST_QUERY {
        let form = "application/x-www-form-urlencoded";
        client.post(prices).header(CONTENT_TYPE, form).body(query.to_owned())
    } else {
        client.get(format!("{prices}?{query}"))
    };
    let request = request.timeout(patience);
    let request = match key {
        Some(key) => request.bearer_auth(key.expose_secret()),
        None => request,
    };
    let reply = match request.send().await {
        Ok(reply) => reply,
        Err(error) => return Asked::NoServer(root_cause(&error.without_url())),
    };
    let (status, is_ours) = (reply.status(), reply.headers().contains_key("prices-status"));
    match body(reply).await {
        Ok(body) if is_ours => Asked::Answer(body),
        Ok(body) => match serde_json::from_slice::<Value>(&body) {
            Ok(problem) if problem["type"].as_str().is_some_and(|kind| kind.starts_with("/problems/")) => {
                let detail = in_one_line(problem["detail"].as_str().unwrap_or("the server refuses"));
                match status {
                    StatusCode::UNAUTHORIZED => Asked::Refused(format!("{detail}; set {KEY_VARIABLE} to one of them")),
                    StatusCode::TOO_MANY_REQUESTS => Asked::Unable(detail),
                    _ if status.is_server_error() => Asked::Unable(detail),
                    _ => Asked::Refused(detail),
                }
            }
            _ => Asked::NoServer(format!("something else answers there, with status {status}")),
        },
        Err(why) if is_ours => Asked::Refused(format!("the server's answer cannot be read: {why}")),
        Err(why) => Asked::NoServer(why),
    }
}

/// Prints an answer and says where it came from. The exit code follows from the answer's status.
fn show(body: &[u8], json: bool, from: &str) -> io::Result<Exit> {
    let answer: Value = serde_json::from_slice(body)?;
    let simulated = if answer["simulated"] == true { " (simulated: every price is invented)" } else { "" };
    complain(&format!("{from}{simulated}"));
    if json {
        print_json(&answer)?;
    } else {
        print(&as_table(&answer))?;
    }
    Ok(match answer["status"].as_str() {
        Some("complete") => Exit::Done,
        Some("degraded" | "partial") => Exit::NotWhole,
        _ => Exit::NoPrice,
    })
}

fn as_table(answer: &Value) -> String {
    let heads = ["SYMBOL", "PRICE", "±", "CURRENCY", "STATUS", "SOURCES", "AGE", ""];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    for price in answer["prices"].as_array().into_iter().flatten() {
        let text = |field: &str| price[field].as_str().unwrap_or("-").to_owned();
        let status = match price["reason"].as_str() {
            Some(reason) => format!("{} / {reason}", text("status")),
            None => text("status"),
        };
        let sources = &price["sources"];
        rows.push(vec![
            text("symbol"),
            text("price"),
            text("plus_minus"),
            text("currency"),
            status,
            format!("{} of {}", sources["used"], sources["asked"]),
            price["age_ms"].as_u64().map_or("-".to_owned(), |age| duration(Duration::from_millis(age))),
            price["detail"].as_str().unwrap_or_default().to_owned(),
        ]);
    }
    table(&rows)
}
