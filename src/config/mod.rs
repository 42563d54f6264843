//! What a user may choose. So far that is how the screen looks, as far as the environment tells.

mod look;

pub use look::{Background, ColorDepth, GlyphSet, Look};
