//! Processes: random operations beside the model, and stories.

mod properties;
