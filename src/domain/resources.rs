//! What the container of a job uses.

/// What the container of a job uses, as its engine counts it. What it does not count is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Resources {
    /// Processor time since the container's start, in milliseconds.
    pub cpu_ms: u64,
    /// What of that falls to the time between the last two samples, in percent of one processor.
    pub cpu_percent: u64,
    /// Memory in bytes, without files that are only cached.
    pub memory: u64,
    /// The most memory of all samples, in bytes.
    pub memory_peak: u64,
    /// The memory that the container may have, in bytes.
    pub memory_limit: u64,
    /// Bytes that have come through the network.
    pub received: u64,
    /// Bytes that have gone out through it.
    pub sent: u64,
    /// Processes and their threads.
    pub processes: u64,
}
