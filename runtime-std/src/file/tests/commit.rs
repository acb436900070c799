//! From the part file to the destination.

use super::super::commit::{Expected, steps};
use super::super::part::Part;
use super::super::place::Place;
use super::*;

fn received(folder: &Folder, content: &[u8]) -> PartFile {
    let (mut part, _) = open(&folder.at("name"), true);
    part.begin(start(0, b"record"));
    push(&mut part, content).unwrap();
    part
}

#[test]
fn an_existing_file_is_replaced_at_the_end_and_not_before() {
    let folder = Folder::new();
    folder.write("name", "old");
    let mut part = received(&folder, b"new content");
    flush(&mut part).unwrap();
    assert_eq!(folder.read("name"), b"old");
    commit(&mut part, Some(11)).unwrap();
    assert_eq!(folder.read("name"), b"new content");
    assert_eq!(folder.names(), ["name"]);
    // Once more is no harm, and nothing can be written to it any more.
    commit(&mut part, Some(11)).unwrap();
    push(&mut part, b"more").unwrap();
    assert_eq!(flush(&mut part).unwrap_err().kind(), FileErrorKind::Misuse);
    part.begin(start(0, b"record"));
    assert_eq!(flush(&mut part).unwrap_err().kind(), FileErrorKind::Misuse);
    part.discard();
    assert_eq!(folder.read("name"), b"new content");
    assert_eq!(folder.names(), ["name"]);
}

#[test]
fn a_wrong_length_is_kept_to_go_on() {
    let folder = Folder::new();
    let mut part = received(&folder, b"con");
    let why = commit(&mut part, Some(7)).unwrap_err();
    assert_eq!(why.kind(), FileErrorKind::Length { expected: 7, found: 3 });
    assert_eq!(folder.names(), ["name.part", "name.part.resume"]);
    // It stays an error until there is a new beginning.
    assert_eq!(push(&mut part, b"tent").unwrap_err().kind(), why.kind());
    part.begin(Start { offset: 3, ..Start::default() });
    push(&mut part, b"tent").unwrap();
    commit(&mut part, Some(7)).unwrap();
    assert_eq!(folder.read("name"), b"content");
}

#[test]
fn content_that_somebody_else_changed_in_length_is_not_put_in_place() {
    let folder = Folder::new();
    let mut part = received(&folder, b"content");
    flush(&mut part).unwrap();
    folder.write("name.part", "content and more");
    let why = commit(&mut part, None).unwrap_err();
    assert_eq!(why.kind(), FileErrorKind::PartChanged);
    drop(part);
    assert_eq!(folder.names(), [""; 0], "nothing that could be gone on with");
}

/// Content would follow a hole, and the length would be right in the end.
#[test]
fn a_part_that_somebody_else_cut_or_wrote_to_takes_no_more_content() {
    for other in ["con", "", "content and more"] {
        let folder = Folder::new();
        let mut part = received(&folder, b"content");
        flush(&mut part).unwrap();
        folder.write("name.part", other);
        let pushed = push(&mut part, b", more").and_then(|()| flush(&mut part));
        assert_eq!(pushed.unwrap_err().kind(), FileErrorKind::PartChanged, "{other}");
        assert_eq!(commit(&mut part, None).unwrap_err().kind(), FileErrorKind::PartChanged);
        drop(part);
        assert_eq!(folder.names(), [""; 0], "{other}: nothing that could be gone on with");
    }
}

#[test]
fn a_part_that_was_cut_before_content_came_is_not_gone_on_with() {
    let folder = Folder::new();
    folder.write("name.part", "content");
    folder.write("name.part.resume", "record");
    let (mut part, found) = open(&folder.at("name"), true);
    assert_eq!(found.map(|found| found.length), Some(7));
    folder.write("name.part", "con");
    part.begin(Start { offset: 7, ..Start::default() });
    assert_eq!(flush(&mut part).unwrap_err().kind(), FileErrorKind::PartChanged);
    part.begin(start(0, b"record"));
    push(&mut part, b"content").unwrap();
    commit(&mut part, Some(7)).unwrap();
    assert_eq!(folder.read("name"), b"content");
}

#[cfg(unix)]
#[test]
fn a_part_that_was_removed_or_replaced_does_not_get_the_final_name() {
    let change: [fn(&Folder); 4] = [
        |_| (),
        |folder| folder.write("name.part", "of somebody else"),
        |folder| std::os::unix::fs::symlink(folder.at("other"), folder.at("name.part")).unwrap(),
        |folder| fs::create_dir(folder.at("name.part")).unwrap(),
    ];
    for (number, change) in change.into_iter().enumerate() {
        let folder = Folder::new();
        folder.write("name", "old");
        let mut part = received(&folder, b"content");
        flush(&mut part).unwrap();
        fs::remove_file(folder.at("name.part")).unwrap();
        change(&folder);
        let before = folder.names();
        let why = commit(&mut part, None).unwrap_err();
        assert_eq!(why.kind(), FileErrorKind::PartChanged, "{number}");
        assert_eq!(folder.read("name"), b"old", "{number}");
        drop(part);
        // What is not ours stays. A record stays with no file of content: it speaks of none.
        let left = folder.names();
        let parts: Vec<_> = before.iter().filter(|name| !name.ends_with(".resume")).collect();
        assert!(parts.iter().all(|name| left.contains(name)), "{number}: {left:?}");
        if number == 1 {
            assert_eq!(folder.read("name.part"), b"of somebody else");
            assert_eq!(left, ["name", "name.part"], "its record would speak of another file");
        }
    }
}

#[cfg(unix)]
#[test]
fn a_download_whose_part_was_taken_leaves_that_of_the_next_one_alone() {
    let folder = Folder::new();
    let mut first = received(&folder, b"content");
    flush(&mut first).unwrap();
    fs::remove_file(folder.at("name.part")).unwrap();
    let (mut second, _) = open(&folder.at("name"), true);
    second.begin(start(0, b"second"));
    push(&mut second, b"other").unwrap();
    flush(&mut second).unwrap();
    assert_eq!(commit(&mut first, None).unwrap_err().kind(), FileErrorKind::PartChanged);
    drop(first);
    assert_eq!(folder.read("name.part.resume"), b"second");
    commit(&mut second, None).unwrap();
    assert_eq!(folder.read("name"), b"other");
    assert_eq!(folder.names(), ["name"]);
}

#[test]
fn a_wrong_digest_removes_the_content_and_leaves_the_destination() {
    for by_user in [true, false] {
        let folder = Folder::new();
        folder.write("name", "old");
        let (mut part, _) = open(&folder.at("name"), true);
        let expected = sha256(b"right");
        let mut begin = start(0, b"record");
        if by_user {
            part.expect_sha256(expected);
        } else {
            // One that is right does not excuse the other.
            part.expect_sha256(sha256(b"wrong"));
            begin.sha256 = Some(expected);
        }
        part.begin(begin);
        push(&mut part, b"wrong").unwrap();
        let why = commit(&mut part, Some(5)).unwrap_err();
        assert_eq!(why.kind(), FileErrorKind::Digest { expected, found: sha256(b"wrong") });
        assert!(why.to_string().contains(&sha256(b"right").to_string()), "{why}");
        assert_eq!(folder.names(), ["name"]);
        assert_eq!(folder.read("name"), b"old");
    }
}

#[test]
fn both_digests_may_be_right() {
    let folder = Folder::new();
    let (mut part, _) = open(&folder.at("name"), true);
    part.expect_sha256(sha256(b"right"));
    part.begin(Start { sha256: Some(sha256(b"right")), ..start(0, b"record") });
    push(&mut part, b"right").unwrap();
    commit(&mut part, None).unwrap();
    assert_eq!(folder.read("name"), b"right");
}

#[test]
fn an_empty_file_is_a_file() {
    let folder = Folder::new();
    let (mut part, _) = open(&folder.at("name"), true);
    part.expect_sha256(sha256(b""));
    part.begin(start(0, b"record"));
    commit(&mut part, Some(0)).unwrap();
    drop(part);
    assert_eq!(folder.names(), ["name"]);
    assert_eq!(folder.read("name"), b"");
}

#[test]
fn a_destination_that_became_a_folder_leaves_the_content_in_its_part() {
    let folder = Folder::new();
    let mut part = received(&folder, b"content");
    fs::create_dir(folder.at("name")).unwrap();
    let why = commit(&mut part, None).unwrap_err();
    assert_eq!(why.kind(), FileErrorKind::Move);
    assert!(std::error::Error::source(&why).is_some());
    assert_eq!(folder.names(), ["name", "name.part", "name.part.resume"]);
    fs::remove_dir(folder.at("name")).unwrap();
    part.begin(Start { offset: 7, ..Start::default() });
    commit(&mut part, None).unwrap();
    assert_eq!(folder.read("name"), b"content");
}

#[cfg(unix)]
#[test]
fn the_file_has_the_permissions_of_a_new_one() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    folder.write("plain", "");
    commit(&mut received(&folder, b"content"), None).unwrap();
    let mode = |name| fs::metadata(folder.at(name)).unwrap().permissions().mode();
    assert_eq!(mode("name"), mode("plain"));
}

#[test]
fn a_crash_between_any_two_steps_leaves_the_old_file_or_the_whole_new_one() {
    let whole = content(1000);
    let expected = Expected { length: Some(1000), digests: [None; 2] };
    for crash in 0..=steps::<fs::File>().len() {
        let folder = Folder::new();
        folder.write("name", "old");
        let (mut part, _) = Part::open(&folder.at("name"), true, |file| file).unwrap();
        part.start(0, Some(b"record")).unwrap();
        part.write(&whole).unwrap();
        for step in &steps()[..crash] {
            step(&mut part, &expected).unwrap();
        }
        let after = folder.copy();
        drop(part);

        let (mut part, found) = open(&after.at("name"), true);
        if after.read("name") == b"old" {
            // It goes on, with nothing left to receive.
            assert_eq!(found, Some(Found { length: 1000, record: b"record".to_vec() }));
            part.begin(Start { offset: 1000, ..Start::default() });
            commit(&mut part, Some(1000)).unwrap();
        } else {
            assert!(crash >= 4, "after {crash} steps");
            assert_eq!(found, None);
        }
        drop(part);
        assert!(after.read("name") == whole, "after {crash} steps");
        assert_eq!(after.names(), ["name"], "after {crash} steps");
    }
}

#[test]
fn a_crash_while_a_download_begins_anew_never_pairs_content_with_another_record() {
    let folder = Folder::new();
    folder.write("name.part", "old content");
    folder.write("name.part.resume", "old record");
    // Before, between and after the two: what each leaves for the next download.
    let before = folder.copy();
    let (mut part, _) = open(&folder.at("name"), true);
    part.begin(start(0, b"new record"));
    flush(&mut part).unwrap();
    let after = folder.copy();
    let between = before.copy();
    between.write("name.part", "");
    between.write("name.part.resume.new", "new rec");

    let found = |folder: &Folder| open(&folder.at("name"), true).1.map(|found| found.record);
    assert_eq!(found(&before), Some(b"old record".to_vec()));
    assert_eq!(found(&between), None);
    assert_eq!(found(&after), None);
}

#[test]
fn a_commit_whose_future_is_dropped_happens_or_not() {
    let folder = Folder::new();
    folder.write("name", "old");
    let mut part = received(&folder, b"new content");
    flush(&mut part).unwrap();
    let first = part.poll_commit(&mut Context::from_waker(Waker::noop()), Some(11));
    assert!(first.is_pending() || folder.read("name") == b"new content");
    drop(part);
    // The lock goes with the job.
    let found = loop {
        match PartFile::open(&folder.at("name"), true) {
            Ok((_, found)) => break found,
            Err(why) => assert_eq!(why.kind(), FileErrorKind::Busy),
        }
        std::thread::yield_now();
    };
    match found {
        Some(found) => {
            assert_eq!(found.length, 11);
            assert_eq!(folder.read("name"), b"old");
        }
        None => assert_eq!(folder.read("name"), b"new content"),
    }
}

#[test]
fn a_part_file_that_was_moved_before_it_was_locked_is_not_used() {
    let folder = Folder::new();
    let place = Place::new(&folder.at("name")).unwrap();
    let mut part = received(&folder, b"content");
    flush(&mut part).unwrap();
    let opened = || fs::OpenOptions::new().write(true).open(folder.at("name.part")).unwrap();
    assert_eq!(place.claim(opened()).unwrap_err().kind(), FileErrorKind::Busy);
    let early = opened();
    commit(&mut part, None).unwrap();
    assert!(place.claim(early).unwrap().is_none());
    folder.write("name.part", "");
    assert!(place.claim(opened()).unwrap().is_some());
}

#[test]
fn downloads_that_follow_each_other_closely_never_touch_a_finished_file() {
    const LENGTH: usize = 10_000;
    let folder = Folder::new();
    let download = &|letter: u8| {
        for _ in 0..30 {
            let mut part = loop {
                match PartFile::open(&folder.at("name"), true) {
                    Ok((part, _)) => break part,
                    Err(why) => assert_eq!(why.kind(), FileErrorKind::Busy),
                }
                std::thread::yield_now();
            };
            part.begin(Start::default());
            push(&mut part, &[letter; LENGTH]).unwrap();
            commit(&mut part, Some(LENGTH as u64)).unwrap();
            let whole = folder.read("name");
            let first = whole.first().copied();
            assert!(whole.len() == LENGTH && whole.iter().all(|byte| Some(*byte) == first));
        }
    };
    std::thread::scope(|threads| {
        for letter in *b"abc" {
            threads.spawn(move || download(letter));
        }
    });
    assert_eq!(folder.names(), ["name"]);
}
