//! Longest-prefix search over many prefixes in a handful of hash probes; the same for suffixes.
//!
//! Search over the distinct prefix lengths (Waldvogel et al., SIGCOMM 1997): each prefix leaves markers at the lengths
//! where the search for it must turn to longer ones, and every marker knows the longest prefix that it covers, so that a
//! wrong turn never needs a way back. A marker also knows what lies beneath it: mostly one prefix, whose rest is then
//! compared, or prefixes of one length. Shorter prefixes of the found one follow by parent links.

use std::collections::HashMap;

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

    /// What follows the part of that length, up to another one; `None` if the text is shorter.
    fn between(self, text: &[u8], from: usize, to: usize) -> Option<&[u8]> {
        match self {
            End::Front => text.get(from..to),
            End::Back => text.get(text.len().checked_sub(to)?..text.len() - from),
        }
    }
}

/// Prefixes (or suffixes), each with what hangs on it.
#[derive(Debug)]
pub(super) struct PrefixIndex<V> {
    end: End,
    nodes: Box<[Node<V>]>,
    /// Where a search begins.
    root: Beneath,
    table: Table,
    /// Lists of lengths, each in the order in which they are tried.
    lengths: Vec<Box<[u32]>>,
}

/// Markers, by the texts that they stand for.
type Table = HashMap<Box<[u8]>, Marker, FxBuildHasher>;

#[derive(Debug)]
struct Node<V> {
    /// Of the prefix, in bytes.
    length: u32,
    /// So many bytes of the prefix are known when it alone is left.
    known: u32,
    /// The others then.
    rest: Box<[u8]>,
    /// Position of the longest prefix of this one.
    parent: Option<u32>,
    value: V,
}

/// What is known of texts that begin so.
#[derive(Debug, Clone, Copy)]
struct Marker {
    /// Position of the longest prefix covered.
    covered: Option<u32>,
    beneath: Beneath,
}

/// What a search may still find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beneath {
    Nothing,
    /// The prefix of that position.
    Prefix(u32),
    /// Prefixes of one length.
    Length(u32),
    /// Prefixes of several lengths: position of their list.
    Lengths(u32),
}

// Derived, it would ask for a default of `V`.
impl<V> Default for PrefixIndex<V> {
    fn default() -> Self {
        PrefixIndex::new(End::Front, Vec::new())
    }
}

impl<V> PrefixIndex<V> {
    /// Builds the index of prefixes, which must differ, and what hangs on them.
    pub(super) fn new(end: End, entries: Vec<(Vec<u8>, V)>) -> Self {
        let (prefixes, values): (Vec<Vec<u8>>, Vec<V>) = entries.into_iter().unzip();
        let mut builder = Builder::new(end, &prefixes);
        let root = builder.place(0, builder.prefixes.keys().copied().collect());
        let node = |((prefix, value), known): ((&Vec<u8>, V), u32)| Node {
            length: prefix.len() as u32,
            known,
            rest: end.between(prefix, known as usize, prefix.len()).unwrap_or_default().into(),
            parent: prefix.len().checked_sub(1).and_then(|n| builder.longest(end.part(prefix, n)?)),
            value,
        };
        let nodes = prefixes.iter().zip(values).zip(builder.alone.iter().copied()).map(node).collect();
        builder.table.shrink_to_fit();
        PrefixIndex { end, nodes, root, table: builder.table, lengths: builder.lengths }
    }

    /// Nothing is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Calls `found` with what hangs on each prefix of `text`, and its length, the longest prefix first.
    pub(super) fn for_each_match<'a>(&'a self, text: &[u8], mut found: impl FnMut(&'a V, usize)) {
        let mut next = self.longest(text);
        while let Some(node) = next.and_then(|node| self.nodes.get(node as usize)) {
            found(&node.value, node.length as usize);
            next = node.parent;
        }
    }

    fn longest(&self, text: &[u8]) -> Option<u32> {
        let (mut best, mut beneath) = (None, self.root);
        loop {
            let marker = match beneath {
                Beneath::Nothing => return best,
                Beneath::Prefix(position) => return Some(position).filter(|_| self.is_left(position, text)).or(best),
                Beneath::Length(length) => self.marker(text, length),
                Beneath::Lengths(list) => {
                    self.lengths.get(list as usize).and_then(|lengths| self.search(text, lengths))
                }
            };
            let Some(marker) = marker else { return best };
            best = marker.covered.or(best);
            beneath = marker.beneath;
        }
    }

    /// The text has the rest of a prefix of which all else is known.
    fn is_left(&self, position: u32, text: &[u8]) -> bool {
        let node = &self.nodes[position as usize];
        self.end.between(text, node.known as usize, node.length as usize) == Some(&*node.rest)
    }

    fn marker(&self, text: &[u8], length: u32) -> Option<&Marker> {
        self.end.part(text, length as usize).and_then(|part| self.table.get(part))
    }

    /// The first marker at lengths in the order in which they are tried.
    fn search(&self, text: &[u8], lengths: &[u32]) -> Option<&Marker> {
        lengths.iter().find_map(|length| self.marker(text, *length))
    }
}

/// Places markers.
struct Builder<'a> {
    end: End,
    prefixes: HashMap<&'a [u8], u32, FxBuildHasher>,
    /// Distinct lengths of all prefixes.
    all: Vec<usize>,
    table: Table,
    lengths: Vec<Box<[u32]>>,
    known: HashMap<Box<[u32]>, u32, FxBuildHasher>,
    /// Of each prefix: how much of it is known when it alone is left; all of it if it has a marker.
    alone: Vec<u32>,
}

impl<'a> Builder<'a> {
    fn new(end: End, prefixes: &'a [Vec<u8>]) -> Self {
        let positions = prefixes.iter().enumerate().map(|(n, prefix)| (prefix.as_slice(), n as u32));
        let all = distinct_lengths(prefixes.iter().map(Vec::as_slice));
        Builder {
            end,
            prefixes: positions.collect(),
            all,
            table: HashMap::default(),
            lengths: Vec::new(),
            known: HashMap::default(),
            alone: prefixes.iter().map(|prefix| prefix.len() as u32).collect(),
        }
    }

    /// Position of the longest prefix of a text.
    fn longest(&self, text: &[u8]) -> Option<u32> {
        let mut parts = self.all.iter().rev().filter_map(|n| self.end.part(text, *n));
        parts.find_map(|part| self.prefixes.get(part).copied())
    }

    /// Places what leads to `prefixes`, of which so many bytes are known: markers at one length, which lead on to the
    /// longer ones, then at shorter ones for texts that have no such marker.
    fn place(&mut self, known: usize, mut prefixes: Vec<&'a [u8]>) -> Beneath {
        if let [only] = *prefixes {
            let position = self.prefixes[only];
            self.alone[position as usize] = known as u32;
            return Beneath::Prefix(position);
        }
        let mut order = Vec::new();
        while !prefixes.is_empty() {
            let length = self.best_length(&prefixes);
            order.push(length as u32);
            let mut markers: HashMap<&[u8], Vec<&[u8]>, FxBuildHasher> = HashMap::default();
            for prefix in prefixes.extract_if(.., |prefix| prefix.len() >= length) {
                let Some(part) = self.end.part(prefix, length) else { continue };
                let longer = markers.entry(part).or_default();
                if prefix.len() > length {
                    longer.push(prefix);
                }
            }
            for (part, longer) in markers {
                let marker = Marker { covered: self.longest(part), beneath: self.place(length, longer) };
                self.table.insert(part.into(), marker);
            }
        }
        match *order {
            [] => Beneath::Nothing,
            [only] => Beneath::Length(only),
            _ => Beneath::Lengths(self.list(order)),
        }
    }

    /// Where a search for one of `prefixes` begins best: the shortest length that tells most of them apart, but none
    /// longer than the middle one, so that also what is not there is soon known.
    fn best_length(&self, prefixes: &[&[u8]]) -> usize {
        let lengths = distinct_lengths(prefixes.iter().copied());
        let middle = lengths.len() / 2;
        let shortest = lengths[..middle].partition_point(|length| !self.tells_apart(prefixes, *length));
        lengths[shortest]
    }

    /// Most of those prefixes that are at least so long are alone with how they begin.
    fn tells_apart(&self, prefixes: &[&[u8]], length: usize) -> bool {
        let mut crowds: HashMap<&[u8], usize, FxBuildHasher> = HashMap::default();
        for part in prefixes.iter().filter_map(|prefix| self.end.part(prefix, length)) {
            *crowds.entry(part).or_default() += 1;
        }
        let alone = crowds.values().filter(|crowd| **crowd == 1).count();
        alone * 2 > crowds.values().sum()
    }

    /// The position of a list of lengths.
    fn list(&mut self, lengths: Vec<u32>) -> u32 {
        *self.known.entry(lengths.into()).or_insert_with_key(|list| {
            self.lengths.push(list.clone());
            self.lengths.len() as u32 - 1
        })
    }
}

/// Ascending.
fn distinct_lengths<'a>(texts: impl Iterator<Item = &'a [u8]>) -> Vec<usize> {
    let mut lengths: Vec<usize> = texts.map(<[u8]>::len).collect();
    lengths.sort_unstable();
    lengths.dedup();
    lengths
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn found(end: End, entries: Vec<(Vec<u8>, usize)>, text: &[u8]) -> Vec<usize> {
        let mut found = Vec::new();
        PrefixIndex::new(end, entries).for_each_match(text, |value, _| found.push(*value));
        found
    }

    fn find(prefixes: &[&str], text: &str) -> Vec<usize> {
        let entries = prefixes.iter().enumerate().map(|(n, prefix)| (prefix.bytes().collect(), n)).collect();
        // From the back the mirrored prefixes fit the mirrored text.
        let mirrored = prefixes.iter().enumerate().map(|(n, prefix)| (prefix.bytes().rev().collect(), n)).collect();
        let from_back: Vec<u8> = text.bytes().rev().collect();
        let found_in = found(End::Front, entries, text.as_bytes());
        assert_eq!(found_in, found(End::Back, mirrored, &from_back));
        found_in
    }

    #[test]
    fn all_prefixes_longest_first() {
        let prefixes = ["/", "/a", "/ab", "/abc", "/b", "", "/abcdefgh"];
        assert_eq!(find(&prefixes, "/abcd"), [3, 2, 1, 0, 5]);
        assert_eq!(find(&prefixes, "/abcdefgh"), [6, 3, 2, 1, 0, 5]);
        assert_eq!(find(&prefixes, "/x"), [0, 5]);
        assert_eq!(find(&prefixes, "x"), [5]);
        assert_eq!(find(&["/long/prefix"], "/lon"), [] as [usize; 0]);
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
            let prefixes: BTreeSet<String> = (0..20).map(|_| word(9)).collect();
            let refs: Vec<&str> = prefixes.iter().map(String::as_str).collect();
            let text = word(12);
            let mut found = find(&refs, &text);
            found.sort_unstable();
            let expected: Vec<usize> = (0..refs.len()).filter(|n| text.starts_with(refs[*n])).collect();
            assert_eq!(found, expected, "{prefixes:?} {text}");
        }
    }
}
