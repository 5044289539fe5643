//! Header fields as they travel through the gateway: ordered, names in lower case, values untouched bytes.
//!
//! A request has some ten fields, so a vector with linear search beats a hash map, keeps the order in which
//! fields arrived, and costs nothing per name: names and values are slices of the buffer they were read into.

mod convert;
pub mod inline;
pub mod names;

use std::fmt;

use bytes::Bytes;

pub use convert::{from_http, from_http_ref, to_http};

/// Lower-case field name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Bytes);

impl Name {
    /// A name known at compile time. It must be in lower case.
    pub const fn from_static(name: &'static str) -> Self {
        Name(Bytes::from_static(name.as_bytes()))
    }

    /// Takes bytes that the caller has checked and lower-cased.
    pub fn from_lower(name: Bytes) -> Self {
        Name(name)
    }

    /// Lower-cases.
    pub fn new(name: &str) -> Self {
        Name(Bytes::from(name.to_ascii_lowercase().into_bytes()))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The name as text; names are ASCII tokens.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("")
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

/// Header fields in order.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers {
    fields: Vec<(Name, Bytes)>,
}

impl Headers {
    /// Room for `n` fields.
    pub fn with_capacity(n: usize) -> Self {
        Headers { fields: Vec::with_capacity(n) }
    }

    /// Number of fields.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// No field.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Fields in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &Bytes)> {
        self.fields.iter().map(|(name, value)| (name, value))
    }

    /// First value of a name.
    pub fn get(&self, name: &str) -> Option<&Bytes> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, v)| v)
    }

    /// First value of a name, if it is text.
    pub fn get_str(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(|v| std::str::from_utf8(v).ok())
    }

    /// All values of a name.
    pub fn get_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Bytes> + 'a {
        self.fields.iter().filter(move |(n, _)| n == name).map(|(_, v)| v)
    }

    /// Whether there is such a field.
    pub fn contains(&self, name: &str) -> bool {
        self.fields.iter().any(|(n, _)| n == name)
    }

    /// Adds a field at the end.
    pub fn append(&mut self, name: Name, value: Bytes) {
        self.fields.push((name, value));
    }

    /// Removes all fields of the name and adds one, in the place of the first if there was any.
    pub fn set(&mut self, name: Name, value: Bytes) {
        match self.fields.iter().position(|(n, _)| *n == name) {
            Some(at) => {
                self.fields[at].1 = value;
                let mut index = 0;
                self.fields.retain(|(n, _)| {
                    index += 1;
                    index - 1 <= at || *n != name
                });
            }
            None => self.fields.push((name, value)),
        }
    }

    /// Sets a field to a text known at compile time.
    pub fn set_static(&mut self, name: Name, value: &'static str) {
        self.set(name, Bytes::from_static(value.as_bytes()));
    }

    /// Removes all fields of the name; whether there was any.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.fields.len();
        self.fields.retain(|(n, _)| n != name);
        before != self.fields.len()
    }

    /// Keeps the fields that the predicate holds for.
    pub fn retain(&mut self, mut keep: impl FnMut(&Name, &Bytes) -> bool) {
        self.fields.retain(|(name, value)| keep(name, value));
    }

    /// Joins a new value to an existing field with a separator, or adds the field. What is empty is not joined.
    pub fn join(&mut self, name: Name, value: Bytes, separator: &[u8]) {
        match self.fields.iter_mut().find(|(n, _)| *n == name) {
            Some(_) if value.is_empty() => {}
            Some((_, old)) if old.is_empty() => *old = value,
            Some((_, old)) => {
                let mut joined = Vec::with_capacity(old.len() + separator.len() + value.len());
                joined.extend_from_slice(old);
                joined.extend_from_slice(separator);
                joined.extend_from_slice(&value);
                *old = Bytes::from(joined);
            }
            None => self.fields.push((name, value)),
        }
    }

    /// Sum of the lengths of names and values in bytes.
    pub fn byte_size(&self) -> usize {
        self.fields.iter().map(|(n, v)| n.0.len() + v.len()).sum()
    }
}

/// A number as a field's value.
pub fn number(n: u64) -> Bytes {
    const DIGITS: &[u8; 10] = b"0123456789";
    match DIGITS.get(n as usize..=n as usize) {
        Some(digit) => Bytes::from_static(digit),
        None => Bytes::from(n.to_string()),
    }
}

/// Makes several `cookie` fields one, and none of empty ones: HTTP/2 splits them for compression (RFC 9113 §8.2.3).
pub fn join_cookies(headers: &mut Headers) {
    let mut values = headers.get_all("cookie");
    let (first, second) = (values.next(), values.next());
    let kept = second.is_none() && first.is_none_or(|only| !only.is_empty());
    drop(values);
    if kept {
        return;
    }
    let mut joined = Vec::new();
    for value in headers.get_all("cookie") {
        if !joined.is_empty() {
            joined.extend_from_slice(b"; ");
        }
        joined.extend_from_slice(value);
    }
    if joined.is_empty() {
        headers.remove("cookie");
    } else {
        headers.set(names::COOKIE, Bytes::from(joined));
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.fields.iter().map(|(n, v)| (n, String::from_utf8_lossy(v)))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&str, &str)]) -> Headers {
        let mut headers = Headers::default();
        for (name, value) in list {
            headers.append(Name::new(name), Bytes::copy_from_slice(value.as_bytes()));
        }
        headers
    }

    #[test]
    fn set_replaces_all_of_a_name_in_place_of_the_first() {
        let mut h = headers(&[("a", "1"), ("b", "2"), ("a", "3"), ("c", "4"), ("a", "5")]);
        h.set(Name::new("A"), Bytes::from_static(b"x"));
        assert_eq!(h, headers(&[("a", "x"), ("b", "2"), ("c", "4")]));
    }

    #[test]
    fn join_makes_one_value() {
        let mut h = headers(&[("via", "1.1 a")]);
        h.join(Name::new("via"), Bytes::from_static(b"1.1 b"), b",");
        h.join(Name::new("x"), Bytes::from_static(b"1"), b",");
        assert_eq!(h, headers(&[("via", "1.1 a,1.1 b"), ("x", "1")]));
    }
}
