//! The registers of the LAN9118, by the names of its data sheet or plainer ones.

use core::ptr;

/// Where both boards have the controller.
const BASE: usize = 0x4020_0000;

/// How often a busy bit is asked before the controller is given up; microseconds suffice.
const PATIENCE: u32 = 100_000;

/// A register that is accessed directly, by its offset.
#[derive(Clone, Copy, Debug)]
#[repr(usize)]
pub(super) enum Register {
    /// RX_DATA: the next word of the received frame.
    ReceiveData = 0x00,
    /// TX_DATA: commands and words of the frame to send.
    TransmitData = 0x20,
    /// RX_STATUS: takes the next frame's status off its FIFO.
    ReceiveStatus = 0x40,
    /// IRQ_CFG: how the interrupt line behaves.
    InterruptConfig = 0x54,
    /// INT_STS: what happened; writing a bit clears it.
    InterruptStatus = 0x58,
    /// INT_EN: what raises the line.
    InterruptEnable = 0x5c,
    /// BYTE_TEST: always the same value.
    ByteTest = 0x64,
    /// TX_CFG: starts and stops sending.
    TransmitConfig = 0x70,
    /// HW_CFG: reset, and how memory is shared between the FIFOs.
    HardwareConfig = 0x74,
    /// RX_FIFO_INF: statuses waiting in bits 16 to 23.
    ReceiveFifoInfo = 0x7c,
    /// TX_FIFO_INF: bytes free in bits 0 to 15.
    TransmitFifoInfo = 0x80,
    /// MAC_CSR_CMD: starts an access to a register behind the next one.
    MacCommand = 0xa4,
    /// MAC_CSR_DATA: the value read or to write there.
    MacData = 0xa8,
}

/// What [`Register::ByteTest`] reads as, if the controller is there and bytes are in order.
pub(super) const BYTE_TEST: u32 = 0x8765_4321;
/// [`Register::HardwareConfig`]: resets everything; clears itself.
pub(super) const SOFT_RESET: u32 = 1;
/// [`Register::TransmitConfig`]: frames are sent.
pub(super) const TRANSMIT_ON: u32 = 1 << 1;
/// [`Register::TransmitConfig`]: goes on when the FIFO of sent frames' statuses is full. We never
/// read them: a frame that was lost is TCP's business.
pub(super) const STATUS_OVERRUN: u32 = 1 << 2;
/// [`Register::InterruptConfig`]: line on, active high, driven both ways. In QEMU the line is
/// inverted unless both of the latter are set.
pub(super) const INTERRUPT_PIN: u32 = 1 << 8 | 1 << 4 | 1;
/// [`Register::InterruptStatus`] and [`Register::InterruptEnable`]: a received frame waits.
pub(super) const RECEIVED: u32 = 1 << 3;
/// [`Register::ReceiveStatus`]: the frame is damaged.
pub(super) const RECEIVE_ERROR: u32 = 1 << 15;
/// [`Register::TransmitData`], first command: this buffer is both the first and the last.
pub(super) const WHOLE_FRAME: u32 = 1 << 13 | 1 << 12;

/// MAC_CR, reached by [`write_mac`] like the two below: what the MAC does.
pub(super) const MAC_CONTROL: u32 = 1;
/// ADDRH: the last two bytes of the address.
pub(super) const MAC_ADDRESS_HIGH: u32 = 2;
/// ADDRL: the first four bytes of the address.
pub(super) const MAC_ADDRESS_LOW: u32 = 3;
/// [`MAC_CONTROL`]: sends and receives at the same time.
pub(super) const FULL_DUPLEX: u32 = 1 << 20;
/// [`MAC_CONTROL`]: the sender runs.
pub(super) const TRANSMIT_ENABLE: u32 = 1 << 3;
/// [`MAC_CONTROL`]: the receiver runs.
pub(super) const RECEIVE_ENABLE: u32 = 1 << 2;

/// [`Register::MacCommand`]: an access is under way.
const MAC_BUSY: u32 = 1 << 31;

/// Reads a register. For the FIFOs, that takes what was read.
pub(super) fn read(register: Register) -> u32 {
    let address = ptr::with_exposed_provenance::<u32>(BASE + register as usize);
    // SAFETY: an aligned register of a device that is always there, where no Rust object is.
    // The register is one of the list above, and reading any of them leaves memory alone.
    unsafe { address.read_volatile() }
}

/// Writes a register.
pub(super) fn write(register: Register, value: u32) {
    let address = ptr::with_exposed_provenance_mut::<u32>(BASE + register as usize);
    // SAFETY: as in `read`; the controller has no access to memory (no DMA), so that no value
    // written to it can change any.
    unsafe { address.write_volatile(value) }
}

/// Waits until these bits are clear; `None` if they stay.
pub(super) fn wait_clear(register: Register, bits: u32) -> Option<()> {
    (0..PATIENCE).any(|_| read(register) & bits == 0).then_some(())
}

/// Writes one of the registers of the MAC, which are reached through two others.
pub(super) fn write_mac(index: u32, value: u32) -> Option<()> {
    write(Register::MacData, value);
    write(Register::MacCommand, MAC_BUSY | index);
    wait_clear(Register::MacCommand, MAC_BUSY)
}
