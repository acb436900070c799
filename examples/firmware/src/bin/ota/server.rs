//! The server: what it is asked, and what can go wrong with that.

use core::fmt::Write as _;

use sortie_embassy::ota::OtaError;
use sortie_embassy::{BodyLength, Error, Failure, Request, Session, Url};
use sortie_firmware::net;

/// Room for a URL.
pub(crate) const URL: usize = 128;

/// Where updates come from: a port of the host.
#[derive(Debug)]
pub(crate) struct Server<'a> {
    pub(crate) port: &'a [u8],
}

/// Why something was not done. None of it stops the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The path makes no URL of at most [`URL`] bytes.
    Path,
    /// No answer, or one that was cut off.
    Fetch(Error),
    /// The server, or what is before it, does not work: a status of 500 or more.
    Away(u16),
    /// The server does not know what it is asked for: a status of 400 or more.
    Refused(u16),
    /// What came is no release.
    Manifest,
    /// A whole file came, and it is shorter than the image.
    Short,
    /// The release is not signed by us.
    Unsigned,
    /// The flash, or an image that is not what it should be.
    Ota(OtaError),
}

impl From<OtaError> for Trouble {
    fn from(error: OtaError) -> Self {
        Self::Ota(error)
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        match failure.error {
            Error::Status(status @ 500..) => Self::Away(status),
            Error::Status(status) => Self::Refused(status),
            error => Self::Fetch(error),
        }
    }
}

impl Server<'_> {
    /// The URL of a path.
    pub(crate) fn url<'b>(
        &self,
        path: &str,
        buffer: &'b mut [u8; URL],
    ) -> Result<Url<'b>, Trouble> {
        let text = net::url(self.port, path.as_bytes(), buffer).ok_or(Trouble::Path)?;
        Url::from_ascii(text).map_err(|_| Trouble::Path)
    }

    /// Asks for the text of its release.
    pub(crate) async fn manifest<'t>(
        &self,
        session: &Session<'_, 1>,
        text: &'t mut [u8],
    ) -> Result<&'t str, Trouble> {
        let text = self.get(session, "/manifest", text).await?;
        core::str::from_utf8(text).map_err(|_| Trouble::Manifest)
    }

    /// Says that this version works, and hears whether the server takes it.
    pub(crate) async fn greet(
        &self,
        session: &Session<'_, 1>,
        version: u32,
    ) -> Result<(), Trouble> {
        let mut path = Path { bytes: [0; 32], length: 0 };
        write!(path, "/works/{version}").map_err(|_| Trouble::Path)?;
        self.get(session, path.as_str(), &mut [0; 64]).await?;
        Ok(())
    }

    /// Fetches something short.
    async fn get<'b>(
        &self,
        session: &Session<'_, 1>,
        path: &str,
        content: &'b mut [u8],
    ) -> Result<&'b [u8], Trouble> {
        let mut url = [0; URL];
        let url = self.url(path, &mut url)?;
        let request = Request::new("GET", url, &[], BodyLength::None).map_err(|_| Trouble::Path)?;
        let task = session.data_task(&request).require_success();
        Ok(task.receive(content).await?.content())
    }
}

/// A path that is made of pieces.
struct Path {
    bytes: [u8; 32],
    length: usize,
}

impl Path {
    fn as_str(&self) -> &str {
        // unwrap: only whole texts were put there.
        core::str::from_utf8(&self.bytes[..self.length]).unwrap()
    }
}

impl core::fmt::Write for Path {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let end = self.length + text.len();
        let room = self.bytes.get_mut(self.length..end).ok_or(core::fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}
