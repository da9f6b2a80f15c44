//! What the agent brings to a broker's TLS port.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, RootCertStore};

use super::files::{Cause, FileFault, IdentityFiles, read_authorities};
use super::provider;

/// How a broker is to be recognised, and the agent by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientTls {
    /// The authorities that may have signed the broker's certificate; none takes those that this machine trusts.
    pub ca: Option<PathBuf>,
    /// Our own certificate; none shows none.
    pub identity: Option<IdentityFiles>,
    /// The name that the broker's certificate must be for.
    pub server_name: ServerName<'static>,
}

impl ClientTls {
    /// Reads the files and makes of them what a connection needs.
    ///
    /// # Errors
    /// When a file cannot serve.
    pub fn configure(&self) -> Result<Arc<ClientConfig>, FileFault> {
        let authorities = match &self.ca {
            Some(file) => read_authorities(file)?,
            None => system_authorities()?,
        };
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| Cause::Unusable(error.to_string()).of(Path::new("tls")))?
            .with_root_certificates(authorities);
        let mut config = match &self.identity {
            Some(files) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(files.read()?))),
            None => builder.with_no_client_auth(),
        };
        config.resumption = Resumption::disabled();
        Ok(Arc::new(config))
    }
}

/// Reads the authorities that this machine trusts, as its distribution and its operator keep them.
///
/// # Errors
/// When there are none.
pub fn system_authorities() -> Result<RootCertStore, FileFault> {
    let found = rustls_native_certs::load_native_certs();
    let mut authorities = RootCertStore::empty();
    let (taken, passed_over) = authorities.add_parsable_certificates(found.certs);
    if taken == 0 {
        let cause = match found.errors.first() {
            Some(error) => Cause::Garbled(error.to_string()),
            None => Cause::NoAuthorities,
        };
        return Err(cause.of(Path::new("this machine's trusted certificates")));
    }
    tracing::debug!(taken, passed_over, "trusted certificates of this machine read");
    Ok(authorities)
}
