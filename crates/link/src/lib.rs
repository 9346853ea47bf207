//! One persistent HTTP/2 connection to a provider.
