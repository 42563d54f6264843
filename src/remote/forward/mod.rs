//! What a script asks of the server that its repository is on (script-api.md §4, public-api.md §6.3).
//!
//! ```text
//! script ─▶ script API ─▶ Cached ─▶ OfServer ─▶ Client, with the runner's own credential
//!                         once a build
//! ```
//!
//! It owns asking, and asking no more than once. It leaves to others which server and which repository are meant
//! (`wiring`), and what is known without a server.

mod cached;
mod of_server;

pub use cached::Cached;
pub use of_server::{OfServer, Whose};
