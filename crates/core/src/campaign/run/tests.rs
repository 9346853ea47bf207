//! What the machine does, one event after the other.
