//! One blob on its way to a registry.

use std::fs::File;
use std::thread::sleep;

use ureq::http::Method;

use super::RegistryError;
use super::call::{Answer, Call, Pauses, Payload, is_passing_status};
use super::progress::{BlobState, Progress};
use super::session::Session;
use super::url::Url;
use crate::{Descriptor, Store};

/// Larger blobs go in parts of this size: a part that breaks off is not the whole blob again.
const PART: u64 = 16 << 20;

/// The type of a blob on its way.
const OCTETS: &str = "application/octet-stream";

/// Where blobs go and what they are reported to.
pub(super) struct Upload<'a> {
    pub(super) store: &'a Store,
    pub(super) session: &'a Session,
    pub(super) repository: &'a str,
    pub(super) patience: super::Patience,
    pub(super) progress: &'a dyn Progress,
}

/// The right to push to a repository.
pub(super) fn push_scope(repository: &str) -> String {
    format!("repository:{repository}:pull,push")
}

impl Upload<'_> {
    fn scopes(&self) -> Vec<String> {
        vec![push_scope(self.repository)]
    }

    fn error(&self, answer: Answer, what: &str) -> RegistryError {
        answer.into_error(self.session.host(), what, self.session.anonymous())
    }

    /// Brings a blob there, if it is not there yet. `from` are other repositories of the registry that may have it.
    pub(super) fn blob(&self, blob: &Descriptor, from: &[&str]) -> Result<(), RegistryError> {
        let tell = |state| self.progress.blob(&blob.digest, blob.size, state);
        if self.has(blob)? {
            tell(BlobState::Present);
            return Ok(());
        }
        let mut place = None;
        for repository in from {
            match self.mount(blob, repository)? {
                Begun::Mounted => {
                    tell(BlobState::Mounted);
                    return Ok(());
                }
                Begun::At(url) => place = Some(url),
                Begun::No => {}
            }
        }
        let file = self.store.open_blob(&blob.digest)?;
        let mut pauses = Pauses::new(self.patience);
        loop {
            let at = match place.take() {
                Some(url) => url,
                None => self.begin()?,
            };
            match self.send(blob, &file, at) {
                Ok(()) => {
                    tell(BlobState::Done);
                    return Ok(());
                }
                Err(error) => match pauses.next().filter(|_| is_passing(&error)) {
                    Some(pause) => {
                        tell(BlobState::Again);
                        sleep(pause);
                    }
                    None => return Err(error),
                },
            }
        }
    }

    fn has(&self, blob: &Descriptor) -> Result<bool, RegistryError> {
        let url = self.session.endpoint.url(&format!("{}/blobs/{}", self.repository, blob.digest));
        let answer = self.session.send(&Call::new(Method::HEAD, url, &self.scopes()))?;
        match answer.status {
            200 => Ok(answer.length().is_none_or(|length| length == blob.size)),
            404 => Ok(false),
            _ => Err(self.error(answer, &format!("repository {}", self.repository))),
        }
    }

    /// Asks the registry to take the blob from another of its repositories.
    fn mount(&self, blob: &Descriptor, from: &str) -> Result<Begun, RegistryError> {
        let url = self.session.endpoint.url(&format!("{}/blobs/uploads/", self.repository));
        let url = url.with_query("mount", blob.digest.as_str()).with_query("from", from);
        let scopes = [push_scope(self.repository), format!("repository:{from}:pull")];
        let call = Call::new(Method::POST, url, &scopes).payload(Payload::Bytes(&[]));
        let answer = match self.session.send(&call) {
            Ok(answer) => answer,
            // A token server that gives no rights to the other repository: then without.
            Err(RegistryError::Denied { .. }) => return Ok(Begun::No),
            Err(error) => return Err(error),
        };
        match answer.status {
            201 => Ok(Begun::Mounted),
            202 => self.place(answer).map(Begun::At),
            _ => Ok(Begun::No),
        }
    }

    fn begin(&self) -> Result<Url, RegistryError> {
        let url = self.session.endpoint.url(&format!("{}/blobs/uploads/", self.repository));
        let call = Call::new(Method::POST, url, &self.scopes()).payload(Payload::Bytes(&[]));
        let answer = self.session.send(&call)?;
        match answer.status {
            202 => self.place(answer),
            _ => Err(self.error(answer, &format!("an upload to {}", self.repository))),
        }
    }

    /// Where an upload goes on.
    fn place(&self, answer: Answer) -> Result<Url, RegistryError> {
        let url = answer.header("location").and_then(|location| answer.url.join(location));
        answer.finish();
        let url = url.ok_or_else(|| {
            RegistryError::answer(self.session.host(), "it begins an upload and does not say where")
        })?;
        self.session.check_protected(&url)?;
        Ok(url)
    }

    /// Sends a blob to the place of an upload: at once, or in parts.
    fn send(&self, blob: &Descriptor, file: &File, mut place: Url) -> Result<(), RegistryError> {
        let sent = |to: u64| self.progress.blob(&blob.digest, blob.size, BlobState::Moving(to));
        let mut offset = 0;
        if blob.size > PART {
            let mut pauses = Pauses::new(self.patience);
            while offset < blob.size {
                let length = PART.min(blob.size - offset);
                match self.part(&place, Payload::Part { file, offset, length, sent: &sent }, offset, length) {
                    Ok(next) => {
                        (place, offset) = (next, offset + length);
                        pauses.restart();
                    }
                    Err(error) => {
                        let Some(pause) = pauses.next().filter(|_| is_passing(&error)) else {
                            return Err(error);
                        };
                        sleep(pause);
                        (place, offset) = self.where_is(&place, offset)?;
                    }
                }
            }
        }
        let rest = Payload::Part { file, offset, length: blob.size - offset, sent: &sent };
        let mut call =
            Call::new(Method::PUT, place.with_query("digest", blob.digest.as_str()), &self.scopes())
                .header("content-type", OCTETS)
                .payload(rest);
        call.again = false;
        let answer = self.session.send(&call)?;
        if answer.status != 201 && answer.status != 204 {
            return Err(self.error(answer, &format!("blob {} in {}", blob.digest, self.repository)));
        }
        match answer.header("docker-content-digest") {
            Some(digest) if digest != blob.digest.as_str() => Err(RegistryError::answer(
                self.session.host(),
                format!("it took blob {} as another one", blob.digest),
            )),
            _ => {
                answer.finish();
                Ok(())
            }
        }
    }

    fn part(
        &self,
        place: &Url,
        payload: Payload<'_>,
        offset: u64,
        length: u64,
    ) -> Result<Url, RegistryError> {
        let mut call = Call::new(Method::PATCH, place.clone(), &self.scopes())
            .header("content-type", OCTETS)
            .header("content-range", format!("{offset}-{}", offset + length - 1))
            .payload(payload);
        call.again = false;
        let answer = self.session.send(&call)?;
        match answer.status {
            202 | 204 => self.place(answer),
            _ => Err(self.error(answer, &format!("a part of a blob in {}", self.repository))),
        }
    }

    /// Asks how much of a blob has come, after a part broke off (distribution-spec, "Resumable Push").
    fn where_is(&self, place: &Url, before: u64) -> Result<(Url, u64), RegistryError> {
        let answer = self.session.send(&Call::get(place.clone(), &self.scopes()))?;
        if answer.status != 204 {
            return Err(self.error(answer, "the state of an upload"));
        }
        let end =
            answer.header("range").and_then(|range| range.split_once('-')?.1.trim().parse::<u64>().ok());
        // Of no byte and of one, registries say the same: "0-0".
        let there = end.map_or(before, |end| if end == 0 { 0 } else { end + 1 });
        Ok((self.place(answer)?, there))
    }
}

/// How an upload began.
enum Begun {
    Mounted,
    At(Url),
    No,
}

/// Whether a new upload may do what this one could not.
fn is_passing(error: &RegistryError) -> bool {
    match error {
        RegistryError::Reach { source, .. } => super::call::is_passing(source, true),
        RegistryError::Status { status, .. } => is_passing_status(*status) || *status == 416,
        // The registry forgot the upload.
        RegistryError::NotFound { .. } => true,
        _ => false,
    }
}
