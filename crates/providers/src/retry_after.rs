//! `Retry-After` (RFC 9110 section 10.2.3): seconds or a date, with a bound on absurd values.
