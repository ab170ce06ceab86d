//! The certificates of an authority of the user's own, for a source whose certificate no public authority has signed.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// The content of `ca_file`: certificates that one source trusts in addition to the system's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// The file that they were read from, as the settings name it.
    pub file: String,
    /// At least one; each can be a root.
    pub certificates: Vec<CertificateDer<'static>>,
}

impl Authority {
    /// What a user can do about a file that holds no certificate.
    pub(crate) const CURE: &str = "write the path of a PEM file with the authority's certificate, or take the line out";

    /// Takes the certificates out of a PEM file's content, and ignores everything else there.
    ///
    /// # Errors
    /// The content is not PEM, or holds no certificate that can be a root. The message names the file and what to do.
    pub(crate) fn parse(file: &str, pem: &[u8]) -> Result<Self, String> {
        let cure = Self::CURE;
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let certificates =
            read.map_err(|_| format!("the file {file:?} is damaged: it is not PEM throughout; {cure}"))?;
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
