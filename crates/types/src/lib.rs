//! The vocabulary every room of Fanfare shares.
