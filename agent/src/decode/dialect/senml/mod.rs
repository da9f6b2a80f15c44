//! SenML, RFC 8428: packs of records as JSON and as CBOR.
//!
//! A pack is a list of records, which the default mapping cannot read, so it is known by its shape on any topic: a JSON
//! list of objects with SenML's labels, or a CBOR array of maps (whose first byte no UTF-8 text begins with).
//! Everything is resolved as section 4.6 says, then a name is split at its last separator: `urn:dev:ow:10e2:temp`
//! is the type `temp` of `urn:dev:ow:10e2`.

mod cbor;
mod json;
mod record;

use std::sync::Arc;

use super::findings::Findings;
use super::heard::Heard;
use record::Resolver;

/// Tells whether a payload may be a pack.
pub(super) fn may_claim(heard: &Heard<'_>) -> bool {
    heard.first_byte().is_some_and(|byte| byte == b'[' || cbor::begins_array(byte))
}

pub(super) fn read(heard: &Heard<'_>) -> Option<Findings> {
    match heard.first_byte()? {
        b'[' => json::read(heard),
        byte if cbor::begins_array(byte) => cbor::read(heard),
        _ => None,
    }
}

/// Resolves records one after the other; the last may be the reason why there are no more.
fn resolve(
    heard: &Heard<'_>,
    records: impl Iterator<Item = Result<record::Record, crate::decode::reason::Undecodable>>,
) -> Findings {
    let mut findings = Findings::default();
    let topic: Arc<str> = heard.topic.into();
    let mut resolver = Resolver::new(topic, heard.arrived_at);
    for record in records {
        let resolved = record.and_then(|record| resolver.resolve(record, &mut findings));
        if let Err(fault) = resolved {
            findings.set_aside(fault);
        }
        if findings.is_full() || resolver.is_beyond_us() {
            break;
        }
    }
    findings
}
