//! A request as an origin reads it: a second, plain decoder, which takes nothing but what it must.

/// What was read of a request.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) method: String,
    pub(super) target: String,
    /// Names in lower case.
    pub(super) fields: Vec<(String, String)>,
    /// Bytes of the head; 0 while it is not whole.
    pub(super) head: u64,
    /// Bytes of content.
    pub(super) content: u64,
    /// All bytes.
    pub(super) count: u64,
    line: Vec<u8>,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Start,
    Field,
    Length(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    LastLine,
    Done,
}

impl Incoming {
    pub(super) fn new() -> Self {
        Self {
            method: String::new(),
            target: String::new(),
            fields: Vec::new(),
            head: 0,
            content: 0,
            count: 0,
            line: Vec::new(),
            stage: Stage::Start,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    /// The value of a field that may stand once.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(is, _)| is == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} twice in {self:?}");
        value
    }

    /// Takes a byte, which is content if it is returned.
    ///
    /// # Panics
    /// If it cannot stand here.
    pub(super) fn take(&mut self, byte: u8) -> Option<u8> {
        assert!(self.stage != Stage::Done, "{byte:?} behind the end of {self:?}");
        self.count += 1;
        match self.stage {
            Stage::Length(left) => {
                self.content += 1;
                self.stage = if left == 1 { Stage::Done } else { Stage::Length(left - 1) };
                return Some(byte);
            }
            Stage::Chunk(left) => {
                self.content += 1;
                self.stage = if left == 1 { Stage::ChunkEnd } else { Stage::Chunk(left - 1) };
                return Some(byte);
            }
            Stage::Start | Stage::Field | Stage::ChunkSize | Stage::ChunkEnd | Stage::LastLine => {
                self.line.push(byte)
            }
            Stage::Done => {}
        }
        if byte == b'\n' {
            let line = std::mem::take(&mut self.line);
            let line = line.strip_suffix(b"\r\n").expect("lines end in CR LF");
            let line = std::str::from_utf8(line).expect("lines are ASCII").to_owned();
            self.take_line(&line);
        }
        None
    }

    fn take_line(&mut self, line: &str) {
        self.stage = match self.stage {
            Stage::Start => {
                let parts: Vec<_> = line.split(' ').collect();
                let [method, target, "HTTP/1.1"] = parts[..] else {
                    panic!("a request line: {line:?}");
                };
                (self.method, self.target) = (method.to_owned(), target.to_owned());
                Stage::Field
            }
            Stage::Field if line.is_empty() => {
                self.head = self.count;
                self.body_stage()
            }
            Stage::Field => {
                let (name, value) = line.split_once(": ").expect("a field line");
                self.fields.push((name.to_ascii_lowercase(), value.to_owned()));
                Stage::Field
            }
            Stage::ChunkSize => match u64::from_str_radix(line, 16).expect("a chunk size") {
                0 => Stage::LastLine,
                size => Stage::Chunk(size),
            },
            Stage::ChunkEnd => {
                assert!(line.is_empty(), "behind a chunk: {line:?}");
                Stage::ChunkSize
            }
            Stage::LastLine => {
                assert!(line.is_empty(), "a trailer: {line:?}");
                Stage::Done
            }
            Stage::Length(_) | Stage::Chunk(_) | Stage::Done => unreachable!("not in a line"),
        };
    }

    fn body_stage(&self) -> Stage {
        let length = self.value("content-length");
        match (self.value("transfer-encoding"), length) {
            (None, None | Some("0")) => Stage::Done,
            (None, Some(length)) => Stage::Length(length.parse().expect("a length")),
            (Some(coding), None) => {
                assert_eq!(coding, "chunked");
                Stage::ChunkSize
            }
            (Some(_), Some(_)) => panic!("a length and a coding: {self:?}"),
        }
    }
}
