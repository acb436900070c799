//! Updates of firmware over a session: the image comes from an origin on the other stack, and goes
//! to a flash that may lose power.

use std::ops::Range;

use embassy_futures::block_on;
use sortie_core::{Error, Transport};
use sortie_embassy::ota::{ImageSlot, Journal, Manifest, OtaError, Stage, Update};
use sortie_embassy::{Resources, Session};
use sortie_tests::embassy::run;
use sortie_tests::script::{Origin, Part, Step};
use sortie_tests::update::campaign::image;
use sortie_tests::update::device::manifest;
use sortie_tests::update::flash::{Cut, Debris, Nor};

use crate::{GOOD, answers, get, origin, session};

const URL: &str = "http://192.0.2.1/image";

/// Words of 4 bytes, sectors of 1 KiB.
type Chip = Nor<4, 1024>;
const SECTOR: u32 = 1024;
/// Two halves for entries of 512 bytes, and a slot of 12 sectors.
const JOURNAL: usize = 2048;
const SLOT: usize = 12 * 1024;

fn chip() -> Chip {
    Nor::new(JOURNAL + SLOT)
}

async fn journal(chip: &Chip) -> Journal<Chip> {
    Journal::open(chip.part(0, JOURNAL)).await.expect("power")
}

fn slot(chip: &Chip) -> Chip {
    chip.part(JOURNAL, SLOT)
}

/// What an attempt to fetch an image came to.
#[derive(Debug, PartialEq, Eq)]
enum Came {
    /// It is staged.
    Staged,
    /// The download ended so; that many bytes of the image are stored.
    Failed(Error, u32),
    /// The flash, or the image, is why.
    Refused(OtaError),
}

/// Fetches as a program does that was just started, by the journal alone: once.
async fn fetch(session: &Session<'_, 2>, chip: &Chip, manifest: Manifest) -> Came {
    let opened = Journal::open(chip.part(0, JOURNAL)).await;
    let mut journal = match opened {
        Ok(journal) => journal,
        Err(error) => return Came::Refused(error),
    };
    let mut slot = slot(chip);
    let update: Result<Update<'_, '_, _, _>, _> =
        Update::open(&mut journal, &mut slot, manifest).await;
    let mut update = match update {
        Ok(update) => update,
        Err(error) => return Came::Refused(error),
    };
    if !update.is_whole()
        && let Err(came) = download(session, &mut update).await
    {
        return came;
    }
    match update.verify(|_| true).await {
        Ok(()) => Came::Staged,
        Err(error) => Came::Refused(error),
    }
}

/// Asks for what is missing, and stores what comes.
async fn download(
    session: &Session<'_, 2>,
    update: &mut Update<'_, '_, Chip, Chip>,
) -> Result<(), Came> {
    let (mut stored, mut record) = ([0; 256], [0; 256]);
    let stored = update.resume_data(&mut stored).await.map_err(Came::Refused)?;
    let request = get(URL);
    let mut task = session.download_task(&request).require_success().resume_data(&mut record);
    if let Some(stored) = &stored {
        task = task.resume_from(stored);
    }
    let opened = task.open().await;
    let mut body = opened.map_err(|failure| Came::Failed(failure.error, update.stored()))?;
    update.begin(body.offset(), body.resume_data()).await.map_err(Came::Refused)?;
    let copied = body.copy_to(update).await;
    copied.map(|_| ()).map_err(|failure| match update.error() {
        Some(error) => Came::Refused(error),
        None => Came::Failed(failure.error, update.stored()),
    })
}

/// All of an image, of which only a part is sent.
fn part(image: &[u8], tag: &str, sent: Range<usize>) -> Vec<u8> {
    let (length, from) = (image.len(), sent.start);
    let head = match from {
        0 => format!("HTTP/1.1 200 OK\r\nETag: {tag}\r\nContent-Length: {length}\r\n\r\n"),
        _ => format!(
            "HTTP/1.1 206 Rest\r\nETag: {tag}\r\nContent-Length: {}\r\n\
             Content-Range: bytes {from}-{}/{length}\r\n\r\n",
            length - from,
            length - 1
        ),
    };
    [head.as_bytes(), &image[sent]].concat()
}

fn whole(image: &[u8], tag: &str) -> Origin {
    answers(part(image, tag, 0..image.len()))
}

/// An origin whose connection ends in the middle of what it sends.
fn cut(sent: Vec<u8>) -> Origin {
    origin([Step::Send(sent), Step::Wait(5_000), Step::Close])
}

fn asked(request: &[u8]) -> String {
    String::from_utf8_lossy(request).into_owned()
}

/// Asserts that this image boots next, and is what stands in the slot.
fn boots(chip: &Chip, image: &[u8]) {
    block_on(async {
        assert!(slot(chip).content().starts_with(image), "another image is in the slot");
        assert_eq!(journal(chip).await.boot().await, Ok(ImageSlot::B));
    });
}

/// As many attempts as there are origins, each after a start of the device.
fn attempts(chip: &Chip, manifest: Manifest, origins: &[Origin]) -> (Vec<Came>, Vec<Vec<u8>>) {
    let run = run(GOOD, origins, async |stack, _| {
        let mut resources = Resources::new();
        let session = session(stack, &mut resources);
        let mut came = Vec::new();
        for _ in origins {
            came.push(Box::pin(fetch(&session, chip, manifest)).await);
        }
        came
    });
    (run.output, run.requests)
}

const LOST: Error = Error::Transport(Transport::Lost);

#[test]
fn an_image_that_is_cut_off_again_and_again_is_gone_on_with_and_staged() {
    let (chip, image) = (chip(), image(1, 9999));
    // Whole blocks of 256 bytes are stored: 4864 of 5000, and 7936 of 8000.
    let origins = [
        cut(part(&image, "\"v1\"", 0..5000)),
        cut(part(&image, "\"v1\"", 4864..8000)),
        answers(part(&image, "\"v1\"", 7936..9999)),
    ];
    let run = run(GOOD, &origins, async |stack, _| {
        let mut resources = Resources::new();
        let session = session(stack, &mut resources);
        let (mut journal, mut slot) = (journal(&chip).await, slot(&chip));
        let update = Update::open(&mut journal, &mut slot, manifest(&image)).await;
        let mut update: Update<'_, '_, _, _> = update.expect("room");
        let mut came = Vec::new();
        for _ in 0..3 {
            came.push(download(&session, &mut update).await);
        }
        (came, update.verify(|_| true).await)
    });
    // What is in the block counts as stored until a further attempt begins.
    let failed = |stored| Err(Came::Failed(LOST, stored));
    assert_eq!(run.output, (vec![failed(5000), failed(8000), Ok(())], Ok(())));
    assert!(!asked(&run.requests[0]).contains("Range"));
    for (request, from) in run.requests[1..].iter().zip([4864, 7936]) {
        let asked = asked(request);
        assert!(
            asked.contains(&format!("Range: bytes={from}-\r\nIf-Range: \"v1\"\r\n")),
            "{asked}"
        );
    }
    boots(&chip, &image);
}

#[test]
fn a_device_that_starts_again_goes_on_behind_the_last_whole_sector() {
    let (chip, image) = (chip(), image(1, 9999));
    let origins = [
        cut(part(&image, "\"v1\"", 0..5000)),
        cut(part(&image, "\"v1\"", 4096..8000)),
        answers(part(&image, "\"v1\"", 7168..9999)),
    ];
    let (came, requests) = attempts(&chip, manifest(&image), &origins);
    assert_eq!(came, [Came::Failed(LOST, 5000), Came::Failed(LOST, 8000), Came::Staged]);
    assert!(asked(&requests[2]).contains("Range: bytes=7168-\r\nIf-Range: \"v1\"\r\n"));
    boots(&chip, &image);
}

#[test]
fn a_server_that_sends_all_of_it_again_mixes_nothing() {
    let (chip, image) = (chip(), image(1, 5000));
    let origins = [cut(part(&image, "\"v1\"", 0..3000)), whole(&image, "\"v1\"")];
    let (came, requests) = attempts(&chip, manifest(&image), &origins);
    assert_eq!(came, [Came::Failed(LOST, 3000), Came::Staged]);
    assert!(asked(&requests[1]).contains("Range: bytes=2048-"), "it asked for the rest");
    boots(&chip, &image);
}

#[test]
fn without_a_strong_validator_the_image_is_asked_for_from_its_start() {
    let (chip, image) = (chip(), image(1, 5000));
    let origins = [cut(part(&image, "W/\"v1\"", 0..3000)), whole(&image, "W/\"v1\"")];
    let (came, requests) = attempts(&chip, manifest(&image), &origins);
    assert_eq!(came, [Came::Failed(LOST, 3000), Came::Staged]);
    assert!(!asked(&requests[1]).contains("Range"));
    boots(&chip, &image);
}

#[test]
fn a_part_that_begins_elsewhere_is_not_written_and_all_of_it_is_asked_for() {
    let (chip, image) = (chip(), image(1, 5000));
    let elsewhere = origin([
        Step::Send(part(&image, "\"v1\"", 2049..5000)),
        Step::Next,
        Step::Expect(Part::Request),
        Step::Send(part(&image, "\"v1\"", 0..5000)),
    ]);
    let origins = [cut(part(&image, "\"v1\"", 0..3000)), elsewhere];
    let (came, requests) = attempts(&chip, manifest(&image), &origins);
    assert_eq!(came, [Came::Failed(LOST, 3000), Came::Staged]);
    assert_eq!(asked(&requests[1]).matches("GET /image ").count(), 2);
    assert_eq!(asked(&requests[1]).matches("Range: bytes=2048-").count(), 1);
    boots(&chip, &image);
}

#[test]
fn an_error_page_is_not_written_and_what_is_stored_stays() {
    let (chip, image) = (chip(), image(1, 5000));
    let page = b"HTTP/1.1 503 Away\r\nContent-Length: 4\r\n\r\naway".to_vec();
    let origins = [cut(part(&image, "\"v1\"", 0..3000)), answers(page)];
    let (came, _) = attempts(&chip, manifest(&image), &origins);
    assert_eq!(came, [Came::Failed(LOST, 3000), Came::Failed(Error::Status(503), 2048)]);
    let (came, _) =
        attempts(&chip, manifest(&image), &[answers(part(&image, "\"v1\"", 2048..5000))]);
    assert_eq!(came, [Came::Staged]);
    boots(&chip, &image);
}

#[test]
fn more_than_the_manifest_says_is_refused_and_what_it_says_is_staged_if_that_is_right() {
    let (chip, long) = (chip(), image(1, 5001));
    let (came, _) = attempts(&chip, manifest(&long[..5000]), &[whole(&long, "\"v1\"")]);
    assert_eq!(came, [Came::Refused(OtaError::TooLong)]);
    assert_eq!(block_on(journal(&chip)).good(), ImageSlot::A);
    // Nothing is missing, so nothing is asked for.
    let (came, requests) = attempts(&chip, manifest(&long[..5000]), &[whole(&[], "\"v1\"")]);
    assert_eq!((came, requests.concat().len()), (vec![Came::Staged], 0));
    boots(&chip, &long[..5000]);
}

#[test]
fn an_image_that_the_slot_has_no_room_for_is_not_asked_for() {
    let (chip, large) = (chip(), image(1, SLOT + 1));
    let (came, requests) = attempts(&chip, manifest(&large), &[whole(&large, "\"v1\"")]);
    let needed = (SLOT as u32) + SECTOR;
    assert_eq!(came, [Came::Refused(OtaError::Region { needed })]);
    assert!(requests.concat().is_empty() && chip.done().is_empty());
}

/// The power is lost in every write and every erasure of an update, and the device begins again
/// with what is in its flash: a new session, on a new stack.
#[test]
fn power_that_is_lost_anywhere_in_a_download_costs_a_sector_at_most() {
    let image = image(1, 3333);
    let undisturbed = chip();
    let (came, _) = attempts(&undisturbed, manifest(&image), &[whole(&image, "\"v1\"")]);
    assert_eq!(came, [Came::Staged]);
    let mut resumed = 0;
    for (operation, number) in undisturbed.done().into_iter().zip(0..) {
        for (bytes, debris) in
            [(0, Debris::Old), (operation.bytes() / 2 / 4 * 4, Debris::Random(number))]
        {
            let chip = chip();
            chip.cut(Cut { operation: number, bytes, debris });
            let (came, _) = attempts(&chip, manifest(&image), &[whole(&image, "\"v1\"")]);
            assert!(matches!(came[0], Came::Refused(OtaError::Flash(_))), "{number}: {came:?}");
            chip.start();
            resumed += u32::from(goes_on(&chip, &image));
        }
    }
    assert!(resumed > 20, "{resumed}");
}

/// A start after the power was lost. Returns whether it asked for a rest.
fn goes_on(chip: &Chip, image: &[u8]) -> bool {
    let stage = block_on(journal(chip)).stage();
    let stored = match stage {
        Stage::Receiving { stored, .. } => stored,
        Stage::Idle | Stage::Staged { .. } | Stage::Rejected { .. } => 0,
    };
    if let Stage::Staged { .. } = stage {
        boots(chip, image); // It was the last operation, and was done.
        return false;
    }
    let from = stored as usize;
    let (came, requests) =
        attempts(chip, manifest(image), &[answers(part(image, "\"v1\"", from..image.len()))]);
    assert_eq!(came, [Came::Staged], "{stage:?}");
    let asked = asked(&requests.concat());
    let is_rest = stored > 0 && from < image.len();
    assert_eq!(asked.contains(&format!("Range: bytes={stored}-\r\nIf-Range: \"v1\"")), is_rest);
    boots(chip, image);
    is_rest
}

#[test]
fn another_version_in_the_middle_is_given_up_and_taken_with_its_own_manifest() {
    let (chip, old, new) = (chip(), image(1, 5000), image(2, 5000));
    let origins = [cut(part(&old, "\"v1\"", 0..3000)), whole(&new, "\"v2\"")];
    let (came, requests) = attempts(&chip, manifest(&old), &origins);
    assert_eq!(came, [Came::Failed(LOST, 3000), Came::Refused(OtaError::Digest)]);
    assert!(asked(&requests[1]).contains("If-Range: \"v1\"\r\n"));
    assert_eq!(block_on(journal(&chip)).stage(), Stage::Idle);
    let (came, requests) = attempts(&chip, manifest(&new), &[whole(&new, "\"v2\"")]);
    assert_eq!(came, [Came::Staged]);
    assert!(!asked(&requests[0]).contains("Range"), "nothing is left of the old one");
    boots(&chip, &new);
}

/// What no server should do: the rest of another image, under the same name.
#[test]
fn an_image_that_is_mixed_of_two_is_given_up() {
    let (chip, old, new) = (chip(), image(1, 5000), image(2, 5000));
    let origins = [cut(part(&old, "\"v1\"", 0..3000)), answers(part(&new, "\"v1\"", 2048..5000))];
    let (came, _) = attempts(&chip, manifest(&old), &origins);
    assert_eq!(came, [Came::Failed(LOST, 3000), Came::Refused(OtaError::Digest)]);
    assert_eq!(block_on(async { journal(&chip).await.boot().await }), Ok(ImageSlot::A));
}
