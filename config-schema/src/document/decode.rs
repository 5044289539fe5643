use std::cell::RefCell;
use std::collections::HashSet;
use std::ptr;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use super::fault::{DecodeError, closest};
use super::node::{Content, Entry, Node};
use super::path::{FieldPath, PathRef};
use super::scalar::word_value;

pub use super::fault::Fault;

/// Rounds of decoding for one document, each of which finds one more wrong value.
const MAX_ROUNDS: usize = 32;

/// How strictly a tree is read.
#[derive(Debug, Clone, Copy, Default)]
pub struct DecodeOptions {
    /// Leave fields alone that the type does not have (for objects of which only a part matters), instead of
    /// reporting them.
    pub ignore_unknown_fields: bool,
    /// Accept `snake_case` for `camelCase` fields, as the JSON form of protocol buffers does.
    pub proto_field_names: bool,
    /// Refuse words such as `off` where text is needed, as the schema of a custom resource does: they are booleans.
    pub strict_words: bool,
}

/// What became of a tree.
#[derive(Debug)]
pub struct Decoded<T> {
    /// The value. It is there even if faults were found, with the faulty parts left out, unless those are required.
    pub value: Option<T>,
    /// Everything that was wrong: fields that do not exist, values of a wrong type, required fields that are missing.
    pub faults: Vec<Fault>,
}

/// Reads a value of type `T` from `node`, which stands at `path`. A null field of a message counts as absent.
#[must_use]
pub fn decode<T: DeserializeOwned>(node: &Node, path: PathRef<'_>, options: DecodeOptions) -> Decoded<T> {
    let mut context = Context { options, skipped: HashSet::new(), unknown: RefCell::default() };
    let mut faults: Vec<Fault> = Vec::new();
    let mut value = None;
    for _ in 0..MAX_ROUNDS {
        let reader = Reader { node, path, context: &context };
        match T::deserialize(reader).map_err(|error| error.at(node, path)) {
            Ok(decoded) => {
                value = Some(decoded);
                break;
            }
            Err(error) => {
                if let Some(fault) = error.fault {
                    faults.push(fault);
                }
                if ptr::eq(error.culprit, node) || !context.skipped.insert(error.culprit) {
                    break;
                }
            }
        }
    }
    let mut unknown = context.unknown.into_inner();
    unknown.append(&mut faults);
    let mut seen = HashSet::new();
    unknown.retain(|fault| seen.insert((fault.path.clone(), fault.rule)));
    Decoded { value, faults: unknown }
}

struct Context {
    options: DecodeOptions,
    /// Nodes that were found faulty in an earlier round and count as absent.
    skipped: HashSet<*const Node>,
    unknown: RefCell<Vec<Fault>>,
}

#[derive(Clone, Copy)]
struct Reader<'p, 'de> {
    node: &'de Node,
    path: PathRef<'p>,
    context: &'p Context,
}

impl<'de> Reader<'_, 'de> {
    fn wrong_type<V: Visitor<'de>, T>(&self, visitor: &V) -> Result<T, DecodeError> {
        let unexpected = match &self.node.content {
            Content::Null => Unexpected::Other("null"),
            Content::Bool(value) => Unexpected::Bool(*value),
            Content::Integer(value) => match u64::try_from(*value) {
                Ok(value) => Unexpected::Unsigned(value),
                Err(_) => i64::try_from(*value).map_or(Unexpected::Other("a number"), Unexpected::Signed),
            },
            Content::Float(value) => Unexpected::Float(*value),
            Content::String(text) | Content::Word(text) => Unexpected::Str(text),
            Content::Sequence(_) => Unexpected::Seq,
            Content::Mapping(_) => Unexpected::Map,
        };
        Err(de::Error::invalid_type(unexpected, visitor))
    }

    fn integer<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let value = match self.node.content {
            Content::Integer(value) => value,
            #[expect(clippy::cast_possible_truncation, reason = "a whole number below 2^53")]
            Content::Float(value) if value.fract() == 0.0 && value.abs() < 9e15 => i128::from(value as i64),
            _ => return self.wrong_type(&visitor),
        };
        if let Ok(value) = u64::try_from(value) {
            return visitor.visit_u64(value);
        }
        match i64::try_from(value) {
            Ok(value) => visitor.visit_i64(value),
            Err(_) => self.wrong_type(&visitor),
        }
    }

    fn float<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.node.content {
            #[expect(clippy::cast_precision_loss, reason = "JSON numbers are doubles")]
            Content::Integer(value) => visitor.visit_f64(value as f64),
            Content::Float(value) => visitor.visit_f64(value),
            _ => self.wrong_type(&visitor),
        }
    }

    fn text<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.node.content {
            Content::String(text) => visitor.visit_borrowed_str(text),
            Content::Word(word) if self.context.options.strict_words => Err(boolean(word)),
            Content::Word(word) => visitor.visit_borrowed_str(word),
            Content::Mapping(entries) => match address_with_colon(entries) {
                Some(address) => visitor.visit_string(address),
                None => self.wrong_type(&visitor),
            },
            _ => self.wrong_type(&visitor),
        }
    }
}

/// A word of YAML 1.1 where text is needed.
fn boolean(word: &str) -> DecodeError {
    let value = word_value(word).unwrap_or_default();
    de::Error::custom(format!(
        "{word} without quotes is the boolean {value} to Kubernetes, and text is needed: write {word:?}"
    ))
}

/// In a flow list, `[2001:db8::]` is by the YAML standard a map with the key `2001:db8:` and no value; the parser of
/// Kubernetes reads an address, as everybody who writes it means.
fn address_with_colon(entries: &[Entry]) -> Option<String> {
    let [entry] = entries else { return None };
    let address = entry.key.ends_with(':') && entry.key.bytes().all(|b| b.is_ascii_hexdigit() || b == b':');
    (address && entry.value.is_null()).then(|| format!("{}:", entry.key))
}

macro_rules! read_as {
    ($how:ident: $($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            self.$how(visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for Reader<'_, 'de> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.node.content {
            Content::Null => visitor.visit_unit(),
            Content::Bool(value) => visitor.visit_bool(*value),
            Content::Integer(_) => self.integer(visitor),
            Content::Float(value) => visitor.visit_f64(*value),
            Content::String(text) => visitor.visit_borrowed_str(text),
            Content::Word(word) if self.context.options.strict_words => {
                visitor.visit_bool(word_value(word).unwrap_or_default())
            }
            Content::Word(word) => visitor.visit_borrowed_str(word),
            Content::Sequence(_) => self.deserialize_seq(visitor),
            Content::Mapping(_) => self.deserialize_map(visitor),
        }
    }

    read_as!(integer: deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64);
    read_as!(integer: deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64);
    read_as!(float: deserialize_f32 deserialize_f64);
    read_as!(text: deserialize_str deserialize_string deserialize_char deserialize_identifier);
    read_as!(text: deserialize_bytes deserialize_byte_buf);

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let value = match &self.node.content {
            Content::Bool(value) => Some(*value),
            Content::Word(text) => word_value(text),
            _ => None,
        };
        match value {
            Some(value) => visitor.visit_bool(value),
            None => self.wrong_type(&visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.node.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.node.is_null() { visitor.visit_unit() } else { self.wrong_type(&visitor) }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.node.content {
            Content::Sequence(items) => visitor.visit_seq(Items { items, next: 0, reader: self }),
            _ => self.wrong_type(&visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.node.content {
            Content::Mapping(entries) => visitor.visit_map(Entries { entries, next: 0, fields: None, reader: self }),
            _ => self.wrong_type(&visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match &self.node.content {
            Content::Mapping(entries) => {
                let absent = |entry: &&Entry| self.context.skipped.contains(&ptr::from_ref(&entry.value));
                let lost: Vec<&str> = entries.iter().filter(absent).map(|entry| &*entry.key).collect();
                visitor
                    .visit_map(Entries { entries, next: 0, fields: Some(fields), reader: self })
                    .map_err(|error| error.forget_missing(&lost))
            }
            _ => self.wrong_type(&visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match &self.node.content {
            Content::String(text) => visitor.visit_enum((&**text).into_deserializer()),
            Content::Word(word) if self.context.options.strict_words => Err(boolean(word)),
            Content::Word(word) => visitor.visit_enum((&**word).into_deserializer()),
            Content::Mapping(entries) => {
                let mut set = entries.iter().filter(|entry| !entry.value.is_null());
                match (set.next(), set.next()) {
                    (Some(entry), None) => visitor.visit_enum(Variant { entry, reader: self }),
                    _ => Err(de::Error::custom(format!("exactly one of {} must be set", variants.join(", ")))),
                }
            }
            _ => self.wrong_type(&visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }
}

struct Items<'p, 'de> {
    items: &'de [Node],
    next: usize,
    reader: Reader<'p, 'de>,
}

impl<'de> de::SeqAccess<'de> for Items<'_, 'de> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, DecodeError> {
        let context = self.reader.context;
        while let Some(node) = self.items.get(self.next) {
            let path = self.reader.path.index(self.next);
            self.next += 1;
            if !context.skipped.contains(&ptr::from_ref(node)) {
                let value = seed.deserialize(Reader { node, path, context });
                return value.map(Some).map_err(|error| error.at(node, path));
            }
        }
        Ok(None)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len() - self.next)
    }
}

struct Entries<'p, 'de> {
    entries: &'de [Entry],
    next: usize,
    /// The fields of a message, or nothing for a map with free keys.
    fields: Option<&'static [&'static str]>,
    reader: Reader<'p, 'de>,
}

impl<'de> Entries<'_, 'de> {
    /// The name under which the type knows this field; `None` for one that counts as absent or does not exist.
    fn field_name(&self, entry: &'de Entry, fields: &'static [&'static str]) -> Option<&'de str> {
        if entry.value.is_null() {
            return None;
        }
        let key: &'de str = &entry.key;
        if fields.contains(&key) {
            return Some(key);
        }
        let options = self.reader.context.options;
        if options.proto_field_names {
            let camel = camel_case(key);
            if let Some(field) = fields.iter().find(|field| **field == camel) {
                return Some(field);
            }
        }
        if !options.ignore_unknown_fields {
            let hint = closest(key, fields).map(|field| format!("; did you mean {field:?}?")).unwrap_or_default();
            self.reader.context.unknown.borrow_mut().push(Fault {
                path: self.reader.path.key(key).to_path(),
                rule: "unknown-field",
                message: format!("there is no field {key:?} here{hint}"),
            });
        }
        None
    }
}

/// `snake_case` as `snakeCase`, by the rule of protocol buffers.
pub(crate) fn camel_case(key: &str) -> String {
    let mut words = key.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

impl<'de> de::MapAccess<'de> for Entries<'_, 'de> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        while let Some(entry) = self.entries.get(self.next) {
            self.next += 1;
            if self.reader.context.skipped.contains(&ptr::from_ref(&entry.value)) {
                continue;
            }
            let key = match self.fields {
                None => Some(&*entry.key),
                Some(fields) => self.field_name(entry, fields),
            };
            if let Some(key) = key {
                let path = self.reader.path.key(&entry.key);
                return seed.deserialize(Key(key)).map(Some).map_err(|error| error.at(&entry.value, path));
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DecodeError> {
        let Some(entry) = self.next.checked_sub(1).and_then(|last| self.entries.get(last)) else {
            return Err(de::Error::custom("a value without a key"));
        };
        let path = self.reader.path.key(&entry.key);
        let reader = Reader { node: &entry.value, path, context: self.reader.context };
        seed.deserialize(reader).map_err(|error| error.at(&entry.value, path))
    }
}

/// A map key: a string in the text, whatever the type makes of it.
struct Key<'de>(&'de str);

macro_rules! parse_key {
    ($($method:ident $visit:ident $type:ty)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            match self.0.parse::<$type>() {
                Ok(value) => visitor.$visit(value),
                Err(_) => Err(de::Error::invalid_type(Unexpected::Other(&format!("the key {:?}", self.0)), &visitor)),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for Key<'de> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_borrowed_str(self.0)
    }

    parse_key!(deserialize_u16 visit_u16 u16 deserialize_u32 visit_u32 u32 deserialize_u64 visit_u64 u64);

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u128 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct
        seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct Variant<'p, 'de> {
    entry: &'de Entry,
    reader: Reader<'p, 'de>,
}

impl<'de> de::EnumAccess<'de> for Variant<'_, 'de> {
    type Error = DecodeError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), DecodeError> {
        let name: StrDeserializer<'_, DecodeError> = (&*self.entry.key).into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> de::VariantAccess<'de> for Variant<'_, 'de> {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<(), DecodeError> {
        Err(de::Error::custom(format!("{:?} does not take a value", self.entry.key)))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, DecodeError> {
        let path = self.reader.path.key(&self.entry.key);
        let reader = Reader { node: &self.entry.value, path, context: self.reader.context };
        seed.deserialize(reader).map_err(|error| error.at(&self.entry.value, path))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, DecodeError> {
        self.reader.wrong_type(&visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.reader.wrong_type(&visitor)
    }
}

impl DecodeError {
    /// Remembers where the error arose, unless a place further inside is known already.
    fn at(mut self, node: &Node, path: PathRef<'_>) -> Self {
        if self.culprit.is_null() {
            self.culprit = ptr::from_ref(node);
            if let Some(fault) = &mut self.fault {
                let inside = std::mem::take(&mut fault.path).0;
                let mut segments = path.to_path().0;
                segments.extend(inside);
                fault.path = FieldPath(segments);
            }
        }
        self
    }
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
