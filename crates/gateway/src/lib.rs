//! Configuration, composition and the fanfare binary.
