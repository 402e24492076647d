//! Reads the kernel back and compares it with the plan.
