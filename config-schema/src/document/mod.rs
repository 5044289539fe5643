//! Text to a tree that remembers where everything stood, and from the tree to Rust types.
//!
//! YAML is read as Kubernetes reads it (sigs.k8s.io/yaml): YAML 1.1 scalars (`010` is eight), keys
//! become strings, and after that the types of JSON count: a number is not a string. Anchors and merge keys work.

mod compose;
mod decode;
mod fault;

mod node;
mod path;
mod scalar;
mod split;

pub use compose::{SyntaxError, compose};
pub(crate) use decode::camel_case;
pub use decode::{DecodeOptions, Decoded, Fault, decode};

pub use node::{Content, Document, Entry, Node, Position};
pub use path::{FieldPath, PathRef, Segment};
pub use split::{Chunk, split_documents};
