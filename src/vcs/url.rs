//! Remote URLs: what may be shown of them, and the name in them.

/// Returns the URL without credentials.
///
/// Of `https://user:token@host/x` the whole user part goes, since a token may stand in either place. Elsewhere only
/// the password goes: the user of `ssh://git@host/x` and `git@host:x` is part of the address.
pub fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let Some((user, host)) = authority.rsplit_once('@') else {
        return url.to_owned();
    };
    let is_web = ["http", "https"]
        .iter()
        .any(|web| scheme.eq_ignore_ascii_case(web));
    let user = user.split(':').next().filter(|_| !is_web);
    match user {
        Some(user) => format!("{scheme}://{user}@{host}{path}"),
        None => format!("{scheme}://{host}{path}"),
    }
}

/// Returns the last part of the URL's path, without `.git`.
pub fn name_in(url: &str) -> Option<&str> {
    let path = match url.split_once("://") {
        // Without a path there is only a host, which names no repository.
        Some((_, rest)) => rest.split_once('/')?.1,
        None => url,
    };
    let path = path.split(['?', '#']).next()?.trim_end_matches('/');
    let path = path.strip_suffix("/.git").unwrap_or(path);
    let name = path.rsplit(['/', ':']).next()?;
    let name = name.strip_suffix(".git").unwrap_or(name);
    (!name.is_empty() && name != "." && name != "..").then_some(name)
}

/// Tells whether two URLs lead to one repository, whatever protocol and user they name. When in doubt they do not.
///
/// A path counts as it is written, but for slashes at its ends and `.git`; a port only where one is named.
pub fn same_repository(one: &str, other: &str) -> bool {
    match (host_and_path(one), host_and_path(other)) {
        (Some(one), Some(other)) => one == other,
        _ => false,
    }
}

/// The host in lower case with its port, and the path; none of a folder.
fn host_and_path(url: &str) -> Option<(String, &str)> {
    let (authority, path) = match url.split_once("://") {
        Some((scheme, rest)) => {
            let known = ["http", "https", "ssh", "git+ssh", "ssh+git", "git"];
            known
                .iter()
                .any(|known| scheme.eq_ignore_ascii_case(known))
                .then_some(())?;
            rest.split_once('/')?
        }
        // `user@host:path`
        None => url
            .split_once(':')
            .filter(|(host, _)| !host.contains('/'))?,
    };
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let host = host.to_ascii_lowercase();
    let usual = [":443", ":80", ":22"];
    let host = usual
        .iter()
        .find_map(|port| host.strip_suffix(port))
        .unwrap_or(&host);
    let path = path.trim_matches('/');
    let path = path
        .strip_suffix(".git")
        .unwrap_or(path)
        .trim_end_matches('/');
    let is_plain = !path.is_empty()
        && !path.contains(['?', '#', '%'])
        && !path.split('/').any(|part| part == "..");
    (is_plain && !host.is_empty()).then(|| (host.to_owned(), path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_repository_has_many_urls() {
        let url = "https://h.org/a/b";
        for other in [
            "https://h.org/a/b.git",
            "https://h.org/a/b/",
            "https://u:p@H.org:443/a/b",
            "http://h.org/a/b.git/",
            "git@h.org:a/b.git",
            "h.org:/a/b",
            "ssh://git@h.org:22/a/b.git",
        ] {
            assert!(same_repository(url, other), "{other}");
        }
        for other in [
            "https://h.org/a/c",
            "https://h.org/A/b",
            "https://h.org.evil.org/a/b",
            "https://h.org@evil.org/a/b",
            "https://evil.org/h.org/a/b",
            "https://h.org:8443/a/b",
            "https://h.org/x/../a/b",
            "https://h.org/a/b?x",
            "https://h.org/a%2fb",
            "git@h.org:evil/b",
            "/a/b",
            "file://h.org/a/b",
            "",
        ] {
            assert!(!same_repository(url, other), "{other}");
        }
        // Two folders have no host that would tell them apart.
        assert!(!same_repository("/a/b", "/a/b"));
    }

    #[test]
    fn credentials_do_not_show() {
        for (url, wanted) in [
            ("https://u:p@h.org/a/b.git", "https://h.org/a/b.git"),
            ("https://token@h.org/a/b", "https://h.org/a/b"),
            ("HTTPS://token@h.org:8443/a@b", "HTTPS://h.org:8443/a@b"),
            ("https://u:p@ss@h.org", "https://h.org"),
            ("https://h.org/a/b@2", "https://h.org/a/b@2"),
            ("ssh://git@h.org/a/b", "ssh://git@h.org/a/b"),
            ("ssh://git:pass@h.org:22/a/b", "ssh://git@h.org:22/a/b"),
            ("git@h.org:a/b.git", "git@h.org:a/b.git"),
            ("/srv/git/a.git", "/srv/git/a.git"),
        ] {
            assert_eq!(without_credentials(url), wanted);
        }
    }

    #[test]
    fn the_name_is_the_last_part_of_the_path() {
        for (url, wanted) in [
            ("https://h.org/a/my-repo.git", Some("my-repo")),
            ("https://h.org/a/my-repo/", Some("my-repo")),
            ("git@h.org:my-repo.git", Some("my-repo")),
            ("git@h.org:a/my-repo", Some("my-repo")),
            ("ssh://git@h.org:22/a/my.repo.git", Some("my.repo")),
            ("../elsewhere/my-repo/.git", Some("my-repo")),
            ("https://h.org", None),
            ("https://h.org/", None),
            ("..", None),
            ("", None),
        ] {
            assert_eq!(name_in(url), wanted, "{url}");
        }
    }
}
