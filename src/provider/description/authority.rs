//! Reads the certificates of an authority of the user's own, for a source whose certificate no public one has signed.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// What `ca_file` says: certificates that one source trusts besides the system's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// The file they were read from, as the settings name it.
    pub file: String,
    /// At least one; each is fit to be a root.
    pub certificates: Vec<CertificateDer<'static>>,
}

impl Authority {
    /// Reads a PEM file. What it holds besides certificates is passed over.
    ///
    /// # Errors
    /// The file cannot be read, or what is in it is no certificate: in words that name the file and the way out.
    #[allow(clippy::disallowed_methods, reason = "the configuration is read before the server starts")]
    pub(crate) fn read(file: &str) -> Result<Self, String> {
        let cure = "write the path of a PEM file with the authority's certificate, or take the line out";
        let pem = std::fs::read(file).map_err(|error| format!("the file {file:?} cannot be read: {error}; {cure}"))?;
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        let certificates =
            read.map_err(|_| format!("the file {file:?} is damaged: it is not PEM throughout; {cure}"))?;
        if certificates.is_empty() {
            return Err(format!("there is no -----BEGIN CERTIFICATE----- in the file {file:?}; {cure}"));
        }
        let mut roots = RootCertStore::empty();
        for (index, certificate) in certificates.iter().enumerate() {
            let number = index + 1;
            let refused = |error| format!("certificate {number} in the file {file:?} is none ({error}); {cure}");
            roots.add(certificate.clone()).map_err(refused)?;
        }
        Ok(Authority { file: file.to_owned(), certificates })
    }
}
