//! A driver for the LAN9118 Ethernet controller.
//!
//! The controller keeps frames in two FIFOs which are read and written a word at a time. Received
//! frames raise an interrupt that only wakes the network task; frames are moved by that task, so
//! that nothing long happens inside the interrupt. What is not used: checksums in hardware, the
//! multicast filter, and power management; the link is taken to be up.

use core::task::Context;

use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::NVIC;
use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState};
use embassy_sync::waitqueue::AtomicWaker;

use super::registers::{self as regs, Register as R};

/// The controller's interrupt on both boards.
pub(super) const INTERRUPT: i16 = 13;

/// The largest frame without its checksum: header 14, content 1500.
const MTU: usize = 1514;

/// Room for the largest frame with its checksum, in whole words.
const FRAME: usize = 1520;

/// The checksum (CRC) that ends every received frame.
const CHECKSUM: usize = 4;

/// The task to wake when a frame arrives: the network task, the only one that polls the driver.
static WAKER: AtomicWaker = AtomicWaker::new();

/// One frame each way. Lent to the driver, not held in it: a driver is moved about before it
/// rests in the network task, and these would be moved with it, over the stack.
#[derive(Debug)]
pub struct Buffers {
    received: [u8; FRAME],
    sent: [u8; FRAME],
}

impl Buffers {
    /// Empty ones, for a `static`.
    pub const fn new() -> Self {
        Self { received: [0; FRAME], sent: [0; FRAME] }
    }
}

impl Default for Buffers {
    fn default() -> Self {
        Self::new()
    }
}

/// The controller, set up and running.
#[derive(Debug)]
pub struct Lan9118 {
    buffers: &'static mut Buffers,
    mac: [u8; 6],
}

impl Lan9118 {
    /// Resets the controller and starts it under the address `mac`; `None` if it does not answer.
    pub fn new(buffers: &'static mut Buffers, mac: [u8; 6]) -> Option<Self> {
        if regs::read(R::ByteTest) != regs::BYTE_TEST {
            return None;
        }
        regs::write(R::HardwareConfig, regs::SOFT_RESET);
        regs::wait_clear(R::HardwareConfig, regs::SOFT_RESET)?;
        // 5 KB for frames to send; the other 11 KB hold frames received, and their statuses.
        regs::write(R::HardwareConfig, 5 << 16);

        let [a, b, c, d, e, f] = mac;
        regs::write_mac(regs::MAC_ADDRESS_HIGH, u32::from_le_bytes([e, f, 0, 0]))?;
        regs::write_mac(regs::MAC_ADDRESS_LOW, u32::from_le_bytes([a, b, c, d]))?;
        let run = regs::FULL_DUPLEX | regs::TRANSMIT_ENABLE | regs::RECEIVE_ENABLE;
        regs::write_mac(regs::MAC_CONTROL, run)?;
        regs::write(R::TransmitConfig, regs::TRANSMIT_ON | regs::STATUS_OVERRUN);

        regs::write(R::InterruptConfig, regs::INTERRUPT_PIN);
        // SAFETY: the handler may run from here on. It shares nothing with code that it may
        // interrupt but the waker, which is made for that, and one register; see `interrupt`.
        unsafe { NVIC::unmask(Line) };
        Some(Self { buffers, mac })
    }

    /// Moves the next good frame into the buffer, and returns its length.
    fn next_frame(&mut self) -> Option<usize> {
        while (regs::read(R::ReceiveFifoInfo) >> 16) & 0xff != 0 {
            let status = regs::read(R::ReceiveStatus);
            let length = ((status >> 16) & 0x3fff) as usize;
            let words = length.div_ceil(4);
            let mut room = self.buffers.received.chunks_exact_mut(4);
            for _ in 0..words {
                // Read even if there is no room: the next frame is behind it.
                let word = regs::read(R::ReceiveData);
                if let Some(room) = room.next() {
                    room.copy_from_slice(&word.to_le_bytes());
                }
            }
            if status & regs::RECEIVE_ERROR == 0 && (CHECKSUM..=FRAME).contains(&length) {
                return Some(length - CHECKSUM);
            }
        }
        None
    }

    /// Whether the FIFO takes another frame. If not, the caller is woken at once to ask again: the
    /// wire empties 5 KB in less than half a millisecond, too soon to be worth an interrupt.
    fn may_send(&self, cx: &Context<'_>) -> bool {
        let room =
            (regs::read(R::TransmitFifoInfo) & 0xffff) as usize >= FRAME + 2 * size_of::<u32>();
        if !room {
            cx.waker().wake_by_ref();
        }
        room
    }
}

impl Driver for Lan9118 {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Sending<'a>;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Received<'_>, Sending<'_>)> {
        // An answer may be sent while the received frame is still held: room for it comes first.
        if !self.may_send(cx) {
            return None;
        }
        WAKER.register(cx.waker());
        let length = match self.next_frame() {
            Some(length) => length,
            None => {
                regs::write(R::InterruptStatus, regs::RECEIVED);
                regs::write(R::InterruptEnable, regs::RECEIVED);
                // Looked at once more: a frame may have come before the status was cleared.
                self.next_frame()?
            }
        };
        let Buffers { received, sent } = &mut *self.buffers;
        Some((Received(received.get_mut(..length)?), Sending(sent)))
    }

    fn transmit(&mut self, cx: &mut Context<'_>) -> Option<Sending<'_>> {
        self.may_send(cx).then_some(Sending(&mut self.buffers.sent))
    }

    fn link_state(&mut self, _cx: &mut Context<'_>) -> LinkState {
        LinkState::Up
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = MTU;
        // `max_burst_size` stays `None`. A number would be taken as the most frames that may be
        // under way, clamp the TCP window to it, and wait for a delayed acknowledgement each time.
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(self.mac)
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
#[derive(Debug)]
pub struct Sending<'a>(&'a mut [u8; FRAME]);

impl embassy_net_driver::TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let len = len.min(MTU);
        let result = f(self.0.split_at_mut(len).0);
        send(len, self.0);
        result
    }
}

/// Writes a frame to the FIFO, in whole words; the controller drops what is behind `len`.
fn send(len: usize, frame: &[u8; FRAME]) {
    regs::write(R::TransmitData, regs::WHOLE_FRAME | len as u32);
    regs::write(R::TransmitData, len as u32);
    for word in frame.split_at(len.next_multiple_of(4)).0.as_chunks().0 {
        regs::write(R::TransmitData, u32::from_le_bytes(*word));
    }
}

/// Wakes the network task, and keeps quiet until that task has emptied the FIFO: the line stays
/// raised as long as a frame is there.
pub(super) fn interrupt() {
    regs::write(R::InterruptEnable, 0);
    WAKER.wake();
}

/// The interrupt line, in the form that the interrupt controller takes.
#[derive(Clone, Copy)]
struct Line;

// SAFETY: always the same number, and one that both boards have.
unsafe impl InterruptNumber for Line {
    fn number(self) -> u16 {
        INTERRUPT as u16
    }
}
