use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

use super::node::{Content, Entry, Node, Position};
use super::scalar::{float_key, resolve_plain, word_value};

/// Deeper nesting than any real object has (CRDs end near 20) and than the stack can be made to suffer from.
const MAX_DEPTH: usize = 100;
/// Values a document may have once its aliases are written out.
const MAX_NODES: usize = 2_000_000;
/// Values a document may gain by writing out its aliases.
const MAX_ALIASED_NODES: usize = 100_000;

/// A text that is not YAML (or not what Kubernetes reads of it), and the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// Where reading stopped.
    pub position: Position,
    /// What was wrong there.
    pub message: Cow<'static, str>,
}

impl SyntaxError {
    fn new(position: Position, message: impl Into<Cow<'static, str>>) -> Self {
        Self { position, message: message.into() }
    }
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.position.line, self.position.column, self.message)
    }
}

/// Reads one YAML (or JSON) document; `line_offset` lines of the file stand before it. `None` if there is nothing in
/// it.
///
/// # Errors
/// If the text is not YAML, repeats a key, uses tags that have no meaning here, or is built to exhaust whoever reads
/// it (nesting deeper than 100, aliases that multiply).
pub fn compose(text: &str, line_offset: u32) -> Result<Option<Node>, SyntaxError> {
    let mut composer = Composer {
        parser: Parser::new_from_str(text),
        line_offset,
        anchors: HashMap::new(),
        nodes: 0,
        aliased: 0,
        end: Position { line: line_offset + 1, column: 1 },
    };
    loop {
        let (event, span) = composer.next()?;
        match event {
            Event::StreamStart | Event::DocumentStart(_) | Event::Nothing => {}
            Event::StreamEnd | Event::DocumentEnd => return Ok(None),
            event => {
                let node = composer.node(event, span, 0)?;
                composer.expect_end()?;
                return Ok(Some(node));
            }
        }
    }
}

struct Composer<'t> {
    parser: Parser<'t, StrInput<'t>>,
    line_offset: u32,
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
    aliased: usize,
    end: Position,
}

impl<'t> Composer<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Span), SyntaxError> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => {
                self.end = self.position(&span);
                Ok((event, span))
            }
            Some(Err(error)) => Err(self.scan_error(&error)),
            None => Err(SyntaxError::new(self.end, "the document ends in the middle of a value")),
        }
    }

    fn scan_error(&self, error: &ScanError) -> SyntaxError {
        let position = self.place(error.marker().line(), error.marker().col());
        SyntaxError::new(position, error.info().to_owned())
    }

    fn expect_end(&mut self) -> Result<(), SyntaxError> {
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(()),
                (Event::DocumentEnd | Event::Nothing, _) => {}
                (_, span) => {
                    return Err(SyntaxError::new(
                        self.position(&span),
                        "a second value in one document; separate documents with a line `---`",
                    ));
                }
            }
        }
    }

    fn place(&self, line: usize, column: usize) -> Position {
        let line = u32::try_from(line).unwrap_or(u32::MAX).saturating_add(self.line_offset);
        Position { line, column: u32::try_from(column).unwrap_or(u32::MAX).saturating_add(1) }
    }

    fn position(&self, span: &Span) -> Position {
        self.place(span.start.line(), span.start.col())
    }

    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Node, SyntaxError> {
        let position = self.position(&span);
        if depth > MAX_DEPTH {
            return Err(SyntaxError::new(position, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(SyntaxError::new(position, format!("more than {MAX_NODES} values in one document")));
        }
        let nodes_before = self.nodes;
        let (content, anchor) = match event {
            Event::Alias(anchor) => return self.alias(anchor, position),
            Event::Scalar(text, style, anchor, tag) => (scalar(&text, style, tag.as_deref(), position)?, anchor),
            Event::SequenceStart(anchor, tag) => {
                collection_tag(tag.as_deref(), "seq", position)?;
                (Content::Sequence(self.sequence(depth)?), anchor)
            }
            Event::MappingStart(anchor, tag) => {
                collection_tag(tag.as_deref(), "map", position)?;
                (Content::Mapping(self.mapping(depth)?), anchor)
            }
            _ => return Err(SyntaxError::new(position, "a value was expected here")),
        };
        let node = Node { position, content };
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), self.nodes - nodes_before + 1));
        }
        Ok(node)
    }

    fn alias(&mut self, anchor: usize, position: Position) -> Result<Node, SyntaxError> {
        let Some((node, size)) = self.anchors.get(&anchor) else {
            return Err(SyntaxError::new(position, "the alias stands inside the value that it refers to"));
        };
        self.aliased += size;
        self.nodes += size;
        if self.aliased > MAX_ALIASED_NODES {
            return Err(SyntaxError::new(
                position,
                format!("aliases stand for more than {MAX_ALIASED_NODES} values; write the document out"),
            ));
        }
        Ok(node.clone())
    }

    fn sequence(&mut self, depth: usize) -> Result<Vec<Node>, SyntaxError> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Vec<Entry>, SyntaxError> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut merged: Vec<Entry> = Vec::new();
        let mut seen: HashSet<Box<str>> = HashSet::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                break;
            }
            let key_position = self.position(&span);
            let is_merge = is_merge_key(&event);
            let key = self.node(event, span, depth + 1)?;
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            if is_merge {
                collect_merged(value, &mut merged)?;
                continue;
            }
            let key = key_text(key)?;
            if !seen.insert(key.clone()) {
                return Err(SyntaxError::new(key_position, format!("the key {key:?} stands here twice")));
            }
            entries.push(Entry { key, key_position, value });
        }
        // What is written out wins over what is merged in; of several merged maps the first wins.
        entries.extend(merged.into_iter().filter(|entry| seen.insert(entry.key.clone())));
        Ok(entries)
    }
}

fn is_merge_key(event: &Event<'_>) -> bool {
    match event {
        Event::Scalar(text, ScalarStyle::Plain, _, None) => text == "<<",
        Event::Scalar(_, _, _, Some(tag)) => core_tag(tag) == Some("merge"),
        _ => false,
    }
}

fn collect_merged(value: Node, merged: &mut Vec<Entry>) -> Result<(), SyntaxError> {
    const WRONG: &str = "a merge key (`<<`) takes a map or a list of maps";
    match value.content {
        Content::Mapping(entries) => merged.extend(entries),
        Content::Sequence(items) => {
            for item in items {
                match item.content {
                    Content::Mapping(entries) => merged.extend(entries),
                    _ => return Err(SyntaxError::new(item.position, WRONG)),
                }
            }
        }
        _ => return Err(SyntaxError::new(value.position, WRONG)),
    }
    Ok(())
}

fn key_text(key: Node) -> Result<Box<str>, SyntaxError> {
    match key.content {
        Content::String(text) | Content::Word(text) => Ok(text),
        Content::Integer(value) => Ok(value.to_string().into()),
        Content::Float(value) => Ok(float_key(value).into()),
        Content::Bool(value) => Ok(value.to_string().into()),
        Content::Null | Content::Sequence(_) | Content::Mapping(_) => {
            Err(SyntaxError::new(key.position, "a key must be a string (quote it if it is meant as one)"))
        }
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>, position: Position) -> Result<Content, SyntaxError> {
    let unsupported = || SyntaxError::new(position, "a value with a tag that has no meaning here");
    let wrong = |kind: &str| SyntaxError::new(position, format!("{text:?} is not a value of the tag !!{kind}"));
    let resolved = || {
        resolve_plain(text).ok_or_else(|| {
            SyntaxError::new(
                position,
                format!("{text} is not a number that an object can hold; quote it if it is text"),
            )
        })
    };
    let Some(tag) = tag else {
        return if style == ScalarStyle::Plain { resolved() } else { Ok(Content::String(text.into())) };
    };
    if tag.handle.is_empty() && tag.suffix == "!" {
        return Ok(Content::String(text.into()));
    }
    let kind = core_tag(tag).ok_or_else(unsupported)?;
    let content = match kind {
        "str" | "timestamp" | "merge" => Content::String(text.into()),
        "binary" => {
            let bytes: String = text.split_whitespace().collect();
            let bytes = STANDARD.decode(bytes).map_err(|_| wrong(kind))?;
            Content::String(String::from_utf8(bytes).map_err(|_| wrong(kind))?.into())
        }
        "null" | "bool" | "int" | "float" => resolved()?,
        _ => return Err(unsupported()),
    };
    match (kind, content) {
        ("float", Content::Integer(value)) => Ok(text.parse().map_or(Content::Integer(value), Content::Float)),
        ("null", Content::Null) => Ok(Content::Null),
        ("bool", Content::Word(word)) => Ok(Content::Bool(word_value(&word).unwrap_or_default())),
        ("bool", content @ Content::Bool(_)) | ("int", content @ Content::Integer(_)) => Ok(content),
        ("float", content @ Content::Float(_)) => Ok(content),
        ("str" | "timestamp" | "merge" | "binary", content) => Ok(content),
        _ => Err(wrong(kind)),
    }
}

fn collection_tag(tag: Option<&Tag>, expected: &str, position: Position) -> Result<(), SyntaxError> {
    match tag {
        None => Ok(()),
        Some(tag) if core_tag(tag) == Some(expected) => Ok(()),
        Some(_) => Err(SyntaxError::new(position, "a value with a tag that has no meaning here")),
    }
}

fn core_tag(tag: &Tag) -> Option<&str> {
    match tag.handle.as_str() {
        "tag:yaml.org,2002:" | "!!" => Some(&tag.suffix),
        "" => tag.suffix.strip_prefix("tag:yaml.org,2002:"),
        _ => None,
    }
}

#[cfg(test)]
#[path = "compose_tests.rs"]
mod tests;
