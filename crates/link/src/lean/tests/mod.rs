//! The session by itself: each requirement of the RFC, by section.
