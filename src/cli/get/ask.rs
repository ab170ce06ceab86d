//! Asks for prices: the server that runs, or the sources themselves if none does.

use std::io;
use std::time::Duration;

use axum::http::StatusCode;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Response;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;

use crate::cli::reach::{self, Asked, Reach};
use crate::cli::{Exit, Format, Get, options, settings};
use crate::clock::Clock;
use crate::question::{Accepted, LONGEST_QUERY, Question};
use crate::service::Quotefold;
use crate::settings::Settings;
use crate::settings::load::LoadOptions;
use crate::text::in_one_line;

/// The timeout for a server with unknown settings: longer than any sane `server.timeout`.
const PATIENCE: Duration = Duration::from_secs(30);

/// The variable with the key for a server whose settings are unknown or have no key.
pub(in crate::cli) const KEY_VARIABLE: &str = "QUOTEFOLD_KEY";

/// How much longer than its `server.timeout` the server at the configured address may take.
const GRACE: Duration = Duration::from_secs(1);

/// An answer with prices.
pub(super) struct Answered {
    /// The body, in the format that was asked for.
    pub(super) body: Vec<u8>,
    /// How complete it is.
    pub(super) status: Option<String>,
    /// Who answered, in words, and whether its prices are simulated.
    pub(super) from: String,
}

/// Why there is no answer.
pub(super) struct Trouble {
    /// The code to end with.
    pub(super) exit: Exit,
    /// The reason in words; `None` if that has been said.
    pub(super) why: Option<String>,
}

/// A server's reply, or why there is none.
enum Reply {
    /// An answer with prices, which are all invented if it is that of a demo.
    Answer { body: Vec<u8>, status: Option<String>, is_simulated: bool },
    /// The server refuses the request; its own words.
    Refused(String),
    /// The server cannot answer now; its own words.
    Unable(String),
    /// There is no server, or it is not quotefold.
    NoServer(String),
}

/// A question, and whom to ask it.
pub(super) struct Asker {
    /// The question, without the format that its answer should have.
    query: String,
    format: Option<Format>,
    whom: Whom,
}

enum Whom {
    /// A server; or the sources, with these settings, if the server does not run when it is asked first.
    Server { server: Server, otherwise: Option<Box<Settings>> },
    /// The sources. The words say why.
    Sources { service: Box<Quotefold>, from: String },
}

/// A stream that a server can be asked for.
pub(super) struct PriceStream {
    server: Server,
    target: String,
}

#[derive(Clone)]
struct Server {
    reach: Reach,
    /// Where it is, in a sentence.
    called: String,
    key: Option<SecretString>,
    patience: Duration,
}

impl Trouble {
    fn new(exit: Exit, why: impl Into<String>) -> Self {
        Trouble { exit, why: Some(why.into()) }
    }

    fn refused(why: impl Into<String>) -> Self {
        Trouble::new(Exit::Usage, why)
    }
}

impl Asker {
    /// The question of a command line.
    ///
    /// # Errors
    /// The command line or the configuration is wrong.
    pub(super) fn new(arguments: &Get) -> Result<Self, Trouble> {
        let escaped = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let currency = arguments.currency.as_ref().map(|code| format!("&currency={}", escaped(code)));
        let query = format!("symbols={}{}", escaped(&arguments.symbols.join(",")), currency.unwrap_or_default());
        Ok(Asker { query, format: arguments.format, whom: Whom::of(arguments)? })
    }

    /// Asks once. The server or the sources that were asked the first time are asked the next time, too.
    pub(super) async fn ask(&mut self) -> io::Result<Result<Answered, Trouble>> {
        let (server, otherwise) = match &mut self.whom {
            Whom::Server { server, otherwise } => (server, otherwise),
            Whom::Sources { service, from } => return ask_sources(service, &self.query, self.format, from).await,
        };
        let reply = server.reply(&in_format(&self.query, self.format)).await;
        // the first reply decides whether the sources are asked; a wait for it that is broken off does not
        let otherwise = otherwise.take();
        let why_not = match reply {
            Reply::Answer { body, status, is_simulated } => {
                let simulated = if is_simulated { " (simulated: every price is invented)" } else { "" };
                return Ok(Ok(Answered { body, status, from: format!("answered by {}{simulated}", server.called) }));
            }
            Reply::Refused(why) => return Ok(Err(Trouble::refused(why))),
            Reply::Unable(why) => {
                let why = format!("the server at {} cannot answer now: {why}", server.reach.shown());
                return Ok(Err(Trouble::new(Exit::NoServer, why)));
            }
            Reply::NoServer(why) => why,
        };
        let Some(settings) = otherwise else {
            return Ok(Err(Trouble::new(
                Exit::NoServer,
                format!("no quotefold at {}: {why_not}", server.reach.shown()),
            )));
        };
        let from = format!("asked directly: no quotefold is running at {} ({why_not})", server.reach.shown());
        let service = match Quotefold::new(settings.for_one_answer(), &Clock::system()) {
            Ok(service) => Box::new(service),
            Err(error) => return Ok(Err(Trouble::new(Exit::Configuration, error.to_string()))),
        };
        self.whom = Whom::Sources { service, from };
        match &self.whom {
            Whom::Sources { service, from } => ask_sources(service, &self.query, self.format, from).await,
            Whom::Server { .. } => Ok(Err(Trouble::new(Exit::NoServer, why_not))),
        }
    }
}

impl Asker {
    /// The stream of what is asked, with the proof if `quotes` says so. `None` if the sources are asked themselves, or if the list is
    /// too long for a URL: there is no form that asks for a stream.
    pub(super) fn stream(&self, quotes: bool) -> Option<PriceStream> {
        let Whom::Server { server, .. } = &self.whom else { return None };
        let query = format!("{}&quotes={quotes}", self.query);
        let target = format!("/prices/stream?{query}");
        (query.len() <= LONGEST_QUERY).then(|| PriceStream { server: server.clone(), target })
    }
}

impl PriceStream {
    /// Asks for it, and returns the reply as soon as its head is there.
    ///
    /// # Errors
    /// Why there is no reply, in words for people.
    pub(super) async fn open(&self) -> Result<Response, String> {
        let PriceStream { server: Server { reach, key, patience, .. }, target } = self;
        let (key, patience) = (key.as_ref(), *patience);
        reach.open(Asked { target, form: None, key, patience, is_redirected: false }).await
    }
}

impl Whom {
    /// Whom a command line names.
    ///
    /// # Errors
    /// The command line or the configuration is wrong.
    fn of(arguments: &Get) -> Result<Self, Trouble> {
        let options = LoadOptions { without_identity: true, ..options(&arguments.file) };
        let own_key = options.environment.get(KEY_VARIABLE).filter(|key| !key.is_empty());
        if own_key.is_some_and(|key| !key.bytes().all(|byte| byte.is_ascii_graphic())) {
            let why = "a key with a space, a line break or a non-ASCII character, which cannot be sent";
            return Err(Trouble::refused(format!("{KEY_VARIABLE} holds {why}")));
        }
        let own_key = own_key.map(|key| SecretString::from(key.clone()));
        if let Some(url) = &arguments.url {
            let reach = Reach::named(url).map_err(Trouble::refused)?;
            let server = Server { called: reach.shown().to_owned(), reach, key: own_key, patience: PATIENCE };
            return Ok(Whom::Server { server, otherwise: None });
        }
        let settings = settings(&options).map_err(|exit| Trouble { exit, why: None })?;
        let reach = Reach::public(&settings);
        let server = Server {
            called: format!("the server at {}", reach.shown()),
            reach,
            key: settings.access.keys.first().cloned().or(own_key),
            patience: settings.server.timeout + GRACE,
        };
        Ok(Whom::Server { server, otherwise: Some(Box::new(settings)) })
    }
}

impl Format {
    /// Its name in a query.
    fn as_str(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Csv => "csv",
            Format::Text => "text",
            Format::Ndjson => "ndjson",
        }
    }
}

/// The question to a server, whose answer should have this format. JSON is what it answers by itself.
fn in_format(query: &str, format: Option<Format>) -> String {
    match format {
        None | Some(Format::Json) => query.to_owned(),
        Some(format) => format!("{query}&format={}", format.as_str()),
    }
}

async fn ask_sources(
    service: &Quotefold,
    query: &str,
    format: Option<Format>,
    from: &str,
) -> io::Result<Result<Answered, Trouble>> {
    let question = Question::parse_form(&in_format(query, format), service.bounds(), service.clock().now());
    let read = question.and_then(|question| Ok((question.format(Accepted::Json)?, question)));
    let (format, question) = match read {
        Ok(read) => read,
        Err(bad) => return Ok(Err(Trouble::refused(bad.to_string()))),
    };
    let answer = service.answer(&question).await;
    let parts: serde_json::Result<Vec<Vec<u8>>> = answer.parts_in(format, service.clock().now().wall).collect();
    let body = parts?.concat();
    Ok(Ok(Answered { body, status: Some(answer.completeness.as_str().to_owned()), from: from.to_owned() }))
}

impl Server {
    async fn reply(&self, query: &str) -> Reply {
        // a list that is too long for a URL is sent as a form
        let is_long = query.len() > LONGEST_QUERY;
        let target = if is_long { "/prices".to_owned() } else { format!("/prices?{query}") };
        let asked = Asked {
            target: &target,
            form: is_long.then(|| query.to_owned()),
            key: self.key.as_ref(),
            patience: self.patience,
            is_redirected: false,
        };
        let reach::Reply { status: code, headers, body } = match self.reach.ask(asked).await {
            Ok(reply) => reply,
            Err(why) => return Reply::NoServer(why),
        };
        let is_ours = headers.get("prices-status").map(|status| status.to_str().map(str::to_owned).ok());
        let is_of_demo = headers.get("quotefold-demo").is_some_and(|value| value == "true");
        match (body, is_ours) {
            (Ok(body), Some(status)) => {
                let is_simulated = is_of_demo || says_simulated(&body);
                Reply::Answer { body, status, is_simulated }
            }
            (Ok(body), None) => without_prices(code, &body),
            (Err(why), Some(_)) => Reply::Refused(format!("the server's answer cannot be read: {why}")),
            (Err(why), None) => Reply::NoServer(why),
        }
    }
}

/// Whether an answer says in its body that its prices are simulated. Only JSON has room for that; the header, which all formats
/// have, may be lost on the way.
fn says_simulated(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Envelope {
        #[serde(default)]
        simulated: bool,
    }
    serde_json::from_slice(body).is_ok_and(|Envelope { simulated }| simulated)
}

/// What a reply means that is no answer with prices.
fn without_prices(code: StatusCode, body: &[u8]) -> Reply {
    match serde_json::from_slice::<Value>(body) {
        Ok(problem) if problem["type"].as_str().is_some_and(|kind| kind.starts_with("/problems/")) => {
            let detail = in_one_line(problem["detail"].as_str().unwrap_or("the server refuses"));
            match code {
                StatusCode::UNAUTHORIZED => Reply::Refused(format!("{detail}; set {KEY_VARIABLE} to one of them")),
                StatusCode::TOO_MANY_REQUESTS => Reply::Unable(detail),
                _ if code.is_server_error() => Reply::Unable(detail),
                _ => Reply::Refused(detail),
            }
        }
        _ => Reply::NoServer(format!("something else answers there, with status {code}")),
    }
}
