//! How what an origin sends is cut into pieces on the way.

use sortie_tests::origin::Split;
use sortie_tests::script::{Script, Step};

/// What comes before the next piece, in microseconds: time to take the one before.
const PAUSE: u64 = 150;

/// Pieces that are followed by a pause. What is longer than these is beyond the limits of a client,
/// or long because of one line.
const PAUSES: usize = 9_000;

/// Bytes that are cut: more than a head may have.
const CUT: usize = 70_000;

/// How a response is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    Whole,
    Bytewise,
    /// In pieces of sizes that this says.
    Seeded(u64),
}

impl Cut {
    /// Each of them.
    pub(crate) const ALL: [Self; 6] = [
        Self::Whole,
        Self::Bytewise,
        Self::Seeded(1),
        Self::Seeded(2),
        Self::Seeded(3),
        Self::Seeded(4),
    ];

    /// `script` with everything that is sent in these pieces.
    pub(crate) fn apply(self, script: &Script) -> Script {
        let mut script = script.clone();
        for origin in &mut script.connections {
            let steps = std::mem::take(&mut origin.steps);
            origin.steps = steps.into_iter().flat_map(|step| self.pieces(step)).collect();
        }
        script
    }

    /// How bytes are cut for which there is no pause between them.
    pub(crate) const fn split(self) -> Split {
        match self {
            Self::Bytewise => Split::Bytewise,
            Self::Whole | Self::Seeded(_) => Split::Whole,
        }
    }

    fn pieces(self, step: Step) -> Vec<Step> {
        let (mut dice, bytes) = match (self, step) {
            (Self::Whole, step) => return vec![step],
            (Self::Bytewise, Step::Send(bytes)) => (None, bytes),
            (Self::Seeded(seed), Step::Send(bytes)) => (Some(Dice(seed)), bytes),
            (Self::Bytewise | Self::Seeded(_), step) => return vec![step],
        };
        let (mut steps, mut rest) = (Vec::new(), bytes.as_slice());
        while !rest.is_empty() && steps.len() < 2 * PAUSES && bytes.len() - rest.len() < CUT {
            let size = dice.as_mut().map_or(1, Dice::size).min(rest.len());
            let (piece, behind) = rest.split_at(size);
            steps.extend([Step::Send(piece.to_vec()), Step::Wait(PAUSE)]);
            rest = behind;
        }
        if !rest.is_empty() {
            steps.push(Step::Send(rest.to_vec()));
        }
        steps
    }
}

/// Numbers that look random, the same ones for a seed.
struct Dice(u64);

impl Dice {
    fn size(&mut self) -> usize {
        const SIZES: [usize; 12] = [1, 1, 2, 3, 5, 8, 13, 21, 34, 89, 377, 1400];
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let place = usize::try_from(self.0 >> 33).unwrap_or(0) % SIZES.len();
        SIZES[place]
    }
}

#[test]
fn pieces_joined_are_what_was_sent() {
    let bytes: Vec<u8> = (0..80_000_u32).map(|at| at.to_le_bytes()[0]).collect();
    let script = Script::get().answered(bytes.clone());
    for cut in Cut::ALL {
        assert_eq!(cut.apply(&script).connections[0].sent(), bytes, "{cut:?}");
    }
    let pieces = |seed| Cut::Seeded(seed).apply(&script);
    assert_ne!(pieces(1), pieces(2));
}
