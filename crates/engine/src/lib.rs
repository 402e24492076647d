//! Containers, state, events: the only place that knows all the parts.
//!
//! A face opens an [`Engine`], calls one method per command and prints what comes back. The engine knows no terminal's
//! colours and no flag's spelling; it starts no thread, because the start of a container clones the calling process.

mod attach_stream;
mod bind_folder;
mod build;
mod changes;
mod changing;
mod container;
mod copy;
mod counters;
mod create;
mod definition;
mod detach;
mod emulation;
mod ending;
mod engine;
mod error;
mod event_reader;
mod exec;
mod exec_events;
mod exec_session;
mod facts;
mod health;
mod host_info;
mod image;
mod interrupts;
mod joining;
mod listing;
mod live;
mod log_options;
mod log_reader;
mod log_record;
mod log_tail;
mod name_pattern;
mod name_service;
mod network;
mod networks;
mod options;
mod own_namespace;
mod own_program;
mod ownership;
mod paths;
mod ports;
mod posture;
mod random_name;
mod recovery;
mod removal;
mod remover;
mod running;
mod start;
mod store;
mod system_usage;
mod told;
mod users_network;
mod verification;
mod volume;
mod zone_renewal;
mod zone_test;
mod zones;

pub use attach_stream::AttachStream;
pub use build::{
    BuildFile, BuildOutput, BuildReach, BuildRequest, BuildSource, Built, CacheExport, CachePlace,
};
pub use cofferdam_network::{Judgement, Seen, Tried, Watch};
pub use cofferdam_resolver::plan::PROGRAM as RESOLVER_PROGRAM;
pub use cofferdam_resolver::worker::main as resolve;
pub use cofferdam_rootless::SUBCOMMAND as USERS_NETWORK_SUBCOMMAND;
pub use cofferdam_shim::container_init;
pub use cofferdam_shim::{ContainerState, ExitClass, ExitStatus, SUBCOMMAND as SHIM_SUBCOMMAND, Status};
pub use cofferdam_shim::{Health, HealthStatus, KEEPER_SUBCOMMAND, PROBER_SUBCOMMAND, Probe, UnknownHealth};
pub use container::{ContainerDetails, ContainerSummary, ListFilters};
pub use copy::{Copied, CopyOptions};
pub use detach::DetachFilter;
pub use emulation::runs as runs_programs_of;
pub use engine::{Engine, Started};
pub use error::{Error, Result};
pub use event_reader::EventReader;
pub use exec_session::ExecSession;
pub use health::{Probed, probe_health};
pub use host_info::HostInfo;
pub use image::commit::CommitOptions;
pub use image::host_image::HostImage;
pub use image::import::{ImportSource, Imported};
pub use image::listing::{HistoryLine, ImageDetails, ImageSummary};
pub use image::registry::PullWhen;
pub use image::removal::ImageRemoval;
pub use image::transfer::LoadSource;
pub use log_reader::LogReader;
pub use name_pattern::NamePattern;
pub use name_service::keep_resolvers;
pub use networks::{NetworkMember, NetworkSummary, OWN_NETWORK};
pub use options::{
    Attach, Change, ChangeKind, Event, EventQuery, ExecRequest, LogQuery, LogRecord, ProcessRow, PruneReport,
    RelayEnd, RelayOptions, RemoveOptions, RunOptions, Selection, StatsSample, StopOptions, UpdateRequest,
    WaitCondition,
};
pub use paths::{NoStateFolder, Paths};
pub use ports::PortRange;
pub use remover::resume_shim;
pub use system_usage::{SystemUsage, Usage};
pub use users_network::hold_network;
pub use volume::{VolumePruneOptions, VolumeSummary};
pub use zone_renewal::Renewed;
pub use zone_test::{End, FlowFound, FlowTest};
pub use zones::{ZoneStore, ZoneStoreError};

/// Keys and signatures of images, as a face needs them.
pub mod signature {
    pub use cofferdam_image::signature::{
        Identity, PublicKey, SignatureError, SigningKey, TrustRoot, TrustRootError,
    };
}

/// Registries as a face needs them: the client, its settings and what it tells.
pub mod registry {
    pub use cofferdam_image::Platform;
    pub use cofferdam_image::registry::{
        BlobState, Client, CredentialFiles, Progress, PullOptions, Pulled, PushOptions, RegistryError,
        RegistrySettings, SettingsError, Silent,
    };
}
