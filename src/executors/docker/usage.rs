//! What a container uses: samples of the engine, which sends one a second while it is asked to;
//! Podman one in five seconds.
//!
//! ```text
//! start ── 1 s, nothing is asked ──▶ sample, sample (told), … sample (told, 10 s later), … end (told)
//! ```
//!
//! A share of processors needs two samples, so the first one alone is told at the end only. What a
//! container did after its last sample is not counted.

use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{ContainerMemoryStats, ContainerStatsResponse};
use bollard::query_parameters::StatsOptionsBuilder;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, future};
use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use crate::domain::Resources;
use crate::ports::{JobPorts, JobReport};

/// A container that has ended by then is never asked about.
const FIRST: Duration = Duration::from_secs(1);
/// Time between two reports.
const EVERY: Duration = Duration::from_secs(10);

/// Follows what a container uses.
pub(super) struct Watch<'a> {
    ports: &'a dyn JobPorts,
    samples: BoxStream<'a, Result<ContainerStatsResponse, Error>>,
    usage: Usage,
    told: Resources,
    told_at: Option<Instant>,
}

impl<'a> Watch<'a> {
    /// Of a container that has just been started. It works while it is waited for by [`Self::next`].
    pub(super) fn new(docker: &'a Docker, id: &'a str, ports: &'a dyn JobPorts) -> Self {
        let options = StatsOptionsBuilder::default().stream(true).build();
        let samples = stream::once(sleep(FIRST))
            .flat_map(move |()| docker.stats(id, Some(options.clone())))
            // An engine that fails once is not asked again.
            .take_while(|sample| future::ready(sample.is_ok()))
            .boxed();
        Self {
            ports,
            samples,
            usage: Usage::default(),
            told: Resources::default(),
            told_at: None,
        }
    }

    /// Waits for the next sample, forever if there is none. May be dropped at any time.
    pub(super) async fn next(&mut self) {
        let Some(Ok(sample)) = self.samples.next().await else {
            return future::pending().await;
        };
        self.usage.take(&sample);
        let is_due = self.told_at.is_none_or(|at| at.elapsed() >= EVERY);
        if is_due && self.usage.samples > 1 {
            self.tell();
        }
    }

    /// The container has ended: tells what has not been told.
    pub(super) fn end(mut self) {
        self.tell();
    }

    fn tell(&mut self) {
        if self.usage.now != self.told {
            self.told = self.usage.now;
            self.told_at = Some(Instant::now());
            self.ports.report(JobReport::Resources(self.told));
        }
    }
}

/// What a container uses, by its samples.
#[derive(Debug, Default)]
struct Usage {
    now: Resources,
    /// How many samples there were.
    samples: usize,
    /// Processor time of the last one in nanoseconds, and when it was taken.
    last: Option<(u64, Timestamp)>,
}

impl Usage {
    /// Engines leave out what they do not know, and send samples of nothing when a container has
    /// ended: what is known stays.
    fn take(&mut self, sample: &ContainerStatsResponse) {
        let nanos = sample
            .cpu_stats
            .as_ref()
            .and_then(|cpu| cpu.cpu_usage.as_ref()?.total_usage)
            .unwrap_or_default();
        let memory = sample.memory_stats.as_ref().and_then(in_use);
        if nanos == 0 && memory.unwrap_or_default() == 0 {
            return;
        }
        self.samples += 1;
        self.processors(nanos, sample.read.as_deref());
        let now = &mut self.now;
        if let Some(memory) = memory {
            now.memory = memory;
            now.memory_peak = now.memory_peak.max(memory);
        }
        if let Some(limit) = sample.memory_stats.as_ref().and_then(|it| it.limit) {
            now.memory_limit = limit;
        }
        if let Some(networks) = &sample.networks {
            let sum = |bytes: fn(&_) -> Option<u64>| {
                let bytes = networks.values().filter_map(bytes);
                bytes.fold(0, u64::saturating_add)
            };
            now.received = sum(|network| network.rx_bytes);
            now.sent = sum(|network| network.tx_bytes);
        }
        if let Some(count) = sample.pids_stats.as_ref().and_then(|it| it.current) {
            now.processes = count;
        }
    }

    /// The share is worked out from the engine's own clock, which all engines tell alike.
    fn processors(&mut self, nanos: u64, read: Option<&str>) {
        self.now.cpu_ms = self.now.cpu_ms.max(nanos / 1_000_000);
        let Some(at) = read.and_then(|read| read.parse::<Timestamp>().ok()) else {
            return;
        };
        if let Some((before, then)) = self.last {
            let passed = u128::try_from(at.duration_since(then).as_nanos()).unwrap_or_default();
            let used = u128::from(nanos.saturating_sub(before));
            if let Some(share) = (used * 100 + passed / 2).checked_div(passed) {
                self.now.cpu_percent = u64::try_from(share).unwrap_or(u64::MAX);
            }
        }
        self.last = Some((nanos, at));
    }
}

/// Memory without files that are only cached, as `docker stats` has it.
fn in_use(memory: &ContainerMemoryStats) -> Option<u64> {
    let usage = memory.usage?;
    let cached = memory.stats.as_ref().and_then(|stats| {
        // In control groups of the first version, and of the second.
        ["total_inactive_file", "inactive_file"]
            .iter()
            .find_map(|key| stats.get(*key))
    });
    let cached = cached.filter(|cached| **cached < usage);
    Some(usage - cached.copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(json: &str) -> ContainerStatsResponse {
        serde_json::from_str(json).unwrap()
    }

    fn after(samples: &[&str]) -> Resources {
        let mut usage = Usage::default();
        for json in samples {
            usage.take(&sample(json));
        }
        usage.now
    }

    const FIRST: &str = r#"{
        "read": "2026-11-27T10:25:38.400000000Z",
        "preread": "0001-01-01T00:00:00Z",
        "cpu_stats": {"cpu_usage": {"total_usage": 1000000000}, "system_cpu_usage": 5, "online_cpus": 2},
        "memory_stats": {"usage": 60000000, "max_usage": 90000000, "limit": 2147483648,
            "stats": {"inactive_file": 1, "total_inactive_file": 10000000}},
        "networks": {"eth0": {"rx_bytes": 700, "tx_bytes": 50}, "eth1": {"rx_bytes": 36, "tx_bytes": 0}},
        "pids_stats": {"current": 3}
    }"#;

    const SECOND: &str = r#"{
        "read": "2026-11-27T10:25:39.400000000Z",
        "cpu_stats": {"cpu_usage": {"total_usage": 2496000000}},
        "memory_stats": {"usage": 40000000, "stats": {"inactive_file": 8000000}},
        "pids_stats": {}
    }"#;

    #[test]
    fn a_share_is_what_was_used_between_two_samples() {
        let one = after(&[FIRST]);
        assert_eq!((one.cpu_ms, one.cpu_percent), (1000, 0));
        let two = after(&[FIRST, SECOND]);
        assert_eq!((two.cpu_ms, two.cpu_percent), (2496, 150));
        // Neither a clock that stands still nor one that goes back has a share.
        assert_eq!(after(&[FIRST, FIRST]).cpu_percent, 0);
        assert_eq!(after(&[SECOND, FIRST]).cpu_percent, 0);
        assert_eq!(after(&[SECOND, FIRST]).cpu_ms, 2496);
    }

    #[test]
    fn memory_is_without_cached_files_in_both_versions_of_control_groups() {
        let one = after(&[FIRST]);
        assert_eq!((one.memory, one.memory_peak), (50_000_000, 50_000_000));
        let two = after(&[FIRST, SECOND]);
        assert_eq!((two.memory, two.memory_peak), (32_000_000, 50_000_000));
        assert_eq!(two.memory_limit, 2_147_483_648);
        let all = sample(r#"{"memory_stats": {"usage": 5, "stats": {"inactive_file": 5}}}"#);
        assert_eq!(all.memory_stats.as_ref().and_then(in_use), Some(5));
    }

    #[test]
    fn networks_are_summed_and_what_is_left_out_stays() {
        let two = after(&[FIRST, SECOND]);
        assert_eq!((two.received, two.sent, two.processes), (736, 50, 3));
    }

    #[test]
    fn samples_of_nothing_change_nothing() {
        let ended = r#"{"read": "0001-01-01T00:00:00Z", "cpu_stats": {"cpu_usage": {"total_usage": 0}},
            "memory_stats": {}, "pids_stats": {}, "networks": null}"#;
        for odd in ["{}", ended, r#"{"read": "now", "cpu_stats": null}"#] {
            assert_eq!(after(&[odd]), Resources::default(), "{odd}");
            assert_eq!(
                after(&[FIRST, SECOND, odd]),
                after(&[FIRST, SECOND]),
                "{odd}"
            );
        }
    }

    #[test]
    fn numbers_as_large_as_they_can_be_do_no_harm() {
        let most = u64::MAX;
        let huge = format!(
            r#"{{"read": "2026-11-27T10:25:40Z", "cpu_stats": {{"cpu_usage": {{"total_usage": {most}}}}},
            "memory_stats": {{"usage": {most}, "limit": {most}}},
            "networks": {{"a": {{"rx_bytes": {most}}}, "b": {{"rx_bytes": {most}}}}}}}"#
        );
        let used = after(&[FIRST, &huge]);
        assert_eq!((used.memory_peak, used.received), (most, most));
        assert!(used.cpu_percent > 1_000_000);
    }
}
