//! JSON formats of access logs: objects and lists with operators in their texts, in any depth.

use serde_json::{Map, Value as Json};

use crate::format::{Format, FormatError, Scope, Value};

/// A JSON value whose texts are formats.
#[derive(Debug)]
pub(super) enum Layout {
    /// A text. One operator alone keeps its type; anything else is text.
    Text(Format),
    /// Fields.
    Object(Vec<(String, Layout)>),
    /// Elements.
    List(Vec<Layout>),
    /// Numbers, booleans and null stand for themselves.
    Fixed(Json),
}

impl Layout {
    /// Parses all texts.
    pub(super) fn parse(json: Json) -> Result<Self, FormatError> {
        Ok(match json {
            Json::String(text) => Layout::Text(Format::parse(&text)?),
            Json::Object(fields) => {
                let field = |(name, value)| Ok((name, Layout::parse(value)?));
                Layout::Object(fields.into_iter().map(field).collect::<Result<_, FormatError>>()?)
            }
            Json::Array(elements) => {
                Layout::List(elements.into_iter().map(Layout::parse).collect::<Result<_, FormatError>>()?)
            }
            other => Layout::Fixed(other),
        })
    }

    /// The values for a request.
    pub(super) fn fill(&self, scope: &Scope<'_>) -> Json {
        match self {
            Layout::Text(format) => text(format, scope),
            Layout::Object(fields) => {
                let fields = fields.iter().map(|(name, layout)| (name.clone(), layout.fill(scope)));
                Json::Object(fields.collect::<Map<_, _>>())
            }
            Layout::List(elements) => Json::Array(elements.iter().map(|layout| layout.fill(scope)).collect()),
            Layout::Fixed(json) => json.clone(),
        }
    }
}

fn text(format: &Format, scope: &Scope<'_>) -> Json {
    let Some(operator) = format.as_operator() else {
        let mut text = Vec::new();
        format.write(scope, "-", &mut text);
        return String::from_utf8_lossy(&text).into_owned().into();
    };
    match operator.evaluate(scope) {
        Value::Missing => Json::Null,
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned().into(),
        Value::Owned(text) => text.into(),
        Value::Number(n) => n.into(),
        Value::Json(json) => json,
        Value::Cut(json, max) => json.to_string().chars().take(max).collect::<String>().into(),
    }
}
