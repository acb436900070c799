//! Two network stacks back to back, with a cable that may be slow, lose frames, double them, mix
//! them up, and be pulled out for a while.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::task::Poll;

use embassy_futures::select::select;
use embassy_net::{Config, Ipv4Address, Ipv4Cidr, Runner, Stack, StackResources, StaticConfigV4};
use embassy_net_driver_channel::driver::{HardwareAddress, LinkState};
use embassy_net_driver_channel::{Device, RxRunner, State, TxRunner, new};
use embassy_time::{Instant, Timer};

use super::executor::now;

/// Bytes of an Ethernet frame without its checksum.
const MTU: usize = 1514;

/// Frames that a network interface holds in each direction.
const FRAMES: usize = 4;

/// How much longer a frame takes that is overtaken, beside three times the usual, in microseconds.
const DETOUR: u64 = 700;

/// Sockets of a stack: connections, DNS.
const SOCKETS: usize = 12;

/// The network part of every address here.
const NETWORK: [u8; 3] = [192, 0, 2];

/// The far end: where origins and the name server are.
pub const FAR: Ipv4Address = Ipv4Address::new(192, 0, 2, 1);

/// The cable, and the clock beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cable {
    /// Every so many frames one is lost; 0: none.
    pub loses_every: usize,
    /// Every so many frames one arrives twice; 0: none.
    pub doubles_every: usize,
    /// Every so many frames one is overtaken by the next ones; 0: none.
    pub delays_every: usize,
    /// While it is pulled out, nothing arrives: from this time on, to this one, in microseconds.
    pub is_out: (u64, u64),
    /// How long a frame takes, in microseconds.
    pub delay: u64,
    /// How far the clock goes at once while nothing happens, in microseconds, at least 1. Timers
    /// may be late by less than that; what takes seconds needs more than 1 to be played quickly.
    pub step: u64,
}

impl Cable {
    /// Loses nothing, takes no time, and is exact to the microsecond.
    pub const GOOD: Self = Self {
        loses_every: 0,
        doubles_every: 0,
        delays_every: 0,
        is_out: (0, 0),
        delay: 0,
        step: 1,
    };

    /// The same, for scripts that take long.
    pub const COARSE: Self = Self { step: 100, ..Self::GOOD };
}

/// A frame that was put on the cable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// When, in microseconds of virtual time.
    pub at: u64,
    /// From the near end to the far one, or back.
    pub is_outbound: bool,
    /// Its length, in bytes.
    pub length: usize,
    /// A hash of its bytes.
    pub hash: u64,
    /// Whether it asks for a connection: a TCP segment with SYN and without ACK.
    pub is_opening: bool,
    /// Whether it breaks a connection: a TCP segment with RST.
    pub is_reset: bool,
    /// Whether it was lost.
    pub is_lost: bool,
}

/// The memory of one end.
pub(super) struct Memory {
    state: State<MTU, FRAMES, FRAMES>,
    sockets: StackResources<SOCKETS>,
}

/// One end: a stack, what runs it, and its side of the cable.
pub(super) struct End<'d> {
    pub(super) stack: Stack<'d>,
    pub(super) runner: Runner<'d, Device<'d, MTU>>,
    pub(super) receives: RxRunner<'d, MTU>,
    pub(super) sends: TxRunner<'d, MTU>,
}

impl Memory {
    pub(super) fn new() -> Box<Self> {
        Box::new(Self { state: State::new(), sockets: StackResources::new() })
    }

    /// Starts the end with this number.
    pub(super) fn start(&mut self, number: u8) -> End<'_> {
        let address = HardwareAddress::Ethernet([2, 0, 0, 0, 0, number]);
        let (channel, device) = new(&mut self.state, address);
        let [a, b, c] = NETWORK;
        let mut config = StaticConfigV4 {
            address: Ipv4Cidr::new(Ipv4Address::new(a, b, c, number), 24),
            gateway: None,
            dns_servers: Default::default(),
        };
        let full = config.dns_servers.push(FAR);
        assert!(full.is_ok(), "there is room for one name server");
        let config = Config::ipv4_static(config);
        let seed = u64::from(number);
        let (stack, runner) = embassy_net::new(device, config, &mut self.sockets, seed);
        let (state, receives, sends) = channel.split();
        state.set_link_state(LinkState::Up);
        End { stack, runner, receives, sends }
    }
}

/// Carries frames one way, for ever.
pub(super) async fn carry(
    mut from: TxRunner<'_, MTU>,
    mut to: RxRunner<'_, MTU>,
    cable: Cable,
    is_outbound: bool,
    frames: &RefCell<Vec<Frame>>,
) {
    let mut on_the_way: VecDeque<(u64, Vec<u8>)> = VecDeque::new();
    loop {
        let due = on_the_way.front().map(|(due, _)| *due);
        let arrival = async {
            match due {
                Some(due) => Timer::at(Instant::from_micros(due)).await,
                None => std::future::pending().await,
            }
        };
        let departure = async {
            let bytes = from.tx_buf().await.to_vec();
            from.tx_done();
            bytes
        };
        match select(departure, arrival).await {
            embassy_futures::select::Either::First(bytes) => {
                let mut frames = frames.borrow_mut();
                let is_lost = note(&mut frames, cable, is_outbound, &bytes);
                if !is_lost {
                    put(&mut on_the_way, cable, frames.len(), bytes);
                }
            }
            embassy_futures::select::Either::Second(()) => {
                let (_, bytes) = on_the_way.pop_front().expect("the frame that is due");
                let buffer = to.rx_buf().await;
                buffer[..bytes.len()].copy_from_slice(&bytes);
                to.rx_done(bytes.len());
            }
        }
    }
}

/// Puts the frame with this number on its way, where the first to arrive is in front.
fn put(on_the_way: &mut VecDeque<(u64, Vec<u8>)>, cable: Cable, number: usize, bytes: Vec<u8>) {
    let is = |every: usize| every > 0 && number.is_multiple_of(every);
    let detour = if is(cable.delays_every) { 3 * cable.delay + DETOUR } else { 0 };
    let due = now() + cable.delay + detour;
    let copies = if is(cable.doubles_every) { 2 } else { 1 };
    for _ in 0..copies {
        let place = on_the_way.partition_point(|(other, _)| *other <= due);
        on_the_way.insert(place, (due, bytes.clone()));
    }
}

/// Writes a frame down. Returns whether it is lost.
fn note(frames: &mut Vec<Frame>, cable: Cable, is_outbound: bool, bytes: &[u8]) -> bool {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    let (from, to) = cable.is_out;
    let is_lost = cable.loses_every > 0 && (frames.len() + 1).is_multiple_of(cable.loses_every);
    let is_lost = is_lost || (from..to).contains(&now());
    frames.push(Frame {
        at: now(),
        is_outbound,
        length: bytes.len(),
        hash: hasher.finish(),
        is_opening: flags(bytes).is_some_and(|flags| flags & 0x12 == 0x02),
        is_reset: flags(bytes).is_some_and(|flags| flags & 0x04 == 0x04),
        is_lost,
    });
    is_lost
}

/// The flags of the TCP segment in an Ethernet frame, if it holds one.
fn flags(bytes: &[u8]) -> Option<u8> {
    let is_tcp = bytes.get(12..14) == Some(&[8, 0]) && bytes.get(23) == Some(&6);
    bytes.get(47).copied().filter(|_| is_tcp)
}

/// Runs a stack, for ever.
pub(super) async fn keep_running(mut runner: Runner<'_, Device<'_, MTU>>) {
    runner.run().await
}

/// Polls all of `futures`, for ever.
pub(super) async fn all(mut futures: Vec<super::executor::Beside<'_>>) {
    poll_fn(|cx| {
        futures.retain_mut(|future| future.as_mut().poll(cx).is_pending());
        Poll::Pending
    })
    .await
}
