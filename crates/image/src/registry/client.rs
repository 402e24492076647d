//! The way to all registries: settings and credentials.

use super::RegistryError;
use super::call::Call;
use super::credentials::{Credential, CredentialFiles};
use super::endpoint::Endpoint;
use super::session::Session;
use super::settings::{Patience, RegistrySettings};

/// The way to all registries: settings and credentials.
#[derive(Debug, Clone, Default)]
pub struct Client {
    settings: RegistrySettings,
    credentials: CredentialFiles,
}

/// What came of a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The file that the password is in, where no helper keeps it.
    pub file: Option<std::path::PathBuf>,
}

impl Client {
    /// One with these settings and credentials.
    #[must_use]
    pub fn new(settings: RegistrySettings, credentials: CredentialFiles) -> Self {
        Self { settings, credentials }
    }

    pub(super) fn settings(&self) -> &RegistrySettings {
        &self.settings
    }

    pub(super) fn patience(&self) -> Patience {
        self.settings.patience
    }

    /// A conversation with the registry itself.
    pub(super) fn registry(&self, registry: &str, repository: &str) -> Result<Session, RegistryError> {
        let endpoint = Endpoint::of_registry(&self.settings, registry)?;
        let credential = self.credentials.find(registry, repository)?;
        Session::open(endpoint, &self.settings, credential)
    }

    /// Conversations with all that may be asked for something of a registry: its mirrors, then itself.
    pub(super) fn sources(&self, registry: &str, repository: &str) -> Result<Vec<Session>, RegistryError> {
        // Refused before a mirror is asked.
        let own = Endpoint::of_registry(&self.settings, registry)?;
        let mut sessions = Vec::new();
        for mirror in Endpoint::mirrors(&self.settings, registry) {
            let credential = self.credentials.find(&mirror.name, &mirror.repository(repository))?;
            sessions.push(Session::open(mirror, &self.settings, credential)?);
        }
        let credential = self.credentials.find(registry, repository)?;
        sessions.push(Session::open(own, &self.settings, credential)?);
        Ok(sessions)
    }

    /// Tries a user and a password, and keeps them if the registry takes them.
    ///
    /// # Errors
    /// It does not, or they cannot be kept.
    pub fn login(&self, registry: &str, user: &str, secret: &str) -> Result<Login, RegistryError> {
        let endpoint = Endpoint::of_registry(&self.settings, registry)?;
        let credential = Credential::Password { user: user.to_owned(), secret: secret.to_owned() };
        let session = Session::open(endpoint, &self.settings, Some(credential))?;
        let answer = session.send(&Call::get(session.endpoint.url(""), &[]))?;
        if answer.status != 200 {
            return Err(answer.into_error(session.host(), "its API", false));
        }
        Ok(Login { file: self.credentials.store(registry, user, secret)? })
    }

    /// Forgets what is stored for a registry. Whether there was something.
    ///
    /// # Errors
    /// It cannot be forgotten.
    pub fn logout(&self, registry: &str) -> Result<bool, RegistryError> {
        Ok(self.credentials.erase(registry)?)
    }
}
