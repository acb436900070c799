//! Going on where another download stopped.

use super::*;

fn interrupted(whole: &[u8], length: usize) -> Folder {
    let folder = Folder::new();
    let (mut part, _) = open(&folder.at("name"), true);
    part.begin(start(0, b"record"));
    push(&mut part, &whole[..length]).unwrap();
    flush(&mut part).unwrap();
    folder
}

#[test]
fn a_download_goes_on_at_the_end_or_before_it() {
    let whole = content(10_000);
    for offset in [6000, 5999, 1] {
        let folder = interrupted(&whole, 6000);
        let (mut part, found) = open(&folder.at("name"), true);
        assert_eq!(found, Some(Found { length: 6000, record: b"record".to_vec() }));
        // Without a new record the old one stays.
        part.begin(Start { offset: offset as u64, ..Start::default() });
        flush(&mut part).unwrap();
        assert_eq!(folder.read("name.part").len(), offset);
        assert_eq!(folder.read("name.part.resume"), b"record");
        push(&mut part, &whole[offset..]).unwrap();
        commit(&mut part, Some(10_000)).unwrap();
        assert_eq!(folder.names(), ["name"]);
        assert!(folder.read("name") == whole, "from {offset}");
    }
}

#[test]
fn a_record_that_was_half_written_is_in_nobodys_way() {
    let folder = interrupted(b"content", 4);
    folder.write("name.part.resume.new", "new rec");
    let (mut part, found) = open(&folder.at("name"), true);
    assert_eq!(found, Some(Found { length: 4, record: b"record".to_vec() }));
    part.begin(start(4, b"new record"));
    flush(&mut part).unwrap();
    assert_eq!(folder.names(), ["name.part", "name.part.resume"]);
    assert_eq!(folder.read("name.part.resume"), b"new record");
}

#[test]
fn the_length_is_known_when_the_start_is_done() {
    let folder = interrupted(b"content", 4);
    let (mut part, _) = open(&folder.at("name"), true);
    assert_eq!(part.length(), Some(4));
    part.begin(Start { offset: 3, ..Start::default() });
    assert_eq!(part.length(), None);
    flush(&mut part).unwrap();
    assert_eq!(part.length(), Some(3));
}

#[test]
fn the_digest_covers_what_was_there_before() {
    // More than one piece of hashing, and not a multiple of it.
    let whole = content(9_000_001);
    let folder = interrupted(&whole, 8_500_000);
    let (mut part, _) = open(&folder.at("name"), true);
    part.begin(Start { offset: 8_400_000, record: None, sha256: Some(sha256(&whole)) });
    push(&mut part, &whole[8_400_000..]).unwrap();
    commit(&mut part, None).unwrap();
    assert!(folder.read("name") == whole);
}

#[test]
fn a_wrong_byte_of_before_is_found_by_the_digest() {
    let whole = content(10_000);
    let folder = interrupted(&whole, 6000);
    let mut bad = folder.read("name.part");
    bad[17] ^= 1;
    folder.write("name.part", bad);
    folder.write("name", "old");
    let (mut part, _) = open(&folder.at("name"), true);
    part.begin(Start { offset: 6000, record: None, sha256: Some(sha256(&whole)) });
    push(&mut part, &whole[6000..]).unwrap();
    let why = commit(&mut part, Some(10_000)).unwrap_err();
    assert!(matches!(why.kind(), FileErrorKind::Digest { .. }), "{why}");
    assert_eq!(folder.names(), ["name"]);
    assert_eq!(folder.read("name"), b"old");
}

#[test]
fn a_digest_may_be_wanted_at_any_time() {
    let whole = content(10_000);
    let folder = Folder::new();
    let (mut part, _) = open(&folder.at("name"), true);
    part.begin(start(0, b"record"));
    push(&mut part, &whole[..5000]).unwrap();
    part.expect_sha256(sha256(&whole));
    push(&mut part, &whole[5000..]).unwrap();
    commit(&mut part, None).unwrap();
    assert!(folder.read("name") == whole);
}

#[test]
fn a_server_promises_a_digest_for_its_own_response_only() {
    let folder = Folder::new();
    let (mut part, _) = open(&folder.at("name"), true);
    part.begin(Start { offset: 0, record: None, sha256: Some(sha256(b"first")) });
    push(&mut part, b"fir").unwrap();
    part.begin(Start { offset: 0, record: None, sha256: Some(sha256(b"second")) });
    push(&mut part, b"second").unwrap();
    part.begin(Start::default());
    push(&mut part, b"third").unwrap();
    commit(&mut part, None).unwrap();
    assert_eq!(folder.read("name"), b"third");
}

#[test]
fn the_digest_follows_a_step_back() {
    let folder = Folder::new();
    let (mut part, _) = open(&folder.at("name"), true);
    part.expect_sha256(sha256(b"abcdef"));
    part.begin(start(0, b"record"));
    push(&mut part, b"abcxx").unwrap();
    part.begin(start(3, b"record"));
    push(&mut part, b"def").unwrap();
    commit(&mut part, Some(6)).unwrap();
    assert_eq!(folder.read("name"), b"abcdef");
}
