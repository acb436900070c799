//! A driver for virtio's network device: that of the crate virtio-drivers, as embassy-net wants it.
//!
//! Frames are moved by the device itself, to and from memory that is lent to it. The interrupt only
//! wakes the network task. What is not used: checksums by the device; the link is taken to be up.

use core::cell::UnsafeCell;
use core::fmt;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::Context;

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState};
use embassy_sync::waitqueue::AtomicWaker;
use virtio_drivers::device::net::VirtIONetRaw;
use virtio_drivers::transport::mmio::MmioTransport;
use virtio_drivers::{BufferDirection, Hal, PAGE_SIZE, PhysAddr};

/// Where the first of the board's slots for virtio is, and how large one is.
const SLOT: usize = 0x1000_1000;
const SLOT_SIZE: usize = 0x1000;
/// What the device calls for; writing a bit clears it.
const INTERRUPT_STATUS: usize = SLOT + 0x60;
const INTERRUPT_ACKNOWLEDGE: usize = SLOT + 0x64;

/// The interrupt of that slot.
pub(super) const INTERRUPT: u32 = 1;

/// The largest frame without its checksum: header 14, content 1500.
const MTU: usize = 1514;

/// Room for a frame behind the device's own header, of which 12 bytes are the most.
const FRAME: usize = 12 + MTU;

/// Frames that can be received before one is taken: as many as the queue has places.
const FRAMES: usize = 4;

/// Pages that two queues of this length take.
const PAGES: usize = 4;

/// The task to wake when a frame arrived or was sent: the network task, the only one that polls the
/// driver.
static WAKER: AtomicWaker = AtomicWaker::new();

/// Memory for frames. Lent to the driver, not held in it: a driver is moved about before it rests
/// in the network task, and the device knows where these are.
#[derive(Debug)]
pub struct Buffers {
    received: [[u8; FRAME]; FRAMES],
    sent: [u8; FRAME],
}

impl Buffers {
    /// Empty ones, for a `static`.
    pub const fn new() -> Self {
        Self { received: [[0; FRAME]; FRAMES], sent: [0; FRAME] }
    }
}

impl Default for Buffers {
    fn default() -> Self {
        Self::new()
    }
}

/// The device of the crate.
type Device = VirtIONetRaw<Memory, MmioTransport<'static>, FRAMES>;

/// The device, set up and running.
pub struct Virtio {
    device: Device,
    buffers: &'static mut Buffers,
    /// Under which token the device has each buffer for what is received.
    lent: [Option<u16>; FRAMES],
    /// Under which token it has the one for what is sent.
    sending: Option<u16>,
    mac: [u8; 6],
}

impl Virtio {
    /// Starts the device under the address `mac`; `None` if it is not there, or does not work.
    pub fn new(buffers: &'static mut Buffers, mac: [u8; 6]) -> Option<Self> {
        let slot = NonNull::new(ptr::with_exposed_provenance_mut(SLOT))?;
        // SAFETY: the board has a slot there, for ever, and nobody else uses it but the interrupt,
        // which has two registers of it for itself.
        let transport = unsafe { MmioTransport::new(slot, SLOT_SIZE) }.ok()?;
        let device = VirtIONetRaw::new(transport).ok()?;
        let mut this = Self { device, buffers, lent: [None; FRAMES], sending: None, mac };
        for index in 0..FRAMES {
            this.lend(index)?;
        }
        Some(this)
    }

    /// Lends a buffer to the device, to receive the next frame but those for which others are lent.
    fn lend(&mut self, index: usize) -> Option<()> {
        let buffer = self.buffers.received.get_mut(index)?;
        // SAFETY: the buffer is static, and as long as `lent` has a token for it only the device
        // uses it: `take` gives it out, which waits for that token.
        let token = unsafe { self.device.receive_begin(buffer) }.ok()?;
        *self.lent.get_mut(index)? = Some(token);
        Some(())
    }

    /// Takes back the buffer with the frame that came next: its number, and where the frame is.
    fn take(&mut self) -> Option<(usize, usize, usize)> {
        loop {
            let token = self.device.poll_receive()?;
            let index = self.lent.iter().position(|lent| *lent == Some(token))?;
            let buffer = self.buffers.received.get_mut(index)?;
            // SAFETY: the buffer that was lent under this token: `lent` says so.
            let taken = unsafe { self.device.receive_complete(token, buffer) };
            *self.lent.get_mut(index)? = None;
            // What is shorter than the device's own header is no frame.
            if let Ok((start, length)) = taken {
                return Some((index, start, start + length));
            }
        }
    }

    /// Lends out again what was taken and read.
    fn give_back(&mut self) {
        for index in 0..FRAMES {
            if self.lent.get(index) == Some(&None) {
                // One that cannot be lent now is with the next frame.
                let _ = self.lend(index);
            }
        }
    }

    /// Whether the buffer for what is sent is free. If not, the device calls when it is.
    fn may_send(&mut self) -> bool {
        if let Some(token) = self.sending
            && self.device.poll_transmit() == Some(token)
        {
            // SAFETY: the buffer that was lent under this token: there is one.
            let _ = unsafe { self.device.transmit_complete(token, &self.buffers.sent) };
            self.sending = None;
        }
        self.sending.is_none()
    }
}

impl Driver for Virtio {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Sending<'a>;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Received<'_>, Sending<'_>)> {
        WAKER.register(cx.waker());
        self.give_back();
        // An answer may be sent while the received frame is still held: room for it comes first.
        if !self.may_send() {
            return None;
        }
        let (index, start, end) = self.take()?;
        let Self { device, buffers, sending, .. } = self;
        let Buffers { received, sent } = &mut **buffers;
        let frame = received.get_mut(index)?.get_mut(start..end)?;
        Some((Received(frame), Sending { device, sent, sending }))
    }

    fn transmit(&mut self, cx: &mut Context<'_>) -> Option<Sending<'_>> {
        WAKER.register(cx.waker());
        let may_send = self.may_send();
        let Self { device, buffers, sending, .. } = self;
        may_send.then_some(Sending { device, sent: &mut buffers.sent, sending })
    }

    fn link_state(&mut self, _cx: &mut Context<'_>) -> LinkState {
        LinkState::Up
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = MTU;
        // No `max_burst_size`, for the reason that lan9118.rs has.
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(self.mac)
    }
}

impl fmt::Debug for Virtio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Virtio").field("mac", &self.mac).finish_non_exhaustive()
    }
}

/// A frame that was received.
#[derive(Debug)]
pub struct Received<'a>(&'a mut [u8]);

impl embassy_net_driver::RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

/// Leave to send a frame.
pub struct Sending<'a> {
    device: &'a mut Device,
    sent: &'a mut [u8; FRAME],
    sending: &'a mut Option<u16>,
}

impl embassy_net_driver::TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let Self { device, sent, sending } = self;
        // It always fits; and if not, nothing is sent.
        let start = device.fill_buffer_header(sent).unwrap_or(0);
        let end = start + len.min(MTU);
        let result = f(sent.get_mut(start..end).unwrap_or_default());
        if let Some(frame) = sent.get(..end) {
            // SAFETY: the buffer is static, and as long as `sending` has a token for it only the
            // device uses it: `may_send` says so before there is another leave.
            *sending = unsafe { device.transmit_begin(frame) }.ok();
        }
        result
    }
}

impl fmt::Debug for Sending<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sending")
    }
}

/// Wakes the network task. The device calls again for what comes from here on.
pub(super) fn interrupt() {
    let status = ptr::with_exposed_provenance::<u32>(INTERRUPT_STATUS);
    let acknowledge = ptr::with_exposed_provenance_mut::<u32>(INTERRUPT_ACKNOWLEDGE);
    // SAFETY: aligned registers of a device that is always there. Nobody else uses these two, and
    // they leave memory alone.
    unsafe { acknowledge.write_volatile(status.read_volatile()) };
    WAKER.wake();
}

/// Pages for the queues, which are given out once and for ever.
#[repr(C, align(4096))]
struct Pages(UnsafeCell<[u8; PAGES * PAGE_SIZE]>);

// SAFETY: no reference into it is ever made, and no page is given out twice.
unsafe impl Sync for Pages {}

static POOL: Pages = Pages(UnsafeCell::new([0; PAGES * PAGE_SIZE]));

/// Pages of the pool that were given out.
static GIVEN: AtomicUsize = AtomicUsize::new(0);

/// Memory as the device sees it: where we see it.
struct Memory;

// SAFETY: pages are zero, aligned as the pool is, given out once, and never taken back; addresses
// are the same for the device and for us.
unsafe impl Hal for Memory {
    fn dma_alloc(pages: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        let first = GIVEN.fetch_add(pages, Ordering::Relaxed);
        if first + pages > PAGES {
            return (0, NonNull::dangling()); // By which the caller knows that there is none.
        }
        // SAFETY: within the pool: the last page asked for is one of it.
        let start = unsafe { POOL.0.get().cast::<u8>().add(first * PAGE_SIZE) };
        let address = start.expose_provenance() as PhysAddr;
        (address, NonNull::new(start).unwrap_or(NonNull::dangling()))
    }

    // SAFETY: nothing is asked of the caller.
    unsafe fn dma_dealloc(_: PhysAddr, _: NonNull<u8>, _: usize) -> i32 {
        0 // They are not given out again: a device is started once.
    }

    // SAFETY: nothing is asked of the caller; and no device behind MMIO asks for it.
    unsafe fn mmio_phys_to_virt(address: PhysAddr, _: usize) -> NonNull<u8> {
        let address = ptr::with_exposed_provenance_mut(address as usize);
        NonNull::new(address).unwrap_or(NonNull::dangling())
    }

    // SAFETY: nothing is asked of the caller but that the buffer is one.
    unsafe fn share(buffer: NonNull<[u8]>, _: BufferDirection) -> PhysAddr {
        buffer.cast::<u8>().as_ptr().expose_provenance() as PhysAddr
    }

    // SAFETY: nothing is asked of the caller: what was shared is where it was.
    unsafe fn unshare(_: PhysAddr, _: NonNull<[u8]>, _: BufferDirection) {}
}
