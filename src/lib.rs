//! A terminal UI for watching and driving MonkeyCI builds.

pub mod api_client;
pub mod app;
pub mod archive;
pub mod cli;
pub mod config;
pub mod domain;
pub mod edn;
pub mod engine;
pub mod executors;
pub mod journal;
pub mod logs;
pub mod ports;
pub mod process;
pub mod replay;
pub mod script;
pub mod script_api;
pub mod store;
pub mod tui;
pub mod ui;
pub mod vcs;
pub mod wire;
