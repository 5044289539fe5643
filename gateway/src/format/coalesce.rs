//! `%COALESCE({"operators": […]})%`: the first of several operators that has a value.

use serde_json::Value as Json;

use super::FormatError;
use super::operator::Operator;
use super::value::{Scope, Value};

/// Operators in the order in which they are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coalesce {
    operators: Vec<Operator>,
    max_length: Option<usize>,
}

impl Coalesce {
    /// Parses the argument: names, or objects with `command`, `param` and `max_length`.
    pub fn parse(argument: &str, max_length: Option<usize>) -> Result<Self, FormatError> {
        let refused = |what: String| FormatError::new(format!("`%COALESCE({argument})%`: {what}"));
        let json: Json = serde_json::from_str(argument).map_err(|error| refused(format!("not JSON: {error}")))?;
        let list = json.get("operators").and_then(Json::as_array).filter(|list| !list.is_empty());
        let list = list.ok_or_else(|| refused("`operators` must be an array that is not empty".to_owned()))?;
        let one = |(place, entry): (usize, &Json)| {
            entry_operator(entry).map_err(|error| refused(format!("operators[{place}]: {error}")))
        };
        Ok(Coalesce { operators: list.iter().enumerate().map(one).collect::<Result<_, _>>()?, max_length })
    }

    pub(super) fn is_for_logs_alone(&self) -> bool {
        self.operators.iter().any(Operator::is_for_logs_alone)
    }

    pub(super) fn evaluate<'a>(&'a self, scope: &Scope<'a>) -> Value<'a> {
        let values = self.operators.iter().map(|operator| operator.evaluate(scope));
        let value = values.into_iter().find(|value| !value.is_empty()).unwrap_or(Value::Missing);
        value.limit(self.max_length)
    }
}

fn entry_operator(entry: &Json) -> Result<Operator, FormatError> {
    if let Some(name) = entry.as_str() {
        return Operator::build(name, None, None);
    }
    let command = entry.get("command").and_then(Json::as_str);
    let command = command.ok_or_else(|| FormatError::new("a name or an object with `command` is needed".to_owned()))?;
    let text = |param: &Json| {
        param.as_str().map(str::to_owned).ok_or_else(|| FormatError::new("`param` must be a string".to_owned()))
    };
    let length = |max: &Json| {
        let max = max.as_u64().filter(|max| *max > 0).and_then(|max| usize::try_from(max).ok());
        max.ok_or_else(|| FormatError::new("`max_length` must be a positive integer".to_owned()))
    };
    let param = entry.get("param").map(text).transpose()?;
    Operator::build(command, param.as_deref(), entry.get("max_length").map(length).transpose()?)
}
