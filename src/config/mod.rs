//! What a user may choose, and what a project says of itself.
//!
//! A user chooses in `config.toml` ([`read_user`]), and how the screen looks as far as the
//! environment tells ([`Look`]). What comes with a checkout ([`read_project`]) is hostile input and
//! has no say in any of it.

mod look;
mod project;
mod user;

pub use look::{Background, ColorDepth, GlyphSet, Look};
pub use project::{OrgConfig, PROJECT_FILE, ProjectConfig, RepoConfig, read_project};
pub use user::{Bucket, Storage, USER_FILE, UserConfig, read_user};
