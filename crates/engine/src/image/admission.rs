//! What a zone's `[images]` has to know of an image: its names, where it was pulled from, who signed it.

use std::collections::BTreeSet;

use cofferdam_image::registry::Client;
use cofferdam_image::signature::{Identity, PublicKey, SigningKey};
use cofferdam_image::{Descriptor, Platform, Store};
use cofferdam_names::{Digest, ImageReference, KeyName, ZoneName};
use cofferdam_policy::{CertifiedSigner, ImageOrigin, ImageRules, Zone, default_zone};

use crate::Engine;
use crate::error::{Error, Result};

impl Engine {
    /// What is known of the origin of the image of this id. Signatures are looked at only where the zone wants some, and count
    /// where they are of the whole image or of what `platform` has of it: an index can name whatever it likes beside that.
    pub(crate) fn origin(
        &self,
        word: &str,
        id: &str,
        platform: &Platform,
        zone: &Zone,
    ) -> Result<ImageOrigin> {
        // The host's own programs have an id that is no digest.
        let Ok(digest) = id.parse::<Digest>() else { return Ok(ImageOrigin::default()) };
        let store = self.image_store()?;
        let asked = match word.parse::<ImageReference>() {
            Ok(name) => store.reference(&name)?.filter(|found| found.digest == digest).map(|_| name),
            Err(_) => None,
        };
        let names = match asked {
            Some(name) => vec![name],
            None => names_of(&store, &digest)?,
        };
        let rules = &zone.images;
        let image = store.images()?.into_iter().find(|image| image.descriptor.digest == digest);
        let (signed_by, certified) = match image.filter(|_| rules.want_signature()) {
            Some(image) => self.signed(&store, &digests_of(&store, &image.descriptor, platform), rules)?,
            None => (BTreeSet::new(), BTreeSet::new()),
        };
        Ok(ImageOrigin { names, pulled: store.pulled_as(&digest)?, signed_by, certified, unfinished: false })
    }

    /// Who has signed an image, of which these are the digests, as far as a zone asks.
    fn signed(
        &self,
        store: &Store,
        image: &[Digest],
        rules: &ImageRules,
    ) -> Result<(BTreeSet<KeyName>, BTreeSet<CertifiedSigner>)> {
        let signed_by = match rules.signed_by.value.as_slice() {
            [] => BTreeSet::new(),
            wanted => self.signers(store, image, wanted)?,
        };
        let certified = match rules.keyless.value.as_slice() {
            [] => BTreeSet::new(),
            _ => self.identities(store, image)?,
        };
        let signer = |Identity { subject, issuer }| CertifiedSigner { subject, issuer };
        Ok((signed_by, certified.into_iter().map(signer).collect()))
    }

    /// Who has signed an image with a certificate that the root of trust of this host answers for; without one, nobody.
    fn identities(&self, store: &Store, image: &[Digest]) -> Result<BTreeSet<Identity>> {
        match self.trust_root()? {
            Some(root) => Ok(store.identities(image, &root)?),
            None => Ok(BTreeSet::new()),
        }
    }

    /// Those of the wanted keys that have signed an image, as far as signatures in the store say. A wanted key that this host
    /// does not trust (any more) signs nothing.
    fn signers(&self, store: &Store, image: &[Digest], wanted: &[KeyName]) -> Result<BTreeSet<KeyName>> {
        let trusted = self.trusted_keys()?;
        let keys: Vec<(&KeyName, &PublicKey)> =
            wanted.iter().filter_map(|name| Some((name, trusted.get(name)?))).collect();
        let publics: Vec<&PublicKey> = keys.iter().map(|(_, key)| *key).collect();
        let found = store.signers(image, &publics)?;
        Ok(keys.into_iter().filter(|(_, key)| found.contains(key)).map(|(name, _)| name.clone()).collect())
    }

    /// Brings the signatures of an image that a zone wants signed, where the store has none that count. What there is in the end is
    /// judged with the plan.
    ///
    /// # Errors
    /// The zone or the store cannot be read, or the registry cannot be used.
    pub(crate) fn bring_signatures<C: Into<Error>>(
        &self,
        client: impl Fn() -> std::result::Result<Client, C>,
        word: &str,
        platform: &Platform,
        zone: &Zone,
    ) -> Result<()> {
        if !zone.images.want_signature() {
            return Ok(());
        }
        let store = self.image_store()?;
        let Ok(image) = store.resolve(word) else { return Ok(()) };
        let digests = digests_of(&store, &image.descriptor, platform);
        let (signed_by, certified) = self.signed(&store, &digests, &zone.images)?;
        if !signed_by.is_empty() || certified.iter().any(|signer| zone.images.means(signer)) {
            return Ok(());
        }
        // From where it was pulled; one that was made here has its signatures here or nowhere.
        let Some(name) = store.pulled_as(&image.descriptor.digest)?.into_iter().next() else { return Ok(()) };
        let lease = store.lease()?;
        client().map_err(Into::into)?.pull_signatures(&lease, &name, &digests)?;
        Ok(())
    }

    /// The zone of a new container.
    pub(crate) fn zone_of(&self, image: &str, zone: Option<&ZoneName>) -> Result<Zone> {
        let name = match zone {
            Some(zone) => zone.clone(),
            None => default_zone(image)
                .parse()
                .map_err(|error| Error::io("name", "the zone", std::io::Error::other(error)))?,
        };
        Ok(self.zones().load(&name)?)
    }

    /// The trusted keys that have signed an image.
    ///
    /// # Errors
    /// There is no such image, or the store or the keys cannot be read.
    pub fn image_signers(&self, word: &str) -> Result<Vec<KeyName>> {
        let store = self.image_store()?;
        let image = self.find_image(&store, word)?;
        let names: Vec<KeyName> = self.trusted_keys()?.into_keys().collect();
        let digests = digests_of(&store, &image.descriptor, &Platform::host());
        Ok(self.signers(&store, &digests, &names)?.into_iter().collect())
    }

    /// Who has signed an image with a certificate that the root of trust of this host answers for.
    ///
    /// # Errors
    /// There is no such image, or the store or the root cannot be read.
    pub fn image_identities(&self, word: &str) -> Result<Vec<Identity>> {
        let store = self.image_store()?;
        let image = self.find_image(&store, word)?;
        let digests = digests_of(&store, &image.descriptor, &Platform::host());
        Ok(self.identities(&store, &digests)?.into_iter().collect())
    }

    /// Brings the signatures of an image from its registry. Answers how many manifests of signatures there were.
    ///
    /// # Errors
    /// There is no such image, it has no name, or the registry cannot be used.
    pub fn pull_signatures(&self, client: &Client, word: &str) -> Result<usize> {
        let store = self.image_store()?;
        let image = self.find_image(&store, word)?;
        let asked = word.parse::<ImageReference>().ok().filter(|name| image.names.contains(name));
        let name = asked.or_else(|| image.names.first().cloned());
        let name = name.ok_or_else(|| Error::NoImage { name: word.to_owned() })?;
        let lease = store.lease()?;
        let digests = digests_of(&store, &image.descriptor, &Platform::host());
        Ok(client.pull_signatures(&lease, &name, &digests)?)
    }

    /// Signs an image by its name. The signature is kept beside it; `push` takes it along. Answers the digest that is signed.
    ///
    /// # Errors
    /// There is no such image, or the signature cannot be written.
    pub fn sign_image(&self, name: &ImageReference, key: &SigningKey) -> Result<Digest> {
        let store = self.image_store()?;
        let image = store.reference(name)?.ok_or_else(|| Error::NoImage { name: name.familiar() })?;
        let lease = store.lease()?;
        let signed = lease.sign(name, &image, key);
        signed.map_err(|error| {
            Error::io("sign", format!("image {}", name.familiar()), std::io::Error::other(error))
        })?;
        self.tell_of_image("sign", &name.familiar());
        Ok(image.digest)
    }
}

/// What a signature of an image may be of: what its name leads to, and the manifest that the platform has of it.
fn digests_of(store: &Store, image: &Descriptor, platform: &Platform) -> Vec<Digest> {
    let mut digests = vec![image.digest.clone()];
    if let Ok((manifest, _)) = store.manifest(image, platform)
        && manifest.digest != image.digest
    {
        digests.push(manifest.digest);
    }
    digests
}

fn names_of(store: &Store, digest: &Digest) -> Result<Vec<ImageReference>> {
    let all = store.references()?.into_iter();
    Ok(all.filter(|(_, descriptor)| descriptor.digest == *digest).map(|(name, _)| name).collect())
}
