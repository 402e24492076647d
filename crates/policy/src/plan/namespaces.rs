//! Which namespaces are the container's own; host and domain name.

use cofferdam_confinement::{NamespaceSource, Namespaces};
use cofferdam_kernel::namespace::Namespace;

use super::{Planner, PolicyError};
use crate::zone::Sharing;
use crate::{JoinedContainer, NamespaceMode, NetworkMode};

/// The longest name of the UTS namespace (uname(2), `__NEW_UTS_LEN`).
const UTS_NAME_MAX: usize = 64;

impl Planner<'_> {
    /// All eight. The time namespace stays the host's: a new one without offsets shows the same clocks.
    pub(super) fn namespaces(&self) -> Result<Namespaces, PolicyError> {
        let mut namespaces = Namespaces {
            user: NamespaceSource::New,
            id_maps: None,
            mount: NamespaceSource::New,
            pid: NamespaceSource::New,
            network: NamespaceSource::New,
            ipc: NamespaceSource::New,
            uts: NamespaceSource::New,
            cgroup: NamespaceSource::New,
            time: NamespaceSource::Host,
            monotonic_offset: None,
            boottime_offset: None,
        };
        let mut shared: Option<&JoinedContainer> = None;
        for (kind, mode) in self.request.namespaces.modes() {
            if let Some(other) = self.apply_mode(&mut namespaces, kind, mode)? {
                self.only_one(&mut shared, other)?;
            }
        }
        if let Some(other) = self.apply_network(&mut namespaces)? {
            self.only_one(&mut shared, other)?;
        }
        match shared {
            // The rights over a joined namespace belong to its user namespace: both share that as well.
            Some(other) => {
                namespaces.user = join(other, Namespace::User, "--pid")?;
                namespaces.id_maps.clone_from(&other.id_maps);
            }
            None => namespaces.id_maps = Some(self.id_maps()?),
        }
        Ok(namespaces)
    }

    fn only_one<'c>(
        &self,
        shared: &mut Option<&'c JoinedContainer>,
        other: &'c JoinedContainer,
    ) -> Result<(), PolicyError> {
        match shared {
            Some(first) if first.id != other.id => Err(PolicyError::invalid(
                "namespaces of two containers",
                "a container can share the namespaces of one other only",
            )),
            _ => {
                *shared = Some(other);
                Ok(())
            }
        }
    }

    fn apply_mode(
        &self,
        namespaces: &mut Namespaces,
        kind: Namespace,
        mode: &NamespaceMode,
    ) -> Result<Option<&JoinedContainer>, PolicyError> {
        let asked = format!("--{}={mode}", flag(kind));
        match (mode, kind) {
            (NamespaceMode::Private, _) | (NamespaceMode::None, Namespace::Ipc) => Ok(None),
            (NamespaceMode::Shareable, Namespace::Ipc) => Ok(None),
            (NamespaceMode::Container(_), Namespace::Cgroup)
            | (NamespaceMode::None | NamespaceMode::Shareable, _) => {
                Err(PolicyError::invalid(asked, "this namespace has no such mode"))
            }
            (NamespaceMode::Container(name), _) => {
                let other = self.joined(&asked, name)?;
                if kind == Namespace::Ipc && !other.ipc_shareable {
                    let rule = format!("{name} was not started with --ipc shareable");
                    return Err(PolicyError::invalid(asked, rule));
                }
                *namespaces.source_mut(kind) = join(other, kind, &asked)?;
                Ok(Some(other))
            }
            (NamespaceMode::Host, _) => {
                let allowed = &self.zone.namespaces.host;
                if !allowed.value.contains(&kind) {
                    let ceiling = match allowed.value.len() {
                        0 => "namespaces.host: no namespace of the host may be shared".to_owned(),
                        _ => format!("namespaces.host allows {:?} only", allowed.value),
                    };
                    return Err(self.beyond(asked, &allowed.place, ceiling));
                }
                *namespaces.source_mut(kind) = NamespaceSource::Host;
                Ok(None)
            }
        }
    }

    fn apply_network(&self, namespaces: &mut Namespaces) -> Result<Option<&JoinedContainer>, PolicyError> {
        let Some(mode) = &self.request.network.mode else { return Ok(None) };
        let asked = format!("--network {mode}");
        match mode {
            // Whether the zone has what a network of its own is connected to is decided with its link.
            NetworkMode::None | NetworkMode::Bridge | NetworkMode::Named(_) => Ok(None),
            NetworkMode::Host => {
                let rule = &self.zone.network.host;
                if !rule.value {
                    let ceiling = "network.host is false: the host's network is out of reach";
                    return Err(self.beyond(asked, &rule.place, ceiling));
                }
                namespaces.network = NamespaceSource::Host;
                Ok(None)
            }
            NetworkMode::Container(name) => {
                let other = self.joined(&asked, name)?;
                namespaces.network = join(other, Namespace::Network, &asked)?;
                Ok(Some(other))
            }
        }
    }

    /// Another container of the same zone, if the zone lets its containers share.
    fn joined(&self, asked: &str, name: &str) -> Result<&JoinedContainer, PolicyError> {
        let share = &self.zone.namespaces.share;
        if share.value == Sharing::None {
            let ceiling = "namespaces.share is \"none\": containers share nothing";
            return Err(self.beyond(asked, &share.place, ceiling));
        }
        let other = self.context.joined.get(name).ok_or_else(|| {
            PolicyError::invalid(asked, format!("no running container has the name or id {name:?}"))
        })?;
        if other.zone != self.zone.name.value {
            let ceiling = format!("namespaces.share: {name} is in zone `{}`", other.zone);
            return Err(self.beyond(asked, &share.place, ceiling));
        }
        Ok(other)
    }

    /// The host name: given, or the beginning of the id.
    pub(super) fn hostname(&self, namespaces: &Namespaces) -> Result<Option<String>, PolicyError> {
        let asked = self.request.hostname.as_deref();
        match &namespaces.uts {
            NamespaceSource::New => {
                let name = asked.unwrap_or_else(|| self.context.container.short());
                uts_name("--hostname", name).map(Some)
            }
            _ if asked.is_some() => {
                let rule = "the name of a shared UTS namespace is not this container's to set";
                Err(PolicyError::invalid("--hostname", rule))
            }
            _ => Ok(None),
        }
    }

    /// The NIS domain name, if one is given.
    pub(super) fn domainname(&self, namespaces: &Namespaces) -> Result<Option<String>, PolicyError> {
        match &self.request.domainname {
            Some(_) if !namespaces.uts.is_new() => {
                let rule = "the name of a shared UTS namespace is not this container's to set";
                Err(PolicyError::invalid("--domainname", rule))
            }
            Some(name) => uts_name("--domainname", name).map(Some),
            None => Ok(None),
        }
    }
}

/// The word of the flag that means a kind.
fn flag(kind: Namespace) -> &'static str {
    match kind {
        Namespace::User => "userns",
        Namespace::Cgroup => "cgroupns",
        other => other.link_name(),
    }
}

fn join(other: &JoinedContainer, kind: Namespace, asked: &str) -> Result<NamespaceSource, PolicyError> {
    let file = other.namespaces.get(&kind);
    let file = file.ok_or_else(|| {
        PolicyError::invalid(asked, format!("container {} has no {} namespace", other.id, kind.link_name()))
    })?;
    Ok(NamespaceSource::Join(file.clone()))
}

/// A name that programs can take for a host's: labels of letters, digits, `-` and `_`, with dots between them.
fn uts_name(flag: &str, name: &str) -> Result<String, PolicyError> {
    let label = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    if name.len() <= UTS_NAME_MAX && name.split('.').all(label) {
        return Ok(name.to_owned());
    }
    let rule = "it has at most 64 letters, digits, '-', '_' and dots between them";
    Err(PolicyError::invalid(format!("{flag} {name:?}"), rule))
}
