//! What a user may choose, and what a project says of itself. So far a user chooses how the screen
//! looks, as far as the environment tells.

mod look;
mod project;

pub use look::{Background, ColorDepth, GlyphSet, Look};
pub use project::{OrgConfig, PROJECT_FILE, ProjectConfig, RepoConfig, read_project};
