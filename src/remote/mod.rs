//! The client of a MonkeyCI server (protocol/public-api.md).
//!
//! Start reading at [`follow`]: a build on a server as a source.

pub mod follow;
