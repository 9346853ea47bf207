//! Metric names, events and the set-up of logs.
