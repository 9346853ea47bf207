//! HPACK: the examples of its RFC, each rule, and other implementations.
