//! Hostile archives one by one, and round trips.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use tar::{EntryType, Header};
use tempfile::TempDir;

use super::*;

/// Writes archives as nobody should.
#[derive(Default)]
struct Hostile {
    bytes: Vec<u8>,
}

impl Hostile {
    fn entry(mut self, name: &str, kind: EntryType, target: &str, content: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_mtime(1);
        header.set_size(content.len() as u64);
        header.set_cksum();
        self.bytes.extend_from_slice(header.as_bytes());
        self.bytes.extend_from_slice(content);
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
        self
    }

    fn file(self, name: &str) -> Self {
        self.entry(name, EntryType::Regular, "", b"hostile")
    }

    fn folder(self, name: &str) -> Self {
        self.entry(name, EntryType::Directory, "", b"")
    }

    fn link(self, name: &str, target: &str) -> Self {
        self.entry(name, EntryType::Symlink, target, b"")
    }

    fn hard_link(self, name: &str, target: &str) -> Self {
        self.entry(name, EntryType::Link, target, b"")
    }

    fn tgz(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len() + 1024, 0);
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&self.bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// Unpacks into `outer/target`, beside which lies `outer/victim`, and sees that the victim is untouched.
    fn unpack_with(self, limits: &Limits, prepare: impl Fn(&Path)) -> Result<TempDir, UnpackError> {
        let outer = tempfile::tempdir().unwrap();
        fs::create_dir(outer.path().join("victim")).unwrap();
        fs::write(outer.path().join("victim/file"), "untouched").unwrap();
        let target = outer.path().join("target");
        fs::create_dir(&target).unwrap();
        prepare(&target);
        let result = unpack(&self.tgz()[..], &target, limits);
        assert_eq!(
            names_below(outer.path(), &["target"]),
            ["victim", "victim/file"]
        );
        let victim = fs::read_to_string(outer.path().join("victim/file")).unwrap();
        assert_eq!(victim, "untouched");
        result.map(|_| outer)
    }

    fn unpack(self) -> Result<TempDir, UnpackError> {
        self.unpack_with(&Limits::default(), |_| {})
    }

    fn must_be_refused(self, name: &str, reason: Refusal) {
        refused_as(&self.unpack().unwrap_err(), name, reason);
    }
}

#[track_caller]
fn refused_as(error: &UnpackError, name: &str, wanted: Refusal) {
    let UnpackError::Refused { entry, reason } = error else {
        panic!("not refused: {error:?}");
    };
    assert_eq!((entry.as_str(), *reason), (name, wanted));
    assert!(error.to_string().contains(name));
}

fn names_below(folder: &Path, without: &[&str]) -> Vec<String> {
    let mut names = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let entry = entry.unwrap();
            let path = entry.path();
            let name = path
                .strip_prefix(folder)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            if without.contains(&name.as_str()) {
                continue;
            }
            names.push(name);
            if entry.file_type().unwrap().is_dir() {
                open.push(path);
            }
        }
    }
    names.sort();
    names
}

#[test]
fn names_that_leave_the_target_are_refused() {
    let hostile = Hostile::default;
    hostile()
        .file("/victim/file")
        .must_be_refused("/victim/file", Refusal::Absolute);
    hostile()
        .file("../victim/file")
        .must_be_refused("../victim/file", Refusal::ParentFolder);
    hostile()
        .file("a/../../victim/x")
        .must_be_refused("a/../../victim/x", Refusal::ParentFolder);
    hostile()
        .folder("a/..")
        .must_be_refused("a/..", Refusal::ParentFolder);
    hostile().file("").must_be_refused("", Refusal::Nameless);
    hostile().file(".").must_be_refused(".", Refusal::Nameless);
}

#[test]
fn links_that_leave_the_target_are_refused() {
    let hostile = Hostile::default;
    for target in [
        "/etc",
        "..",
        "../victim",
        "a/../../victim",
        "./../victim",
        "x/..",
    ] {
        hostile()
            .link("l", target)
            .must_be_refused("l", Refusal::OutwardLink);
    }
    hostile()
        .link("a/b/l", "../../..")
        .must_be_refused("a/b/l", Refusal::OutwardLink);
    hostile()
        .link("l", "")
        .must_be_refused("l", Refusal::OutwardLink);
    hostile()
        .hard_link("l", "../victim/file")
        .must_be_refused("l", Refusal::OutwardLink);
    hostile()
        .hard_link("l", "/etc/passwd")
        .must_be_refused("l", Refusal::OutwardLink);
    hostile()
        .hard_link("l", "nothing")
        .must_be_refused("l", Refusal::HardLinkToNothing);
    hostile()
        .folder("d")
        .hard_link("l", "d")
        .must_be_refused("l", Refusal::HardLinkToNothing);
}

#[test]
fn a_link_that_climbs_by_way_of_another_link_is_refused() {
    Hostile::default()
        .link("a/b/up", "../..")
        .link("a/out", "b/up/../victim")
        .must_be_refused("a/out", Refusal::OutwardLink);
}

#[test]
fn nothing_is_written_through_a_link() {
    let any = Limits {
        links: Links::Any,
        ..Limits::default()
    };
    let through_entry = Hostile::default().link("l", "../victim").file("l/file");
    let error = through_entry.unpack_with(&any, |_| {}).unwrap_err();
    refused_as(&error, "l/file", Refusal::ThroughLink);

    // Also when the link was there before.
    let prepared = |target: &Path| symlink("../victim", target.join("l")).unwrap();
    let error = Hostile::default()
        .file("l/file")
        .unpack_with(&any, prepared)
        .unwrap_err();
    refused_as(&error, "l/file", Refusal::ThroughLink);
    let nested = Hostile::default().folder("l/a/b");
    let error = nested.unpack_with(&any, prepared).unwrap_err();
    refused_as(&error, "l/a/b", Refusal::ThroughLink);

    // Nor is it read through one.
    let hard = Hostile::default()
        .link("l", "../victim")
        .hard_link("h", "l/file");
    let error = hard.unpack_with(&any, |_| {}).unwrap_err();
    refused_as(&error, "h", Refusal::OutwardLink);
    let hard = Hostile::default()
        .link("l", "../victim/file")
        .hard_link("h", "l");
    let error = hard.unpack_with(&any, |_| {}).unwrap_err();
    refused_as(&error, "h", Refusal::HardLinkToNothing);
}

#[test]
fn a_link_in_the_place_of_an_entry_is_replaced_not_followed() {
    let any = Limits {
        links: Links::Any,
        ..Limits::default()
    };
    let file = Hostile::default().link("l", "../victim/file").file("l");
    let outer = file.unpack_with(&any, |_| {}).unwrap();
    assert!(
        fs::symlink_metadata(outer.path().join("target/l"))
            .unwrap()
            .is_file()
    );

    let folder = Hostile::default()
        .link("l", "../victim")
        .folder("l")
        .file("l/file");
    let outer = folder.unpack_with(&any, |_| {}).unwrap();
    assert_eq!(
        names_below(&outer.path().join("target"), &[]),
        ["l", "l/file"]
    );
}

#[test]
fn a_folder_replaced_by_a_link_is_no_way_out_either() {
    let any = Limits {
        links: Links::Any,
        ..Limits::default()
    };
    let hostile = Hostile::default()
        .folder("d")
        .link("d", "../victim")
        .file("d/file");
    let error = hostile.unpack_with(&any, |_| {}).unwrap_err();
    refused_as(&error, "d/file", Refusal::ThroughLink);

    // The permissions of the folder do not reach what the link points to.
    let before = Hostile::default().folder("d").link("d", "../victim");
    let outer = before.unpack_with(&any, |_| {}).unwrap();
    let mode = fs::metadata(outer.path().join("victim")).unwrap().mode();
    assert_eq!(mode & 0o100, 0o100);
}

#[test]
fn writing_to_a_hard_linked_name_leaves_the_original() {
    let prepared = |target: &Path| {
        fs::hard_link(target.join("../victim/file"), target.join("f")).unwrap();
    };
    let hostile = Hostile::default().file("f");
    let outer = hostile.unpack_with(&Limits::default(), prepared).unwrap();
    let new = fs::read_to_string(outer.path().join("target/f")).unwrap();
    assert_eq!(new, "hostile");
}

#[test]
fn devices_and_pipes_are_refused() {
    for kind in [
        EntryType::Char,
        EntryType::Block,
        EntryType::Fifo,
        EntryType::new(b'Z'),
    ] {
        let hostile = Hostile::default().entry("dev", kind, "", b"");
        hostile.must_be_refused("dev", Refusal::Special);
    }
}

#[test]
fn things_in_the_way_are_named() {
    let full = Hostile::default().file("d/x").file("d");
    full.must_be_refused("d", Refusal::FolderInPlace);
    let file = Hostile::default().file("d").file("d/x");
    file.must_be_refused("d/x", Refusal::FileInPlace);
    let empty = Hostile::default().folder("d").file("d").unpack().unwrap();
    assert!(empty.path().join("target/d").is_file());
}

#[test]
fn names_do_no_harm_on_a_terminal() {
    let hostile = Hostile::default().file("/\u{1b}[31mred");
    hostile.must_be_refused("/\\u{1b}[31mred", Refusal::Absolute);
}

#[test]
fn limits_are_kept() {
    let limits = |bytes, entries| Limits {
        bytes,
        entries,
        ..Limits::default()
    };
    let two = || Hostile::default().file("a").file("b");
    assert!(two().unpack_with(&limits(14, 2), |_| {}).is_ok());
    let error = two().unpack_with(&limits(13, 2), |_| {}).unwrap_err();
    refused_as(&error, "b", Refusal::TooLarge);
    let error = two().unpack_with(&limits(14, 1), |_| {}).unwrap_err();
    refused_as(&error, "number 2", Refusal::TooMany);
}

/// A gzip tar made of zeros, without having them in memory.
fn zeros(kind: EntryType, size: u64) -> Vec<u8> {
    let mut header = Header::new_gnu();
    header.set_path("zeros").unwrap();
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(size);
    header.set_cksum();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(header.as_bytes()).unwrap();
    io::copy(&mut io::Read::take(io::repeat(0), size), &mut encoder).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_bomb_is_stopped_long_before_its_size() {
    let bomb = zeros(EntryType::Regular, 80 << 20);
    let target = tempfile::tempdir().unwrap();
    let tight = Limits {
        ratio: 20,
        ..Limits::default()
    };
    let error = unpack(&bomb[..], target.path(), &tight).unwrap_err();
    refused_as(&error, "zeros", Refusal::TooDense);
    let size = fs::metadata(target.path().join("zeros")).unwrap().len();
    assert!(size <= 65 << 20, "{size}");
}

#[test]
fn a_name_of_megabytes_is_refused_unread() {
    let hostile = zeros(EntryType::GNULongName, 8 << 20);
    let target = tempfile::tempdir().unwrap();
    let error = unpack(&hostile[..], target.path(), &Limits::default()).unwrap_err();
    refused_as(&error, "number 1", Refusal::HeaderTooLarge);
    let error = list(&zeros(EntryType::XHeader, 8 << 20)[..]).unwrap_err();
    refused_as(&error, "number 1", Refusal::HeaderTooLarge);
}

#[test]
fn an_archive_cut_anywhere_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a", "b", "c"] {
        fs::write(folder.path().join(name), name.repeat(700)).unwrap();
    }
    let mut whole = Vec::new();
    pack(folder.path(), Path::new("."), &mut whole).unwrap();
    for length in 0..whole.len() {
        let target = tempfile::tempdir().unwrap();
        let result = unpack(&whole[..length], target.path(), &Limits::default());
        assert!(
            matches!(result, Err(UnpackError::Damaged(_))),
            "cut at {length} of {}: {result:?}",
            whole.len()
        );
    }
}

#[test]
fn what_is_no_archive_is_an_error() {
    for bytes in [
        &b"no archive at all"[..],
        &[0; 2000][..],
        &[0x1f, 0x8b, 8, 0][..],
    ] {
        assert!(matches!(list(bytes), Err(UnpackError::Damaged(_))));
    }
}

#[test]
fn set_id_bits_are_not_given() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f");
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o6755)).unwrap();
    let mut packed = Vec::new();
    pack(folder.path(), Path::new("f"), &mut packed).unwrap();
    assert_eq!(list(&packed[..]).unwrap()[0].mode, 0o6755);
    let target = tempfile::tempdir().unwrap();
    unpack(&packed[..], target.path(), &Limits::default()).unwrap();
    let mode = fs::metadata(target.path().join("f")).unwrap().mode();
    assert_eq!(mode & 0o7777, 0o755);
}

#[test]
fn a_folder_is_packed_by_its_contents_and_a_file_by_its_bare_name() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("out/sub")).unwrap();
    fs::write(folder.path().join("out/sub/b"), "bb").unwrap();
    fs::write(folder.path().join("out/a"), "a").unwrap();
    symlink("sub/b", folder.path().join("out/c")).unwrap();
    let packed = |path: &str| {
        let mut bytes = Vec::new();
        let summary = pack(folder.path(), Path::new(path), &mut bytes).unwrap();
        (summary, bytes)
    };
    let names = |bytes: &[u8]| -> Vec<_> {
        let entries = list(bytes).unwrap();
        entries
            .into_iter()
            .map(|entry| (entry.path, entry.kind))
            .collect()
    };
    let (summary, bytes) = packed("out");
    assert_eq!((summary.entries, summary.bytes), (5, 3));
    let wanted = [
        (".", Kind::Folder),
        ("a", Kind::File),
        ("c", Kind::Symlink),
        ("sub", Kind::Folder),
        ("sub/b", Kind::File),
    ];
    assert_eq!(
        names(&bytes),
        wanted.map(|(name, kind)| (PathBuf::from(name), kind))
    );
    assert_eq!(bytes, packed("out/").1);
    assert_eq!(
        names(&packed("out/sub/b").1),
        [(PathBuf::from("b"), Kind::File)]
    );
    assert_eq!(
        names(&packed("out/c").1),
        [(PathBuf::from("c"), Kind::File)]
    );

    let content = |path, most| read_file(&bytes[..], Path::new(path), most).unwrap();
    assert_eq!(content("sub/b", 10), Some(b"bb".to_vec()));
    assert_eq!(content("./sub/b", 1), Some(b"b".to_vec()));
    assert_eq!(content("sub", 10), None);

    let missing = pack(folder.path(), Path::new("none"), io::sink()).unwrap_err();
    assert_eq!(missing.to_string(), "there is no `none`");
}

#[test]
fn a_destination_that_is_full_is_an_error_of_writing() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("f"), vec![7; 100_000]).unwrap();
    let full = &mut [0_u8; 20][..];
    let error = pack(folder.path(), Path::new("."), full).unwrap_err();
    assert!(matches!(error, PackError::Write(_)), "{error:?}");
}

#[test]
fn pipes_and_sockets_are_left_out_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let mut bytes = Vec::new();
    let summary = pack(folder.path(), Path::new("."), &mut bytes).unwrap();
    assert_eq!(summary.skipped[0].path, socket);
    assert_eq!(list(&bytes[..]).unwrap().len(), 1);
    let copy = tempfile::tempdir().unwrap();
    copy_tree(folder.path(), copy.path()).unwrap();
    assert!(names_below(copy.path(), &[]).is_empty());
}

#[test]
fn restoring_over_an_older_copy_replaces_and_merges() {
    let folder = tempfile::tempdir().unwrap();
    let closed = folder.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::write(closed.join("f"), "new").unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o555)).unwrap();
    let mut bytes = Vec::new();
    pack(folder.path(), Path::new("."), &mut bytes).unwrap();
    let target = tempfile::tempdir().unwrap();
    fs::create_dir(target.path().join("closed")).unwrap();
    fs::write(target.path().join("closed/f"), "older").unwrap();
    fs::write(target.path().join("closed/own"), "").unwrap();
    for _ in 0..2 {
        unpack(&bytes[..], target.path(), &Limits::default()).unwrap();
        assert_eq!(
            fs::read_to_string(target.path().join("closed/f")).unwrap(),
            "new"
        );
        assert_eq!(
            names_below(target.path(), &[]),
            ["closed", "closed/f", "closed/own"]
        );
        let mode = fs::metadata(target.path().join("closed")).unwrap().mode();
        assert_eq!(mode & 0o777, 0o555);
    }
    remove_tree(target.path()).unwrap();
    assert!(!target.path().exists());
    remove_tree(target.path()).unwrap();
    remove_tree(folder.path()).unwrap();
}

#[test]
fn removing_a_link_leaves_what_it_points_to() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("d")).unwrap();
    fs::write(folder.path().join("d/f"), "").unwrap();
    symlink("d", folder.path().join("l")).unwrap();
    remove_tree(&folder.path().join("l")).unwrap();
    assert_eq!(names_below(folder.path(), &[]), ["d", "d/f"]);
}

#[test]
fn a_tree_is_not_copied_into_itself_nor_over_another() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("f"), "").unwrap();
    let inside = folder.path().join("copy");
    let error = copy_tree(folder.path(), &inside).unwrap_err();
    assert!(matches!(error, TreeError::IntoItself { .. }));
    let error = copy_tree(&inside, folder.path()).unwrap_err();
    assert!(matches!(error, TreeError::NotEmpty { .. }));
}

/// A small tree: names to what they are.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    File(Vec<u8>, u32),
    Link(String),
    Folder(u32, BTreeMap<String, Node>),
}

fn tree() -> impl Strategy<Value = BTreeMap<String, Node>> {
    // Long names do not fit into a plain header.
    let name = || prop_oneof!["[a-zA-Zäß. -]{1,8}x", "[a-z]{90,110}"];
    let leaf = prop_oneof![
        (prop::collection::vec(any::<u8>(), 0..2000), 0o0_u32..0o1000)
            .prop_map(|(content, mode)| Node::File(content, mode | 0o400)),
        prop_oneof!["[a-z]{1,9}(/[a-z]{1,9}){0,2}", "[a-z]{99,120}"].prop_map(Node::Link),
    ];
    let node = leaf.prop_recursive(3, 24, 5, move |inner| {
        (
            0o0_u32..0o1000,
            prop::collection::btree_map(name(), inner, 0..5),
        )
            .prop_map(|(mode, nodes)| Node::Folder(mode | 0o500, nodes))
    });
    prop::collection::btree_map("[a-zA-Z0-9_-]{1,12}", node, 0..6)
}

const MTIME: u64 = 1_600_000_000;

fn build(folder: &Path, nodes: &BTreeMap<String, Node>) {
    for (name, node) in nodes {
        let path = folder.join(name);
        let mode = match node {
            Node::File(content, mode) => {
                fs::write(&path, content).unwrap();
                Some(mode)
            }
            Node::Link(target) => {
                symlink(target, &path).unwrap();
                None
            }
            Node::Folder(mode, nodes) => {
                fs::create_dir(&path).unwrap();
                build(&path, nodes);
                Some(mode)
            }
        };
        if let Some(mode) = mode {
            fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
        }
        super::tree::set_mtime(&path, MTIME, 0).unwrap();
    }
}

fn read_back(folder: &Path) -> BTreeMap<String, Node> {
    let mut nodes = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let (path, meta) = (entry.path(), entry.metadata().unwrap());
        assert_eq!(meta.mtime(), i64::try_from(MTIME).unwrap(), "{path:?}");
        let mode = meta.mode() & 0o777;
        let node = if meta.is_symlink() {
            Node::Link(fs::read_link(&path).unwrap().to_str().unwrap().to_owned())
        } else if meta.is_dir() {
            Node::Folder(mode, read_back(&path))
        } else {
            Node::File(fs::read(&path).unwrap(), mode)
        };
        nodes.insert(entry.file_name().into_string().unwrap(), node);
    }
    nodes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_tree_comes_back_as_it_was(nodes in tree()) {
        let home = tempfile::tempdir().unwrap();
        let [original, unpacked, copied] = ["a", "b", "c"].map(|name| home.path().join(name));
        fs::create_dir(&original).unwrap();
        build(&original, &nodes);
        let mut bytes = Vec::new();
        pack(home.path(), Path::new("a"), &mut bytes).unwrap();
        unpack(&bytes[..], &unpacked, &Limits::default()).unwrap();
        copy_tree(&original, &copied).unwrap();
        prop_assert_eq!(&read_back(&unpacked), &nodes);
        prop_assert_eq!(&read_back(&copied), &nodes);
        let mut again = Vec::new();
        pack(home.path(), Path::new("b"), &mut again).unwrap();
        prop_assert!(list(&bytes[..]).unwrap()[1..] == list(&again[..]).unwrap()[1..]);
        remove_tree(home.path()).unwrap();
    }

    #[test]
    fn damaged_bytes_never_panic(at in 0_usize..2000, value in any::<u8>()) {
        let mut bytes = Vec::new();
        let hostile = Hostile::default().folder("d").file("d/f").link("l", "d").hard_link("h", "d/f");
        bytes.extend_from_slice(&hostile.bytes);
        let at = at.min(bytes.len() - 1);
        bytes[at] = value;
        let damaged = Hostile { bytes }.tgz();
        let target = tempfile::tempdir().unwrap();
        let _ = unpack(&damaged[..], target.path(), &Limits::default());
    }
}

// ---------------------------------------------------------------- zstd

#[test]
fn a_tar_of_zstd_has_what_was_put_in_and_nothing_of_where_it_came_from() {
    let packed = |long: &str| {
        let mut tar = ZstdTar::new(Vec::new()).unwrap();
        tar.add("a", 3, &b"one and more"[..]).unwrap();
        tar.add(long, 0, io::empty()).unwrap();
        tar.finish().unwrap()
    };
    let long = format!("logs/{}", "x".repeat(150));
    let bytes = packed(&long);
    assert_eq!(bytes, packed(&long));
    let mut found = Vec::new();
    let read = |bytes: &[u8], found: &mut Vec<_>| {
        for_each_zstd(bytes, &Limits::default(), |info, content| {
            let mut text = Vec::new();
            content.copy(|chunk| {
                text.extend_from_slice(chunk);
                Ok(std::ops::ControlFlow::Continue(()))
            })?;
            found.push((info.path.clone(), info.mode, info.mtime, text));
            Ok(std::ops::ControlFlow::Continue(()))
        })
    };
    read(&bytes, &mut found).unwrap();
    let expected = [("a", &b"one"[..]), (&long, b"")];
    let expected = expected.map(|(name, text)| (PathBuf::from(name), 0o644, 0, text.to_vec()));
    assert_eq!(found, expected);
    // A second frame, or anything else behind the first.
    for more in [&bytes[..], b"\0"] {
        let two = [&bytes[..], more].concat();
        let error = read(&two, &mut found).unwrap_err();
        assert!(matches!(error, UnpackError::Damaged(_)), "{error}");
    }
    let mut tar = ZstdTar::new(Vec::new()).unwrap();
    let short = tar.add("a", 3, &b"ab"[..]).unwrap_err();
    assert_eq!(short.kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn digests_are_about_what_entries_are() {
    let told = |archive: Vec<u8>| -> Vec<(PathBuf, String)> {
        let found = digests(&*archive, &Limits::default()).unwrap();
        found
            .into_iter()
            .map(|(info, digest)| (info.path, digest))
            .collect()
    };
    let content = |text: &[u8]| {
        Hostile::default()
            .entry("a", EntryType::Regular, "", text)
            .tgz()
    };
    assert_eq!(told(content(b"one")), told(content(b"one")));
    assert_ne!(told(content(b"one")), told(content(b"two")));
    assert_ne!(
        told(Hostile::default().link("a", "b").tgz()),
        told(Hostile::default().link("a", "c").tgz())
    );
    // What means harm has a name and a digest, as all else: nothing is unpacked.
    assert_eq!(
        told(Hostile::default().file("../../etc/passwd").tgz()).len(),
        1
    );
    let few = Limits {
        entries: 1,
        ..Limits::default()
    };
    let two = Hostile::default().file("a").file("b").tgz();
    assert!(matches!(
        digests(&*two, &few),
        Err(UnpackError::Refused {
            reason: Refusal::TooMany,
            ..
        })
    ));
}
