//! Asks a server once, however many jobs ask.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use secrecy::SecretString;
use tokio::time::Instant;

use crate::ports::{OrgInfo, Param, RepoInfo, Upstream, UpstreamError};

/// How long a server that has failed is not asked again, when it does not say.
const PAUSE: Duration = Duration::from_secs(10);
/// A build has one key. A script that wants so many decrypted means something else.
const MOST_KEYS: usize = 100;

/// What has been asked already. Good for one build: what it has been told once, it is told again.
///
/// - One request for one thing at a time; whoever asks meanwhile waits for its answer.
/// - A failure counts for all who ask until the server may be asked again; when the server says itself how long it wants
///   to be left alone, for everything.
#[derive(Debug)]
pub struct Cached {
    upstream: Arc<dyn Upstream>,
    /// Until when the server wants to be left alone, and what it said.
    pause: Arc<Mutex<Option<(Instant, UpstreamError)>>>,
    params: Slot<Vec<Param>>,
    repo: Slot<RepoInfo>,
    org: Slot<OrgInfo>,
    keys: Mutex<HashMap<String, Arc<Slot<SecretString>>>>,
    /// Keys go one after the other.
    one_key: Arc<tokio::sync::Mutex<()>>,
}

/// A failure, and until when it counts.
type Failed = (UpstreamError, Instant);
type Asked<T> = Shared<BoxFuture<'static, Result<T, Failed>>>;

/// One answer, or the way to it.
struct Slot<T: Clone>(Mutex<Option<Asked<T>>>);

impl<T: Clone> Default for Slot<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T: Clone> std::fmt::Debug for Slot<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Slot")
    }
}

impl<T: Clone + Send + Sync + 'static> Slot<T> {
    /// The answer, asked for with `ask` unless it is there or on its way.
    async fn get(
        &self,
        ask: impl FnOnce() -> BoxFuture<'static, Result<T, Failed>>,
    ) -> Result<T, UpstreamError> {
        let asked = {
            let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let known = slot.as_ref().filter(|asked| match asked.peek() {
                Some(Err((_, until))) => Instant::now() < *until,
                Some(Ok(_)) | None => true,
            });
            match known {
                Some(asked) => asked.clone(),
                None => slot.insert(ask().shared()).clone(),
            }
        };
        // Whoever still waits drives it: one who goes away takes nothing from the others.
        asked.await.map_err(|(error, _)| error)
    }
}

impl Cached {
    /// Asks `upstream`, and remembers.
    pub fn new(upstream: Arc<dyn Upstream>) -> Self {
        Self {
            upstream,
            pause: Arc::default(),
            params: Slot::default(),
            repo: Slot::default(),
            org: Slot::default(),
            keys: Mutex::default(),
            one_key: Arc::default(),
        }
    }

    /// Asks, unless the server wants to be left alone.
    fn ask<T: Send + 'static>(
        &self,
        ask: impl for<'a> FnOnce(&'a dyn Upstream) -> BoxFuture<'a, Result<T, UpstreamError>>
        + Send
        + 'static,
    ) -> BoxFuture<'static, Result<T, Failed>> {
        let upstream = Arc::clone(&self.upstream);
        let pause = Arc::clone(&self.pause);
        async move {
            let paused = pause.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some((until, error)) = paused
                && Instant::now() < until
            {
                return Err((error, until));
            }
            let error = match ask(&*upstream).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let until = Instant::now() + error.again_in.unwrap_or(PAUSE);
            if error.again_in.is_some() {
                let mut pause = pause.lock().unwrap_or_else(PoisonError::into_inner);
                *pause = Some((until, error.clone()));
            }
            Err((error, until))
        }
        .boxed()
    }

    /// The place for a key's answer; none once there are too many.
    fn key(&self, encrypted: &str) -> Option<Arc<Slot<SecretString>>> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let full = keys.len() >= MOST_KEYS;
        match keys.entry(encrypted.to_owned()) {
            Entry::Occupied(known) => Some(Arc::clone(known.get())),
            Entry::Vacant(_) if full => None,
            Entry::Vacant(free) => Some(Arc::clone(free.insert(Arc::default()))),
        }
    }
}

impl Upstream for Cached {
    fn params(&self) -> BoxFuture<'_, Result<Vec<Param>, UpstreamError>> {
        self.params
            .get(|| self.ask(|upstream| upstream.params()))
            .boxed()
    }

    fn repo(&self) -> BoxFuture<'_, Result<RepoInfo, UpstreamError>> {
        self.repo
            .get(|| self.ask(|upstream| upstream.repo()))
            .boxed()
    }

    fn org(&self) -> BoxFuture<'_, Result<OrgInfo, UpstreamError>> {
        self.org.get(|| self.ask(|upstream| upstream.org())).boxed()
    }

    fn decrypt_key<'a>(
        &'a self,
        encrypted: &'a str,
    ) -> BoxFuture<'a, Result<SecretString, UpstreamError>> {
        async move {
            let Some(slot) = self.key(encrypted) else {
                return Err(UpstreamError::new(format!(
                    "this build has asked for more than {MOST_KEYS} keys; no more are decrypted"
                )));
            };
            let turn = Arc::clone(&self.one_key);
            let key = encrypted.to_owned();
            let ask = || {
                let asked =
                    self.ask(|upstream| Box::pin(async move { upstream.decrypt_key(&key).await }));
                async move {
                    // Whether the server wants to be left alone is looked up when it is this one's turn.
                    let _turn = turn.lock().await;
                    asked.await
                }
                .boxed()
            };
            slot.get(ask).await
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use secrecy::ExposeSecret as _;
    use tokio::sync::Semaphore;

    use super::*;

    /// Counts what it is asked, answers when it may, and fails as it is told.
    #[derive(Debug)]
    struct Fake {
        asked: AtomicUsize,
        at_once: AtomicUsize,
        most_at_once: AtomicUsize,
        may: Semaphore,
        fails: Mutex<Vec<UpstreamError>>,
    }

    impl Fake {
        fn new(answers: usize) -> Arc<Self> {
            Arc::new(Self {
                asked: AtomicUsize::new(0),
                at_once: AtomicUsize::new(0),
                most_at_once: AtomicUsize::new(0),
                may: Semaphore::new(answers),
                fails: Mutex::default(),
            })
        }

        fn fail(&self, again_in: Option<u64>) {
            self.fails.lock().unwrap().push(UpstreamError {
                reason: "the server is busy".to_owned(),
                again_in: again_in.map(Duration::from_secs),
            });
        }

        async fn answer<T>(&self, answer: T) -> Result<T, UpstreamError> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let now = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_at_once.fetch_max(now, Ordering::SeqCst);
            self.may.acquire().await.unwrap().forget();
            self.at_once.fetch_sub(1, Ordering::SeqCst);
            match self.fails.lock().unwrap().pop() {
                Some(error) => Err(error),
                None => Ok(answer),
            }
        }

        fn asked(&self) -> usize {
            self.asked.load(Ordering::SeqCst)
        }
    }

    impl Upstream for Fake {
        fn params(&self) -> BoxFuture<'_, Result<Vec<Param>, UpstreamError>> {
            let param = Param {
                name: "a".to_owned(),
                value: "1".into(),
                plain: false,
            };
            self.answer(vec![param]).boxed()
        }

        fn repo(&self) -> BoxFuture<'_, Result<RepoInfo, UpstreamError>> {
            self.answer(RepoInfo::default()).boxed()
        }

        fn org(&self) -> BoxFuture<'_, Result<OrgInfo, UpstreamError>> {
            self.answer(OrgInfo::default()).boxed()
        }

        fn decrypt_key<'a>(
            &'a self,
            encrypted: &'a str,
        ) -> BoxFuture<'a, Result<SecretString, UpstreamError>> {
            self.answer(SecretString::from(format!("clear {encrypted}")))
                .boxed()
        }
    }

    #[tokio::test]
    async fn a_thousand_jobs_ask_the_server_once() {
        let fake = Fake::new(0);
        let cached = Arc::new(Cached::new(fake.clone()));
        let jobs: Vec<_> = (0..1000)
            .map(|_| {
                let cached = Arc::clone(&cached);
                tokio::spawn(async move { cached.params().await })
            })
            .collect();
        // The first goes away while all wait.
        while fake.asked() == 0 {
            tokio::task::yield_now().await;
        }
        jobs[0].abort();
        fake.may.add_permits(1000);
        for job in jobs.into_iter().skip(1) {
            assert_eq!(job.await.unwrap().unwrap().len(), 1);
        }
        assert_eq!(cached.params().await.unwrap().len(), 1);
        assert_eq!(fake.asked(), 1);
        cached.repo().await.unwrap();
        cached.org().await.unwrap();
        cached.org().await.unwrap();
        assert_eq!(fake.asked(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_wants_to_be_left_alone_is_left_alone() {
        let fake = Fake::new(1000);
        fake.fail(Some(60));
        let cached = Cached::new(fake.clone());
        for _ in 0..100 {
            assert_eq!(
                cached.params().await.unwrap_err().reason,
                "the server is busy"
            );
        }
        // Also with other questions.
        cached.repo().await.unwrap_err();
        cached.decrypt_key("k").await.unwrap_err();
        assert_eq!(fake.asked(), 1);
        tokio::time::advance(Duration::from_secs(59)).await;
        cached.params().await.unwrap_err();
        assert_eq!(fake.asked(), 1);
        tokio::time::advance(Duration::from_secs(2)).await;
        cached.params().await.unwrap();
        cached.repo().await.unwrap();
        cached.decrypt_key("k").await.unwrap();
        assert_eq!(fake.asked(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_counts_for_a_while_and_for_what_was_asked() {
        let fake = Fake::new(1000);
        fake.fail(None);
        let cached = Cached::new(fake.clone());
        cached.params().await.unwrap_err();
        cached.params().await.unwrap_err();
        cached.org().await.unwrap();
        assert_eq!(fake.asked(), 2);
        tokio::time::advance(PAUSE).await;
        cached.params().await.unwrap();
        assert_eq!(fake.asked(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_its_turn_hears_that_the_server_wants_none() {
        let fake = Fake::new(0);
        fake.fail(Some(60));
        let cached = Arc::new(Cached::new(fake.clone()));
        let jobs = ["a", "b", "c"].map(|key| {
            let cached = Arc::clone(&cached);
            tokio::spawn(async move { cached.decrypt_key(key).await })
        });
        while fake.asked() == 0 {
            tokio::task::yield_now().await;
        }
        fake.may.add_permits(10);
        for job in jobs {
            job.await.unwrap().unwrap_err();
        }
        assert_eq!(fake.asked(), 1);
    }

    #[tokio::test]
    async fn keys_are_asked_for_one_by_one_and_not_without_end() {
        let fake = Fake::new(0);
        let cached = Arc::new(Cached::new(fake.clone()));
        let jobs: Vec<_> = (0..MOST_KEYS * 2)
            .map(|n| {
                let cached = Arc::clone(&cached);
                tokio::spawn(async move { cached.decrypt_key(&format!("k{}", n / 2)).await })
            })
            .collect();
        fake.may.add_permits(1000);
        for (n, job) in jobs.into_iter().enumerate() {
            let clear = job.await.unwrap().unwrap();
            assert_eq!(clear.expose_secret(), format!("clear k{}", n / 2));
        }
        assert_eq!(fake.asked(), MOST_KEYS);
        assert_eq!(fake.most_at_once.load(Ordering::SeqCst), 1);
        let error = cached.decrypt_key("one more").await.unwrap_err();
        assert!(error.reason.contains("no more are decrypted"), "{error}");
        assert_eq!(fake.asked(), MOST_KEYS);
    }
}
