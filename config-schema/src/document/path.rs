use std::fmt;

/// One step of a [`FieldPath`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Segment {
    /// A field of a message, or a key of a map.
    Key(Box<str>),
    /// A list element, counted from 0.
    Index(usize),
}

/// Where in an object something stands; displayed as `spec.http[0].match[1].headers.x-user`.
///
/// Keys that would be ambiguous in that form (with dots, slashes, spaces …) are written as `["a.b/c"]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct FieldPath(pub Vec<Segment>);

impl FieldPath {
    /// This path with one more key.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        let mut segments = self.0.clone();
        segments.push(Segment::Key(key.into()));
        Self(segments)
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key) if !is_plain(key) => write!(f, "[{key:?}]")?,
                Segment::Key(key) if position == 0 => f.write_str(key)?,
                Segment::Key(key) => write!(f, ".{key}")?,
            }
        }
        Ok(())
    }
}

fn is_plain(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

/// A path under construction that borrows its parent: walking an object costs no allocation until something is wrong.
#[derive(Debug, Clone, Copy)]
pub struct PathRef<'a> {
    parent: Option<&'a PathRef<'a>>,
    step: Step<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    Root,
    Key(&'a str),
    Index(usize),
}

impl<'a> PathRef<'a> {
    /// The whole object.
    pub const ROOT: PathRef<'static> = PathRef { parent: None, step: Step::Root };

    /// The field or map key `key` below this path.
    #[must_use]
    pub const fn key(&'a self, key: &'a str) -> PathRef<'a> {
        PathRef { parent: Some(self), step: Step::Key(key) }
    }

    /// The list element `index` below this path.
    #[must_use]
    pub const fn index(&'a self, index: usize) -> PathRef<'a> {
        PathRef { parent: Some(self), step: Step::Index(index) }
    }

    /// An owned copy.
    #[must_use]
    pub fn to_path(&self) -> FieldPath {
        let mut segments = Vec::new();
        let mut current = Some(self);
        while let Some(path) = current {
            match path.step {
                Step::Root => {}
                Step::Key(key) => segments.push(Segment::Key(key.into())),
                Step::Index(index) => segments.push(Segment::Index(index)),
            }
            current = path.parent;
        }
        segments.reverse();
        FieldPath(segments)
    }
}

impl fmt::Display for PathRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_path().fmt(f)
    }
}
