//! Where the text of an object stands, so that it can be read again when a line is asked for. Texts are kept instead of
//! their trees, which are several times as large and seldom needed.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use config_schema::document::{Chunk, Document};
use config_schema::parse::parse_chunk;
use config_schema::resources::Parsed;

/// The place of an object's text.
#[derive(Debug)]
pub(super) struct Origin {
    /// The file, as the operator named it.
    pub(super) file: Arc<str>,
    /// The line on which the object begins, counted from 1.
    pub(super) line: u32,
    /// All of the file, as it was when the object was read.
    text: Arc<str>,
    /// The object's chunk of it: bytes, and lines before it.
    start: usize,
    length: usize,
    line_offset: u32,
    /// Which of the chunk's objects it is.
    number: usize,
}

/// Places of objects, by `Kind namespace/name`.
pub(super) type Origins = HashMap<String, Arc<Origin>>;

impl Origin {
    /// Of the object `number` of a chunk of `text`.
    pub(super) fn new(text: &Arc<str>, chunk: Chunk<'_>, number: usize, parsed: &Parsed) -> Self {
        Origin {
            file: Arc::clone(&parsed.document.file),
            line: parsed.document.root.position.line,
            text: Arc::clone(text),
            start: chunk.start,
            length: chunk.text.len(),
            line_offset: chunk.line_offset,
            number,
        }
    }

    fn chunk(&self) -> Chunk<'_> {
        let text = self.text.get(self.start..self.start + self.length).unwrap_or_default();
        Chunk { text, start: self.start, line_offset: self.line_offset }
    }

    /// Says the same as another, letter by letter, wherever it stands.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.number == other.number && self.chunk().text == other.chunk().text
    }
}

/// Chunks by the address of the text and the place in it; origins keep the texts alive.
type Chunks = HashMap<(usize, usize), Vec<Arc<Document>>>;

/// Reads objects again, each chunk once.
#[derive(Debug, Default)]
pub(super) struct Reread {
    chunks: RefCell<Chunks>,
}

impl Reread {
    /// The object with its lines.
    pub(super) fn document(&self, origin: &Origin) -> Option<Arc<Document>> {
        let mut chunks = self.chunks.borrow_mut();
        let place = (origin.text.as_ptr() as usize, origin.start);
        let documents = chunks.entry(place).or_insert_with(|| {
            let objects = parse_chunk(&origin.file, &origin.text, origin.chunk()).objects;
            objects.into_iter().map(|parsed| parsed.document).collect()
        });
        documents.get(origin.number).map(Arc::clone)
    }
}
