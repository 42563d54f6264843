//! Where we differ from MonkeyCI's own command line on purpose, each with the reason. The replay
//! of the recordings fails at a difference that is not here, and at a line that nothing uses.

/// Method, path up to its first id, recorded status, ours, and why.
pub type OtherAnswer = (&'static str, &'static str, u16, u16, &'static str);

/// Answers that differ from those of MonkeyCI's own command line.
pub const ANSWERS: &[OtherAnswer] = &[
    (
        "POST",
        "/events",
        500,
        202,
        "an odd value (#error, #ordered/map, a function) costs no event: script-api.md §10",
    ),
    (
        "POST",
        "/artifact",
        404,
        200,
        "the library saves with POST, which MonkeyCI does not route: protocol/README, trap 1",
    ),
];

/// Recording, or `*`, what differs, and why.
pub const EVENTS: &[(&str, &str, &str)] = &[
    (
        "*",
        "more: job/initializing",
        "MonkeyCI sends it with `:src :script`, so that no script hears it: script-api.md §7",
    ),
    (
        "*",
        "less: container/pending",
        "nothing waits for a start file here, and the library has no use for it",
    ),
    (
        "*",
        "less: container/script-end",
        "it is for the sidecar, which is not there",
    ),
    (
        "init",
        "more: job/executed init-nil-skips skipped",
        "a job whose init gives nothing hangs the build otherwise: protocol/README, trap 7",
    ),
    (
        "missing-dep",
        "more: container/start",
        "a job whose script is empty has no job.sh that could say so",
    ),
    (
        "ext-keys",
        "more: junit-job",
        "MonkeyCI lost the container/job-queued, and the build hung",
    ),
];
