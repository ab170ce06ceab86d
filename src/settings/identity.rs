//! The certificate that the service shows to its clients.

use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::{ExposeSecret, SecretString};

use super::error::Report;
use super::server::ServerSettings;

/// The only protocol that is spoken above TLS.
const HTTP_1: &[u8] = b"http/1.1";

/// A certificate and its key, ready to speak TLS with.
#[derive(Clone)]
pub struct Identity {
    tls: Arc<ServerConfig>,
    /// What the files say, to see later whether they say the same.
    contents: SecretString,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}

/// What is wrong, and with which key.
type Fault = (&'static str, String);

impl Identity {
    /// How TLS is spoken with it.
    pub(crate) fn tls(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.tls)
    }

    /// What the files say, the key among it.
    pub(super) fn contents(&self) -> &str {
        self.contents.expose_secret()
    }

    /// Reads the files that the section names, if it names any.
    pub(super) fn read(server: &ServerSettings, report: &mut Report<'_>) -> Option<Self> {
        let read = match (&server.certificate_file, &server.key_file) {
            (None, None) => return None,
            (Some(certificate), Some(key)) => Identity::of(certificate, key),
            (Some(_), None) if report.was_read(&["server", "key_file"]) => {
                Err(("certificate_file", "there is no key for it; set key_file, too".to_owned()))
            }
            (None, Some(_)) if report.was_read(&["server", "certificate_file"]) => {
                Err(("key_file", "there is no certificate for it; set certificate_file, too".to_owned()))
            }
            _ => return None,
        };
        read.map_err(|(key, message)| report.at(&["server", key], message)).ok()
    }

    fn of(certificate_file: &str, key_file: &str) -> Result<Self, Fault> {
        let of_certificate =
            |why: String| ("certificate_file", format!("{why}; write the path of a PEM file with the certificate"));
        let of_key = |why: String| {
            ("key_file", format!("{why}; write the path of a PEM file with the certificate's key, not encrypted"))
        };
        let certificate = contents_of(certificate_file).map_err(of_certificate)?;
        let key = contents_of(key_file).map_err(of_key)?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate.as_bytes()).collect();
        let chain = chain.map_err(|_| of_certificate(format!("the file {certificate_file:?} is damaged")))?;
        if chain.is_empty() {
            return Err(of_certificate(format!(
                "there is no -----BEGIN CERTIFICATE----- in the file {certificate_file:?}"
            )));
        }
        let private = PrivateKeyDer::from_pem_slice(key.as_bytes())
            .map_err(|_| of_key(format!("there is no key in the file {key_file:?}")))?;
        let tls = ServerConfig::builder_with_provider(default_provider().into()).with_safe_default_protocol_versions();
        let tls = tls.and_then(|tls| tls.with_no_client_auth().with_single_cert(chain, private));
        let mut tls = tls.map_err(|error| of_key(unusable(certificate_file, key_file, &error)))?;
        tls.alpn_protocols = vec![HTTP_1.to_vec()];
        Ok(Identity { tls: Arc::new(tls), contents: format!("{certificate}{key}").into() })
    }
}

/// Why a certificate and a key cannot be used together.
fn unusable(certificate_file: &str, key_file: &str, error: &rustls::Error) -> String {
    match error {
        rustls::Error::InconsistentKeys(_) => {
            format!("the key in the file {key_file:?} is not that of the first certificate in {certificate_file:?}")
        }
        error => format!("{certificate_file:?} and {key_file:?} cannot be used together ({error})"),
    }
}

fn contents_of(file: &str) -> Result<String, String> {
    // a key that was written in place of its file must not reach the log
    if file.contains(['\n', '\r']) || file.contains("-----BEGIN") {
        return Err("it is not the path of a file but, it seems, what should be in one; write the path".to_owned());
    }
    std::fs::read_to_string(file).map_err(|error| format!("the file {file:?} cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_stands_where_its_file_belongs_is_not_repeated() {
        for key in [
            "-----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY-----\n",
            "-----BEGIN PRIVATE KEY-----",
            "MII\nEvQ",
        ] {
            let error = contents_of(key).unwrap_err();
            assert!(
                error.contains("write the path") && !error.contains("MII") && !error.contains("PRIVATE"),
                "{error}"
            );
        }
    }
}
