//! `{{variable}}` placeholders: parsed once, filled for each delivery.
