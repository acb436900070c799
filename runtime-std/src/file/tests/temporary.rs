//! Downloads without a destination.

use super::super::temporary::TemporaryFile;
use super::*;

fn temporary(content: &[u8]) -> TemporaryFile {
    let mut part = PartFile::temporary().unwrap();
    part.expect_sha256(sha256(content));
    part.begin(start(0, b"not written anywhere"));
    push(&mut part, content).unwrap();
    commit(&mut part, Some(content.len() as u64)).unwrap();
    part.into_temporary().unwrap()
}

#[test]
fn a_temporary_file_goes_when_nobody_keeps_it() {
    let file = temporary(b"content");
    let path = file.path().to_owned();
    assert_eq!(fs::read(&path).unwrap(), b"content");
    drop(file);
    assert!(!path.exists());
}

#[test]
fn each_temporary_file_has_its_own_name() {
    let files = [temporary(b"a"), temporary(b"b")];
    assert_ne!(files[0].path(), files[1].path());
}

#[test]
fn an_unfinished_temporary_file_goes_and_is_not_given_out() {
    let mut part = PartFile::temporary().unwrap();
    part.begin(Start::default());
    push(&mut part, b"content").unwrap();
    flush(&mut part).unwrap();
    let path = part.path().unwrap();
    assert!(path.exists());
    assert!(part.into_temporary().is_none());
    assert!(!path.exists());
}

#[test]
fn a_kept_file_is_at_its_destination_only() {
    let folder = Folder::new();
    folder.write("name", "old");
    let mut file = temporary(b"content");
    let path = file.path().to_owned();
    file.persist_to(&folder.at("name")).unwrap();
    drop(file);
    assert!(!path.exists());
    assert_eq!(folder.names(), ["name"]);
    assert_eq!(folder.read("name"), b"content");
}

#[test]
fn what_cannot_be_kept_there_can_be_kept_elsewhere() {
    let folder = Folder::new();
    let mut file = temporary(b"content");
    let why = file.persist_to(&folder.at("missing/name")).unwrap_err();
    assert_eq!(why.kind(), FileErrorKind::NoFolder);
    assert_eq!(fs::read(file.path()).unwrap(), b"content");
    file.persist_to(&folder.at("name")).unwrap();
    assert_eq!(folder.read("name"), b"content");
}

#[cfg(unix)]
#[test]
fn it_is_private_until_it_is_kept() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    folder.write("plain", "");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    let mut file = temporary(b"content");
    assert_eq!(mode(file.path()) & 0o777, 0o600);
    file.persist_to(&folder.at("name")).unwrap();
    assert_eq!(mode(&folder.at("name")), mode(&folder.at("plain")));
}

/// Between file systems it is copied. Where the machine has no second one, this shows nothing.
#[cfg(target_os = "linux")]
#[test]
fn a_file_is_kept_on_another_file_system() {
    use std::os::unix::fs::MetadataExt;
    let there = Path::new("/dev/shm");
    let device = |path: &Path| fs::metadata(path).map(|at| at.dev()).ok();
    if device(there).is_none() || device(there) == device(&std::env::temp_dir()) {
        return;
    }
    let name = there.join(format!("sortie-test-{}", std::process::id()));
    let whole = content(600_000);
    let mut file = temporary(&whole);
    let path = file.path().to_owned();
    file.persist_to(&name).unwrap();
    let kept = fs::read(&name);
    fs::remove_file(&name).unwrap();
    assert!(kept.unwrap() == whole);
    assert!(!path.exists());
}
