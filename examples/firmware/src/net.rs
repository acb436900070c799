//! embassy-net over the board's Ethernet.

use embassy_executor::Spawner;
use embassy_net::{Config, DhcpConfig, Runner, Stack, StackResources};
use static_cell::{ConstStaticCell, StaticCell};

use crate::board::ethernet::{Buffers, Ethernet};

/// Where QEMU's user network lets a guest reach the host's 127.0.0.1.
pub const HOST: [u8; 4] = [10, 0, 2, 2];

/// Locally administered, so that it is nobody's.
const MAC: [u8; 6] = [0x02, 0x00, 0x00, 0x00, 0x00, 0x01];

/// The same in each run, so that runs can be compared. A device on a real network takes this from
/// its random number generator: sequence numbers and ports follow from it.
const SEED: u64 = 0x5027_1e5e_ed00_0001;

/// Bytes of a TCP socket's buffer for what was received and not yet taken. The same in every image
/// whose size is compared, as are the next two.
pub const RECEIVE: usize = 4096;

/// Bytes of a TCP socket's buffer for what was written and not yet acknowledged.
pub const SEND: usize = 1024;

/// Bytes of the buffer that a client reads a head to.
pub const HEAD: usize = 1024;

/// DHCP, and three for the image.
const SOCKETS: usize = 4;

/// Starts the network; `None` if the board has no working Ethernet.
///
/// Call it once: the memory behind it is static. The address comes later, from DHCP: see
/// [`Stack::wait_config_up`].
pub fn start(spawner: Spawner) -> Option<Stack<'static>> {
    start_seeded(spawner, SEED)
}

/// The same with another seed. An image that restarts needs another one each time: with the same
/// it begins with the port that it had before, of which the server may have a connection still, and
/// then nobody answers.
#[inline(never)] // What it moves into place would else be on the stack for ever.
pub fn start_seeded(spawner: Spawner, seed: u64) -> Option<Stack<'static>> {
    static BUFFERS: ConstStaticCell<Buffers> = ConstStaticCell::new(Buffers::new());
    static RESOURCES: StaticCell<StackResources<SOCKETS>> = StaticCell::new();

    let driver = Ethernet::new(BUFFERS.take(), MAC)?;
    let resources = RESOURCES.init_with(StackResources::new);
    let config = Config::dhcpv4(DhcpConfig::default());
    let (stack, runner) = embassy_net::new(driver, config, resources, seed);
    spawner.spawn(run(runner).ok()?);
    Some(stack)
}

#[embassy_executor::task]
async fn run(mut runner: Runner<'static, Ethernet>) -> ! {
    runner.run().await
}

/// The URL of a path at the host, without `core::fmt`.
pub fn url<'b>(port: &[u8], path: &[u8], buffer: &'b mut [u8]) -> Option<&'b [u8]> {
    joined([b"http://10.0.2.2:", port, path], buffer)
}

/// The same, secure.
pub fn secure_url<'b>(port: &[u8], path: &[u8], buffer: &'b mut [u8]) -> Option<&'b [u8]> {
    joined([b"https://10.0.2.2:", port, path], buffer)
}

fn joined<'b>(pieces: [&[u8]; 3], buffer: &'b mut [u8]) -> Option<&'b [u8]> {
    let mut length = 0;
    for piece in pieces {
        let end = length + piece.len();
        buffer.get_mut(length..end)?.copy_from_slice(piece);
        length = end;
    }
    buffer.get(..length)
}
