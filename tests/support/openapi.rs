//! The description of the interface, as the measure of replies: whatever a reply has, the description must allow, and
//! whatever the description requires, the reply must have.
//!
//! Clients must ignore fields that they do not know, so the description does not forbid them. Here, a field that it does
//! not have is a difference all the same.

pub(crate) mod exchanges;
mod schema;

use std::sync::LazyLock;

use serde_json::Value;

use super::client::Reply;
use super::pages::ROOT;
pub(crate) use schema::Schemas;

/// Paths that the description leaves out: the demo's own, and the pages for people with their files.
const OUTSIDE: [&str; 3] = ["/demo/", "/docs/", "/page/"];

/// Headers that every HTTP server sends, and the one whose values are the keys of `content`.
const OF_HTTP: [&str; 2] = ["date", "content-type"];

/// The media type of problems.
const PROBLEM: &str = "application/problem+json";

/// A description of an interface.
#[derive(Clone, Debug)]
pub(crate) struct Description(Value);

/// A request, as far as its reply depends on it.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// The path without the query.
    pub(crate) path: String,
}

impl Description {
    /// The one that the service serves.
    pub(crate) fn ours() -> &'static Self {
        static OURS: LazyLock<Description> = LazyLock::new(|| {
            let path = format!("{ROOT}/src/server/openapi.json");
            let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
            Description::new(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}")))
        });
        &OURS
    }

    pub(crate) fn new(document: Value) -> Self {
        Description(document)
    }

    pub(crate) fn document(&self) -> &Value {
        &self.0
    }

    pub(crate) fn schemas(&self) -> Schemas<'_> {
        Schemas::of(&self.0)
    }

    /// The pattern of a path, such as `/prices/{symbol}`, and its operations.
    fn path(&self, path: &str) -> Option<(&str, &Value)> {
        let paths = self.0["paths"].as_object()?.iter();
        paths.map(|(pattern, operations)| (pattern.as_str(), operations)).find(|(pattern, _)| fits(pattern, path))
    }

    /// Everything in which a reply is not as described, one line each.
    pub(crate) fn differences(&self, request: &Request, reply: &Reply) -> Vec<String> {
        // what is refused before it is a request has neither our headers nor a body
        let is_refused_unread = matches!(reply.status, 400 | 431) && reply.header("x-request-id").is_none();
        let is_preflight = request.method == "OPTIONS" && reply.header("access-control-allow-methods").is_some();
        let is_outside = request.path == "/" || OUTSIDE.iter().any(|start| request.path.starts_with(start));
        if is_preflight || is_outside {
            return Vec::new();
        }
        if is_refused_unread {
            let is_empty = reply.body.is_empty() && reply.header("content-type").is_none();
            return if is_empty { Vec::new() } else { vec![format!("a {} with a body and no id", reply.status)] };
        }
        let method = if request.method == "HEAD" { "get".to_owned() } else { request.method.to_ascii_lowercase() };
        let operation = self.path(&request.path).and_then(|(_, operations)| operations.get(&method));
        let Some(operation) = operation else { return self.of_no_operation(request, reply) };
        let Some(response) = operation["responses"].get(reply.status.to_string()) else {
            let listed: Vec<&String> =
                operation["responses"].as_object().into_iter().flatten().map(|(code, _)| code).collect();
            return vec![format!("the code {} is not described; {listed:?} are", reply.status)];
        };
        let response = self.schemas().resolved(response);
        let mut found = self.of_headers(response, reply);
        found.extend(of_answers(operation, reply));
        found.extend(self.of_content(response, request, reply));
        found
    }

    /// What is wrong with the reply to a request that the description does not have. It must be a problem.
    fn of_no_operation(&self, request: &Request, reply: &Reply) -> Vec<String> {
        let is_problem = reply.header("content-type") == Some(PROBLEM) && reply.status >= 400;
        if !is_problem {
            let path = self.path(&request.path);
            let lacks = path.map_or("the path is", |_| "the method is");
            return vec![format!("{lacks} not described, but the reply is no problem")];
        }
        if request.method == "HEAD" {
            return Vec::new();
        }
        let schema = serde_json::json!({ "$ref": "#/components/schemas/Problem" });
        self.of_json(&reply.body, &schema)
    }

    fn of_headers(&self, response: &Value, reply: &Reply) -> Vec<String> {
        let schemas = self.schemas();
        let none = serde_json::Map::new();
        let described = response["headers"].as_object().unwrap_or(&none);
        let mut found = Vec::new();
        for (name, header) in described {
            let header = schemas.resolved(header);
            match reply.header(name) {
                None if header["required"] == true => found.push(format!("the header {name} is missing")),
                None => {}
                Some(text) => {
                    let is_number = schemas.resolved(&header["schema"])["type"] == "integer";
                    let number = text.parse::<u64>().ok().filter(|_| is_number);
                    let value = number.map_or_else(|| Value::from(text), Value::from);
                    found.extend(schemas.differences(&format!("header {name}"), &value, &header["schema"]));
                }
            }
        }
        let lines = reply.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        for (name, value) in lines {
            let is_known =
                described.keys().map(String::as_str).chain(OF_HTTP).any(|own| own.eq_ignore_ascii_case(name));
            if !is_known {
                found.push(format!("the header {name}:{value} is not described for this code"));
            }
        }
        found
    }

    fn of_content(&self, response: &Value, request: &Request, reply: &Reply) -> Vec<String> {
        let kind = reply.header("content-type").map(|kind| kind.split(';').next().unwrap_or_default().trim());
        let Some(contents) = response.get("content").and_then(Value::as_object) else {
            let is_empty = reply.body.is_empty() && kind.is_none();
            return if is_empty {
                Vec::new()
            } else {
                vec![format!("no body is described, but there is one: {kind:?}")]
            };
        };
        let Some(content) = kind.and_then(|kind| contents.get(kind)) else {
            return vec![format!(
                "the content type {kind:?} is not described; {:?} are",
                contents.keys().collect::<Vec<_>>()
            )];
        };
        // a packed body has been unpacked here
        let length = reply.header("content-length").filter(|_| reply.header("content-encoding").is_none());
        let length = length.and_then(|length| length.parse::<usize>().ok());
        match (request.method.as_str(), kind.unwrap_or_default()) {
            ("HEAD", _) if reply.body.is_empty() => Vec::new(),
            ("HEAD", _) => vec!["the reply to a HEAD has a body".to_owned()],
            // the connection broke, or the test did not read on
            _ if length.is_some_and(|length| length > reply.body.len()) => Vec::new(),
            (_, kind) if kind.ends_with("json") && !kind.ends_with("ndjson") => {
                self.of_json(first(&reply.body, length), &content["schema"])
            }
            _ => self.of_text(first(&reply.body, length), &content["schema"]),
        }
    }

    /// What is wrong with a body in JSON.
    fn of_json(&self, body: &str, schema: &Value) -> Vec<String> {
        match serde_json::from_str(body) {
            Ok(value) => self.schemas().differences("", &value, schema),
            Err(error) => vec![format!("the body is not JSON: {error}")],
        }
    }

    /// What is wrong with a body in text: with its lines, if they are described, and with the heads of its columns.
    fn of_text(&self, body: &str, schema: &Value) -> Vec<String> {
        let (schema, mut found) = (self.schemas().resolved(schema), Vec::new());
        if let Some(line_schema) = schema.get("x-lines") {
            for (number, line) in (1..).zip(body.lines()) {
                let wrong = self.of_json(line, line_schema);
                found.extend(wrong.into_iter().map(|wrong| format!("line {number}: {wrong}")));
            }
        }
        if let Some(columns) = schema.get("x-columns").and_then(Value::as_array) {
            let heads: Vec<&str> = body.lines().next().unwrap_or_default().split([',', ';', '\t']).collect();
            if heads != columns.iter().filter_map(Value::as_str).collect::<Vec<_>>() {
                found.push(format!("the columns are {heads:?}, and {columns:?} are described"));
            }
        }
        found
    }
}

impl Request {
    /// The first request in what was sent, if it has a whole first line.
    pub(crate) fn read(words: &str) -> Option<Self> {
        let (line, _) = words.split_once("\r\n")?;
        let mut parts = line.split(' ');
        let (method, target, version) = (parts.next()?, parts.next()?, parts.next()?);
        if !version.starts_with("HTTP/") {
            return None;
        }
        // a target may name its host
        let after_host = target.split_once("://").map(|(_, rest)| rest.find('/').map_or("/", |at| &rest[at..]));
        let path = after_host.unwrap_or(target).split('?').next().unwrap_or_default();
        Some(Request { method: method.to_owned(), path: path.to_owned() })
    }
}

/// Whether a path has a pattern.
fn fits(pattern: &str, path: &str) -> bool {
    let (parts, segments): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), path.split('/').collect());
    let fits = |(part, segment): (&&str, &&str)| part == segment || part.starts_with('{') && !segment.is_empty();
    parts.len() == segments.len() && parts.iter().zip(&segments).all(fits)
}

/// The first reply of a connection: another one may follow it.
fn first(body: &str, length: Option<usize>) -> &str {
    length.and_then(|length| body.get(..length)).unwrap_or(body)
}

/// What a schema cannot say of replies that are an answer in one content type and a problem in another.
fn of_answers(operation: &Value, reply: &Reply) -> Vec<String> {
    let gives_prices = operation["tags"].as_array().is_some_and(|tags| tags.iter().any(|tag| tag == "Prices"));
    if !gives_prices {
        return Vec::new();
    }
    let is_problem = reply.header("content-type") == Some(PROBLEM);
    let mut found = Vec::new();
    if is_problem == reply.header("prices-status").is_some() {
        found.push("a reply is either an answer, with Prices-Status, or a problem, without it".to_owned());
    }
    let lines = reply.head.lines().filter_map(|line| line.split_once(':'));
    let vary = lines.filter(|(name, _)| name.eq_ignore_ascii_case("vary")).flat_map(|(_, names)| names.split(','));
    if !is_problem && !vary.into_iter().any(|name| name.trim().eq_ignore_ascii_case("accept")) {
        found.push("Vary does not name Accept in an answer".to_owned());
    }
    found
}
