//! Pools, health, ejection, budgets: sans-io and simulated.
