//! What is said of a refusal, and what follows a renewal.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{ServerName, UnixTime};
use rustls::{AlertDescription, CertificateError, Error};

use super::authority::{Authority, Validity};
use super::*;

fn of_broker(error: Error) -> String {
    explain(Peer::Broker, &io::Error::new(io::ErrorKind::InvalidData, error))
}

fn at(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

#[test]
fn a_clock_that_is_not_set_is_named() {
    let error = CertificateError::NotValidYetContext { time: at(3_600), not_before: at(1_793_491_200) };
    assert_eq!(
        of_broker(Error::InvalidCertificate(error)),
        "broker's certificate is not valid before 2026-11-01; this machine's clock says 1970-01-01 01:00 UTC"
    );
}

#[test]
fn refusals_are_said_in_an_operators_words() {
    let expired = CertificateError::ExpiredContext { time: at(1_793_577_600), not_after: at(1_793_491_200) };
    let other_name = CertificateError::NotValidForNameContext {
        expected: ServerName::try_from("broker").expect("a name"),
        presented: vec!["DnsName(\"localhost\")".to_owned()],
    };
    for (error, words) in [
        (Error::InvalidCertificate(expired), "broker's certificate has expired (2026-11-01)"),
        (
            Error::InvalidCertificate(CertificateError::UnknownIssuer),
            "broker's certificate is signed by an unknown authority",
        ),
        (
            Error::InvalidCertificate(other_name),
            "broker's certificate is not valid for the name broker, but for localhost",
        ),
        (Error::AlertReceived(AlertDescription::CertificateRequired), "broker demands a client certificate"),
        (
            Error::AlertReceived(AlertDescription::CertificateExpired),
            "broker refuses our certificate: it has expired, or a clock is wrong",
        ),
        (
            Error::AlertReceived(AlertDescription::UnknownCA),
            "broker refuses our certificate: it is signed by an authority that is unknown there",
        ),
    ] {
        assert_eq!(of_broker(error), words);
    }
}

#[test]
fn a_renewed_certificate_is_taken_and_a_broken_one_is_not() {
    let authority = Authority::new();
    let identity = authority.server(Validity::Now);
    let mut renewing =
        Renewing::start(ServerTls { identity: identity.clone(), clients: None }).expect("good files");
    let first = renewing.current();
    assert!(Arc::ptr_eq(&first, &renewing.current()));

    std::fs::write(&identity.certificate, "half a certificate").expect("a file");
    assert!(Arc::ptr_eq(&first, &renewing.current()), "the one before serves on");

    authority.server(Validity::Now);
    let renewed = renewing.current();
    assert!(!Arc::ptr_eq(&first, &renewed));
    assert!(Arc::ptr_eq(&renewed, &renewing.current()));
}

#[test]
fn a_port_with_an_expired_certificate_waits_for_a_renewed_one() {
    let authority = Authority::new();
    let identity = authority.server(Validity::Expired);
    let mut renewing =
        Renewing::start(ServerTls { identity: identity.clone(), clients: None }).expect("it may be renewed");
    let expired = renewing.current();
    std::fs::write(&identity.key, "half a key").expect("a file");
    assert!(Renewing::start(ServerTls { identity: identity.clone(), clients: None }).is_err());
    let renewed = authority.server(Validity::Now);
    for (from, to) in [(renewed.certificate, identity.certificate), (renewed.key, identity.key)] {
        std::fs::copy(from, to).expect("a file");
    }
    assert!(!Arc::ptr_eq(&expired, &renewing.current()));
}

#[test]
fn an_authoritys_own_certificate_is_looked_at_like_any_other() {
    let authority = Authority::new();
    assert!(read_chain(&authority.ca(), UnixTime::now()).is_ok());
    let end_of_time = at(253_402_300_000);
    let fault = read_chain(&authority.ca(), end_of_time).expect_err("it has an end");
    assert!(matches!(fault.cause, Cause::Expired(_)), "{fault}");
}
