//! `[mqtt_client.tls]` and `[mqtt_listener.tls]`: the names of certificates and keys, and whether these are good.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rustls::pki_types::{ServerName, UnixTime};

use super::Certificates;
use super::listener::TlsListenerSettings;
use super::section::Section;
use crate::tls::{
    ClientAuthority, ClientTls, FileFault, IdentityFiles, ServerTls, join, read_authorities, read_chain,
    read_key, system_authorities,
};

/// What devices are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ClientCertificates {
    None,
    Optional,
    Required,
}

/// A fault that the operator is told of already.
struct Reported;

/// Reads how a broker is recognised; `host` is its name where none is given. None without `mqtts://`.
pub(super) fn read_client(section: &mut Section<'_>, host: &str, is_wanted: bool) -> Option<ClientTls> {
    let ca = section.optional_text("ca").map(PathBuf::from);
    let identity = read_identity(section);
    let name = section.optional_text("server_name");
    if !is_wanted {
        let given = [
            ("ca", ca.is_some()),
            ("certificate", matches!(identity, Ok(Some(_)))),
            ("server_name", name.is_some()),
        ];
        if let Some((key, _)) = given.into_iter().find(|(_, is_given)| *is_given) {
            section.fault(key, "is used with a url that begins with mqtts:// only");
        }
        return None;
    }
    match &ca {
        Some(file) => prove(section, "ca", || read_authorities(file)),
        None => prove(section, "ca", system_authorities),
    };
    let given = name.as_deref().unwrap_or(host);
    match ServerName::try_from(given.to_owned()) {
        Ok(server_name) => Some(ClientTls { ca, identity: identity.unwrap_or_default(), server_name }),
        Err(_) => {
            section.fault(
                "server_name",
                format!("{given:?} is no DNS name or IP address that a certificate can hold"),
            );
            None
        }
    }
}

/// Reads the listener's TLS port; none without `listen`.
pub(super) fn read_listener(section: &mut Section<'_>) -> Option<TlsListenerSettings> {
    let listen = read_address(section, "listen", "");
    let identity = read_identity(section);
    let client_ca = section.optional_text("client_ca").map(PathBuf::from);
    if let Some(file) = &client_ca {
        prove(section, "client_ca", || read_authorities(file));
    }
    let words = [
        ("none", ClientCertificates::None),
        ("optional", ClientCertificates::Optional),
        ("required", ClientCertificates::Required),
    ];
    let asked = section.choice("client_certificates", ClientCertificates::None, &words);
    let clients = match (client_ca, asked) {
        (None, ClientCertificates::None) => None,
        (Some(_), ClientCertificates::None) => {
            section.fault("client_ca", "needs client_certificates = \"required\" or \"optional\" beside it");
            None
        }
        (None, _) => {
            section.fault("client_certificates", "needs client_ca beside it");
            None
        }
        (Some(ca), asked) => Some(ClientAuthority { ca, is_required: asked == ClientCertificates::Required }),
    };
    match (listen, identity) {
        (Some(listen), Ok(Some(identity))) => {
            Some(TlsListenerSettings { listen, files: ServerTls { identity, clients } })
        }
        (Some(_), Ok(None)) => {
            section.fault("listen", "needs certificate and key beside it");
            None
        }
        (None, Ok(Some(_))) => {
            section.fault("certificate", "needs listen beside it, such as \"0.0.0.0:8883\"");
            None
        }
        _ => None,
    }
}

/// Reads an address to listen on; an empty one is none. What is no address is reported and stands for any.
pub(super) fn read_address(section: &mut Section<'_>, key: &str, default: &str) -> Option<SocketAddr> {
    let text = section.text(key, default);
    if text.is_empty() {
        return None;
    }
    Some(text.parse().unwrap_or_else(|_| {
        section.fault(key, "must be an IP address and a port such as \"0.0.0.0:1883\", or empty");
        SocketAddr::from(([0, 0, 0, 0], 0))
    }))
}

/// Reads `certificate` and `key`, which go together.
fn read_identity(section: &mut Section<'_>) -> Result<Option<IdentityFiles>, Reported> {
    let certificate = section.optional_text("certificate").map(PathBuf::from);
    let key = section.optional_text("key").map(PathBuf::from);
    let chain =
        certificate.as_deref().and_then(|file| prove_with(section, "certificate", file, read_chain_now));
    let secret = key.as_deref().and_then(|file| prove_with(section, "key", file, read_key));
    match (certificate, key) {
        (Some(certificate), Some(key)) => {
            let files = IdentityFiles { certificate, key };
            if let (Some(chain), Some(secret)) = (chain, secret) {
                prove(section, "key", || join(chain, secret, &files));
            }
            Ok(Some(files))
        }
        (None, None) => Ok(None),
        (Some(_), None) => {
            section.fault("certificate", "needs a key beside it");
            Err(Reported)
        }
        (None, Some(_)) => {
            section.fault("key", "needs a certificate beside it");
            Err(Reported)
        }
    }
}

fn read_chain_now(file: &Path) -> Result<Vec<rustls::pki_types::CertificateDer<'static>>, FileFault> {
    read_chain(file, UnixTime::now())
}

fn prove_with<T>(
    section: &mut Section<'_>,
    key: &str,
    file: &Path,
    read: impl FnOnce(&Path) -> Result<T, FileFault>,
) -> Option<T> {
    prove(section, key, || read(file))
}

/// Looks into a file, where that is wanted.
fn prove<T>(section: &mut Section<'_>, key: &str, read: impl FnOnce() -> Result<T, FileFault>) -> Option<T> {
    let certificates = section.certificates();
    if certificates == Certificates::Trusted {
        return None;
    }
    match read() {
        Ok(value) => Some(value),
        Err(fault) if fault.is_expired() && certificates == Certificates::Running => None,
        Err(fault) => {
            section.fault(key, fault.to_string());
            None
        }
    }
}

#[cfg(test)]
mod tests;
