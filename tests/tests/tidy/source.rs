//! A Rust file, taken apart as far as the rules need it.

use super::is_test_file;

/// Three views of one file with the same length and the same line ends: `code` has comments and
/// the insides of literals blanked, `comments` has all but the text of comments blanked.
pub(super) struct Source {
    pub(super) path: String,
    pub(super) lines: Vec<String>,
    pub(super) code: String,
    pub(super) comments: String,
    /// First line and inside of every string literal.
    pub(super) strings: Vec<(usize, String)>,
    /// For each line: is it part of an item under `cfg(test)`?
    pub(super) test: Vec<bool>,
}

impl Source {
    pub(super) fn new(path: String, raw: &str) -> Self {
        let mut lexer = Lexer::new(raw);
        lexer.run();
        let code = String::from_utf8(lexer.code).expect("blanked UTF-8 is UTF-8");
        let comments = String::from_utf8(lexer.comments).expect("blanked UTF-8 is UTF-8");
        let lines: Vec<String> = raw.lines().map(str::to_owned).collect();
        let test = test_lines(&code, lines.len());
        Self { path, lines, code, comments, strings: lexer.strings, test }
    }

    pub(super) fn at(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }

    pub(super) fn is_test(&self, line: usize) -> bool {
        is_test_file(&self.path) || self.test.get(line - 1).copied().unwrap_or(false)
    }

    /// Numbered lines of code that are not test code.
    pub(super) fn shipped(&self) -> impl Iterator<Item = (usize, &str)> {
        let numbered = self.code.lines().enumerate().map(|(index, line)| (index + 1, line));
        numbered.filter(|(line, _)| !self.is_test(*line))
    }
}

struct Lexer<'a> {
    raw: &'a [u8],
    at: usize,
    code: Vec<u8>,
    comments: Vec<u8>,
    strings: Vec<(usize, String)>,
}

impl<'a> Lexer<'a> {
    fn new(raw: &'a str) -> Self {
        let raw = raw.as_bytes();
        let blank: Vec<u8> = raw.iter().map(|b| if *b == b'\n' { b'\n' } else { b' ' }).collect();
        Self { raw, at: 0, code: raw.to_vec(), comments: blank, strings: Vec::new() }
    }

    fn run(&mut self) {
        while let Some(&byte) = self.raw.get(self.at) {
            let rest = &self.raw[self.at..];
            match byte {
                b'/' if rest.starts_with(b"//") => self.line_comment(),
                b'/' if rest.starts_with(b"/*") => self.block_comment(),
                b'"' => self.string(),
                b'r' if self.raw_string_hashes().is_some() => self.raw_string(),
                b'\'' => self.quote(),
                _ => self.at += 1,
            }
        }
    }

    fn blank(&mut self, from: usize, to: usize) {
        for byte in &mut self.code[from..to] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
    }

    fn comment(&mut self, from: usize, to: usize) {
        self.blank(from, to);
        let marker = |b: &u8| matches!(b, b'/' | b'*' | b'!');
        let opener = self.raw[from..to].iter().take_while(|b| marker(b)).count();
        self.comments[from + opener..to].copy_from_slice(&self.raw[from + opener..to]);
        self.at = to;
    }

    fn line_comment(&mut self) {
        let rest = &self.raw[self.at..];
        let length = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
        self.comment(self.at, self.at + length);
    }

    fn block_comment(&mut self) {
        let (mut depth, mut end) = (0usize, self.at);
        while end < self.raw.len() {
            let rest = &self.raw[end..];
            if rest.starts_with(b"/*") {
                (depth, end) = (depth + 1, end + 2);
            } else if rest.starts_with(b"*/") {
                (depth, end) = (depth - 1, end + 2);
                if depth == 0 {
                    break;
                }
            } else {
                end += 1;
            }
        }
        self.comment(self.at, end.min(self.raw.len()));
    }

    /// Records what stands from `from` to `to`, blanks it, and goes on after `close` more bytes.
    fn literal(&mut self, from: usize, to: usize, close: usize) {
        let inside = String::from_utf8_lossy(&self.raw[from..to]).into_owned();
        self.strings.push((line_of(self.raw, from), inside));
        self.blank(from, to);
        self.at = (to + close).min(self.raw.len());
    }

    fn string(&mut self) {
        let from = self.at + 1;
        let mut end = from;
        while end < self.raw.len() && self.raw[end] != b'"' {
            end += if self.raw[end] == b'\\' { 2 } else { 1 };
        }
        self.literal(from, end.min(self.raw.len()), 1);
    }

    /// How many `#` a raw string that begins here has; `None` when this `r` is something else.
    fn raw_string_hashes(&self) -> Option<usize> {
        let word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
        let mut before = self.raw[..self.at].iter().rev();
        let prefixed = match before.next() {
            Some(b'b' | b'c') => before.next().is_some_and(word),
            other => other.is_some_and(word),
        };
        let rest = &self.raw[self.at + 1..];
        let hashes = rest.iter().take_while(|b| **b == b'#').count();
        (!prefixed && rest.get(hashes) == Some(&b'"')).then_some(hashes)
    }

    fn raw_string(&mut self) {
        let hashes = self.raw_string_hashes().unwrap_or(0);
        let from = self.at + hashes + 2;
        let mut close = vec![b'"'];
        close.resize(hashes + 1, b'#');
        let rest = &self.raw[from..];
        let inside = rest.windows(close.len()).position(|w| w == close).unwrap_or(rest.len());
        self.literal(from, from + inside, close.len());
    }

    /// A character literal is blanked, a lifetime is left.
    fn quote(&mut self) {
        let rest = &self.raw[self.at + 1..];
        let length = match rest.first() {
            Some(b'\\') => {
                rest.iter().skip(2).position(|b| *b == b'\'').map_or(rest.len(), |n| n + 2)
            }
            Some(first) => {
                let width = first.leading_ones().max(1) as usize;
                if rest.get(width) != Some(&b'\'') {
                    self.at += 1;
                    return;
                }
                width
            }
            None => 0,
        };
        let from = self.at + 1;
        self.blank(from, from + length);
        self.at = (from + length + 1).min(self.raw.len());
    }
}

pub(super) fn line_of(text: &[u8], at: usize) -> usize {
    1 + text[..at].iter().filter(|b| **b == b'\n').count()
}

/// The byte after the item whose head begins at `from`: after its `;` or its closing brace, or
/// where the surrounding block ends.
fn item_end(code: &str, from: usize) -> Item {
    let (mut round, mut curly) = (0usize, 0usize);
    for (offset, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b'(' | b'[' => round += 1,
            b')' | b']' => round = round.saturating_sub(1),
            b';' if round == 0 && curly == 0 => {
                return Item { end: offset + 1, body: false };
            }
            b'{' if round == 0 || curly > 0 => curly += 1,
            b'}' if curly == 0 && round == 0 => {
                return Item { end: offset, body: false };
            }
            b'}' if curly == 1 => {
                return Item { end: offset + 1, body: true };
            }
            b'}' => curly = curly.saturating_sub(1),
            _ => {}
        }
    }
    Item { end: code.len(), body: curly > 0 }
}

struct Item {
    end: usize,
    body: bool,
}

fn test_lines(code: &str, lines: usize) -> Vec<bool> {
    let mut test = vec![false; lines];
    for attribute in ["#[cfg(test)]", "#[cfg(all(test"] {
        for (at, _) in code.match_indices(attribute) {
            let head = at + code[at..].find(']').map_or(0, |n| n + 1);
            let last = line_of(code.as_bytes(), item_end(code, head).end);
            let first = line_of(code.as_bytes(), at);
            test[first - 1..last.min(lines)].fill(true);
        }
    }
    test
}

/// Occurrences of `word` that are not a part of a longer identifier.
pub(super) fn words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).map(|(at, _)| at).filter(move |at| {
        !text[..*at].ends_with(part) && !text[at + word.len()..].starts_with(part)
    })
}

/// Name, first line and length of every function that has a body.
pub(super) fn functions(code: &str) -> Vec<(String, usize, usize)> {
    let mut found = Vec::new();
    for at in words(code, "fn") {
        let after = code[at + 2..].trim_start();
        let part = |c: char| !(c.is_alphanumeric() || c == '_');
        let name = &after[..after.find(part).unwrap_or(after.len())];
        let item = item_end(code, at);
        if !name.is_empty() && item.body {
            let first = line_of(code.as_bytes(), at);
            let last = line_of(code.as_bytes(), item.end - 1);
            found.push((name.to_owned(), first, last - first + 1));
        }
    }
    found
}

#[test]
fn literals_and_comments_are_told_from_code() {
    let text = concat!(
        "fn a<'a>(x: &'a str) { let q = '\"'; let s = \"fn no // {\"; } // fn b() {\n",
        "/* fn c() { /* nested */ } */ fn d() { r#\"a \" fn\"#; b\"host\"; '\\''; br\"\\\" }\n",
    );
    let source = Source::new("x.rs".into(), text);
    let names: Vec<String> = functions(&source.code).into_iter().map(|f| f.0).collect();
    assert_eq!(names, ["a", "d"]);
    let strings: Vec<&str> = source.strings.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(strings, ["fn no // {", "a \" fn", "host", "\\"]);
    assert!(source.comments.contains("fn b() {") && !source.comments.contains("//"));
    assert_eq!(source.code.len(), text.len());
}

#[test]
fn lines_under_cfg_test_are_known() {
    let text =
        "#[cfg(test)]\nextern crate std;\nfn a() {}\n#[cfg(test)]\nmod tests {\n}\nfn b() {}";
    let source = Source::new("core/src/x.rs".into(), text);
    assert_eq!(source.test, [true, true, false, true, true, true, false]);
}

#[test]
pub(super) fn functions_are_measured_from_signature_to_brace() {
    let text =
        "pub fn long(\n    a: [u8; 2],\n) -> Option<[u8; 3]>\nwhere\n{\n    if x {\n    }\n}\n";
    assert_eq!(functions(text), [("long".to_owned(), 1, 8)]);
    assert_eq!(functions("trait T { fn f(&self); }\nlet p: fn(u8) = g;"), []);
}
