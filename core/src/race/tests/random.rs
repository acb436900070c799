//! Random calls beside a model that keeps a list of attempts and looks through it.

use super::model::Model;
use super::*;
use crate::random::Random;

fn list(random: &mut Random) -> Vec<SocketAddr> {
    let length = match random.below(8) {
        0 => random.below(2),
        1 => random.below(60),
        _ => random.below(8),
    };
    let numbers = 1 + random.below(30);
    let one = |random: &mut Random| {
        let family = if random.below(2) == 0 { V4 } else { V6 };
        address(family, random.below(numbers))
    };
    (0..length).map(|_| one(random)).collect()
}

#[test]
fn the_race_agrees_with_the_model() {
    let mut ends = [0; 3];
    for seed in 0..4000 {
        let mut random = Random(seed);
        let addresses = list(&mut random);
        let delay = ATTEMPT_DELAY_LEAST + random.below(ATTEMPT_DELAY_MOST - ATTEMPT_DELAY_LEAST);
        let mut race = Race::new(&addresses).with_attempt_delay(delay);
        let mut model = Model::new(&addresses, delay);
        let mut now = 1_000_000;
        for _ in 0..60 {
            assert_eq!(race.poll_race(at(now)), model.poll(now), "seed {seed}");
            // Now and then an address that there is not, or that is not tried.
            let address = random.below(addresses.len() as u64 + 2) as usize;
            let failed = match random.below(24) {
                0 => None,
                1..6 => Some(Transport::NoSocket),
                6..12 => Some(Transport::Refused),
                12..18 => Some(Transport::ConnectFailed),
                _ => Some(Transport::Unreachable),
            };
            match random.below(8) {
                0..4 => {
                    let told = match failed {
                        None => race.handle_connected(address),
                        Some(why) => race.handle_failed(address, why, at(now)),
                    };
                    assert_eq!(told, model.end(address, failed, now), "seed {seed}");
                }
                4 => now += random.below(2 * delay),
                // Clocks go back at times.
                5 => now -= random.below(1000),
                _ => {}
            }
        }
        match race.poll_race(at(now)) {
            RaceOutput::Start { .. } | RaceOutput::Wait { .. } => ends[0] += 1,
            RaceOutput::Connected { .. } => ends[1] += 1,
            RaceOutput::Failed(_) => ends[2] += 1,
        }
    }
    assert!(ends.iter().all(|count| *count > 200), "{ends:?}");
}
