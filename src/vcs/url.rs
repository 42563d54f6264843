//! Remote URLs: what may be shown of them, and the name in them.

/// Returns the URL without credentials.
///
/// Of `https://user:token@host/x` the whole user part goes, since a token may stand in either place. Elsewhere only
/// the password goes: the user of `ssh://git@host/x` and `git@host:x` is part of the address.
pub(super) fn without_credentials(url: &str) -> String {
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
pub(super) fn name_in(url: &str) -> Option<&str> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
