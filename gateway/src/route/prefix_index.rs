//! Longest-prefix search over many prefixes in a handful of hash probes; the same for suffixes.
//!
//! Binary search over the distinct prefix lengths (Waldvogel et al., SIGCOMM 1997): each prefix leaves markers at the
//! lengths where the search for it must turn to longer ones, and every marker knows the longest prefix that it covers,
//! so that a wrong turn never needs a way back. Shorter prefixes of the found one follow by parent links.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use rustc_hash::FxBuildHasher;

/// From which end of a text its parts are taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum End {
    #[default]
    Front,
    Back,
}

impl End {
    /// The part of that length; `None` if the text is shorter.
    fn part(self, text: &[u8], length: usize) -> Option<&[u8]> {
        match self {
            End::Front => text.get(..length),
            End::Back => text.get(text.len().checked_sub(length)?..),
        }
    }
}

/// Prefixes (or suffixes), each with the ordered list of what hangs on it.
#[derive(Debug, Default)]
pub(super) struct PrefixIndex {
    end: End,
    /// Distinct lengths, ascending.
    lengths: Box<[usize]>,
    /// Prefixes and markers: index into `nodes` of the longest prefix covered, if any.
    table: HashMap<Box<[u8]>, Option<u32>, FxBuildHasher>,
    nodes: Box<[Node]>,
}

#[derive(Debug)]
struct Node {
    /// Of the prefix, in bytes.
    length: u32,
    parent: Option<u32>,
    first: u32,
    /// Most have only one.
    others: Vec<u32>,
}

impl PrefixIndex {
    /// Builds the index. `entries`: prefix and item, items ascending.
    pub(super) fn new(end: End, entries: &[(&[u8], u32)]) -> Self {
        let mut by_prefix: HashMap<&[u8], u32, FxBuildHasher> = HashMap::default();
        let mut prefixes: Vec<&[u8]> = Vec::new();
        let mut nodes: Vec<Node> = Vec::new();
        for (prefix, item) in entries {
            match by_prefix.entry(prefix) {
                Entry::Occupied(node) => nodes[*node.get() as usize].others.push(*item),
                Entry::Vacant(vacant) => {
                    vacant.insert(nodes.len() as u32);
                    prefixes.push(prefix);
                    nodes.push(Node { length: prefix.len() as u32, parent: None, first: *item, others: Vec::new() });
                }
            }
        }
        let mut lengths: Vec<usize> = prefixes.iter().map(|p| p.len()).collect();
        lengths.sort_unstable();
        lengths.dedup();
        let longest = |text: &[u8]| {
            lengths.iter().rev().filter_map(|n| end.part(text, *n)).find_map(|part| by_prefix.get(part).copied())
        };
        let mut table: HashMap<Box<[u8]>, Option<u32>, FxBuildHasher> = HashMap::default();
        for prefix in &prefixes {
            let own = by_prefix.get(prefix).copied();
            table.insert((*prefix).into(), own);
            for marker in search_path(&lengths, prefix.len()).into_iter().filter_map(|n| end.part(prefix, n)) {
                table.entry(marker.into()).or_insert_with(|| longest(marker));
            }
        }
        for (node, prefix) in nodes.iter_mut().zip(&prefixes) {
            node.parent = prefix.len().checked_sub(1).and_then(|n| end.part(prefix, n)).and_then(longest);
        }
        PrefixIndex { end, lengths: lengths.into(), table, nodes: nodes.into() }
    }

    /// Nothing is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Calls `found` with the items of all prefixes of `text` and their lengths, the longest prefix first.
    pub(super) fn for_each_match(&self, text: &[u8], mut found: impl FnMut(u32, usize)) {
        let mut next = self.longest(text);
        while let Some(node) = next.and_then(|node| self.nodes.get(node as usize)) {
            found(node.first, node.length as usize);
            for item in &node.others {
                found(*item, node.length as usize);
            }
            next = node.parent;
        }
    }

    fn longest(&self, text: &[u8]) -> Option<u32> {
        let covered = |length: usize| self.end.part(text, length).and_then(|key| self.table.get(key));
        if let [only] = *self.lengths {
            return covered(only).copied().flatten();
        }
        let mut lengths = &*self.lengths;
        let mut best = None;
        while let Some(length) = lengths.get(lengths.len() / 2) {
            let (shorter, longer) = lengths.split_at(lengths.len() / 2);
            match covered(*length) {
                Some(covered) => {
                    best = covered.or(best);
                    lengths = &longer[1..];
                }
                None => lengths = shorter,
            }
        }
        best
    }
}

/// The lengths at which the binary search for a prefix of length `target` must turn to longer ones.
fn search_path(lengths: &[usize], target: usize) -> Vec<usize> {
    let (mut low, mut high) = (0, lengths.len());
    let mut turns = Vec::new();
    while low < high {
        let middle = (low + high) / 2;
        if lengths[middle] < target {
            turns.push(lengths[middle]);
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    turns
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(prefixes: &[&str], text: &str) -> Vec<u32> {
        let entries: Vec<(&[u8], u32)> = prefixes.iter().enumerate().map(|(n, p)| (p.as_bytes(), n as u32)).collect();
        let mut found = Vec::new();
        PrefixIndex::new(End::Front, &entries).for_each_match(text.as_bytes(), |item, _| found.push(item));
        // From the back the mirrored prefixes fit the mirrored text.
        let mirrored: Vec<(Vec<u8>, u32)> =
            entries.iter().map(|(prefix, item)| (prefix.iter().rev().copied().collect(), *item)).collect();
        let suffixes: Vec<(&[u8], u32)> = mirrored.iter().map(|(suffix, item)| (suffix.as_slice(), *item)).collect();
        let mut from_back = Vec::new();
        let text: Vec<u8> = text.bytes().rev().collect();
        PrefixIndex::new(End::Back, &suffixes).for_each_match(&text, |item, _| from_back.push(item));
        assert_eq!(found, from_back);
        found
    }

    #[test]
    fn all_prefixes_longest_first() {
        let prefixes = ["/", "/a", "/ab", "/abc", "/b", "", "/abcdefgh", "/a"];
        assert_eq!(find(&prefixes, "/abcd"), [3, 2, 1, 7, 0, 5]);
        assert_eq!(find(&prefixes, "/abcdefgh"), [6, 3, 2, 1, 7, 0, 5]);
        assert_eq!(find(&prefixes, "/x"), [0, 5]);
        assert_eq!(find(&prefixes, "x"), [5]);
        assert_eq!(find(&["/long/prefix"], "/lon"), [] as [u32; 0]);
    }

    #[test]
    fn agrees_with_a_scan() {
        let mut state = 7u32;
        let mut random = move |n: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) % n
        };
        for _ in 0..300 {
            let mut word = |max| (0..random(max)).map(|_| ['a', 'b', '/'][random(3) as usize]).collect::<String>();
            let prefixes: Vec<String> = (0..20).map(|_| word(9)).collect();
            let refs: Vec<&str> = prefixes.iter().map(String::as_str).collect();
            let text = word(12);
            let mut found = find(&refs, &text);
            found.sort_unstable();
            let expected: Vec<u32> = (0..20u32).filter(|n| text.starts_with(refs[*n as usize])).collect();
            assert_eq!(found, expected, "{prefixes:?} {text}");
        }
    }
}
