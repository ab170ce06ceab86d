//! The connection to the shared store.
//!
//! Every call has a timeout of its own, because a server that is stopped leaves calls without an end. Nothing is retried here, and
//! a connection that is lost is replaced only by `connect`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use redis::ServerErrorKind;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, FromRedisValue, ProtocolVersion, PushInfo, PushKind, RedisConnectionInfo,
    RedisError,
};
use ring::digest;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use rustls_platform_verifier::BuilderVerifierExt;
use secrecy::ExposeSecret;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::script::Script;
use super::{Server, StoreError};
use crate::settings::{SharedSettings, StoreAddress};

/// How long a new connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How many fields of a hash are read at once.
const READ_AT_ONCE: usize = 500;

/// The store. Without a connection, every call fails at once.
pub(super) struct Store {
    address: StoreAddress,
    account: RedisConnectionInfo,
    /// Who hears what is published on channels; `None` if no channel is listened to.
    hear: Option<Hear>,
    connection: Mutex<Option<Connection>>,
}

type Hear = Arc<dyn Fn(String) + Send + Sync>;

#[derive(Clone)]
struct Connection {
    calls: MultiplexedConnection,
    /// What reads and writes for it; ended with the last clone.
    _driver: Arc<Driver>,
}

struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Store {
    /// The store that the settings name, without a connection; `None` if they name none.
    pub(super) fn new(settings: &SharedSettings) -> Option<Self> {
        let address = settings.address()?;
        let mut account = RedisConnectionInfo::default()
            .set_protocol(ProtocolVersion::RESP3)
            .set_db(address.database)
            .set_skip_set_lib_name();
        if let Some(username) = &settings.username {
            account = account.set_username(username);
        }
        if let Some(password) = &settings.password {
            account = account.set_password(password.expose_secret());
        }
        Some(Store { address, account, hear: None, connection: Mutex::default() })
    }

    /// The same for a connection on which channels are listened to.
    pub(super) fn listening(settings: &SharedSettings, hear: impl Fn(String) + Send + Sync + 'static) -> Option<Self> {
        Some(Store { hear: Some(Arc::new(hear)), ..Store::new(settings)? })
    }

    /// Connects anew, and asks the server what it is.
    ///
    /// # Errors
    /// It cannot be reached, or does not let us in.
    pub(super) async fn connect(&self) -> Result<Server, StoreError> {
        self.disconnect();
        let connect = async {
            let at = (self.address.host.as_str(), self.address.port);
            let stream = TcpStream::connect(at).await.map_err(|error| StoreError::Unreachable(error.to_string()))?;
            // a call is a few hundred bytes, which must not wait for more
            stream.set_nodelay(true).map_err(|error| StoreError::Unreachable(error.to_string()))?;
            if self.address.is_tls {
                self.speak_over(self.with_tls(stream).await?).await
            } else {
                self.speak_over(stream).await
            }
        };
        let connection = timeout(CONNECT_TIMEOUT, connect).await.unwrap_or(Err(StoreError::Slow))?;
        let mut info = Cmd::new();
        info.arg("INFO");
        let info: String = timeout(CONNECT_TIMEOUT, call(&connection, &info)).await.unwrap_or(Err(StoreError::Slow))?;
        *self.connection.lock() = Some(connection);
        Ok(Server::read(&info))
    }

    /// Drops the connection. Calls that wait for a reply on it fail.
    pub(super) fn disconnect(&self) {
        *self.connection.lock() = None;
    }

    async fn with_tls(
        &self,
        stream: TcpStream,
    ) -> Result<impl AsyncRead + AsyncWrite + Send + Unpin + use<>, StoreError> {
        let unreachable = |error: &dyn std::fmt::Display| StoreError::Unreachable(error.to_string());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(BuilderVerifierExt::with_platform_verifier)
            .map_err(|error| unreachable(&error))?
            .with_no_client_auth();
        let name = ServerName::try_from(self.address.host.clone()).map_err(|error| unreachable(&error))?;
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(name, stream).await.map_err(|error| unreachable(&error))
    }

    async fn speak_over<S>(&self, stream: S) -> Result<Connection, StoreError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        // the callers' own timeouts hold
        let mut config = AsyncConnectionConfig::new().set_response_timeout(None);
        if let Some(hear) = self.hear.clone() {
            config = config.set_push_sender(move |push: PushInfo| {
                if let (PushKind::Message, Some(text)) = (&push.kind, push.data.into_iter().nth(1)) {
                    // what is no text is no message of ours
                    let _ = String::from_redis_value(text).map(|text| hear(text));
                }
                Ok::<(), Infallible>(())
            });
        }
        let made = MultiplexedConnection::new_with_config(&self.account, stream, config).await;
        let (calls, driver) = made.map_err(|error| StoreError::of(&error))?;
        let driver = Arc::new(Driver(tokio::spawn(driver).abort_handle()));
        Ok(Connection { calls, _driver: driver })
    }

    fn connected(&self) -> Result<Connection, StoreError> {
        let connection = self.connection.lock().clone();
        connection.ok_or_else(|| StoreError::Unreachable("there is no connection".to_owned()))
    }

    /// Makes a call that no request waits for.
    async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        let connection = self.connected()?;
        timeout(CONNECT_TIMEOUT, call(&connection, command)).await.unwrap_or(Err(StoreError::Slow))
    }

    /// Listens to a channel from now on.
    ///
    /// # Errors
    /// There is no connection, no reply in time, or an error.
    pub(super) async fn subscribe(&self, channel: &str) -> Result<(), StoreError> {
        let mut connection = self.connected()?;
        let subscribed = timeout(CONNECT_TIMEOUT, connection.calls.subscribe(channel)).await;
        subscribed.map_err(|_| StoreError::Slow)?.map_err(|error| StoreError::of(&error))
    }

    /// The value of a key, which is the proposed one if it had none.
    ///
    /// # Errors
    /// There is no connection, no reply in time, or an error.
    pub(super) async fn agree_on(&self, key: &str, proposed: &str) -> Result<String, StoreError> {
        let before: Option<String> = self.ask(redis::cmd("SET").arg(key).arg(proposed).arg("NX").arg("GET")).await?;
        Ok(before.unwrap_or_else(|| proposed.to_owned()))
    }

    /// All values of a hash. It is read in parts, so that the server goes on serving others meanwhile.
    ///
    /// # Errors
    /// There is no connection, no reply in time, or an error.
    pub(super) async fn values(&self, key: &str) -> Result<Vec<String>, StoreError> {
        let (mut values, mut cursor) = (Vec::new(), "0".to_owned());
        loop {
            let mut scan = redis::cmd("HSCAN");
            scan.arg(key).arg(&cursor).arg("COUNT").arg(READ_AT_ONCE);
            let (next, pairs): (String, Vec<(String, String)>) = self.ask(&scan).await?;
            values.extend(pairs.into_iter().map(|(_, value)| value));
            if next == "0" {
                return Ok(values);
            }
            cursor = next;
        }
    }

    /// Runs a script.
    ///
    /// # Errors
    /// There is no connection, no reply in time, or an error.
    pub(super) async fn run(
        &self,
        script: &Script,
        keys: &[&str],
        arguments: &[String],
    ) -> Result<Vec<String>, StoreError> {
        let connection = self.connected()?;
        let command = |name: &str, script: &str| {
            let mut command = Cmd::new();
            command.arg(name).arg(script).arg(keys.len()).arg(keys).arg(arguments);
            command
        };
        let known_by = script.fingerprint.get_or_init(|| fingerprint(&script.text));
        let run = async {
            match call(&connection, &command("EVALSHA", known_by)).await {
                Err(StoreError::NoScript) => call(&connection, &command("EVAL", &script.text)).await,
                reply => reply,
            }
        };
        timeout(script.timeout, run).await.unwrap_or(Err(StoreError::Slow))
    }
}

async fn call<T: FromRedisValue>(connection: &Connection, command: &Cmd) -> Result<T, StoreError> {
    command.query_async(&mut connection.calls.clone()).await.map_err(|error| StoreError::of(&error))
}

/// The SHA-1 by which a server knows a script.
fn fingerprint(script: &str) -> String {
    let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, script.as_bytes());
    digest.as_ref().iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

impl StoreError {
    fn of(error: &RedisError) -> Self {
        match error.kind() {
            ErrorKind::Server(ServerErrorKind::NoScript) => StoreError::NoScript,
            ErrorKind::Io => StoreError::Unreachable(error.to_string()),
            _ => StoreError::Refused(error.to_string()),
        }
    }
}
