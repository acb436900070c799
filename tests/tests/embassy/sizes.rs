//! What a task costs in RAM. On a device a future is a static, so that its size is part of the
//! interface. The bounds are those of a 64-bit host; a 32-bit device needs about 60 % of them.

use std::mem::{size_of, size_of_val};

use sortie_embassy::{Config, ControlBlock, Resources, Schedule, Session};
use sortie_tests::embassy::run;

use crate::{GOOD, get};

#[test]
fn futures_and_statics_stay_within_their_sizes() {
    let run = run(GOOD, &[], async |stack, _| {
        let mut resources = Resources::<2, 1024>::new();
        let session = Session::new(stack, &mut resources, Config::default());
        let request = get("http://192.0.2.1/");
        let mut block = ControlBlock::new();
        let (mut seat, _) = block.split();
        let (mut one, mut two) = ([0; 10], [0; 10]);
        let plain = size_of_val(&session.data(&request, &[], &mut one));
        let task = session.data_task(&request).control(&mut seat);
        [plain, size_of_val(&task.receive(&mut two)), size_of_val(&session)]
    });
    let [plain, controlled, session] = run.output;
    assert!(plain <= 1320, "the future of a task: {plain}");
    assert!(controlled <= 1032, "the future of a task with a lent control block: {controlled}");
    assert!(session <= 352, "a session of two connections: {session}");
    assert!(size_of::<ControlBlock>() <= 408, "{}", size_of::<ControlBlock>());
    assert!(size_of::<Schedule<2>>() <= 792, "{}", size_of::<Schedule<2>>());
    assert_eq!(size_of::<Resources<2, 1024>>(), 2 * 3 * 1024);
}
