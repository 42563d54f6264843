//! How far the pull of an image has come.

use std::fmt;

/// How far the pull of an image has come.
///
/// The engine tells of layers. While some are on their way, `done` are those that have arrived;
/// once all have, those that are unpacked as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PullProgress {
    /// Layers that are known of.
    pub layers: u32,
    /// How many of them are done.
    pub done: u32,
    /// Bytes that have arrived.
    pub bytes: u64,
    /// All bytes that are known of; 0 while none are.
    pub total: u64,
    /// All have arrived, and are being unpacked.
    pub unpacking: bool,
}

impl PullProgress {
    /// The same in as many columns: `pull 3/5 12/40 MB`, or `3/5 12/40 MB`.
    pub fn within(&self, columns: usize) -> String {
        let whole = self.to_string();
        // All of it is ASCII.
        if whole.len() <= columns || self.layers == 0 {
            return whole;
        }
        let verb = if self.unpacking { "unpack" } else { "pull" };
        let mut count = format!("{}/{}", self.done, self.layers);
        if let Some(amount) = self.amount().filter(|_| !self.unpacking) {
            count = format!("{count} {amount}");
        }
        let short = format!("{verb} {count}");
        if short.len() <= columns { short } else { count }
    }

    /// `12/40 MB`.
    fn amount(&self) -> Option<String> {
        let (unit, name) = match self.total {
            0 => return None,
            1..1_000 => (1, "B"),
            1_000..1_000_000 => (1_000, "kB"),
            _ => (1_000_000, "MB"),
        };
        // Upwards for the whole, so that it is never less than what has come.
        let (come, whole) = (self.bytes / unit, self.total.div_ceil(unit));
        Some(format!("{come}/{whole} {name}"))
    }
}

/// `pulling 3/5 layers 12/40 MB`.
impl fmt::Display for PullProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { layers, done, .. } = *self;
        match (layers, self.unpacking, self.amount()) {
            (0, _, _) => f.write_str("pulling"),
            (_, true, _) => write!(f, "unpacking {done}/{layers} layers"),
            (_, false, None) => write!(f, "pulling {done}/{layers} layers"),
            (_, false, Some(amount)) => write!(f, "pulling {done}/{layers} layers {amount}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_told_in_a_few_words() {
        let mut pull = PullProgress::default();
        assert_eq!(pull.to_string(), "pulling");
        pull.layers = 5;
        pull.done = 3;
        assert_eq!(pull.to_string(), "pulling 3/5 layers");
        (pull.bytes, pull.total) = (12_345_678, 39_900_000);
        assert_eq!(pull.to_string(), "pulling 3/5 layers 12/40 MB");
        assert_eq!(pull.within(27), pull.to_string());
        assert_eq!(pull.within(26), "pull 3/5 12/40 MB");
        assert_eq!(pull.within(16), "3/5 12/40 MB");
        (pull.bytes, pull.total) = (999, 123_456);
        assert_eq!(pull.to_string(), "pulling 3/5 layers 0/124 kB");
        (pull.bytes, pull.total) = (u64::MAX, u64::MAX);
        assert!(pull.to_string().ends_with("/18446744073710 MB"));
        pull.unpacking = true;
        assert_eq!(pull.to_string(), "unpacking 3/5 layers");
    }
}
