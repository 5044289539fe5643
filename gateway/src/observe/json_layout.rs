//! JSON formats of access logs: objects and lists with operators in their texts, in any depth.

use serde_json::{Map, Value as Json};

use crate::format::{Format, FormatError, Scope, Value, text_of};

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
        return format.text(scope, "-").into();
    };
    match operator.evaluate(scope) {
        Value::Missing => Json::Null,
        Value::Bytes(bytes) => text_of(bytes).into_owned().into(),
        Value::Owned(text) => text.into(),
        Value::Number(n) => n.into(),
        Value::Json(json) => json,
        Value::Cut(json, max) => json.to_string().chars().take(max).collect::<String>().into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What has no operator stays as written, in any depth; a text with a wrong operator is refused, in any depth too.
    #[test]
    fn nested_values_stay_and_nested_texts_are_parsed() {
        let fixed = json!({"a": {"b": [1, true, null, {"c": 2.5}]}});
        let layout = Layout::parse(fixed).unwrap();
        let Layout::Object(fields) = &layout else { panic!("{layout:?}") };
        let [(name, Layout::Object(inner))] = fields.as_slice() else { panic!("{layout:?}") };
        assert_eq!(name, "a");
        let [(_, Layout::List(elements))] = inner.as_slice() else { panic!("{layout:?}") };
        assert!(matches!(&elements[..3], [Layout::Fixed(one), Layout::Fixed(yes), Layout::Fixed(none)]
            if *one == json!(1) && *yes == json!(true) && none.is_null()));
        assert!(matches!(Layout::parse(json!({"a": ["%PROTOCOL%"]})), Ok(Layout::Object(_))));
        assert!(Layout::parse(json!({"a": [{"b": "%NO_SUCH_OPERATOR%"}]})).is_err());
    }
}
