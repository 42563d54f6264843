//! Whose the files of a job are: many images do not run as root.

use std::io::{self, Read as _};

use bollard::Docker;
use bollard::query_parameters::DownloadFromContainerOptionsBuilder;
use futures_util::TryStreamExt;
use tar::Header;
use tokio::io::AsyncReadExt;
use tokio_util::io::StreamReader;

/// The most that is read of `/etc/passwd` and `/etc/group`, in bytes.
const LONGEST: u64 = 4 << 20;

/// A user inside a container, by numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct User {
    pub(super) uid: u64,
    pub(super) gid: u64,
}

impl User {
    pub(super) const ROOT: Self = Self { uid: 0, gid: 0 };

    /// Makes a file of an archive that user's.
    pub(super) fn own(self, header: &mut Header) {
        header.set_uid(self.uid);
        header.set_gid(self.gid);
        // Names would count for more than numbers.
        let cleared = header
            .set_username("")
            .and_then(|()| header.set_groupname(""));
        debug_assert!(cleared.is_ok(), "there is room for no name");
    }

    /// Whether a container of an image of this user may use sockets that only this program's user may.
    pub(super) fn is_ours(named: &str) -> bool {
        let (user, _) = parts(named);
        let uid = match user {
            "" | "root" => Some(0),
            number => number.parse().ok(),
        };
        uid == Some(rustix::process::getuid().as_raw())
    }

    /// The user that an image names, `user[:group]` by name or number, as its own files have them;
    /// root, if they do not.
    pub(super) async fn of(docker: &Docker, container: &str, named: &str) -> Self {
        let (user, group) = parts(named);
        if matches!(user, "" | "0" | "root") && group.is_empty() {
            return Self::ROOT;
        }
        let users = read(docker, container, "/etc/passwd").await;
        let users = users.unwrap_or_default();
        let groups = match group {
            "" => String::new(),
            _ => read(docker, container, "/etc/group")
                .await
                .unwrap_or_default(),
        };
        find(user, group, &users, &groups).unwrap_or(Self::ROOT)
    }
}

fn parts(named: &str) -> (&str, &str) {
    named.trim().split_once(':').unwrap_or((named.trim(), ""))
}

/// As an engine does it: a number that no file has is taken as it is, with the group 0.
fn find(user: &str, group: &str, users: &str, groups: &str) -> Option<User> {
    let mut known = users.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let (name, uid) = (fields.next()?, fields.nth(1)?.parse::<u64>().ok()?);
        Some((name, uid, fields.next()?.parse::<u64>().ok()?))
    });
    let number = user.parse().ok();
    let found = known.find(|(name, uid, _)| *name == user || Some(*uid) == number);
    let (uid, own) = match (found, number) {
        (Some((_, uid, gid)), _) => (uid, gid),
        (None, Some(uid)) => (uid, 0),
        (None, None) if user.is_empty() => (0, 0),
        (None, None) => return None,
    };
    let named = || {
        groups.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next()? == group).then(|| fields.nth(1)?.parse().ok())?
        })
    };
    let gid = match group {
        "" => own,
        _ => group.parse().ok().or_else(named)?,
    };
    Some(User { uid, gid })
}

/// A text file of a container; `None` when it has none, or one that is no text.
async fn read(docker: &Docker, container: &str, path: &str) -> Option<String> {
    let options = DownloadFromContainerOptionsBuilder::default()
        .path(path)
        .build();
    let stream = docker.download_from_container(container, Some(options));
    let reader = StreamReader::new(stream.map_err(io::Error::other));
    let mut bytes = Vec::new();
    reader.take(LONGEST).read_to_end(&mut bytes).await.ok()?;
    let mut archive = tar::Archive::new(&*bytes);
    let mut file = archive.entries().ok()?.next()?.ok()?;
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_name_and_by_number() {
        let users = "root:x:0:0:root:/root:/bin/sh\nnode:x:1000:1001::/home/node:/bin/sh\nodd\n";
        let groups = "root:x:0:\ndocker:x:99:node\nodd\n";
        let found = |named| {
            let (user, group) = parts(named);
            find(user, group, users, groups).map(|user| (user.uid, user.gid))
        };
        assert_eq!(found("node"), Some((1000, 1001)));
        assert_eq!(found("1000"), Some((1000, 1001)));
        assert_eq!(found("node:docker"), Some((1000, 99)));
        assert_eq!(found("node:5"), Some((1000, 5)));
        assert_eq!(found("4711"), Some((4711, 0)));
        assert_eq!(found(":docker"), Some((0, 99)));
        for odd in ["nobody", "node:nobody", "x:y:z"] {
            assert_eq!(found(odd), None, "{odd}");
        }
    }
}
