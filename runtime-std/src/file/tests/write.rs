//! Content on its way to the part file.

use super::*;

#[test]
fn the_record_is_there_before_the_first_byte() {
    let folder = Folder::new();
    let (mut part, _) = open(&folder.at("name"), true);
    part.begin(start(0, b"record"));
    flush(&mut part).unwrap();
    assert_eq!(folder.read("name.part"), b"");
    assert_eq!(folder.read("name.part.resume"), b"record");
}

#[test]
fn content_is_written_in_order_and_buffers_come_back_empty() {
    let folder = Folder::new();
    let whole = content(100_000);
    let (mut part, _) = open(&folder.at("name"), true);
    part.begin(start(0, b"record"));
    let mut buffer = Vec::with_capacity(4096);
    for piece in whole.chunks(3000) {
        buffer.extend_from_slice(piece);
        block_on(poll_fn(|cx| part.poll_push(cx, &mut buffer))).unwrap();
        assert_eq!(buffer.len(), 0);
        assert_eq!(buffer.capacity(), 4096);
    }
    flush(&mut part).unwrap();
    assert_eq!(part.length(), Some(100_000));
    assert!(folder.read("name.part") == whole);
}

#[test]
fn an_empty_buffer_is_no_write() {
    let folder = Folder::new();
    let (mut part, _) = open(&folder.at("name"), true);
    push(&mut part, b"").unwrap();
    assert_eq!(part.length(), Some(0));
}

#[test]
fn futures_may_be_dropped_after_every_poll() {
    let folder = Folder::new();
    let whole = content(50_000);
    folder.write("name.part", &whole[..20_000]);
    folder.write("name.part.resume", "record");
    let (mut part, _) = open(&folder.at("name"), true);
    part.expect_sha256(sha256(&whole));
    part.begin(start(20_000, b"record"));
    for piece in whole[20_000..].chunks(700) {
        let mut buffer = piece.to_vec();
        with_dropped_futures(|cx| part.poll_push(cx, &mut buffer)).unwrap();
    }
    with_dropped_futures(|cx| part.poll_commit(cx, Some(50_000))).unwrap();
    assert_eq!(folder.names(), ["name"]);
    assert!(folder.read("name") == whole);
}

#[test]
fn a_new_beginning_drops_content_and_record() {
    let folder = Folder::new();
    let (mut part, _) = open(&folder.at("name"), true);
    part.begin(start(0, b"first"));
    push(&mut part, b"long content").unwrap();
    part.begin(start(0, b"second"));
    push(&mut part, b"new").unwrap();
    flush(&mut part).unwrap();
    assert_eq!(folder.read("name.part"), b"new");
    assert_eq!(folder.read("name.part.resume"), b"second");
    part.begin(Start::default());
    flush(&mut part).unwrap();
    assert_eq!(folder.names(), ["name.part"]);
}

#[test]
fn a_gap_is_misuse_and_changes_nothing() {
    let folder = Folder::new();
    let (mut part, _) = open(&folder.at("name"), true);
    part.begin(start(0, b"record"));
    push(&mut part, b"content").unwrap();
    part.begin(start(8, b"other"));
    assert_eq!(flush(&mut part).unwrap_err().kind(), FileErrorKind::Misuse);
    assert_eq!(folder.read("name.part"), b"content");
    assert_eq!(folder.read("name.part.resume"), b"record");
    part.begin(start(7, b"record"));
    push(&mut part, b" more").unwrap();
    commit(&mut part, Some(12)).unwrap();
    assert_eq!(folder.read("name"), b"content more");
}

#[test]
fn dropping_keeps_what_can_be_resumed_and_discarding_does_not() {
    let folder = Folder::new();
    for kept in [true, false] {
        let (mut part, _) = open(&folder.at("name"), true);
        part.begin(start(0, b"record"));
        push(&mut part, b"content").unwrap();
        flush(&mut part).unwrap();
        if kept {
            drop(part);
            assert_eq!(folder.names(), ["name.part", "name.part.resume"]);
        } else {
            part.discard();
            assert_eq!(folder.names(), [""; 0]);
        }
    }
}

#[test]
fn a_part_that_cannot_be_resumed_goes_with_its_download() {
    let folder = Folder::new();
    let (mut part, _) = open(&folder.at("name"), true);
    part.begin(Start::default());
    push(&mut part, b"content").unwrap();
    flush(&mut part).unwrap();
    drop(part);
    assert_eq!(folder.names(), [""; 0]);
}

#[test]
fn discarding_while_a_write_is_under_way_removes_everything_when_it_ended() {
    let folder = Folder::new();
    for _ in 0..20 {
        let (mut part, _) = open(&folder.at("name"), true);
        part.begin(start(0, b"record"));
        push(&mut part, &content(1 << 20)).unwrap();
        part.discard();
        // Whoever gets the lock comes after it.
        let (mut next, found) = loop {
            match PartFile::open(&folder.at("name"), true) {
                Ok(opened) => break opened,
                Err(why) => assert_eq!(why.kind(), FileErrorKind::Busy),
            }
            std::thread::yield_now();
        };
        assert_eq!((found, next.length()), (None, Some(0)));
        drop(next);
        assert_eq!(folder.names(), [""; 0]);
    }
}
