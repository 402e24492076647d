//! What a shim does with the state, which it is not otherwise concerned with: the removal that `--rm` asks for,
//! and where another container's namespaces are now.

use std::io;

use cofferdam_confinement::Plan;
use cofferdam_confinement::network::{Network, ZoneRules};
use cofferdam_shim::{Event, Keeper, ShimSpec};

use crate::changing::change_plan;
use crate::joining::rejoin_for;
use crate::network::mend_network;
use crate::paths::Paths;
use crate::removal::{end_group, forget, remove_files};
use crate::zone_renewal::current_rules;
use crate::{ZoneStore, volume};

/// The keeper of all shims: the orders of each say below which state its container is.
#[derive(Debug)]
pub(crate) struct ShimKeeper;

impl ShimKeeper {
    fn paths(spec: &ShimSpec) -> Result<Paths, String> {
        let paths = Paths::around(&spec.dir, &spec.run_dir);
        paths.ok_or_else(|| format!("{} is no container's folder", spec.dir.display()))
    }
}

impl Keeper for ShimKeeper {
    fn rejoin(&self, spec: &mut ShimSpec, plan: &mut Plan) -> Result<(), Box<dyn std::error::Error>> {
        Ok(rejoin_for(&Self::paths(spec)?, spec, plan)?)
    }

    fn zone_rules(&self, spec: &ShimSpec, network: &Network) -> io::Result<Option<ZoneRules>> {
        let paths = Self::paths(spec).map_err(io::Error::other)?;
        current_rules(&ZoneStore::new(paths.state()), &network.zone).map_err(io::Error::other)
    }

    fn renewed(&self, spec: &ShimSpec, plan: &Plan) -> Result<Plan, Box<dyn std::error::Error>> {
        let paths = Self::paths(spec)?;
        let Some(network) = &plan.network else { return Ok(plan.clone()) };
        let rules = current_rules(&ZoneStore::new(paths.state()), &network.zone)?;
        let renewed = change_plan(&paths.container(&spec.id), |plan| {
            if let (Some(network), Some(rules)) = (&mut plan.network, rules) {
                network.rules = rules;
            }
        })?;
        // What the start has changed in its copy alone stays.
        Ok(Plan { network: renewed.network, ..plan.clone() })
    }

    fn name(&self, spec: &ShimSpec) -> Option<String> {
        let paths = Self::paths(spec).ok()?;
        let record = crate::store::Store::new(paths.definitions()).container(&spec.id).ok()??;
        Some(record.name.to_string())
    }

    fn forget(&self, spec: &ShimSpec, group_empty: bool) -> Result<(), Box<dyn std::error::Error>> {
        let paths = Self::paths(spec)?;
        if !group_empty {
            end_group(&paths, &spec.id)?;
        }
        forget(&paths, &spec.id)?;
        volume::remove_unused(&paths, spec.volumes.iter().map(String::as_str))?;
        let event = Event::now("container", "destroy", spec.id.as_str(), spec.attributes.clone());
        // The container is gone, told or not.
        let _ = event.append(&spec.events);
        Ok(())
    }

    fn mend(&self, spec: &ShimSpec) {
        // What could not be made is made by the next start, or by `zone verify --repair`.
        let _ = Self::paths(spec).map(|paths| mend_network(paths, &spec.id));
    }

    fn sweep(&self, spec: &ShimSpec) {
        // What stays is removed by the next command that cleans up.
        if let Ok(paths) = Self::paths(spec) {
            let _ = remove_files(&paths, &spec.id);
        }
    }
}

/// The life of a shim that has executed itself anew: the hidden subcommand [`cofferdam_shim::SUBCOMMAND`], with the number
/// that follows it.
///
/// # Errors
/// The handover cannot be read, or the shim cannot go on.
pub fn resume_shim(number: i32) -> io::Result<()> {
    cofferdam_shim::resume(number, &ShimKeeper)
}
