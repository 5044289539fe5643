//! Longest-prefix search over many prefixes in a handful of hash probes.
//!
//! Binary search over the distinct prefix lengths (Waldvogel et al., SIGCOMM 1997): each prefix leaves markers at the
//! lengths where the search for it must turn to longer ones, and every marker knows the longest prefix that it covers,
//! so that a wrong turn never needs a way back. Shorter prefixes of the found one follow by parent links.

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;

/// Prefixes, each with the ordered list of what hangs on it.
#[derive(Debug, Default)]
pub(super) struct PrefixIndex {
    /// Distinct lengths, ascending.
    lengths: Vec<usize>,
    /// Prefixes and markers: index into `nodes` of the longest prefix covered, if any.
    table: HashMap<Box<[u8]>, Option<u32>, FxBuildHasher>,
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    parent: Option<u32>,
    items: Vec<u32>,
}

impl PrefixIndex {
    /// Builds the index. `entries`: prefix and item, items ascending.
    pub(super) fn new(entries: &[(&[u8], u32)]) -> Self {
        let mut index = PrefixIndex::default();
        let mut by_prefix: HashMap<&[u8], u32> = HashMap::new();
        let mut prefixes: Vec<&[u8]> = Vec::new();
        for (prefix, item) in entries {
            let node = *by_prefix.entry(prefix).or_insert_with(|| {
                prefixes.push(prefix);
                index.nodes.push(Node { parent: None, items: Vec::new() });
                (index.nodes.len() - 1) as u32
            });
            index.nodes[node as usize].items.push(*item);
        }
        index.lengths = prefixes.iter().map(|p| p.len()).collect();
        index.lengths.sort_unstable();
        index.lengths.dedup();
        let longest = |text: &[u8]| {
            index.lengths.iter().rev().filter(|n| **n <= text.len()).find_map(|n| by_prefix.get(&text[..*n]).copied())
        };
        let mut table: HashMap<Box<[u8]>, Option<u32>, FxBuildHasher> = HashMap::default();
        for prefix in &prefixes {
            let own = by_prefix.get(prefix).copied();
            table.insert((*prefix).into(), own);
            for length in search_path(&index.lengths, prefix.len()) {
                let marker = &prefix[..length];
                table.entry(marker.into()).or_insert_with(|| longest(marker));
            }
        }
        let parents: Vec<Option<u32>> =
            prefixes.iter().map(|p| p.len().checked_sub(1).and_then(|shorter| longest(&p[..shorter]))).collect();
        for (node, parent) in index.nodes.iter_mut().zip(parents) {
            node.parent = parent;
        }
        index.table = table;
        index
    }

    /// Nothing is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The item lists of all prefixes of `text`, longest prefix first.
    pub(super) fn matches<'a>(&'a self, text: &[u8]) -> impl Iterator<Item = &'a [u32]> + use<'a> {
        let mut next = self.longest(text);
        std::iter::from_fn(move || {
            let node = &self.nodes[next? as usize];
            next = node.parent;
            Some(node.items.as_slice())
        })
    }

    fn longest(&self, text: &[u8]) -> Option<u32> {
        let (mut low, mut high) = (0, self.lengths.len());
        let mut best = None;
        while low < high {
            let middle = (low + high) / 2;
            let length = self.lengths[middle];
            match text.get(..length).and_then(|key| self.table.get(key)) {
                Some(covered) => {
                    best = covered.or(best);
                    low = middle + 1;
                }
                None => high = middle,
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
        PrefixIndex::new(&entries).matches(text.as_bytes()).flatten().copied().collect()
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
