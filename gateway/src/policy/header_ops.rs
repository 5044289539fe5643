//! Header changes of routes: removals, then sets, then adds, with operators in values.

use bytes::Bytes;
use config_schema::snapshot::HeaderOps;

use crate::format::{Format, Scope};
use crate::headers::{Headers, Name, inline};
use crate::route::CompileError;

/// Compiled [`HeaderOps`]; small where there are none.
#[derive(Debug, Default)]
pub struct CompiledOps(Option<Box<Lists>>);

#[derive(Debug, Default)]
struct Lists {
    remove: Vec<Name>,
    set: Vec<(Name, Format)>,
    add: Vec<(Name, Format)>,
}

/// Changes of request or response, computed before any is applied.
#[derive(Debug, Default)]
pub struct Computed {
    set: Vec<(Name, Bytes)>,
    add: Vec<(Name, Bytes)>,
}

impl CompiledOps {
    /// Compiles. An unknown operator is an error.
    pub fn new(ops: &HeaderOps) -> Result<Self, CompileError> {
        let pair = |(name, value): (&String, &String)| {
            let format = Format::parse(value).map_err(|e| CompileError(format!("header {name}: {e}")))?;
            if format.is_for_logs_alone() {
                return Err(CompileError(format!("header {name}: `%REQ_WITHOUT_QUERY%` is for access logs alone")));
            }
            Ok((Name::new(name), format))
        };
        if ops.is_empty() {
            return Ok(CompiledOps::default());
        }
        Ok(CompiledOps(Some(Box::new(Lists {
            remove: ops.remove.iter().map(|name| Name::new(name)).collect(),
            set: ops.set.iter().map(pair).collect::<Result<_, CompileError>>()?,
            add: ops.add.iter().map(pair).collect::<Result<_, CompileError>>()?,
        }))))
    }

    /// Joins another list to this one; where both set a name, the other wins.
    pub fn extend(&mut self, other: CompiledOps) {
        let Some(other) = other.0 else { return };
        let lists = self.0.get_or_insert_default();
        lists.remove.extend(other.remove);
        lists.set.extend(other.set);
        lists.add.extend(other.add);
    }

    /// Nothing to do.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Removes; first of the three steps.
    pub fn remove_from(&self, headers: &mut Headers) {
        for name in self.0.iter().flat_map(|lists| &lists.remove) {
            headers.remove(name.as_str());
        }
    }

    /// Values after the removals and before any set; an empty one does nothing.
    pub fn compute(&self, scope: &Scope<'_>) -> Computed {
        let values = |list: &[(Name, Format)]| {
            list.iter()
                .map(|(name, format)| (name.clone(), format.header_value(scope)))
                .filter(|(_, value)| !value.is_empty())
                .collect()
        };
        let Some(lists) = &self.0 else { return Computed::default() };
        Computed { set: values(&lists.set), add: values(&lists.add) }
    }
}

impl Computed {
    /// Sets and adds to a request.
    pub fn apply_to_request(self, headers: &mut Headers) {
        for (name, value) in self.set {
            headers.set(name, value);
        }
        for (name, value) in self.add {
            if inline::is_one_in_requests(&name) {
                headers.join(name, value, b",");
            } else {
                headers.append(name, value);
            }
        }
    }

    /// Sets and adds to a response.
    pub fn apply_to_response(self, headers: &mut Headers) {
        for (name, value) in self.set {
            headers.set(name, value);
        }
        for (name, value) in self.add {
            if inline::is_one_in_responses(&name) {
                headers.join(name, value, b",");
            } else {
                headers.append(name, value);
            }
        }
    }
}
