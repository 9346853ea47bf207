//! The HTTP API: contracts, authentication, problem documents, OpenAPI.
