//! Certificates for tests: an authority, and what it signs, as files.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};

use super::files::IdentityFiles;

/// The name in every certificate of a server here.
pub(crate) const SERVER: &str = "localhost";

/// An authority whose files lie in a directory of its own.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    dir: tempfile::TempDir,
}

/// When a certificate is valid.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Validity {
    Now,
    Expired,
    NotYet,
}

impl Authority {
    /// All authorities have the same name: what tells them apart is their key.
    pub(crate) fn new() -> Self {
        Self::named("penstock test")
    }

    pub(crate) fn named(name: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        std::fs::write(dir.path().join("ca.pem"), certificate.pem()).expect("a file");
        Self { issuer: Issuer::new(params, key), dir }
    }

    /// Returns its own certificate.
    pub(crate) fn ca(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// Signs a server's certificate for [`SERVER`].
    pub(crate) fn server(&self, validity: Validity) -> IdentityFiles {
        self.issue(SERVER, validity, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// Signs a device's certificate.
    pub(crate) fn client(&self, validity: Validity) -> IdentityFiles {
        self.issue("device", validity, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn issue(&self, name: &str, validity: Validity, usage: ExtendedKeyUsagePurpose) -> IdentityFiles {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![usage];
        let (from, to) = match validity {
            Validity::Now => (2020, 2120),
            Validity::Expired => (2020, 2021),
            Validity::NotYet => (2119, 2120),
        };
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let files = IdentityFiles {
            certificate: self.dir.path().join(format!("{name}-{validity:?}.pem")),
            key: self.dir.path().join(format!("{name}-{validity:?}.key")),
        };
        write(&files.certificate, &certificate.pem());
        write(&files.key, &key.serialize_pem());
        files
    }
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).expect("a file");
}
