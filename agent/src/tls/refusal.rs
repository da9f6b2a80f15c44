//! Why a TLS connection does not come about, in words that name what an operator can change.

use std::fmt;
use std::io;

use chrono::DateTime;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error};

/// Who stands at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A broker that the agent connects to.
    Broker,
    /// The hub.
    Hub,
    /// A device that connects to the listener.
    Client,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Broker => "broker",
            Self::Hub => "hub",
            Self::Client => "client",
        })
    }
}

/// Says why a connection failed, by its handshake or later.
#[must_use]
pub fn explain(peer: Peer, error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(error) => explain_tls(peer, error),
        None if error.kind() == io::ErrorKind::UnexpectedEof => format!("{peer} closed the connection"),
        None => error.to_string(),
    }
}

/// Says why a handshake failed, of which a peer without TLS only sees nonsense.
#[must_use]
pub fn explain_handshake(peer: Peer, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            format!("{peer} closed the connection during the TLS handshake; does it speak TLS on this port?")
        }
        _ => explain(peer, error),
    }
}

/// Says why TLS failed.
#[must_use]
pub fn explain_tls(peer: Peer, error: &Error) -> String {
    match error {
        Error::InvalidCertificate(error) => format!("{peer}'s certificate {}", of_certificate(error)),
        Error::NoCertificatesPresented => format!("no certificate presented by the {peer}"),
        Error::AlertReceived(alert) => of_alert(peer, *alert),
        Error::InvalidMessage(_) => format!("{peer} does not speak TLS here ({error})"),
        error => error.to_string(),
    }
}

fn of_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::ExpiredContext { not_after, .. } => format!("has expired ({})", day(*not_after)),
        CertificateError::NotValidYetContext { time, not_before } => {
            format!("is not valid before {}; this machine's clock says {}", day(*not_before), minute(*time))
        }
        CertificateError::UnknownIssuer => "is signed by an unknown authority".to_owned(),
        CertificateError::BadSignature => {
            "is signed by an unknown authority, or one that only has the name of a known one".to_owned()
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let presented: Vec<&str> = presented.iter().map(|name| bare_name(name)).collect();
            let presented = if presented.is_empty() { "no name".to_owned() } else { presented.join(", ") };
            format!("is not valid for the name {}, but for {presented}", expected.to_str())
        }
        CertificateError::InvalidPurposeContext { .. } | CertificateError::InvalidPurpose => {
            "is not meant for this use (extended key usage)".to_owned()
        }
        CertificateError::Revoked => "is revoked".to_owned(),
        error => format!("is not acceptable: {error}"),
    }
}

/// rustls writes a name with its kind around it, as in `DnsName("broker")`.
fn bare_name(name: &str) -> &str {
    let within = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    within.unwrap_or(name).trim_matches('"')
}

fn of_alert(peer: Peer, alert: AlertDescription) -> String {
    let refusal = match alert {
        AlertDescription::CertificateRequired => return format!("{peer} demands a client certificate"),
        AlertDescription::CertificateExpired => "it has expired, or a clock is wrong",
        AlertDescription::UnknownCA => "it is signed by an authority that is unknown there",
        AlertDescription::CertificateRevoked => "it is revoked",
        AlertDescription::UnsupportedCertificate => "it is of an unsupported kind",
        AlertDescription::BadCertificate | AlertDescription::CertificateUnknown => "no reason given",
        AlertDescription::AccessDenied => "access is denied",
        AlertDescription::DecryptError => "its signature does not hold",
        AlertDescription::HandshakeFailure => {
            return format!(
                "{peer} refuses the handshake: it may demand a certificate, or no cipher is shared"
            );
        }
        AlertDescription::ProtocolVersion => return format!("{peer} shares no version of TLS with us"),
        AlertDescription::UnrecognisedName => return format!("{peer} knows no server of this name"),
        alert => return format!("{peer} ends the connection: alert {alert:?}"),
    };
    format!("{peer} refuses our certificate: {refusal}")
}

/// A day as `2026-11-01`.
pub(super) fn day(time: UnixTime) -> String {
    show(time, "%Y-%m-%d")
}

fn minute(time: UnixTime) -> String {
    show(time, "%Y-%m-%d %H:%M UTC")
}

fn show(time: UnixTime, format: &str) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    DateTime::from_timestamp(seconds, 0)
        .map_or_else(|| format!("second {seconds} of Unix time"), |time| time.format(format).to_string())
}
