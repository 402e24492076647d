//! One small process per container.
