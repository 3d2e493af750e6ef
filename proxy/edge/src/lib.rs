//! The pipeline: clients, steps, content, filters, origins.
