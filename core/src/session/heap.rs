//! A leftist heap whose links lie in the things it holds.
//!
//! The right spine of a leftist tree of `n` nodes has at most log2(n + 1) of them, and everything
//! is done by merging two such spines: so adding, and taking any node out, is O(log n) in the worst
//! case, without an array to keep dense and without recursion.

/// Links to nothing. No table has an item of this number.
pub(super) const NIL: u16 = u16::MAX;

/// What a node of a heap holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Links {
    /// `NIL` at the root.
    pub(super) parent: u16,
    pub(super) left: u16,
    pub(super) right: u16,
    /// Nodes of the right spine from here; 0 where the node is in no heap.
    pub(super) rank: u8,
}

impl Links {
    /// Of a node in no heap, and of `NIL`.
    pub(super) const OUT: Self = Self { parent: NIL, left: NIL, right: NIL, rank: 0 };
    /// Of the one node of a heap.
    const ALONE: Self = Self { rank: 1, ..Self::OUT };
}

/// The nodes of some heaps, by number.
pub(super) trait Nodes {
    /// [`Links::OUT`] for `NIL`.
    fn links(&self, at: u16) -> Links;
    /// `None` for `NIL`.
    fn links_mut(&mut self, at: u16) -> Option<&mut Links>;
    /// Whether `a` comes before `b`: a strict order.
    fn is_before(&self, a: u16, b: u16) -> bool;
}

/// Adds a node that is in no heap. Returns the root.
#[inline]
pub(super) fn insert(nodes: &mut impl Nodes, root: u16, at: u16) -> u16 {
    if let Some(links) = nodes.links_mut(at) {
        *links = Links::ALONE;
    }
    if root == NIL { at } else { merge(nodes, root, at) }
}

/// Takes a node out, wherever in the heap it is. Returns the root.
///
/// The node itself is compared with nothing, so that its place in the order may have changed.
#[inline]
pub(super) fn remove(nodes: &mut impl Nodes, root: u16, at: u16) -> u16 {
    let Some(links) = nodes.links_mut(at) else {
        return root;
    };
    let alone = *links == Links::ALONE;
    let links = core::mem::replace(links, Links::OUT);
    // The usual case, where hardly anything is queued.
    if alone { NIL } else { remove_from(nodes, root, at, links) }
}

/// Closes the gap that a node leaves which had these links.
fn remove_from(nodes: &mut impl Nodes, root: u16, at: u16, links: Links) -> u16 {
    let Links { parent, left, right, rank: _ } = links;
    let below = if right == NIL { left } else { merge(nodes, left, right) };
    set_parent(nodes, below, parent);
    let Some(above) = nodes.links_mut(parent) else {
        return below;
    };
    if above.left == at {
        above.left = below;
    } else {
        above.right = below;
    }
    // A rank that changes decides its parent's, so each step is at a rank one higher than the last:
    // they are as few as the nodes of a spine.
    let mut next = parent;
    while next != NIL {
        next = balance(nodes, next).unwrap_or(NIL);
    }
    root
}

/// Makes one heap of two, neither of them empty. Returns its root.
fn merge(nodes: &mut impl Nodes, mut a: u16, mut b: u16) -> u16 {
    // Down both right spines, which become one.
    let (mut root, mut last) = (NIL, NIL);
    while a != NIL && b != NIL {
        if nodes.is_before(b, a) {
            (a, b) = (b, a);
        }
        hang(nodes, last, a);
        if last == NIL {
            root = a;
        }
        last = a;
        a = nodes.links(a).right;
    }
    hang(nodes, last, if a == NIL { b } else { a });
    // Up again, with the longer of two spines to the left.
    while last != NIL {
        let parent = nodes.links(last).parent;
        balance(nodes, last);
        last = parent;
    }
    root
}

/// Makes `at` the right child of `last`, or the root if there is no `last`.
fn hang(nodes: &mut impl Nodes, last: u16, at: u16) {
    if let Some(links) = nodes.links_mut(last) {
        links.right = at;
    }
    set_parent(nodes, at, last);
}

fn set_parent(nodes: &mut impl Nodes, at: u16, parent: u16) {
    if let Some(links) = nodes.links_mut(at) {
        links.parent = parent;
    }
}

/// Sets the longer spine of a node to the left, and its rank. Returns its parent if its rank has
/// changed: then that one's may have to change too.
fn balance(nodes: &mut impl Nodes, at: u16) -> Option<u16> {
    let links = nodes.links(at);
    let (left, right) = (nodes.links(links.left).rank, nodes.links(links.right).rank);
    let rank = left.min(right).saturating_add(1);
    let links = nodes.links_mut(at)?;
    if left < right {
        core::mem::swap(&mut links.left, &mut links.right);
    }
    let changes = links.rank != rank;
    links.rank = rank;
    changes.then_some(links.parent)
}
