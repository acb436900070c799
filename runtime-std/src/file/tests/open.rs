//! What is refused before anything is requested, and what is found.

use super::*;

#[test]
fn a_destination_that_is_a_folder_is_refused() {
    let folder = Folder::new();
    assert_eq!(open_kind(&folder.path), FileErrorKind::IsFolder);
    assert_eq!(open_kind(&folder.at("new/")), FileErrorKind::IsFolder);
    assert_eq!(folder.names(), [""; 0]);
}

#[test]
fn a_missing_folder_is_refused_and_so_is_a_file_in_its_place() {
    let folder = Folder::new();
    folder.write("file", "");
    assert_eq!(open_kind(&folder.at("missing/name")), FileErrorKind::NoFolder);
    assert_eq!(open_kind(&folder.at("file/name")), FileErrorKind::NoFolder);
    assert_eq!(folder.names(), ["file"]);
}

#[test]
fn a_path_without_a_name_or_with_too_long_a_one_is_refused() {
    let folder = Folder::new();
    assert_eq!(open_kind(Path::new("")), FileErrorKind::BadName);
    // It fits itself, but not with the longest ending.
    let long = "n".repeat(245);
    folder.write(&long, "");
    assert_eq!(open_kind(&folder.at(&long)), FileErrorKind::BadName);
    assert_eq!(folder.names(), [long]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_folder_where_no_file_can_be_made_is_refused_with_the_cause() {
    // Nobody may create files here, root neither.
    let Err(why) = PartFile::open(Path::new("/proc/self/name"), true) else {
        panic!("a file could be made");
    };
    assert!(std::error::Error::source(&why).is_some());
    assert!(matches!(why.kind(), FileErrorKind::NotWritable | FileErrorKind::NoFolder), "{why}");
}

#[cfg(unix)]
#[test]
fn a_read_only_folder_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let mode = |mode| fs::set_permissions(&folder.path, fs::Permissions::from_mode(mode)).unwrap();
    mode(0o555);
    // Permissions do not hold for root: then there is nothing to refuse.
    if fs::write(folder.at("probe"), "").is_err() {
        assert_eq!(open_kind(&folder.at("name")), FileErrorKind::NotWritable);
    }
    mode(0o755);
}

#[test]
fn a_read_only_destination_is_not_replaced() {
    let folder = Folder::new();
    folder.write("name", "old");
    let mut permissions = fs::metadata(folder.at("name")).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(folder.at("name"), permissions).unwrap();
    assert_eq!(open_kind(&folder.at("name")), FileErrorKind::NotWritable);
    assert_eq!(folder.names(), ["name"]);
}

#[cfg(unix)]
#[test]
fn a_device_is_no_destination() {
    assert_eq!(open_kind(Path::new("/dev/null")), FileErrorKind::NotAFile);
}

#[cfg(unix)]
#[test]
fn a_link_in_the_place_of_the_part_file_is_not_followed() {
    let folder = Folder::new();
    folder.write("precious", "precious");
    std::os::unix::fs::symlink(folder.at("precious"), folder.at("name.part")).unwrap();
    assert_eq!(open_kind(&folder.at("name")), FileErrorKind::NotAFile);
    assert_eq!(folder.read("precious"), b"precious");
}

/// A pipe would be waited on for ever.
#[cfg(unix)]
#[test]
fn a_pipe_or_a_link_in_the_place_of_the_record_is_not_opened() {
    let folder = Folder::new();
    folder.write("name.part", "part");
    let record = folder.at("name.part.resume");
    let made = std::process::Command::new("mkfifo").arg(&record).status().unwrap();
    assert!(made.success());
    assert_eq!(open_kind(&folder.at("name")), FileErrorKind::NotAFile);
    fs::remove_file(&record).unwrap();
    folder.write("other", "record");
    std::os::unix::fs::symlink(folder.at("other"), &record).unwrap();
    assert_eq!(open_kind(&folder.at("name")), FileErrorKind::NotAFile);
    assert_eq!(folder.read("name.part"), b"part");
}

#[test]
fn a_second_download_to_the_same_destination_is_refused() {
    let folder = Folder::new();
    let (mut first, _) = open(&folder.at("name"), true);
    first.begin(start(0, b"record"));
    push(&mut first, b"first").unwrap();
    assert_eq!(open_kind(&folder.at("name")), FileErrorKind::Busy);
    commit(&mut first, Some(5)).unwrap();
    assert_eq!(folder.read("name"), b"first");
    // The first one ended, though it is still there.
    let (_second, found) = open(&folder.at("name"), true);
    assert_eq!(found, None);
    assert_eq!(folder.read("name"), b"first");
}

#[test]
fn nothing_received_leaves_no_file() {
    let folder = Folder::new();
    drop(open(&folder.at("name"), true));
    assert_eq!(folder.names(), [""; 0]);
    let (mut part, _) = open(&folder.at("name"), true);
    part.begin(start(0, b"record"));
    flush(&mut part).unwrap();
    assert_eq!(folder.names(), ["name.part", "name.part.resume"]);
    drop(part);
    assert_eq!(folder.names(), [""; 0]);
}

#[test]
fn part_and_record_are_found() {
    let folder = Folder::new();
    folder.write("name.part", "content");
    folder.write("name.part.resume", "record");
    let (part, found) = open(&folder.at("name"), true);
    assert_eq!(found, Some(Found { length: 7, record: b"record".to_vec() }));
    drop(part);
    // Not begun: it is there for the next one.
    assert_eq!(folder.read("name.part"), b"content");
    assert_eq!(folder.read("name.part.resume"), b"record");
}

#[test]
fn one_without_the_other_is_removed() {
    let cases: [(&[(&str, usize)], &str); 5] = [
        (&[("name.part", 7)], "no record"),
        (&[("name.part.resume", 6)], "no part"),
        (&[("name.part", 0), ("name.part.resume", 6)], "no content"),
        (&[("name.part", 7), ("name.part.resume", 0)], "an empty record"),
        (&[("name.part", 7), ("name.part.resume", 300_000)], "a record of another program"),
    ];
    for (files, what) in cases {
        let folder = Folder::new();
        for (name, length) in files {
            folder.write(name, content(*length));
        }
        folder.write("name.part.resume.new", "what a crash left");
        let (mut part, found) = open(&folder.at("name"), true);
        assert_eq!((found, part.length()), (None, Some(0)), "{what}");
        assert_eq!(folder.names(), ["name.part"], "{what}");
        assert_eq!(folder.read("name.part"), b"", "{what}");
    }
}

#[test]
fn who_does_not_resume_starts_empty() {
    let folder = Folder::new();
    folder.write("name.part", "content");
    folder.write("name.part.resume", "record");
    let (_part, found) = open(&folder.at("name"), false);
    assert_eq!(found, None);
    assert_eq!(folder.names(), ["name.part"]);
    assert_eq!(folder.read("name.part"), b"");
}

#[test]
fn an_error_says_what_to_do_and_obeys_no_terminal() {
    let folder = Folder::new();
    let Err(why) = PartFile::open(&folder.at("a\u{1b}[2J/name"), true) else { panic!("opened") };
    let text = why.to_string();
    assert!(text.contains("create the folder first"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    assert_eq!(why.path(), folder.at("a\u{1b}[2J/name"));
    assert_eq!(why.kind().code(), -3000);
}
