//! What libgit2 talks through: our own connections, under a protocol name of our own.
//!
//! libgit2 is built without TLS and ssh. It never sees the URL either: it connects to [`ADDRESS`], and the [`Session`]
//! of the thread says where that leads.

use std::cell::RefCell;
use std::sync::{Arc, OnceLock};

use git2::transport::{Service, SmartSubtransport, SmartSubtransportStream, Transport};

use super::http::HttpStream;
use super::remote_url::Place;
use super::session::Session;
use super::ssh::SshStream;

/// The protocol name; nobody else's, so no setting of git is about it.
const SCHEME: &str = "monkeyci-tui-fetch";

/// What libgit2 connects to.
pub(super) const ADDRESS: &str = "monkeyci-tui-fetch://repository";

thread_local! {
    /// The fetch of this thread. libgit2 makes and uses connections on the thread that asks for them.
    static CURRENT: RefCell<Option<Arc<Session>>> = const { RefCell::new(None) };
}

/// While it lives, connections of this thread are those of the session.
#[derive(Debug)]
pub(super) struct Current;

impl Current {
    /// Makes a session that of this thread.
    pub fn set(session: &Arc<Session>) -> Result<Self, git2::Error> {
        registered()?;
        CURRENT.set(Some(Arc::clone(session)));
        Ok(Self)
    }
}

impl Drop for Current {
    fn drop(&mut self) {
        CURRENT.set(None);
    }
}

/// Tells libgit2 of our protocol, once.
fn registered() -> Result<(), git2::Error> {
    static REGISTERED: OnceLock<Result<(), String>> = OnceLock::new();
    let result = REGISTERED.get_or_init(|| register().map_err(|error| error.message().to_owned()));
    result
        .clone()
        .map_err(|error| git2::Error::from_str(&error))
}

#[expect(
    unsafe_code,
    reason = "git2 has no safe way to add a transport; see below why this one is sound"
)]
fn register() -> Result<(), git2::Error> {
    // SAFETY: `register` changes libgit2's list of transports without a lock, so nobody may make a transport (or
    // register one) meanwhile. Within this program:
    // - A transport is made only when a remote is connected. That happens in `mirror` and nowhere else: other code of
    //   ours opens repositories and reads them, and this module is private to `fetch`, the only one to name `Transport`.
    // - `mirror` connects only while it holds a `Current`, and `Current::set` returns only after `OnceLock` has seen
    //   this function return. So every making of a transport comes after this, in the order that the lock guarantees,
    //   also on other threads.
    // - `OnceLock` runs this function once, so it does not run beside itself, and nothing else registers a transport.
    // The closure owns all it uses, and is never dropped by git2.
    unsafe {
        git2::transport::register(SCHEME, |remote| {
            let session = CURRENT.with_borrow(Option::clone);
            let session = session.ok_or_else(|| git2::Error::from_str("no fetch is under way"))?;
            let stateless = matches!(session.url.place, Place::Web { .. });
            Transport::smart(remote, stateless, Connections(session))
        })
    }
}

/// Makes the connections of one fetch.
struct Connections(Arc<Session>);

impl SmartSubtransport for Connections {
    fn action(
        &self,
        _: &str,
        service: Service,
    ) -> Result<Box<dyn SmartSubtransportStream>, git2::Error> {
        let session = Arc::clone(&self.0);
        let references = match service {
            Service::UploadPackLs => true,
            Service::UploadPack => false,
            Service::ReceivePackLs | Service::ReceivePack => {
                return Err(git2::Error::from_str("nothing is ever pushed"));
            }
        };
        match &self.0.url.place {
            Place::Web { .. } => Ok(Box::new(HttpStream::new(session, references))),
            Place::Ssh(place) => match SshStream::start(&session, place) {
                Ok(stream) => Ok(Box::new(stream)),
                Err(error) => {
                    let error = session.fail(error);
                    Err(git2::Error::from_str(&error.to_string()))
                }
            },
            Place::Folder(_) => Err(git2::Error::from_str("folders are read by libgit2 itself")),
        }
    }

    fn close(&self) -> Result<(), git2::Error> {
        Ok(())
    }
}
