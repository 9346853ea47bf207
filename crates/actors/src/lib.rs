//! Thin ractor shells around core.
