//! The OCI runtime specification's shapes, as callers send them.
