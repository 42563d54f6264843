//! Who waits for whom.
//!
//! Built from definitions alone (protocol/events.md §7): jobs depend on each other by
//! id, their order in the file means nothing, of two jobs with one id the last counts.

use std::collections::{HashMap, HashSet};
use std::fmt;

use super::{Job, JobId};

/// The dependency graph of a script's jobs.
#[derive(Debug, Clone, Default)]
pub struct JobGraph {
    ids: Vec<JobId>,
    place: HashMap<JobId, usize>,
    /// For each job the jobs it waits for (only those that exist).
    needs: Vec<Vec<usize>>,
    /// For each job the jobs that wait for it.
    needed_by: Vec<Vec<usize>>,
    faults: Vec<GraphFault>,
}

/// What is wrong with the dependencies; the build runs all the same, by events.md §7.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GraphFault {
    /// Two jobs have one id; the last one counts.
    Duplicate(JobId),
    /// A job waits for one that does not exist, so it never runs.
    Missing {
        /// The job that waits.
        job: JobId,
        /// What it waits for.
        dependency: JobId,
    },
    /// Jobs that wait for each other, so none of them ever runs.
    Cycle(Vec<JobId>),
}

impl GraphFault {
    /// What is wrong, without what comes of it.
    pub fn what(&self) -> String {
        match self {
            Self::Duplicate(id) => format!("two jobs have the id \"{id}\""),
            Self::Missing { job, dependency } => {
                format!("job \"{job}\" depends on \"{dependency}\", which does not exist")
            }
            Self::Cycle(ids) => {
                let circle = ids.iter().chain(ids.first()).map(JobId::as_str);
                let circle: Vec<&str> = circle.collect();
                format!("these jobs wait for each other: {}", circle.join(" → "))
            }
        }
    }
}

impl fmt::Display for GraphFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let so = match self {
            Self::Duplicate(_) => "; the last one counts",
            Self::Missing { .. } => ", so it never runs",
            Self::Cycle(_) => ", so none of them runs",
        };
        write!(f, "{}{so}", self.what())
    }
}

impl JobGraph {
    /// Builds the graph; what is wrong is found in [`JobGraph::faults`].
    pub fn new<'a>(jobs: impl IntoIterator<Item = &'a Job>) -> Self {
        let mut graph = Self::default();
        let mut definitions: Vec<&Job> = Vec::new();
        for job in jobs {
            if let Some(&place) = graph.place.get(&job.id) {
                definitions[place] = job;
                let fault = GraphFault::Duplicate(job.id.clone());
                if !graph.faults.contains(&fault) {
                    graph.faults.push(fault);
                }
            } else {
                graph.place.insert(job.id.clone(), definitions.len());
                graph.ids.push(job.id.clone());
                definitions.push(job);
            }
        }
        graph.needs = vec![Vec::new(); definitions.len()];
        graph.needed_by = vec![Vec::new(); definitions.len()];
        for (place, job) in definitions.iter().enumerate() {
            for dependency in &job.dependencies {
                match graph.place.get(dependency) {
                    Some(&other) if !graph.needs[place].contains(&other) => {
                        graph.needs[place].push(other);
                        graph.needed_by[other].push(place);
                    }
                    Some(_) => {}
                    None => graph.faults.push(GraphFault::Missing {
                        job: job.id.clone(),
                        dependency: dependency.clone(),
                    }),
                }
            }
        }
        for cycle in graph.cycles() {
            graph.faults.push(GraphFault::Cycle(cycle));
        }
        graph
    }

    /// What is wrong: duplicates, then missing dependencies, then cycles.
    pub fn faults(&self) -> &[GraphFault] {
        &self.faults
    }

    /// All ids, each once, in the order of the file.
    pub fn ids(&self) -> &[JobId] {
        &self.ids
    }

    /// The jobs that wait for this one directly.
    pub fn dependents(&self, id: &JobId) -> impl Iterator<Item = &JobId> {
        self.place
            .get(id)
            .into_iter()
            .flat_map(|&place| self.needed_by[place].iter().map(|&other| &self.ids[other]))
    }

    /// The jobs this one waits for directly, as far as they exist.
    pub fn dependencies(&self, id: &JobId) -> impl Iterator<Item = &JobId> {
        self.place
            .get(id)
            .into_iter()
            .flat_map(|&place| self.needs[place].iter().map(|&other| &self.ids[other]))
    }

    /// These jobs and everything they need (scripts.md §2.3).
    pub fn with_dependencies<'a>(
        &self,
        ids: impl IntoIterator<Item = &'a JobId>,
    ) -> HashSet<JobId> {
        let mut todo: Vec<usize> = ids
            .into_iter()
            .filter_map(|id| self.place.get(id).copied())
            .collect();
        let mut seen: HashSet<usize> = todo.iter().copied().collect();
        while let Some(place) = todo.pop() {
            for &other in &self.needs[place] {
                if seen.insert(other) {
                    todo.push(other);
                }
            }
        }
        seen.into_iter()
            .map(|place| self.ids[place].clone())
            .collect()
    }

    /// Dependency order, stable: each job stands behind all it needs and as early as the
    /// file has it; with its depth, the longest way from a job that needs nothing.
    /// Members of cycles come last.
    pub fn order(&self) -> Vec<(JobId, usize)> {
        let mut waits: Vec<usize> = self.needs.iter().map(Vec::len).collect();
        let mut depth = vec![0; self.ids.len()];
        let mut done = vec![false; self.ids.len()];
        let mut order = Vec::with_capacity(self.ids.len());
        // A min-heap of places keeps the file's order among those that are ready.
        let mut ready: std::collections::BinaryHeap<std::cmp::Reverse<usize>> = (0..self.ids.len())
            .filter(|&place| waits[place] == 0)
            .map(std::cmp::Reverse)
            .collect();
        while let Some(std::cmp::Reverse(place)) = ready.pop() {
            done[place] = true;
            order.push((self.ids[place].clone(), depth[place]));
            for &other in &self.needed_by[place] {
                depth[other] = depth[other].max(depth[place] + 1);
                waits[other] -= 1;
                if waits[other] == 0 {
                    ready.push(std::cmp::Reverse(other));
                }
            }
        }
        order.extend(
            (0..self.ids.len())
                .filter(|&place| !done[place])
                .map(|place| (self.ids[place].clone(), 0)),
        );
        order
    }

    /// One cycle for each knot of jobs that wait for each other.
    fn cycles(&self) -> Vec<Vec<JobId>> {
        let mut state = vec![Visit::New; self.ids.len()];
        let mut found = Vec::new();
        for start in 0..self.ids.len() {
            if state[start] != Visit::New {
                continue;
            }
            // Depth first without recursion: a script may have 100,000 jobs in a row.
            let mut path = vec![(start, 0)];
            state[start] = Visit::OnPath;
            while let Some((place, next)) = path.last_mut() {
                let place = *place;
                let Some(&other) = self.needs[place].get(*next) else {
                    state[place] = Visit::Done;
                    path.pop();
                    continue;
                };
                *next += 1;
                match state[other] {
                    Visit::New => {
                        state[other] = Visit::OnPath;
                        path.push((other, 0));
                    }
                    Visit::OnPath => {
                        let from = path.iter().position(|(p, _)| *p == other).unwrap_or(0);
                        found.push(
                            path[from..]
                                .iter()
                                .map(|(p, _)| self.ids[*p].clone())
                                .collect(),
                        );
                    }
                    Visit::Done => {}
                }
            }
        }
        found
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Visit {
    New,
    OnPath,
    Done,
}
