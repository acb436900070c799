//! An image on its way into a slot, through everything that can happen to it.

use embassy_time::{Duration, Timer};
use embedded_io_async::{ErrorType, Write};
use sortie_embassy::ota::{Journal, OtaError, Update};
use sortie_embassy::{BodyLength, Request, Session};
use sortie_firmware::board::flash::Flash;
use sortie_firmware::say;

use crate::release::Release;
use crate::server::{Server, Trouble, URL};

/// Room for what a download can be gone on with: a URL and a validator of as many bytes together.
/// The journal keeps 452 of them.
const RECORD: usize = 452;

/// How often a download is tried again that brings nothing more, and how long it waits before.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);

/// Every so many bytes it is told how far the image is.
const TOLD: u32 = 64 << 10;

/// Brings the image of `release` to `slot`, and stages it: the next start boots it.
///
/// The future may be dropped, and the power may go, at any moment. What is stored by then, to the
/// last whole sector, is gone on with by the next call.
pub(crate) async fn fetch(
    session: &Session<'_, 1>,
    server: &Server<'_>,
    journal: &mut Journal<Flash>,
    slot: &mut Flash,
    release: &Release<'_>,
) -> Result<(), Trouble> {
    // Too large, or rejected before: here, with nothing asked for and nothing written.
    let mut update: Update<'_, '_, Flash, Flash> =
        Update::open(journal, slot, release.image).await?;
    let mut tries = 0;
    while !update.is_whole() {
        let before = update.stored();
        if let Err(trouble) = download(session, server, &mut update, release.path).await {
            // The flash, or more bytes than there should be: it does not help to ask once more.
            if let Some(error) = update.error() {
                return Err(Trouble::Ota(error));
            }
            say!("cut at {}: {trouble:?}", update.stored());
            tries = if update.stored() > before { 0 } else { tries + 1 };
            if tries == TRIES {
                return Err(trouble);
            }
            Timer::after(PAUSE).await;
        }
    }
    // Everything is read back from the slot. An image that is wrong is given up here.
    say!("whole");
    update.verify(|sha256| release.is_signed_for(sha256)).await?;
    say!("staged");
    Ok(())
}

/// Asks for what is missing, and writes what comes to the slot.
async fn download(
    session: &Session<'_, 1>,
    server: &Server<'_>,
    update: &mut Update<'_, '_, Flash, Flash>,
    path: &str,
) -> Result<(), Trouble> {
    let (mut url, mut stored, mut record) = ([0; URL], [0; RECORD], [0; RECORD]);
    let url = server.url(path, &mut url)?;
    let request = Request::new("GET", url, &[], BodyLength::None).map_err(|_| Trouble::Path)?;
    // What the journal kept of the last attempt: where it came to, and which version of the file
    // that was. The server is asked for the rest of this very version, or else for all of it.
    let stored = update.resume_data(&mut stored).await?;
    let mut task = session.download_task(&request).require_success().resume_data(&mut record);
    if let Some(stored) = &stored {
        task = task.resume_from(stored);
    }
    let mut body = task.open().await?;
    // Here it is known which of them comes. If it is all of it, what was stored is given up.
    say!("receives from {}", body.offset());
    update.begin(body.offset(), body.resume_data()).await?;
    body.copy_to(&mut Told { update }).await?;
    match update.is_whole() {
        true => Ok(()),
        false => Err(Trouble::Short),
    }
}

/// Tells how far the image is, while it is written.
struct Told<'u, 'j, 's> {
    update: &'u mut Update<'j, 's, Flash, Flash>,
}

impl ErrorType for Told<'_, '_, '_> {
    type Error = OtaError;
}

impl Write for Told<'_, '_, '_> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, OtaError> {
        let before = self.update.stored() / TOLD;
        let count = self.update.write(bytes).await?;
        if self.update.stored() / TOLD > before {
            say!("stored {}", self.update.stored() / TOLD * TOLD);
        }
        Ok(count)
    }

    async fn flush(&mut self) -> Result<(), OtaError> {
        self.update.flush().await
    }
}
