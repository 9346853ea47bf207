//! The API in process, against a stand-in for the rest of the house.
