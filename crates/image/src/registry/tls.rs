//! Whose certificates count, and the client's own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, TlsProvider, parse_pem};

use super::RegistryError;
use super::endpoint::Endpoint;
use super::settings::Transport;

/// Where distributions keep the certificates of authorities in one file.
const SYSTEM_FILES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// For a registry or a mirror.
pub(super) fn for_endpoint(endpoint: &Endpoint, folders: &[PathBuf]) -> Result<TlsConfig, RegistryError> {
    let settings = &endpoint.settings;
    let mut own = OwnFiles::default();
    for folder in folders {
        own.gather(&folder.join(&endpoint.name))?;
    }
    if let Some((certificate, key)) = &settings.client {
        own.client = Some(client(certificate, key)?);
    }
    let unverified = settings.transport == Some(Transport::UnverifiedTls);
    let roots = match &settings.ca {
        Some(path) => certificates(path)?,
        None if unverified => Vec::new(),
        // As with Docker, a registry's own authorities stand beside the system's.
        None => match system() {
            Err(_) if !own.authorities.is_empty() => own.authorities,
            system => system?.into_iter().chain(own.authorities).collect(),
        },
    };
    Ok(config(&roots, own.client, unverified))
}

/// For a server that a registry sends to: never with the client's certificate.
pub(super) fn for_others() -> Result<TlsConfig, RegistryError> {
    Ok(config(&system()?, None, false))
}

fn config(roots: &[Certificate<'static>], client: Option<ClientCert>, unverified: bool) -> TlsConfig {
    TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .root_certs(RootCerts::new_with_certs(roots))
        .client_cert(client)
        .disable_verification(unverified)
        .build()
}

fn system() -> Result<Vec<Certificate<'static>>, RegistryError> {
    match SYSTEM_FILES.iter().map(Path::new).find(|path| path.exists()) {
        Some(path) => certificates(path),
        None => Err(RegistryError::NoAuthorities {
            looked: SYSTEM_FILES.iter().map(|path| (*path).to_owned()).collect(),
        }),
    }
}

/// What a registry's folder of certificates holds: `*.crt` are authorities, `X.cert` and `X.key` are the client's.
#[derive(Default)]
struct OwnFiles {
    authorities: Vec<Certificate<'static>>,
    client: Option<ClientCert>,
}

impl OwnFiles {
    fn gather(&mut self, folder: &Path) -> Result<(), RegistryError> {
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(unusable("certificates", folder)(error.into())),
        };
        let mut paths: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("crt") => self.authorities.extend(certificates(&path)?),
                Some("cert") if self.client.is_none() => {
                    self.client = Some(client(&path, &path.with_extension("key"))?);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn unusable(
    what: &'static str,
    path: &Path,
) -> impl FnOnce(Box<dyn std::error::Error + Send + Sync>) -> RegistryError {
    let path = path.to_owned();
    move |source| RegistryError::Certificate { what, path, source }
}

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>, RegistryError> {
    let pem = std::fs::read(path).map_err(|error| unusable("certificates", path)(error.into()))?;
    let mut found = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) =
            item.map_err(|error| unusable("certificates", path)(error.into()))?
        {
            found.push(certificate);
        }
    }
    if found.is_empty() {
        return Err(unusable("certificates", path)("it holds none (PEM)".into()));
    }
    Ok(found)
}

fn client(certificate: &Path, key: &Path) -> Result<ClientCert, RegistryError> {
    let chain = certificates(certificate)?;
    let pem = std::fs::read(key).map_err(|error| unusable("the key", key)(error.into()))?;
    let key = PrivateKey::from_pem(&pem).map_err(|error| unusable("the key", key)(error.into()))?;
    Ok(ClientCert::new_with_certs(&chain, key))
}
