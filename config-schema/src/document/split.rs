/// The text of one document of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk<'t> {
    /// The text, from its `---` line (if it has one) to before the next.
    pub text: &'t str,
    /// The number of bytes before it in the file.
    pub start: usize,
    /// The number of lines before it in the file.
    pub line_offset: u32,
}

/// Splits a stream at its document markers (`---`, `...` at the beginning of a line, where no YAML value can have
/// them), so that one broken document does not hide the others. Chunks with nothing but blanks, comments and
/// directives are left out.
#[must_use]
pub fn split_documents(text: &str) -> Vec<Chunk<'_>> {
    let mark = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut chunks = Vec::new();
    let mut start = mark;
    let mut start_line = 0;
    let mut offset = mark;
    for (number, line) in (0_u32..).zip(text[mark..].split_inclusive('\n')) {
        let marker = is_marker(line, "---");
        let end = is_marker(line, "...");
        if marker || end {
            push_chunk(&mut chunks, &text[..offset], start, start_line);
            start = if end { offset + line.len() } else { offset };
            start_line = if end { number + 1 } else { number };
        }
        offset += line.len();
    }
    push_chunk(&mut chunks, text, start, start_line);
    chunks
}

fn push_chunk<'t>(chunks: &mut Vec<Chunk<'t>>, text: &'t str, start: usize, line_offset: u32) {
    let text = &text[start..];
    let says_something = text.lines().any(|line| {
        let line = line.strip_prefix("---").unwrap_or(line).trim();
        !(line.is_empty() || line.starts_with('#') || line.starts_with('%'))
    });
    if says_something {
        chunks.push(Chunk { text, start, line_offset });
    }
}

fn is_marker(line: &str, marker: &str) -> bool {
    line.strip_prefix(marker).is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_split_and_empty_chunks_vanish() {
        let text = "# head\n---\na: 1\n---\n\n--- # only a comment\n---\nb: |\n  ---\n...\nc: 3\n";
        let chunks: Vec<_> = split_documents(text).iter().map(|c| (c.text, c.line_offset)).collect();
        assert_eq!(chunks, [("---\na: 1\n", 1), ("---\nb: |\n  ---\n", 6), ("c: 3\n", 10)]);
        for chunk in split_documents(text) {
            assert!(text[chunk.start..].starts_with(chunk.text));
        }
    }

    #[test]
    fn content_may_follow_the_marker() {
        let chunks = split_documents("--- {a: 1}\n--- {b: 2}");
        assert_eq!(chunks.iter().map(|c| c.text).collect::<Vec<_>>(), ["--- {a: 1}\n", "--- {b: 2}"]);
    }

    #[test]
    fn directives_alone_are_no_document() {
        let text = "\u{feff}%YAML 1.2\n---\na: 1\n";
        let chunks = split_documents(text);
        assert_eq!(&text[chunks[0].start..], chunks[0].text);
        assert_eq!(chunks.iter().map(|c| c.text).collect::<Vec<_>>(), ["---\na: 1\n"]);
    }
}
