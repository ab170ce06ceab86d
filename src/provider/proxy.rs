//! Proxies: how one is written, and which one a call goes through.

mod exceptions;

use std::collections::BTreeMap;
use std::fmt;

use reqwest::Url;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::secrets;
use exceptions::Exceptions;

/// The port of a SOCKS proxy that states none (RFC 1928).
const SOCKS_PORT: u16 = 1080;

/// The value of `proxy` for calls that go through none.
const NONE: &str = "none";

/// A server that passes calls on. Its URL may hold a user name and a password, so only its name is ever shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy(Url);

/// What the key `proxy` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProxySetting {
    /// `none`: calls go straight to the vendor, whatever the environment says.
    Direct,
    /// Calls go through this proxy.
    Through(Proxy),
}

/// What the variables `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` say, or the same names in lower case.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProxyVariables {
    /// The proxies for `https://`, `http://` and both, each with the variable that names it.
    https: Option<(String, Proxy)>,
    http: Option<(String, Proxy)>,
    all: Option<(String, Proxy)>,
    exceptions: Option<(String, Exceptions)>,
    /// Variables whose value is no proxy, and what is wrong with it.
    pub(crate) wrong: Vec<(String, String)>,
}

/// Which proxy the calls of a source go through. The default is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    https: Option<Proxy>,
    http: Option<Proxy>,
    exceptions: Exceptions,
}

impl Proxy {
    /// Reads the URL of a proxy: `http://`, `https://` or `socks5h://`, perhaps with a user name and a password.
    ///
    /// # Errors
    /// The text is something else. The message shows it without its user name and password, and says what to write.
    pub fn parse(text: &str) -> Result<Self, String> {
        let cure = "write one such as \"http://proxy.internal:3128\" or \"socks5h://127.0.0.1:1080\", or \"none\"";
        let shown = shown(text);
        let mut url = Url::parse(text).map_err(|error| match error.to_string().as_str() {
            "relative URL without a base" => format!("{shown:?} is not the URL of a proxy; {cure}"),
            error => format!("{shown:?} is not the URL of a proxy ({error}); {cure}"),
        })?;
        if matches!(url.scheme(), "socks5" | "socks") {
            return Err(format!("{shown:?} leaves open who looks names up; write socks5h://, and the proxy does"));
        }
        let is_known = matches!(url.scheme(), "http" | "https" | "socks5h");
        if !is_known || url.host_str().is_none_or(str::is_empty) {
            return Err(format!("{shown:?} is not the URL of a proxy; {cure}"));
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(format!("{shown:?} goes on after the host; a proxy has no path: {cure}"));
        }
        if url.scheme() == "socks5h" && url.port().is_none() {
            // cannot fail: there is a host
            let _ = url.set_port(Some(SOCKS_PORT));
        }
        // the client reads it once more, and a proxy that it could not read would be passed over in silence
        if hyper::Uri::try_from(url.as_str()).is_err() {
            return Err(format!("{shown:?} has characters that must be escaped, such as %40 for @; escape them"));
        }
        Ok(Proxy(url))
    }

    /// Reads the value of a variable, in which the scheme may be left out, and `socks5` means what `socks5h` does.
    fn parse_variable(text: &str) -> Result<Self, String> {
        match text.split_once("://") {
            None => Proxy::parse(&format!("http://{text}")),
            Some((scheme, rest)) if ["socks5", "socks"].contains(&scheme.to_ascii_lowercase().as_str()) => {
                Proxy::parse(&format!("socks5h://{rest}"))
            }
            Some(_) => Proxy::parse(text),
        }
    }

    /// Its whole URL, with user name and password: for the client, never to be shown.
    pub(crate) fn url(&self) -> &Url {
        &self.0
    }

    /// Its host, as it is looked up.
    pub(crate) fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// Whether a user name or a password is sent to it.
    pub(crate) fn has_credentials(&self) -> bool {
        !self.0.username().is_empty() || self.0.password().is_some()
    }

    /// Whether the connection to a URL reaches the vendor, with the proxy passing bytes on. If not, the proxy reads and
    /// writes the HTTP of both sides.
    pub(crate) fn tunnels(&self, url: &Url) -> bool {
        self.0.scheme() == "socks5h" || url.scheme() == "https"
    }

    /// What must never be shown of it, in the forms in which it travels.
    fn secrets(&self) -> Vec<SecretString> {
        [secrets::in_url(self.0.as_str()), secrets::credentials(&self.0)].concat()
    }
}

/// What may be shown of a text that should be the URL of a proxy. A mistake in it may be that its password is not escaped, so
/// everything before the last `@` counts as one, and without an `@` a port that is not a number.
fn shown(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").map_or(("", text), |(scheme, rest)| (scheme, rest));
    let is_scheme = scheme.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let (user, rest) = rest.rsplit_once('@').map_or(("", rest), |(_, rest)| ("***@", rest));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let port = rest[..end].trim_end_matches(']').rsplit_once(':').map_or("", |(_, port)| port);
    let is_address = port.bytes().all(|byte| byte.is_ascii_hexdigit()) && rest.starts_with('[')
        || port.bytes().all(|byte| byte.is_ascii_digit());
    let scheme = if is_scheme { scheme } else { secrets::MASK };
    let separator = if scheme.is_empty() { "" } else { "://" };
    format!("{scheme}{separator}{user}{}", if is_address { rest } else { secrets::MASK })
}

/// Its name: the URL without user name and password.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.0.scheme(), self.host())?;
        self.0.port().map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for ProxySetting {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == NONE { Ok(ProxySetting::Direct) } else { Proxy::parse(&text).map(ProxySetting::Through) }
    }
}

impl Serialize for ProxySetting {
    fn serialize<S: Serializer>(&self, into: S) -> Result<S::Ok, S::Error> {
        match self {
            ProxySetting::Direct => into.serialize_str(NONE),
            ProxySetting::Through(Proxy(url)) => {
                into.serialize_str(secrets::mask_url(url.as_str()).trim_end_matches('/'))
            }
        }
    }
}

/// Reads a value of `proxy`. An empty text is as good as none: a variable cannot be left out of a compose file.
pub(crate) fn setting<'de, D: Deserializer<'de>>(from: D) -> Result<Option<ProxySetting>, D::Error> {
    let text = String::deserialize(from)?;
    if text.is_empty() { Ok(None) } else { ProxySetting::try_from(text).map(Some).map_err(de::Error::custom) }
}

impl ProxyVariables {
    /// Reads them out of the environment. An empty variable counts as not set.
    pub(crate) fn read(environment: &BTreeMap<String, String>) -> Self {
        let mut wrong = Vec::new();
        let value = |name: &str| {
            let names = [name.to_owned(), name.to_ascii_lowercase()];
            let mut set = names.into_iter().filter_map(|name| Some((environment.get(&name)?.trim().to_owned(), name)));
            set.find(|(value, _)| !value.is_empty()).map(|(value, name)| (name, value))
        };
        let mut proxy = |name: &str| {
            let (name, value) = value(name)?;
            match Proxy::parse_variable(&value) {
                Ok(proxy) => Some((name, proxy)),
                Err(message) => {
                    wrong.push((name, message));
                    None
                }
            }
        };
        let (https, http, all) = (proxy("HTTPS_PROXY"), proxy("HTTP_PROXY"), proxy("ALL_PROXY"));
        let exceptions = value("NO_PROXY").map(|(name, value)| (name, Exceptions::read(&value)));
        ProxyVariables { https, http, all, exceptions, wrong }
    }

    /// The variables that were read, by name.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let proxies = [&self.https, &self.http, &self.all].into_iter().flatten().map(|(name, _)| name);
        proxies.chain(self.exceptions.iter().map(|(name, _)| name)).map(String::as_str)
    }
}

impl Proxies {
    /// The proxies of a source: what its own key says, else what the server's says, else what the variables say.
    /// `NO_PROXY` holds for all of them.
    pub(crate) fn choose(
        own: Option<&ProxySetting>,
        server: Option<&ProxySetting>,
        variables: &ProxyVariables,
    ) -> Self {
        let (https, http) = match own.or(server) {
            Some(ProxySetting::Direct) => return Proxies::default(),
            Some(ProxySetting::Through(proxy)) => (Some(proxy.clone()), Some(proxy.clone())),
            None => {
                let or_all = |own: &Option<(String, Proxy)>| {
                    own.as_ref().or(variables.all.as_ref()).map(|(_, proxy)| proxy.clone())
                };
                (or_all(&variables.https), or_all(&variables.http))
            }
        };
        let exceptions = variables.exceptions.as_ref().map(|(_, exceptions)| exceptions.clone());
        Proxies { https, http, exceptions: exceptions.unwrap_or_default() }
    }

    /// The proxy that a call to a URL goes through. Nothing on this machine is ever asked through one.
    pub fn of(&self, url: &Url) -> Option<&Proxy> {
        let proxy = if url.scheme() == "https" { &self.https } else { &self.http };
        proxy.as_ref().filter(|_| !exceptions::is_loopback(url) && !self.exceptions.cover(url))
    }

    /// Whether no call goes through a proxy.
    pub(crate) fn is_empty(&self) -> bool {
        self.https.is_none() && self.http.is_none()
    }

    /// Whether one of them is spoken to over TLS.
    pub(crate) fn have_certificates(&self) -> bool {
        self.https.iter().chain(&self.http).any(|proxy| proxy.0.scheme() == "https")
    }

    /// What must never be shown of them.
    pub(crate) fn secrets(&self) -> Vec<SecretString> {
        self.https.iter().chain(&self.http).flat_map(Proxy::secrets).collect()
    }
}

#[cfg(test)]
mod tests;
