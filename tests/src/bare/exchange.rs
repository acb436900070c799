//! Bytes moved as the task says.

use std::io;
use std::task::Poll;

use sortie_core::{
    Advance, Broken, Io, RangeFields, Receive, RequestHead, ResponseHead, Send, Url,
};

use super::Runner;
use crate::contract::Input;
use crate::trace::Told;

impl Runner<'_> {
    /// Does one thing that the connection may be used for, or else lets time pass.
    pub(super) fn exchange(&mut self) {
        let Io { send, receive } = self.task.io(self.drive.room);
        let moved = match self.drive.receives_first {
            true => self.receive(receive) || self.send(send),
            false => self.send(send) || self.receive(receive),
        };
        if !moved {
            self.wait();
        }
    }

    pub(super) fn send(&mut self, what: Option<Send>) -> bool {
        match what {
            None => return false,
            Some(Send::Encode) => {
                let mut output = vec![0; self.drive.output];
                let range = self.resume.filter(|_| self.task.sends_range());
                let range = range.as_ref().map(RangeFields::new);
                let added = range.as_ref().map(RangeFields::fields);
                let head = RequestHead {
                    request: self.request,
                    target: Url::parse(&self.target).expect("a target is a URL"),
                    added: added.as_ref().map_or(&[], |fields| fields),
                };
                let result = self.task.encode(&head, &mut output);
                let count = self.reported(result, Input::Other);
                assert!(count > 0, "something is encoded where there is room");
                output.truncate(count);
                self.encoded = output;
                self.encode_behind();
            }
            Some(Send::Write { before, from, max, after }) => {
                assert!(before + max + after > 0, "there is something to write");
                let body = self.body.bytes();
                let rest = body.get(usize::try_from(from).expect("a small body")..);
                let rest = rest.expect("the body is that long");
                let data = rest.get(..max).unwrap_or(rest);
                let behind = if data.len() == max { last(&self.behind, after) } else { &[] };
                let pieces = [last(&self.encoded, before), data, behind];
                let bytes = match self.drive.gathers {
                    true => pieces.concat(),
                    false => {
                        pieces.iter().find(|piece| !piece.is_empty()).unwrap_or(&&[][..]).to_vec()
                    }
                };
                return self.write(&bytes);
            }
            Some(Send::Source { from }) => {
                let count = self.body.at_hand(from);
                let result = self.task.handle_source(self.at(), count);
                self.reported(result, Input::Moved);
            }
        }
        true
    }

    /// What goes behind a chunk's data is encoded ahead where it is written with it.
    fn encode_behind(&mut self) {
        if self.drive.gathers {
            let mut output = vec![0; self.drive.output];
            let result = self.task.encode_behind(&mut output);
            output.truncate(self.reported(result, Input::Other));
            self.behind = output;
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> bool {
        let now = self.now;
        let peer = self.peer.as_mut().expect("a connection to write to");
        let Poll::Ready(written) = peer.write(now, bytes) else {
            return false;
        };
        self.obey();
        match written {
            Ok(count) => {
                let result = self.task.handle_sent(self.at(), count);
                self.reported(result, Input::Moved);
            }
            Err(_) => {
                let result = self.task.handle_broken(Broken::Sending);
                self.reported(result, Input::Other);
            }
        }
        true
    }

    pub(super) fn receive(&mut self, what: Option<Receive>) -> bool {
        match what {
            None => false,
            Some(Receive::HeadAgain) => {
                self.head();
                true
            }
            Some(Receive::Head) => {
                let room = self.drive.input.saturating_sub(self.input.len());
                assert!(room > 0, "a full buffer is refused, not asked for more");
                let Some(bytes) = self.read(room) else {
                    return false;
                };
                self.input.extend(&bytes);
                if !bytes.is_empty() {
                    self.head();
                }
                true
            }
            Some(Receive::Body { max }) => {
                assert!(max <= self.drive.room, "no more than there is room for");
                if self.input.is_empty() {
                    let Some(bytes) = self.read(max) else {
                        return false;
                    };
                    if !bytes.is_empty() {
                        self.take_body(bytes);
                    }
                } else {
                    let held = self.input.split_off(max.min(self.input.len()));
                    let bytes = std::mem::replace(&mut self.input, held);
                    self.obey();
                    self.take_body(bytes);
                }
                true
            }
            Some(Receive::Discard { max }) => {
                assert!(max > 0, "something is to be read");
                let bytes = if self.input.is_empty() {
                    let Some(bytes) = self.read(max.min(self.drive.room)) else {
                        return false;
                    };
                    bytes
                } else {
                    let held = self.input.split_off(max.min(self.input.len()));
                    let bytes = std::mem::replace(&mut self.input, held);
                    self.obey();
                    bytes
                };
                if !bytes.is_empty() {
                    self.discard(bytes);
                }
                true
            }
        }
    }

    pub(super) fn discard(&mut self, mut bytes: Vec<u8>) {
        let before = self.task.counts().received;
        let result = self.task.handle_body(self.at(), &mut bytes);
        assert_eq!(self.reported(result, Input::Moved), 0, "nobody wants it");
        assert_eq!(self.task.counts().received, before, "it is not counted");
    }

    /// Reads, and reports an end. `None`: nothing is there. An empty read was reported.
    pub(super) fn read(&mut self, room: usize) -> Option<Vec<u8>> {
        let now = self.now;
        let peer = self.peer.as_mut().expect("a connection to read from");
        let mut bytes = vec![0; room.min(peer.unread().max(1))];
        let Poll::Ready(read) = peer.read(now, &mut bytes) else {
            return None;
        };
        self.obey();
        bytes.truncate(self.report_end(read));
        Some(bytes)
    }

    pub(super) fn report_end(&mut self, read: io::Result<usize>) -> usize {
        let result = match read {
            Ok(0) => self.task.handle_end(),
            Ok(count) => return count,
            Err(_) => self.task.handle_broken(Broken::Receiving),
        };
        self.reported(result, Input::Other);
        0
    }

    pub(super) fn head(&mut self) {
        let full = self.input.len() == self.drive.input;
        let now = self.at();
        let result = self.task.handle_head(now, &mut self.input, full, &mut self.index);
        let Advance { drop, head } = self.reported(result, Input::Moved);
        assert!(drop == 0 || head == 0, "one head at a time");
        if head > 0 {
            let bytes = self.input.get(..head).expect("within the input");
            self.head = bytes.to_vec();
            self.final_head = Some(Told::response(&ResponseHead::new(bytes, &self.index)));
        }
        self.input.drain(..drop + head);
    }

    pub(super) fn take_body(&mut self, mut bytes: Vec<u8>) {
        let mut content = Vec::new();
        if self.drive.takes_runs {
            let mut rest = bytes.as_slice();
            loop {
                let result = self.task.handle_run(self.at(), rest);
                let run = self.reported(result, Input::Moved);
                content.extend(&rest[run.framing..run.consumed()]);
                rest = &rest[run.consumed()..];
                let goes_on = matches!(self.task.io(1).receive, Some(Receive::Body { .. }));
                if run.consumed() == 0 || !goes_on {
                    break;
                }
            }
        } else {
            let result = self.task.handle_body(self.at(), &mut bytes);
            let count = self.reported(result, Input::Moved);
            bytes.truncate(count);
            content = bytes;
        }
        self.content.extend(&content);
        if !content.is_empty() {
            let result = self.task.handle_delivered(self.at(), content.len() as u64);
            self.reported(result, Input::Moved);
        }
    }
}

/// The last `count` bytes of what was encoded.
fn last(encoded: &[u8], count: usize) -> &[u8] {
    let from = encoded.len().checked_sub(count);
    &encoded[from.expect("no more than was encoded")..]
}
