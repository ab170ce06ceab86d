//! Asks a server at the address that it listens at: through a port or a socket, below TLS and behind a proxy's header, if the
//! configuration has them.

use std::path::PathBuf;
use std::sync::Arc;
use std::{fmt, io};

use axum::http::header::HOST;
use axum::http::{HeaderValue, Request};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::default_provider;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use crate::cli::health::root_cause;
use crate::server::listen::proxy_header::LOCAL;
use crate::settings::socket_path;

/// What a server on this machine is called: every one takes this name, and no name server is asked for it.
const NAME: &str = "localhost";

/// The address of a server on this machine, and what is spoken there.
#[derive(Clone, Debug)]
pub(super) struct Own {
    place: Place,
    speaks_tls: bool,
    /// Whether a connection begins with the header of the PROXY protocol.
    sends_header: bool,
}

#[derive(Clone, Debug)]
enum Place {
    Port(String),
    Socket(PathBuf),
}

/// A connection of any kind.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Own {
    /// A server that listens at an address, as the configuration writes it, and speaks nothing but HTTP there.
    pub(super) fn at(address: &str) -> Self {
        let place = match socket_path(address) {
            Some(path) => Place::Socket(path.to_owned()),
            None => Place::Port(reachable(address)),
        };
        Own { place, speaks_tls: false, sends_header: false }
    }

    /// The same with TLS, if it is spoken there, and behind a header of the PROXY protocol, if one is awaited.
    pub(super) fn with(self, speaks_tls: bool, sends_header: bool) -> Self {
        Own { speaks_tls, sends_header, ..self }
    }

    /// Where it is.
    pub(super) fn shown(&self) -> String {
        let scheme = if self.speaks_tls { "https" } else { "http" };
        match &self.place {
            Place::Port(address) => format!("{scheme}://{address}"),
            Place::Socket(path) => format!("unix:{}", path.display()),
        }
    }

    /// Sends a request and returns the reply, whose body is still to come.
    ///
    /// # Errors
    /// Why there is no reply, in words for people.
    pub(super) async fn exchange(&self, mut request: Request<String>) -> Result<reqwest::Response, String> {
        let host = match &self.place {
            Place::Port(address) => HeaderValue::from_str(address).map_err(|error| error.to_string())?,
            Place::Socket(_) => HeaderValue::from_static(NAME),
        };
        request.headers_mut().insert(HOST, host);
        let stream = self.connect().await.map_err(|error| root_cause(&error))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| root_cause(&error))?;
        tokio::spawn(connection);
        let reply = sender.send_request(request).await.map_err(|error| root_cause(&error))?;
        Ok(reply.map(reqwest::Body::wrap).into())
    }

    async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        let mut stream: Box<dyn Stream> = match &self.place {
            Place::Port(address) => Box::new(TcpStream::connect(address).await?),
            Place::Socket(path) => Box::new(UnixStream::connect(path).await?),
        };
        if self.sends_header {
            stream.write_all(&LOCAL).await?;
        }
        if !self.speaks_tls {
            return Ok(stream);
        }
        let name = ServerName::try_from(NAME).map_err(io::Error::other)?;
        Ok(Box::new(TlsConnector::from(tls()?).connect(name, stream).await?))
    }
}

/// The address at which this machine reaches a server that listens here; all interfaces include the loopback one.
fn reachable(listen: &str) -> String {
    listen
        .strip_prefix("0.0.0.0:")
        .map(|port| format!("127.0.0.1:{port}"))
        .unwrap_or_else(|| listen.replace("[::]:", "[::1]:"))
}

/// How TLS is spoken with a server on this machine.
fn tls() -> io::Result<Arc<ClientConfig>> {
    let provider = Arc::new(default_provider());
    let tls = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let tls = tls.map_err(io::Error::other)?.dangerous();
    Ok(Arc::new(tls.with_custom_certificate_verifier(Arc::new(AnyCertificate(provider))).with_no_client_auth()))
}

/// Takes every certificate. The address is the service's own, on this machine, and another program that listened there could do so
/// without TLS as well. That a certificate is for other names, has run out, or has just been renewed in its file and not been read again does
/// not say whether the service lives.
struct AnyCertificate(Arc<CryptoProvider>);

impl fmt::Debug for AnyCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnyCertificate")
    }
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_all_interfaces_is_asked_on_this_machine() {
        assert_eq!(Own::at("0.0.0.0:8080").shown(), "http://127.0.0.1:8080");
        assert_eq!(Own::at("[::]:8080").with(true, false).shown(), "https://[::1]:8080");
        assert_eq!(Own::at("prices.internal:80").shown(), "http://prices.internal:80");
        assert_eq!(Own::at("unix:/run/q.sock").shown(), "unix:/run/q.sock");
    }
}
