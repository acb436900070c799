//! Content of known bytes, in chunks. `tests/main_job/content.py` computes the same.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::{Body, Frame};
use hyper::body::Bytes;

/// The bytes repeat after so many. A prime: where a buffer of any round size were lost or doubled,
/// what follows would differ.
const PERIOD: usize = 1_048_573;

/// The largest chunk of random size.
const LARGEST_RANDOM: u64 = 1 << 16;

/// SplitMix64: a few lines in any language.
#[derive(Debug, Clone)]
struct Random(u64);

impl Iterator for Random {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        Some(z ^ (z >> 31))
    }
}

/// One period twice, so that a chunk can be a slice of it wherever it begins.
pub(crate) fn period() -> Bytes {
    let words = Random(0).take(PERIOD.div_ceil(8));
    let mut bytes: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
    bytes.truncate(PERIOD);
    bytes.repeat(2).into()
}

/// The sizes of chunks.
#[derive(Debug, Clone)]
pub(crate) struct Chunks(Sizes);

#[derive(Debug, Clone)]
enum Sizes {
    Fixed(usize),
    Random(Random),
}

impl Chunks {
    /// Chunks of one size, a period at most.
    pub(crate) fn of(size: usize) -> Option<Self> {
        (1..=PERIOD).contains(&size).then_some(Self(Sizes::Fixed(size)))
    }

    /// Chunks of random sizes, the same ones in each response.
    pub(crate) fn random() -> Self {
        Self(Sizes::Random(Random(1)))
    }

    fn next(&mut self) -> usize {
        match &mut self.0 {
            Sizes::Fixed(size) => *size,
            Sizes::Random(random) => {
                let word = random.next().unwrap_or(0);
                (word % LARGEST_RANDOM) as usize + 1
            }
        }
    }
}

/// The content of a response. It does not tell its length, so that hyper sends it in chunks, one
/// for each frame.
#[derive(Debug)]
pub(crate) struct Content {
    period: Bytes,
    at: usize,
    left: u64,
    chunks: Chunks,
}

impl Content {
    pub(crate) fn new(period: &Bytes, length: u64, chunks: Chunks) -> Self {
        Self { period: period.clone(), at: 0, left: length, chunks }
    }

    pub(crate) fn empty() -> Self {
        Self::new(&Bytes::new(), 0, Chunks(Sizes::Fixed(1)))
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let size = self.chunks.next();
        let size = size.min(usize::try_from(self.left).unwrap_or(size));
        let chunk = self.period.slice(self.at..self.at + size);
        self.at = (self.at + size) % PERIOD;
        self.left -= size as u64;
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }
}
