//! Reads the certificates of the user's own authority, for a source whose certificate no public authority has signed.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// The content of `ca_file`: certificates that one source trusts in addition to the system's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// The file that they were read from, as the settings name it.
    pub file: String,
    /// The certificates: at least one; each can be a root.
    pub certificates: Vec<CertificateDer<'static>>,
}

impl Authority {
    /// What the user can do about a file that cannot be used.
    pub(crate) const CURE: &str = "write the path of a PEM file with the authority's certificate, or remove the line";

    /// Reads the certificates in a PEM file's content, and ignores everything else there.
    ///
    /// # Errors
    /// The content is not PEM, holds no certificate, or holds one that cannot be a root. The message names the file and
    /// says what to do.
    pub(crate) fn parse(file: &str, pem: &[u8]) -> Result<Self, String> {
        let cure = Self::CURE;
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let certificates =
            read.map_err(|_| format!("the file {file:?} is damaged: parts of it are not PEM; {cure}"))?;
        if certificates.is_empty() {
            return Err(format!("there is no -----BEGIN CERTIFICATE----- in the file {file:?}; {cure}"));
        }
        let mut roots = RootCertStore::empty();
        for (index, certificate) in certificates.iter().enumerate() {
            let number = index + 1;
            let refused = |error| format!("certificate {number} in the file {file:?} cannot be used ({error}); {cure}");
            roots.add(certificate.clone()).map_err(refused)?;
        }
        Ok(Authority { file: file.to_owned(), certificates })
    }
}
