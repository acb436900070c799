//! Whatever certificates a server shows, to a client with whatever roots: a device accepts none
//! that rustls-webpki refuses, and finds the same key; nothing in them makes it panic.

#![no_main]

#[path = "../../tests/tests/certificates/der.rs"]
#[expect(dead_code, reason = "the tests that it is made for need more of it")]
mod der;
#[path = "../../tests/tests/certificates/judge.rs"]
mod judge;

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use der::{Content, Node, OPERATIONS};
use judge::{Chain, certificate};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use sortie_fuzz::Choices;

fuzz_target!(|bytes: &[u8]| {
    let input = Input::read(bytes);
    let mut chain = Chain { roots: Vec::new(), shown: Vec::new(), host: input.host() };
    for part in &input.parts {
        let to = if part.is_root() { &mut chain.roots } else { &mut chain.shown };
        to.push(part.certificate());
    }
    if !chain.shown.is_empty() {
        judge::judge(&chain, &|| format!("{chain:02x?}"));
    }
});

/// More than a device looks at, and few enough for both to look at each that they mean to.
const PARTS: usize = 7;

/// Hosts that fuzzing would be long to find; the others are its own.
const HOSTS: [&str; 8] = [
    "a.origin.example",
    "A.ORIGIN.example.",
    "10.0.0.1",
    "origin.example",
    "*.origin.example",
    "a_b.origin.example",
    "a",
    "",
];

/// Keys that sign, by their number; `seeds.py` knows the public ones.
static KEYS: LazyLock<[SigningKey; 4]> = LazyLock::new(|| {
    [1, 2, 3, 4].map(|number| {
        let mut secret = [0; 32];
        secret[31] = number;
        SigningKey::from_slice(&secret).expect("a number below the order")
    })
});

/// By the number of the key and what was signed: of most inputs one certificate alone is new, and
/// to sign takes longer than all else.
type Signatures = HashMap<(u8, Vec<u8>), Vec<u8>>;

static SIGNATURES: LazyLock<Mutex<Signatures>> = LazyLock::new(Mutex::default);

/// Which host, and the certificates, of which each is told by a byte, its length and its bytes.
struct Input<'i> {
    host: u8,
    own_host: &'i [u8],
    parts: Vec<Part>,
}

struct Part {
    /// The number of the key that signs it, 4 and more where it is a whole one; 8 more for a root.
    kind: u8,
    bytes: Vec<u8>,
}

impl<'i> Input<'i> {
    fn read(bytes: &'i [u8]) -> Self {
        let mut choices = Choices::new(bytes);
        let host = choices.byte();
        let own_host = choices.bytes(usize::from(host.saturating_sub(128)));
        let mut parts = Vec::new();
        while !choices.is_empty() && parts.len() < PARTS {
            let (kind, length) = (choices.byte(), usize::from(choices.u16()));
            parts.push(Part { kind, bytes: choices.bytes(length).to_vec() });
        }
        Self { host, own_host, parts }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = [&[self.host], self.own_host].concat();
        for part in &self.parts {
            let length = u16::try_from(part.bytes.len()).unwrap_or(u16::MAX);
            bytes.push(part.kind);
            bytes.extend(length.to_le_bytes());
            bytes.extend(&part.bytes[..usize::from(length)]);
        }
        bytes
    }

    fn host(&self) -> String {
        match self.host {
            known @ 0..128 => HOSTS[usize::from(known) % HOSTS.len()].to_owned(),
            _ => String::from_utf8_lossy(self.own_host).into_owned(),
        }
    }
}

impl Part {
    fn is_root(&self) -> bool {
        self.kind & 8 != 0
    }

    fn certificate(&self) -> Vec<u8> {
        match KEYS.get(usize::from(self.kind & 7)) {
            Some(key) => certificate(&self.bytes, &self.signature(key)),
            None => self.bytes.clone(),
        }
    }

    fn signature(&self, key: &SigningKey) -> Vec<u8> {
        let mut known = SIGNATURES.lock().expect("nobody panics while it is locked");
        if known.len() > 5000 {
            known.clear();
        }
        let signature = known.entry((self.kind & 7, self.bytes.clone()));
        let sign = || Signature::to_der(&key.sign(&self.bytes)).as_bytes().to_vec();
        signature.or_insert_with(sign).clone()
    }
}

// A byte more or less is no certificate, as the lengths around it do not fit. So most changes are
// those of a tree, whose lengths follow.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let changed = mutate_tree(&data[..size], seed).filter(|changed| changed.len() <= max_size);
    match changed {
        Some(changed) => {
            data[..changed.len()].copy_from_slice(&changed);
            changed.len()
        }
        None => fuzzer_mutate(data, size, max_size),
    }
});

/// Another input, of which a value in a certificate is another; or none, also by choice.
fn mutate_tree(bytes: &[u8], seed: u32) -> Option<Vec<u8>> {
    let mut numbers = Numbers(seed);
    if numbers.below(4) == 0 {
        return None;
    }
    let mut input = Input::read(bytes);
    let from = numbers.below(input.parts.len().max(1));
    let value = a_value(&input.parts.get(from)?.bytes, &mut numbers)?;
    let to = numbers.below(input.parts.len());
    let part = input.parts.get_mut(to)?;
    let mut tree = Node::of(0x30, Node::read(&part.bytes)?);
    let number = 1 + numbers.below((tree.count() - 1).max(1));
    let how = numbers.below(2 * OPERATIONS.len());
    tree.at(number, &mut |nodes, at| match (OPERATIONS.get(how), how % 4) {
        (Some((_, operation)), _) => operation(nodes, at),
        (None, 0) => nodes[at] = value.clone(),
        (None, 1) => nodes.insert(at, value.clone()),
        (None, _) => {
            let mut content = nodes[at].content_bytes();
            let size = content.len();
            content.resize(size + 16, 0);
            let size = fuzzer_mutate(&mut content, size, size + 16);
            content.truncate(size);
            nodes[at].content = Content::Bytes(content);
        }
    });
    part.bytes = tree.content_bytes();
    Some(input.bytes())
}

/// Some value in a certificate.
fn a_value(bytes: &[u8], numbers: &mut Numbers) -> Option<Node> {
    let mut tree = Node::of(0x30, Node::read(bytes)?);
    let number = 1 + numbers.below((tree.count() - 1).max(1));
    let mut found = None;
    tree.at(number, &mut |nodes, at| found = Some(nodes[at].clone()));
    found
}

/// Numbers that follow from one.
struct Numbers(u32);

impl Numbers {
    /// The next one, below `end`, which is not 0.
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as usize % end
    }
}
