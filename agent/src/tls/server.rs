//! What the listener shows to devices, and demands of them.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use super::files::{Cause, FileFault, IdentityFiles, read_authorities};
use super::provider;

/// Whose certificates devices may show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientAuthority {
    /// The authorities that may have signed them.
    pub ca: PathBuf,
    /// Whether a device without one is refused. One with a bad one always is.
    pub is_required: bool,
}

/// The files of a TLS port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTls {
    /// The listener's own certificate.
    pub identity: IdentityFiles,
    /// Who may come; none asks devices for no certificate.
    pub clients: Option<ClientAuthority>,
}

impl ServerTls {
    /// Reads the files and makes of them what a handshake needs.
    ///
    /// # Errors
    /// When a file cannot serve.
    pub fn configure(&self) -> Result<Arc<ServerConfig>, FileFault> {
        self.configure_with(self.identity.read()?)
    }

    /// As [`Self::configure`], whatever the certificate's dates are.
    ///
    /// # Errors
    /// When a file cannot serve.
    pub fn configure_undated(&self) -> Result<Arc<ServerConfig>, FileFault> {
        self.configure_with(self.identity.read_undated()?)
    }

    fn configure_with(&self, identity: CertifiedKey) -> Result<Arc<ServerConfig>, FileFault> {
        let unusable = |error: String| Cause::Unusable(error).of(&self.identity.certificate);
        let builder = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(error.to_string()))?;
        let builder = match &self.clients {
            None => builder.with_no_client_auth(),
            Some(clients) => {
                let authorities = Arc::new(read_authorities(&clients.ca)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(authorities, provider());
                let verifier = if clients.is_required { verifier } else { verifier.allow_unauthenticated() };
                let verifier =
                    verifier.build().map_err(|error| Cause::Unusable(error.to_string()).of(&clients.ca))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }

    /// Returns all files that it is made of.
    pub(super) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let clients = self.clients.as_ref().map(|clients| &clients.ca);
        [&self.identity.certificate, &self.identity.key].into_iter().chain(clients)
    }
}
