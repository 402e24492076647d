//! Manifests, indexes and lists of tags, as a registry gives them.

use cofferdam_names::{Digest, ImageReference};
use cofferdam_wire_oci::distribution::TagList;

use super::call::{Answer, Call};
use super::client::Client;
use super::session::Session;
use super::{RegistryError, error};
use crate::{Descriptor, Document, MAX_DOCUMENT, MediaKind, MediaType, StoreError, digest_of};

/// The types of documents that are asked for.
pub(super) const ACCEPTED: &str = "application/vnd.oci.image.index.v1+json, \
     application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.docker.distribution.manifest.v2+json";

/// The most pages of a list.
const MOST_PAGES: usize = 1000;

/// A document as it came, and what its bytes are.
#[derive(Debug, Clone)]
pub(super) struct Fetched {
    pub(super) descriptor: Descriptor,
    pub(super) bytes: Vec<u8>,
    pub(super) document: Document,
}

/// By which word a document is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum By<'a> {
    Tag(&'a str),
    Digest(&'a Digest),
    /// With its size and its type.
    Descriptor(&'a Descriptor),
}

impl By<'_> {
    /// What a reference asks for: the digest before the tag.
    pub(super) fn of(name: &ImageReference) -> By<'_> {
        match (name.digest(), name.tag()) {
            (Some(digest), _) => By::Digest(digest),
            (None, tag) => By::Tag(tag.unwrap_or("latest")),
        }
    }

    fn word(&self) -> &str {
        match self {
            Self::Tag(tag) => tag,
            Self::Digest(digest) => digest.as_str(),
            Self::Descriptor(descriptor) => descriptor.digest.as_str(),
        }
    }

    fn digest(&self) -> Option<&Digest> {
        match self {
            Self::Tag(_) => None,
            Self::Digest(digest) => Some(digest),
            Self::Descriptor(descriptor) => Some(&descriptor.digest),
        }
    }
}

/// The right to pull from a repository.
pub(super) fn pull_scope(repository: &str) -> Vec<String> {
    vec![format!("repository:{repository}:pull")]
}

impl Client {
    /// What a name leads to, as a document: it is only looked at.
    ///
    /// # Errors
    /// The registry cannot be used, or gives something else than was asked for.
    pub fn document(&self, name: &ImageReference) -> Result<Document, RegistryError> {
        let sources = self.sources(name.registry(), name.repository())?;
        let mut failed = None;
        for source in &sources {
            match source.document(name.repository(), By::of(name)) {
                Ok(fetched) => return Ok(fetched.document),
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.unwrap_or_else(|| RegistryError::answer(name.registry(), "there is no manifest")))
    }
}

impl Session {
    /// A manifest or an index, checked against what it was asked by.
    pub(super) fn document(&self, repository: &str, by: By<'_>) -> Result<Fetched, RegistryError> {
        let url = self.endpoint.url(&format!("{repository}/manifests/{}", by.word()));
        let scopes = pull_scope(&self.endpoint.repository(repository));
        let answer = self.send(&Call::get(url, &scopes).header("accept", ACCEPTED))?;
        let what = format!("manifest {} of {repository}", by.word());
        if answer.status != 200 {
            return Err(answer.into_error(self.host(), &what, self.anonymous()));
        }
        let media_type = self.document_type(&answer, &what)?;
        let told = answer.header("docker-content-digest").map(str::to_owned);
        let bytes = self.small(answer, &what)?;
        let digest = digest_of(&bytes);
        let wrong =
            |expected: &Digest| StoreError::WrongDigest { expected: expected.clone(), found: digest.clone() };
        if let Some(expected) = by.digest().filter(|expected| **expected != digest) {
            return Err(wrong(expected).into());
        }
        // What it calls itself, where it says so. Another algorithm's digest says nothing here.
        if let Some(told) = told.and_then(|told| told.parse::<Digest>().ok()).filter(|told| *told != digest) {
            return Err(wrong(&told).into());
        }
        let descriptor = Descriptor::new(media_type, digest, bytes.len() as u64);
        if let By::Descriptor(expected) = by {
            if expected.size != descriptor.size {
                let (digest, expected) = (descriptor.digest, expected.size);
                return Err(StoreError::WrongSize { digest, expected, found: descriptor.size }.into());
            }
            if expected.media_type != descriptor.media_type {
                let (is, should) = (&descriptor.media_type, &expected.media_type);
                return Err(RegistryError::answer(
                    self.host(),
                    format!("it gives {what} the type {is}, and its index the type {should}"),
                ));
            }
        }
        let document = Document::parse(&descriptor.media_type, &bytes)
            .map_err(|source| RegistryError::Document { host: self.host().to_owned(), what, source })?;
        Ok(Fetched { descriptor, bytes, document })
    }

    fn document_type(&self, answer: &Answer, what: &str) -> Result<MediaType, RegistryError> {
        let text = answer.header("content-type").unwrap_or_default();
        let text = text.split(';').next().unwrap_or_default().trim();
        let media_type: Option<MediaType> = text.parse().ok();
        // Schema 1 has a better message of its own.
        let old = text.starts_with("application/vnd.docker.distribution.manifest.v1");
        match media_type {
            Some(_) if old => Err(RegistryError::Document {
                host: self.host().to_owned(),
                what: what.to_owned(),
                source: crate::DocumentError::OldSchema,
            }),
            Some(known) if matches!(known.kind(), MediaKind::Manifest | MediaKind::Index) => Ok(known),
            _ => Err(RegistryError::answer(
                self.host(),
                format!("it gives {what} the type {:?}, which is no manifest's", error::cleaned(text)),
            )),
        }
    }

    /// The whole body of a small answer.
    pub(super) fn small(&self, answer: Answer, what: &str) -> Result<Vec<u8>, RegistryError> {
        let too_large = || {
            RegistryError::answer(self.host(), format!("{what} is larger than {} MiB", MAX_DOCUMENT >> 20))
        };
        if answer.length().is_some_and(|length| length > MAX_DOCUMENT) {
            return Err(too_large());
        }
        let whole = answer.read(MAX_DOCUMENT).map_err(|error| RegistryError::Reach {
            host: self.host().to_owned(),
            source: Box::new(error.into()),
        })?;
        whole.ok_or_else(too_large)
    }

    fn tags(&self, repository: &str) -> Result<Vec<String>, RegistryError> {
        let what = format!("the tags of {repository}");
        let scopes = pull_scope(&self.endpoint.repository(repository));
        let mut next = Some(self.endpoint.url(&format!("{repository}/tags/list")));
        let mut tags = Vec::new();
        for _ in 0..MOST_PAGES {
            let Some(url) = next else { return Ok(tags) };
            let answer = self.send(&Call::get(url, &scopes))?;
            if answer.status != 200 {
                return Err(answer.into_error(self.host(), &what, self.anonymous()));
            }
            next = answer.header("link").and_then(next_link).and_then(|link| answer.url.join(link));
            let bytes = self.small(answer, &what)?;
            let list: TagList = serde_json::from_slice(&bytes)
                .map_err(|_| RegistryError::answer(self.host(), format!("{what} are no list of tags")))?;
            tags.extend(list.tags);
        }
        Err(RegistryError::answer(self.host(), format!("{what} have no end")))
    }
}

/// The address of the next page (RFC 8288).
fn next_link(header: &str) -> Option<&str> {
    let (link, parameters) = header.trim().strip_prefix('<')?.split_once('>')?;
    parameters.contains("rel=\"next\"").then_some(link)
}

impl Client {
    /// All tags of a repository, as references.
    ///
    /// # Errors
    /// The registry cannot be asked, or gives what is no tag.
    pub fn tags(&self, name: &ImageReference) -> Result<Vec<ImageReference>, RegistryError> {
        let session = self.registry(name.registry(), name.repository())?;
        let mut tags = session.tags(name.repository())?;
        tags.sort();
        let tagged = |tag: String| {
            name.with_tag(&tag).map_err(|_| {
                RegistryError::answer(session.host(), format!("{:?} is no tag", error::cleaned(&tag)))
            })
        };
        tags.into_iter().map(tagged).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_followed() {
        assert_eq!(
            next_link(r#"</v2/a/tags/list?n=2&last=b>; rel="next""#),
            Some("/v2/a/tags/list?n=2&last=b")
        );
        assert_eq!(next_link(r#"</v2/a>; rel="prev""#), None);
        assert_eq!(next_link("x"), None);
    }
}
