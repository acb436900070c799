//! A disk that is full after any number of bytes.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::*;

/// A file on a disk with this much room. What does not fit leaves rubbish behind the content, as
/// a block that was reserved but not filled would be.
struct Narrow {
    file: File,
    room: Arc<AtomicU64>,
}

impl Write for Narrow {
    fn write(&mut self, content: &[u8]) -> io::Result<usize> {
        let room = self.room.load(Ordering::Relaxed);
        // In pieces, so that a write ends in the middle too.
        let fits = content.len().min(usize::try_from(room).unwrap()).min(7);
        if fits == 0 {
            self.file.write_all(b"rubbish")?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.room.store(room - fits as u64, Ordering::Relaxed);
        self.file.write(&content[..fits])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Narrow {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }
}

impl Seek for Narrow {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

impl Medium for Narrow {
    fn set_len(&mut self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_all()
    }

    fn unlock(&mut self) {
        self.file.unlock().unwrap();
    }
}

#[test]
fn whatever_fits_is_content_and_can_be_resumed() {
    let whole = content(100);
    for room in 0..100 {
        let folder = Folder::new();
        folder.write("name", "old");
        let left = Arc::new(AtomicU64::new(room));
        let medium = |file| Narrow { file, room: left.clone() };
        let (mut part, _) = PartFile::open_with(&folder.at("name"), true, medium).unwrap();
        part.expect_sha256(sha256(&whole));
        part.begin(start(0, b"record"));
        // The rest of the content is not taken, or there would be a hole.
        let pushed = whole.chunks(30).try_for_each(|piece| push(&mut part, piece));
        let why = pushed.and_then(|()| commit(&mut part, Some(100))).unwrap_err();
        assert_eq!(why.kind(), FileErrorKind::Full);
        assert!(std::error::Error::source(&why).is_some());
        assert_eq!(flush(&mut part).unwrap_err().kind(), FileErrorKind::Full);
        assert_eq!(part.length(), Some(room));
        assert_eq!(folder.read("name.part"), whole[..room as usize]);
        assert_eq!(folder.read("name"), b"old");

        // There is room again: in this download or in another, it goes on.
        left.store(1000, Ordering::Relaxed);
        let rest = &whole[room as usize..];
        if room % 2 == 0 || room == 1 {
            part.begin(start(room, b"record"));
            push(&mut part, rest).unwrap();
            commit(&mut part, Some(100)).unwrap();
        } else {
            drop(part);
            let (mut part, found) = open(&folder.at("name"), true);
            assert_eq!(found, Some(Found { length: room, record: b"record".to_vec() }));
            part.expect_sha256(sha256(&whole));
            part.begin(start(room, b"record"));
            push(&mut part, rest).unwrap();
            commit(&mut part, Some(100)).unwrap();
        }
        assert_eq!(folder.read("name"), whole);
        assert_eq!(folder.names(), ["name"]);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_real_full_device_is_a_full_disk() {
    let folder = Folder::new();
    let full = |_| fs::OpenOptions::new().read(true).write(true).open("/dev/full").unwrap();
    let (mut part, _) = PartFile::open_with(&folder.at("name"), true, |file| Device {
        _locked: file,
        device: full(()),
    })
    .unwrap();
    part.begin(Start::default());
    push(&mut part, b"content").unwrap();
    assert_eq!(flush(&mut part).unwrap_err().kind(), FileErrorKind::Full);
    assert_eq!(part.length(), Some(0));
}

/// Writes go to a device, which has no length.
#[cfg(target_os = "linux")]
struct Device {
    _locked: File,
    device: File,
}

#[cfg(target_os = "linux")]
impl Write for Device {
    fn write(&mut self, content: &[u8]) -> io::Result<usize> {
        self.device.write(content)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.device.flush()
    }
}

#[cfg(target_os = "linux")]
impl Read for Device {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.device.read(buffer)
    }
}

#[cfg(target_os = "linux")]
impl Seek for Device {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.device.seek(to)
    }
}

#[cfg(target_os = "linux")]
impl Medium for Device {
    fn set_len(&mut self, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}
