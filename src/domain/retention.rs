//! Which recorded builds may go.
//!
//! A build that is pinned, runs, has no end, or is the last of its branch that succeeded stays whatever
//! a policy says. Of the others:
//!
//! | the policy has | what goes |
//! | --- | --- |
//! | `keep` | all but that many of the newest of the repository |
//! | `older_than` | what is older |
//! | both | what is older, and not among the newest |
//! | `max_size` | the oldest, until the rest is no larger; never one of the newest that `keep` names |

use std::collections::{HashMap, HashSet};

use super::Millis;

/// How many builds are kept, and how long. Nothing set: all, for ever.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Policy {
    /// So many of the newest of a repository.
    pub keep: Option<usize>,
    /// What is not older, in milliseconds.
    pub older_than: Option<Millis>,
    /// As many as fit into so many bytes.
    pub max_size: Option<u64>,
}

/// A recorded build, as far as it matters for this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its repository: org and repo, or whatever tells it from others.
    pub repo: String,
    /// Its branch.
    pub branch: Option<String>,
    /// When it was first heard of.
    pub created: Option<Millis>,
    /// It has succeeded.
    pub green: bool,
    /// It was refused before it began: it counts for nothing.
    pub refused: bool,
    /// Bytes of its recording and of what its jobs have saved.
    pub size: u64,
    /// Why it stays, whatever a policy says.
    pub protected: Option<Protection>,
}

/// Why a build stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protection {
    /// Somebody wants it kept.
    Pinned,
    /// Some process works on it.
    Running,
    /// It has no end yet.
    Unfinished,
    /// The last of its branch that succeeded.
    LastGreen,
}

/// What becomes of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Nothing wants it gone.
    Stays,
    /// It would have to go, but for this.
    Protected(Protection),
    /// It goes.
    Goes,
}

impl Policy {
    /// True when everything is kept.
    pub fn keeps_all(&self) -> bool {
        *self == Self::default()
    }
}

/// What becomes of each of these builds, which are given newest first. `policy` is that of a
/// repository; all of them together have `max_size`.
pub fn fates(
    builds: &[Held],
    policy: impl Fn(&str) -> Policy,
    max_size: Option<u64>,
    last_green_too: bool,
    now: Millis,
) -> Vec<Fate> {
    let mut repos: HashMap<&str, Repo> = HashMap::new();
    let mut green: HashSet<(&str, Option<&str>)> = HashSet::new();
    let mut fates = Vec::with_capacity(builds.len());
    // What no limit of size may take either.
    let mut among_newest = Vec::with_capacity(builds.len());
    let mut protections = Vec::with_capacity(builds.len());
    for build in builds {
        let repo = repos.entry(&build.repo).or_insert_with(|| Repo {
            policy: policy(&build.repo),
            newer: 0,
        });
        let is_last = build.green && green.insert((&build.repo, build.branch.as_deref()));
        let last_green = (is_last && !last_green_too).then_some(Protection::LastGreen);
        let protection = build.protected.or(last_green);
        let Policy {
            keep, older_than, ..
        } = repo.policy;
        let is_newest = keep.is_some_and(|keep| repo.newer < keep);
        if !build.refused {
            repo.newer += 1;
        }
        let is_old = older_than.is_none_or(|age| {
            let created = build.created;
            created.is_some_and(|created| now.saturating_sub(created) > age)
        });
        let is_due = (keep.is_some() || older_than.is_some()) && !is_newest && is_old;
        fates.push(match (is_due, protection) {
            (false, _) => Fate::Stays,
            (true, None) => Fate::Goes,
            (true, Some(protection)) => Fate::Protected(protection),
        });
        among_newest.push(is_newest);
        protections.push(protection);
    }
    let mut fit = |places: &mut dyn Iterator<Item = usize>, most: u64| {
        let places: Vec<usize> = places.collect();
        let stays = |fate: &Fate| *fate != Fate::Goes;
        let sizes = places.iter().filter(|&&place| stays(&fates[place]));
        let mut size: u64 = sizes.map(|&place| builds[place].size).sum();
        for &place in places.iter().rev() {
            if size <= most {
                break;
            }
            if !stays(&fates[place]) || among_newest[place] {
                continue;
            }
            if let Some(protection) = protections[place] {
                fates[place] = Fate::Protected(protection);
            } else {
                fates[place] = Fate::Goes;
                size -= builds[place].size;
            }
        }
    };
    for (name, repo) in &repos {
        if let Some(most) = repo.policy.max_size {
            let of_repo = |place: &usize| builds[*place].repo == *name;
            fit(&mut (0..builds.len()).filter(of_repo), most);
        }
    }
    if let Some(most) = max_size {
        fit(&mut (0..builds.len()), most);
    }
    fates
}

/// What is known of a repository while its builds are gone through.
#[derive(Debug)]
struct Repo {
    policy: Policy,
    /// Builds that are newer, those that were refused left out.
    newer: usize,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: Millis = 24 * 3600 * 1000;

    /// Builds of one repository, a day apart: `g`reen, `r`ed, `p`inned, `x` refused; green ones of
    /// another branch are `b`.
    fn builds(text: &str) -> Vec<Held> {
        let build = |(age, c): (usize, char)| Held {
            repo: "app".to_owned(),
            branch: Some(if c == 'b' { "work" } else { "main" }.to_owned()),
            created: Some(-(age as Millis) * DAY),
            green: matches!(c, 'g' | 'b'),
            refused: c == 'x',
            size: 10,
            protected: (c == 'p').then_some(Protection::Pinned),
        };
        text.chars().enumerate().map(build).collect()
    }

    /// `.` stays, `-` goes, `P` and `L` are kept by a pin, and as the last that succeeded.
    fn told(text: &str, policy: Policy, max_size: Option<u64>) -> String {
        let fates = fates(&builds(text), |_| policy, max_size, false, 0);
        let tell = |fate: Fate| match fate {
            Fate::Stays => '.',
            Fate::Goes => '-',
            Fate::Protected(Protection::Pinned) => 'P',
            Fate::Protected(_) => 'L',
        };
        fates.into_iter().map(tell).collect()
    }

    #[test]
    fn a_policy_is_about_number_age_and_size() {
        let keep = |keep| Policy {
            keep: Some(keep),
            ..Policy::default()
        };
        let old = |days: i64| Policy {
            older_than: Some(days * DAY),
            ..Policy::default()
        };
        let both = Policy {
            keep: Some(4),
            ..old(1)
        };
        for (text, policy, max_size, fates) in [
            ("rrrr", Policy::default(), None, "...."),
            ("rrrr", keep(2), None, "..--"),
            ("rrrr", keep(0), None, "----"),
            // Those that were refused are no builds, and go with what is older.
            ("xrxrxr", keep(2), None, "....--"),
            ("rrpgrgb", keep(2), None, "..PL--L"),
            ("rrrr", old(1), None, "..--"),
            ("rrrrrr", both, None, "....--"),
            ("rrrr", Policy::default(), Some(25), "..--"),
            ("rrpr", Policy::default(), Some(25), ".-P-"),
            ("rgrr", keep(3), Some(10), "...-"),
            ("gggr", Policy::default(), Some(0), "L---"),
        ] {
            assert_eq!(
                told(text, policy, max_size),
                fates,
                "{text} {policy:?} {max_size:?}"
            );
        }
    }

    #[test]
    fn repositories_have_policies_of_their_own() {
        let mut all = builds("rrrr");
        for build in &mut all[2..] {
            build.repo = "lib".to_owned();
        }
        let policy = |repo: &str| match repo {
            "lib" => Policy {
                max_size: Some(10),
                ..Policy::default()
            },
            _ => Policy::default(),
        };
        let fates = fates(&all, policy, None, false, 0);
        assert_eq!(fates, [Fate::Stays, Fate::Stays, Fate::Stays, Fate::Goes]);
    }

    #[test]
    fn who_asks_for_it_loses_the_last_that_succeeded_too() {
        let policy = Policy {
            keep: Some(0),
            ..Policy::default()
        };
        let fates = fates(&builds("gp"), |_| policy, None, true, 0);
        assert_eq!(fates, [Fate::Goes, Fate::Protected(Protection::Pinned)]);
    }

    fn any_build() -> impl Strategy<Value = Held> {
        (0..3_u8, 0..3_u8, any::<bool>(), 0..8_u8, 0..100_u64).prop_map(
            |(repo, branch, green, kind, size)| Held {
                repo: format!("r{repo}"),
                branch: (branch > 0).then(|| format!("b{branch}")),
                created: None,
                green,
                refused: kind == 0 && !green,
                size,
                protected: (kind == 1).then_some(Protection::Running),
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_protected_never_goes_and_what_goes_had_to(
            mut builds in prop::collection::vec(any_build(), 0..40),
            keep in prop::option::of(0..5_usize),
            days in prop::option::of(0..30_i64),
            of_repo in prop::option::of(0..600_u64),
            of_all in prop::option::of(0..900_u64),
        ) {
            for (age, build) in (0..).zip(&mut builds) {
                build.created = Some(-age * DAY);
            }
            let policy = Policy { keep, older_than: days.map(|days| days * DAY), max_size: of_repo };
            let all = fates(&builds, |_| policy, of_all, false, 0);
            prop_assert_eq!(all.len(), builds.len());
            let goes = |place: usize| all[place] == Fate::Goes;
            for repo in ["r0", "r1", "r2"] {
                let places: Vec<usize> =
                    (0..builds.len()).filter(|&place| builds[place].repo == repo).collect();
                let begun = places.iter().filter(|&&place| !builds[place].refused);
                for &place in begun.take(keep.unwrap_or(0)) {
                    prop_assert!(!goes(place), "one of the newest goes");
                }
                for branch in [None, Some("b1"), Some("b2")] {
                    let mut green = places.iter().filter(|&&place| {
                        builds[place].green && builds[place].branch.as_deref() == branch
                    });
                    prop_assert!(green.next().is_none_or(|&place| !goes(place)));
                }
                let left: u64 = places.iter().filter(|&&place| !goes(place)).map(|&place| builds[place].size).sum();
                if of_repo.is_some_and(|most| left > most) {
                    // Nothing more could have gone.
                    prop_assert!(places.iter().all(|&place| goes(place)
                        || matches!(all[place], Fate::Protected(_))
                        || keep.is_some_and(|keep| places.iter()
                            .take_while(|&&other| other < place)
                            .filter(|&&other| !builds[other].refused)
                            .count() < keep)));
                }
            }
            for (place, build) in builds.iter().enumerate() {
                prop_assert!(build.protected.is_none() || !goes(place));
            }
            if keep.is_none() && days.is_none() && of_repo.is_none() && of_all.is_none() {
                prop_assert!((0..builds.len()).all(|place| all[place] == Fate::Stays));
            }
        }
    }
}
