//! DER as a tree, to be changed and written again, also in ways that DER forbids. `fuzz/` has this
//! file, too.

const OCTET_STRING: u8 = 0x04;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) tag: u8,
    pub(super) content: Content,
    /// Bytes of its length that are not needed.
    pub(super) padding: u8,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    Bytes(Vec<u8>),
    /// Values; they may also be in a string of octets.
    Nodes(Vec<Node>),
}

impl Node {
    pub(super) fn new(tag: u8, bytes: &[u8]) -> Self {
        Self { tag, content: Content::Bytes(bytes.to_vec()), padding: 0 }
    }

    pub(super) fn of(tag: u8, nodes: Vec<Self>) -> Self {
        Self { tag, content: Content::Nodes(nodes), padding: 0 }
    }

    /// The values in these bytes, if that is what they are.
    pub(super) fn read(mut bytes: &[u8]) -> Option<Vec<Self>> {
        let mut nodes = Vec::new();
        while let [tag, first, rest @ ..] = bytes {
            let count = usize::from(first.saturating_sub(0x80));
            let (more, rest) = rest.split_at_checked(count)?;
            let length = match first {
                0..=0x7f => usize::from(*first),
                _ => more.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)),
            };
            let (content, behind) = rest.split_at_checked(length)?;
            let inside = match *tag {
                OCTET_STRING => Self::read(content).filter(|nodes| nodes.len() == 1),
                tag if tag & 0x20 != 0 => Some(Self::read(content)?),
                _ => None,
            };
            nodes.push(inside.map_or_else(|| Self::new(*tag, content), |all| Self::of(*tag, all)));
            bytes = behind;
        }
        bytes.is_empty().then_some(nodes)
    }

    /// The one value in these bytes.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let mut nodes = Self::read(bytes).expect("DER");
        assert_eq!(nodes.len(), 1);
        nodes.remove(0)
    }

    pub(super) fn content_bytes(&self) -> Vec<u8> {
        match &self.content {
            Content::Bytes(bytes) => bytes.clone(),
            Content::Nodes(nodes) => nodes.iter().flat_map(Self::bytes).collect(),
        }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let content = self.content_bytes();
        let length = content.len().to_be_bytes();
        let zeros = length.iter().take_while(|byte| **byte == 0).count().min(length.len() - 1);
        let (padding, length) = (vec![0; usize::from(self.padding)], &length[zeros..]);
        let mut bytes = vec![self.tag];
        if content.len() > 0x7f || !padding.is_empty() {
            bytes.push(0x80 | (padding.len() + length.len()) as u8);
        }
        [bytes, padding, length.to_vec(), content].concat()
    }

    /// What is in it.
    pub(super) fn nodes(&mut self) -> &mut Vec<Self> {
        match &mut self.content {
            Content::Nodes(nodes) => nodes,
            Content::Bytes(bytes) => panic!("{bytes:?} has no parts"),
        }
    }

    /// How many values there are in it, with itself.
    pub(super) fn count(&self) -> usize {
        match &self.content {
            Content::Nodes(nodes) => 1 + nodes.iter().map(Self::count).sum::<usize>(),
            Content::Bytes(_) => 1,
        }
    }

    /// Changes the parts of the value in which the one is that has this number, and says its place
    /// among them. The value itself, which is number 0, is part of none.
    pub(super) fn at(&mut self, number: usize, change: &mut dyn FnMut(&mut Vec<Self>, usize)) {
        let Content::Nodes(nodes) = &mut self.content else { return };
        let mut passed = 1;
        for place in 0..nodes.len() {
            if passed == number {
                return change(nodes, place);
            }
            let count = nodes[place].count();
            if number < passed + count {
                return nodes[place].at(number - passed, change);
            }
            passed += count;
        }
    }
}

pub(super) type Operation = fn(&mut Vec<Node>, usize);

/// What is done to one value of a certificate.
pub(super) const OPERATIONS: [(&str, Operation); 16] = [
    ("left out", |nodes, at| drop(nodes.remove(at))),
    ("twice", |nodes, at| nodes.insert(at, nodes[at].clone())),
    ("last", |nodes, at| nodes[at..].rotate_left(1)),
    ("first", |nodes, at| nodes.swap(at, 0)),
    ("empty", |nodes, at| nodes[at].content = Content::Bytes(Vec::new())),
    ("one byte longer", |nodes, at| change(&mut nodes[at], |bytes| bytes.push(0))),
    ("one byte more before", |nodes, at| change(&mut nodes[at], |bytes| bytes.insert(0, 0))),
    ("one byte shorter", |nodes, at| {
        change(&mut nodes[at], |bytes| bytes.truncate(bytes.len().saturating_sub(1)))
    }),
    ("without its first byte", |nodes, at| {
        change(&mut nodes[at], |bytes| *bytes = bytes.get(1..).unwrap_or_default().to_vec());
    }),
    ("of a long length", |nodes, at| nodes[at].padding = 1),
    ("of a longer length", |nodes, at| nodes[at].padding = 2),
    ("with parts", |nodes, at| nodes[at].tag ^= 0x20),
    ("of a high tag", |nodes, at| nodes[at].tag |= 0x1f),
    ("nothing", |nodes, at| nodes[at] = Node::new(5, &[])),
    ("followed by nothing", |nodes, at| nodes.insert(at + 1, Node::new(5, &[]))),
    ("within another", |nodes, at| nodes[at] = Node::of(0x30, vec![nodes[at].clone()])),
];

fn change(node: &mut Node, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = node.content_bytes();
    change(&mut bytes);
    node.content = Content::Bytes(bytes);
}
