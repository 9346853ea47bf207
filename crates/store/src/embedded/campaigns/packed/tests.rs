//! Packed columns come back as they were, and damaged ones are refused.
