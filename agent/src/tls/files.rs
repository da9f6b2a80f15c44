//! Certificates and keys in files, in PEM form; each fault names the file and says what to look for.

use std::fmt;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, Error, RootCertStore};

use super::provider;
use super::refusal::day;

/// A file that cannot serve.
#[derive(Debug, thiserror::Error)]
#[error("{}: {cause}", file.display())]
pub struct FileFault {
    /// Which file.
    pub file: PathBuf,
    /// Why.
    pub cause: Cause,
}

/// Why a file cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// The operating system does not give it.
    #[error("cannot be read: {0}")]
    Unreadable(#[source] std::io::Error),
    /// No such part in it.
    #[error("holds no {0} in PEM form")]
    Lacks(&'static str),
    /// It is not what it says it is.
    #[error("is garbled: {0}")]
    Garbled(String),
    /// A machine without trusted authorities.
    #[error("are none; install ca-certificates, or set ca")]
    NoAuthorities,
    /// Nobody would accept it any more.
    #[error("has expired ({})", day(*.0))]
    Expired(UnixTime),
    /// It is another certificate's.
    #[error("does not belong to the certificate in {}", .0.display())]
    Foreign(PathBuf),
    /// rustls refuses it.
    #[error("cannot be used: {0}")]
    Unusable(String),
}

impl FileFault {
    /// Tells whether it is only that the certificate has expired.
    #[must_use]
    pub const fn is_expired(&self) -> bool {
        matches!(self.cause, Cause::Expired(_))
    }
}

impl Cause {
    /// Says which file it is that this is wrong with.
    #[must_use]
    pub fn of(self, file: &Path) -> FileFault {
        FileFault { file: file.to_path_buf(), cause: self }
    }
}

/// Where a certificate of ours lies, and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityFiles {
    /// The certificate, and after it those that lead to the authority, if any.
    pub certificate: PathBuf,
    /// Its private key, not encrypted.
    pub key: PathBuf,
}

impl IdentityFiles {
    /// Reads both.
    ///
    /// # Errors
    /// When a file cannot serve, the two do not belong together, or the certificate has expired.
    pub fn read(&self) -> Result<CertifiedKey, FileFault> {
        let chain = read_chain(&self.certificate, UnixTime::now())?;
        join(chain, read_key(&self.key)?, self)
    }

    /// Reads both, whatever the certificate's dates are.
    ///
    /// # Errors
    /// When a file cannot serve, or the two do not belong together.
    pub fn read_undated(&self) -> Result<CertifiedKey, FileFault> {
        join(read_certificates(&self.certificate)?, read_key(&self.key)?, self)
    }
}

/// Reads the authorities whose signature is trusted.
///
/// # Errors
/// When there are none, or one is garbled.
pub fn read_authorities(file: &Path) -> Result<RootCertStore, FileFault> {
    let mut authorities = RootCertStore::empty();
    for certificate in read_certificates(file)? {
        authorities.add(certificate).map_err(|error| garbled(&error).of(file))?;
    }
    Ok(authorities)
}

/// Reads a certificate of ours, and those that lead to its authority.
///
/// One that is not valid yet is no fault: it may be the clock, which some gateways set only when they have a network.
///
/// # Errors
/// When there is none, it is garbled, or had expired at `now`.
pub fn read_chain(file: &Path, now: UnixTime) -> Result<Vec<CertificateDer<'static>>, FileFault> {
    let chain = read_certificates(file)?;
    let Some(own) = chain.first() else { return Err(Cause::Lacks("certificate").of(file)) };
    let parsed = ParsedCertificate::try_from(own).map_err(|error| garbled(&error).of(file))?;
    // The verifier looks at the dates before it looks for an authority, of which it is given none here.
    let judged = rustls::client::verify_server_cert_signed_by_trust_anchor(
        &parsed,
        &RootCertStore::empty(),
        &[],
        now,
        provider().signature_verification_algorithms.all,
    );
    match judged {
        Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            Err(Cause::Expired(not_after).of(file))
        }
        _ => Ok(chain),
    }
}

/// Reads a private key.
///
/// # Errors
/// When there is none, or it is garbled.
pub fn read_key(file: &Path) -> Result<PrivateKeyDer<'static>, FileFault> {
    PrivateKeyDer::from_pem_slice(&read_bytes(file)?).map_err(|error| match error {
        pem::Error::NoItemsFound => Cause::Lacks("private key that is not encrypted").of(file),
        error => garbled(&error).of(file),
    })
}

/// Joins a certificate and its key.
///
/// # Errors
/// When the key is another certificate's, or of a kind that is not known.
pub fn join(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    files: &IdentityFiles,
) -> Result<CertifiedKey, FileFault> {
    CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
        Error::InconsistentKeys(_) => Cause::Foreign(files.certificate.clone()).of(&files.key),
        error => Cause::Unusable(error.to_string()).of(&files.key),
    })
}

fn read_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, FileFault> {
    let bytes = read_bytes(file)?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let certificates = read.map_err(|error| garbled(&error).of(file))?;
    if certificates.is_empty() {
        return Err(Cause::Lacks("certificate").of(file));
    }
    Ok(certificates)
}

fn read_bytes(file: &Path) -> Result<Vec<u8>, FileFault> {
    std::fs::read(file).map_err(|error| Cause::Unreadable(error).of(file))
}

fn garbled(error: &impl fmt::Display) -> Cause {
    Cause::Garbled(error.to_string())
}
