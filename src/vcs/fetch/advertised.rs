//! What a server says of its references, read from the bytes it sends.
//!
//! libgit2 reads them too, but what of it comes to Rust panics for names that are not UTF-8.

use std::collections::HashMap;

use git2::{Oid, Repository};

/// The references of a repository elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Advertised {
    /// Names and ids, as the server orders them; `HEAD` among them, and `name^{}` for what a tag points to.
    references: Vec<(String, Oid)>,
    /// The same, by name: there may be very many.
    by_name: HashMap<String, Oid>,
    /// The branch that `HEAD` stands for.
    pub head: Option<String>,
    /// Commits may be asked for by their ids.
    pub by_id: bool,
    /// A part of the history may be asked for.
    pub shallow: bool,
}

impl Advertised {
    /// Reads lines of the protocol, up to where they make no sense.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut found = Self::default();
        let mut rest = bytes;
        while let Some((length, after)) = rest.split_at_checked(4) {
            let length = std::str::from_utf8(length).ok();
            let length = length.and_then(|text| usize::from_str_radix(text, 16).ok());
            match length {
                // An end of a part: the first may only end the name of the service.
                Some(0) => rest = after,
                Some(length) if length >= 4 && after.len() >= length - 4 => {
                    found.line(&after[..length - 4]);
                    rest = &after[length - 4..];
                }
                _ => break,
            }
        }
        found
    }

    fn line(&mut self, line: &[u8]) {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let (line, capabilities) = match line.iter().position(|byte| *byte == 0) {
            Some(at) => (&line[..at], Some(&line[at + 1..])),
            None => (line, None),
        };
        if let Some(capabilities) = capabilities {
            self.capabilities(&String::from_utf8_lossy(capabilities));
        }
        let Ok(line) = std::str::from_utf8(line) else {
            return;
        };
        let Some((id, name)) = line.split_once(' ') else {
            return;
        };
        // `# service=…`, `version 1` and `shallow …` are none; what stands for no reference at all is.
        if let (40, Ok(id)) = (id.len(), Oid::from_str(id))
            && name != "capabilities^{}"
        {
            self.add(name.to_owned(), id);
        }
    }

    fn add(&mut self, name: String, id: Oid) {
        self.by_name.insert(name.clone(), id);
        self.references.push((name, id));
    }

    fn capabilities(&mut self, text: &str) {
        for word in text.split_whitespace() {
            match word {
                "shallow" => self.shallow = true,
                "allow-tip-sha1-in-want" | "allow-reachable-sha1-in-want" => self.by_id = true,
                _ => {
                    if let Some(head) = word.strip_prefix("symref=HEAD:") {
                        self.head = Some(head.to_owned());
                    }
                }
            }
        }
    }

    /// The references of a repository on this machine.
    pub fn of(repository: &Repository) -> Result<Self, git2::Error> {
        let mut found = Self {
            by_id: true,
            ..Self::default()
        };
        let head = repository.find_reference("HEAD")?;
        found.head = head
            .symbolic_target_bytes()
            .and_then(|name| String::from_utf8(name.to_owned()).ok());
        if let Ok(head) = repository.head()
            && let Some(id) = head.target()
        {
            found.add("HEAD".to_owned(), id);
        }
        for reference in repository.references()? {
            let reference = reference?;
            let resolved = reference.resolve().ok();
            let id = resolved.and_then(|reference| reference.target());
            if let (Ok(name), Some(id)) = (std::str::from_utf8(reference.name_bytes()), id) {
                found.add(name.to_owned(), id);
                if let Ok(object) = reference.peel(git2::ObjectType::Commit)
                    && object.id() != id
                {
                    found.add(format!("{name}^{{}}"), object.id());
                }
            }
        }
        Ok(found)
    }

    /// What a reference points to; of an annotated tag, the tag.
    pub fn id(&self, name: &str) -> Option<Oid> {
        self.by_name.get(name).copied()
    }

    /// A reference that points to a commit by itself: a branch if there is one.
    pub fn tip_at(&self, commit: Oid) -> Option<&str> {
        let at = |prefix: &str| {
            self.references
                .iter()
                .find(|(name, id)| {
                    *id == commit && name.starts_with(prefix) && !name.ends_with("^{}")
                })
                .map(|(name, _)| name.as_str())
        };
        at("refs/heads/").or_else(|| at("refs/"))
    }

    /// All branches and tags.
    pub fn branches_and_tags(&self) -> impl Iterator<Item = (&str, Oid)> {
        self.references
            .iter()
            .filter(|(name, _)| name.starts_with("refs/heads/") || name.starts_with("refs/tags/"))
            .filter(|(name, _)| !name.ends_with("^{}"))
            .map(|(name, id)| (name.as_str(), *id))
    }

    /// Tags that point to a commit, with what they are: the commit or an annotated tag.
    pub fn tags_at(&self, commit: Oid) -> Vec<(&str, Oid)> {
        self.references
            .iter()
            .filter(|(name, _)| name.starts_with("refs/tags/") && !name.ends_with("^{}"))
            .filter(|(name, id)| *id == commit || self.id(&format!("{name}^{{}}")) == Some(commit))
            .map(|(name, id)| (name.as_str(), *id))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(digit: u8) -> String {
        char::from(digit).to_string().repeat(40)
    }

    fn packet(line: &str) -> String {
        format!("{:04x}{line}", line.len() + 4)
    }

    #[test]
    fn references_and_abilities_are_read() {
        let (a, b, c) = (id(b'a'), id(b'b'), id(b'c'));
        let bytes = [
            packet("# service=git-upload-pack\n"),
            "0000".to_owned(),
            packet(&format!(
                "{a} HEAD\0shallow allow-tip-sha1-in-want symref=HEAD:refs/heads/trunk agent=x\n"
            )),
            packet(&format!("{a} refs/heads/trunk\n")),
            packet(&format!("{a} refs/tags/light\n")),
            packet(&format!("{b} refs/tags/v1\n")),
            packet(&format!("{a} refs/tags/v1^{{}}\n")),
            packet(&format!("{c} refs/pull/1/head\n")),
            "0000".to_owned(),
        ]
        .concat();
        let found = Advertised::parse(bytes.as_bytes());
        let (a, b, c) = (
            Oid::from_str(&a).unwrap(),
            Oid::from_str(&b).unwrap(),
            Oid::from_str(&c).unwrap(),
        );
        assert_eq!(found.head.as_deref(), Some("refs/heads/trunk"));
        assert!(found.by_id && found.shallow);
        assert_eq!(found.id("refs/tags/v1"), Some(b));
        assert_eq!(
            found.tags_at(a),
            [("refs/tags/light", a), ("refs/tags/v1", b)]
        );
        assert_eq!(found.tip_at(a), Some("refs/heads/trunk"));
        assert_eq!(found.tip_at(c), Some("refs/pull/1/head"));
        assert_eq!(found.branches_and_tags().count(), 3);
    }

    #[test]
    fn an_empty_repository_has_no_references() {
        let zero = id(b'0');
        let bytes = packet(&format!("{zero} capabilities^{{}}\0shallow\n")) + "0000";
        let found = Advertised::parse(bytes.as_bytes());
        assert!(found.references.is_empty() && found.shallow);
    }

    #[test]
    fn nonsense_is_no_reference() {
        for bytes in [
            &b""[..],
            b"00",
            b"zzzzabc",
            b"0003",
            b"0001",
            b"ffff",
            b"0008\xff\xff\xff\xff0000",
            b"+004abcd",
        ] {
            assert!(Advertised::parse(bytes).references.is_empty());
        }
    }
}
