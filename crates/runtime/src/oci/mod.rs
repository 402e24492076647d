//! OCI bundles: `config.json` becomes a plan.
