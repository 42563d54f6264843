//! What a user may choose, and what a project says of itself.
//!
//! A user chooses in `config.toml` ([`read_user`]), and how the screen looks as far as the
//! environment tells ([`Look`]). What comes with a checkout ([`read_project`]) is hostile input and
//! has no say in any of it.

mod amounts;
mod edit;
mod look;
mod project;
mod retention;
mod servers;
mod user;

pub use amounts::{parse_age, parse_size};
pub use edit::{ServerEntry, with_server};
pub use look::{Background, ColorDepth, GlyphSet, Look};
pub use project::{OrgConfig, PROJECT_FILE, ProjectConfig, RemoteConfig, RepoConfig, read_project};
pub use retention::Retention;
pub use servers::{Server, is_server_name};
pub use user::{Bucket, Storage, USER_FILE, UserConfig, parse_user, read_user};
