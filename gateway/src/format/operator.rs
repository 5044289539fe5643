//! The operators: their names, arguments, and values.

use std::fmt;

use super::coalesce::Coalesce;
use super::duration::CommonDuration;
use super::metadata::{MetadataPath, Source};
use super::names::{ABSENT, CUT, PLAIN, Plain};
use super::request::ServerName;
use super::time::{TimeFormat, TimeZone};
use super::value::{Scope, Value};

/// A format that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormatError(String);

impl FormatError {
    pub(crate) fn new(text: String) -> Self {
        FormatError(text)
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for FormatError {}

/// A field of a head: a name, another one to take its place, and a maximal length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldArgument {
    pub(super) name: String,
    alternative: Option<String>,
    max_length: Option<usize>,
}

/// A `%COMMAND%`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operator {
    /// `REQ(X?Y):Z`
    Request(FieldArgument),
    /// `REQ_WITHOUT_QUERY(X?Y):Z`: the same up to a question mark; in access logs.
    RequestWithoutQuery(FieldArgument),
    /// `RESP(X?Y):Z`
    Response(FieldArgument),
    /// `TRAILER(X?Y):Z`
    Trailer(FieldArgument),
    /// `START_TIME(FORMAT)`, `START_TIME_LOCAL(FORMAT)`
    StartTime(TimeFormat),
    /// `EMIT_TIME(FORMAT)`, `EMIT_TIME_LOCAL(FORMAT)`: the end of what is logged.
    EmitTime(TimeFormat),
    /// `DOWNSTREAM_PEER_CERT_V_START(FORMAT)` and its like.
    CertificateTime(Plain, TimeFormat),
    /// `…_ADDRESS_WITHOUT_PORT(BITS)`: the network of an address.
    Network(Plain, u8),
    /// `QUERY_PARAM(X):Z`
    QueryParameter(FieldArgument),
    /// `REQUESTED_SERVER_NAME(SOURCE:KIND)`
    ServerName(ServerName),
    /// Everything without an argument, by name.
    Plain(Plain),
    /// `ENVIRONMENT(X):Z`: read once, at parse time; a dash if it is not set, in headers too.
    Environment(String),
    /// `PATH(WQ|NQ|ORIG…)`: with or without query, original or rewritten.
    Path {
        /// With query.
        query: bool,
        /// Before rewrites: always, if there is one, or never.
        original: Original,
    },
    /// `METADATA(KIND:…)`, `CLUSTER_METADATA(…)`, `UPSTREAM_METADATA(…)`, `DYNAMIC_METADATA(…)`
    Metadata(MetadataPath),
    /// `COMMON_DURATION(START:END:PRECISION)`
    CommonDuration(CommonDuration),
    /// `COALESCE({"operators": […]})`
    Coalesce(Coalesce),
    /// State of filters that Sallyport does not have (`FILTER_STATE` …): always missing.
    Absent,
}

/// Which path `PATH` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Original {
    /// x-envoy-original-path only.
    Only,
    /// x-envoy-original-path, else the path.
    Preferred,
    /// The path.
    Never,
}

impl Operator {
    /// Parses what stands behind a `%`; also how many bytes it takes, with the closing `%`.
    pub(super) fn parse(text: &str) -> Result<(Self, usize), FormatError> {
        let name_end = text
            .find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'))
            .ok_or_else(|| FormatError(format!("`%{text}` is not closed by `%`")))?;
        let name = &text[..name_end];
        let mut rest = &text[name_end..];
        let mut argument = None;
        if let Some(inner) = rest.strip_prefix('(') {
            let close = end_of_argument(inner);
            let close = close.ok_or_else(|| FormatError(format!("`%{name}(` is not closed by `)`")))?;
            argument = Some(&inner[..close]);
            rest = &inner[close + 1..];
        }
        let mut max_length = None;
        if let Some(digits) = rest.strip_prefix(':') {
            let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
            max_length = Some(digits[..end].parse().map_err(|_| FormatError(format!("`%{name}…:` needs a number")))?);
            rest = &digits[end..];
        }
        let rest = rest.strip_prefix('%').ok_or_else(|| FormatError(format!("`%{name}` is not closed by `%`")))?;
        let length = text.len() - rest.len();
        Ok((Self::build(name, argument, max_length)?, length))
    }

    /// Of a name with its argument and length.
    pub(super) fn build(
        operator: &str,
        argument: Option<&str>,
        max_length: Option<usize>,
    ) -> Result<Self, FormatError> {
        let field = || -> Result<FieldArgument, FormatError> {
            let argument = argument
                .filter(|a| !a.is_empty())
                .ok_or_else(|| FormatError(format!("`%{operator}%` needs a header name")))?;
            let (name, alternative) = match argument.split_once('?') {
                Some((name, alternative)) => (name, Some(alternative.to_ascii_lowercase())),
                None => (argument, None),
            };
            let odd = |c: char| c == '?' || c.is_ascii_whitespace();
            if name.contains(odd) || alternative.as_ref().is_some_and(|name| name.contains(odd)) {
                return Err(FormatError(format!("`%{operator}({argument})%`: use one or two header names, as in X?Y")));
            }
            Ok(FieldArgument { name: name.to_ascii_lowercase(), alternative, max_length })
        };
        if max_length.is_some() && !CUT.contains(&operator) {
            return Err(FormatError(format!("`%{operator}%` takes no length")));
        }
        let needed = || needed(operator, argument);
        let time = |zone| TimeFormat::new(argument.unwrap_or(""), zone);
        Ok(match operator {
            "REQ" | "REQUEST_HEADER" => Operator::Request(field()?),
            "REQ_WITHOUT_QUERY" => Operator::RequestWithoutQuery(field()?),
            "RESP" | "RESPONSE_HEADER" => Operator::Response(field()?),
            "TRAILER" | "RESPONSE_TRAILER" => Operator::Trailer(field()?),
            "START_TIME" => Operator::StartTime(time(TimeZone::Utc)),
            "START_TIME_LOCAL" => Operator::StartTime(time(TimeZone::Local)),
            "EMIT_TIME" => Operator::EmitTime(time(TimeZone::Utc)),
            "EMIT_TIME_LOCAL" => Operator::EmitTime(time(TimeZone::Local)),
            "DOWNSTREAM_PEER_CERT_V_START"
            | "DOWNSTREAM_PEER_CERT_V_END"
            | "UPSTREAM_PEER_CERT_V_START"
            | "UPSTREAM_PEER_CERT_V_END"
                if argument.is_some() =>
            {
                let Operator::Plain(of) = plain(operator, None)? else { return Ok(Operator::Absent) };
                Operator::CertificateTime(of, time(TimeZone::Utc))
            }
            "QUERY_PARAM" => {
                let name = argument.filter(|name| !name.is_empty());
                let name = name.ok_or_else(|| FormatError("`%QUERY_PARAM%` needs a name".to_owned()))?;
                Operator::QueryParameter(FieldArgument { name: name.to_owned(), alternative: None, max_length })
            }
            "REQUESTED_SERVER_NAME" => Operator::ServerName(ServerName::parse(argument.unwrap_or(""))?),
            "ENVIRONMENT" => Operator::Environment(match std::env::var(needed()?) {
                Ok(value) => value.chars().take(max_length.unwrap_or(usize::MAX)).collect(),
                Err(_) => "-".to_owned(),
            }),
            "PATH" => path(argument.unwrap_or(""))?,
            _ => Self::build_other(operator, argument, max_length)?,
        })
    }

    /// Of operators about metadata, durations and what is absent, and of those without an argument.
    fn build_other(operator: &str, argument: Option<&str>, max_length: Option<usize>) -> Result<Self, FormatError> {
        let needed = || needed(operator, argument);
        Ok(match operator {
            "METADATA" => Operator::Metadata(MetadataPath::with_kind(argument.unwrap_or(""), max_length)?),
            "DYNAMIC_METADATA" => Operator::Metadata(MetadataPath::of(Source::Nothing, needed()?, max_length)),
            "CLUSTER_METADATA" => Operator::Metadata(MetadataPath::of(Source::Cluster, needed()?, None)),
            "UPSTREAM_METADATA" => Operator::Metadata(MetadataPath::of(Source::Host, needed()?, None)),
            "FILTER_STATE" | "UPSTREAM_FILTER_STATE" => filter_state(operator, argument.unwrap_or(""))?,
            "COMMON_DURATION" => Operator::CommonDuration(CommonDuration::parse(needed()?)?),
            "COALESCE" => Operator::Coalesce(Coalesce::parse(needed()?, max_length)?),
            "STREAM_INFO_REQ" => return Self::build("REQ", argument, max_length),
            "CEL" | "TYPED_CEL" => {
                return Err(FormatError(format!(
                    "`%{operator}%` is not supported: expressions of CEL are not evaluated"
                )));
            }
            absent if ABSENT.contains(&absent) => match argument {
                None | Some("") => Operator::Absent,
                Some(argument) => return Err(FormatError(format!("`%{absent}({argument})%` takes no argument"))),
            },
            _ => plain(operator, argument)?,
        })
    }

    /// Istio adds it to access logs; in header values it is unknown.
    pub(super) fn is_for_logs_alone(&self) -> bool {
        match self {
            Operator::RequestWithoutQuery(_) => true,
            Operator::Coalesce(coalesce) => coalesce.is_for_logs_alone(),
            _ => false,
        }
    }

    /// The value for a request.
    pub fn evaluate<'a>(&'a self, scope: &Scope<'a>) -> Value<'a> {
        match self {
            Operator::Request(field) => field.evaluate(|name| scope.request_field(name)),
            Operator::RequestWithoutQuery(field) => field.evaluate(|name| scope.request_field(name).map(before_query)),
            Operator::Response(field) if field.name == ":status" => {
                scope.response.map_or(Value::Missing, |(status, _)| Value::Owned(status.to_string()))
            }
            Operator::Response(field) => field.evaluate(|name| scope.response_field(name)),
            Operator::Trailer(field) => field.evaluate(|name| scope.trailer(name)),
            Operator::StartTime(format) => Value::Owned(format.render(scope.start_time())),
            Operator::EmitTime(format) => Value::Owned(format.render(scope.emit_time())),
            Operator::CertificateTime(plain, format) => scope.certificate_time(*plain, format),
            Operator::Network(plain, bits) => scope.network(*plain, *bits),
            Operator::QueryParameter(argument) => argument.limit(scope.query_parameter(&argument.name)),
            Operator::ServerName(name) => scope.server_name(*name),
            Operator::Plain(plain) => scope.plain(*plain),
            Operator::Environment(value) => Value::Bytes(value.as_bytes()),
            Operator::Path { query, original } => scope.path(*query, *original),
            Operator::Metadata(path) => path.evaluate(scope),
            Operator::CommonDuration(duration) => duration.evaluate(scope),
            Operator::Coalesce(coalesce) => coalesce.evaluate(scope),
            Operator::Absent => Value::Missing,
        }
    }
}

/// The argument of an operator that has no value without one.
fn needed<'t>(operator: &str, argument: Option<&'t str>) -> Result<&'t str, FormatError> {
    let argument = argument.filter(|argument| !argument.is_empty());
    argument.ok_or_else(|| FormatError(format!("`%{operator}%` needs an argument: `%{operator}(…)%`")))
}

fn before_query(target: &[u8]) -> &[u8] {
    target.split(|b| *b == b'?').next().unwrap_or(target)
}

/// Where the argument ends: at the first parenthesis behind which the operator may end.
fn end_of_argument(inner: &str) -> Option<usize> {
    let ends = |rest: &str| {
        let rest =
            rest.strip_prefix(':').map_or(rest, |digits| digits.trim_start_matches(|c: char| c.is_ascii_digit()));
        rest.starts_with('%')
    };
    inner.match_indices(')').map(|(at, _)| at).find(|at| ends(&inner[at + 1..])).or_else(|| inner.find(')'))
}

/// `FILTER_STATE(KEY:PLAIN|TYPED|FIELD:NAME)`: no filter leaves state behind.
fn filter_state(operator: &str, argument: &str) -> Result<Operator, FormatError> {
    let mut parts = argument.splitn(3, ':');
    let (key, kind, name) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    let good =
        !key.is_empty() && matches!(kind, "" | "PLAIN" | "TYPED" | "FIELD") && (kind == "FIELD") != name.is_empty();
    good.then_some(Operator::Absent).ok_or_else(|| {
        FormatError(format!("`%{operator}({argument})%`: use KEY, KEY:PLAIN, KEY:TYPED or KEY:FIELD:NAME"))
    })
}

impl FieldArgument {
    fn evaluate<'a>(&self, find: impl Fn(&str) -> Option<&'a [u8]>) -> Value<'a> {
        let found = find(&self.name).or_else(|| self.alternative.as_deref().and_then(find));
        self.limit(found.map_or(Value::Missing, Value::Bytes))
    }

    fn limit<'a>(&self, value: Value<'a>) -> Value<'a> {
        value.limit(self.max_length)
    }
}

/// An operator of one name; a few take an argument.
fn plain(operator: &str, argument: Option<&str>) -> Result<Operator, FormatError> {
    let found = PLAIN.iter().find(|(text, _)| *text == operator);
    let (_, plain) = *found.ok_or_else(|| FormatError(format!("unknown operator `%{operator}%`")))?;
    let Some(argument) = argument.filter(|argument| !argument.is_empty()) else { return Ok(Operator::Plain(plain)) };
    let refused = || FormatError(format!("`%{operator}({argument})%` is not an argument that this operator takes"));
    Ok(match (plain, argument) {
        (Plain::GrpcStatus, "NUMBER") => Operator::Plain(Plain::GrpcStatusNumber),
        (Plain::GrpcStatus, "SNAKE_STRING") => Operator::Plain(Plain::GrpcStatusSnake),
        // No details have blanks.
        (Plain::GrpcStatus, "CAMEL_STRING") | (Plain::ResponseCodeDetails, _) => Operator::Plain(plain),
        // Rewrites hide no query: the first is what there is.
        (Plain::QueryParameters, "ORIG") => Operator::Plain(plain),
        _ if operator.ends_with("_ADDRESS_WITHOUT_PORT") => {
            Operator::Network(plain, argument.parse().ok().filter(|bits| *bits <= 128).ok_or_else(refused)?)
        }
        _ => return Err(refused()),
    })
}

fn path(argument: &str) -> Result<Operator, FormatError> {
    let mut query = true;
    let mut original = Original::Preferred;
    for part in argument.split(':').filter(|part| !part.is_empty()) {
        match part {
            "WQ" => query = true,
            "NQ" => query = false,
            "ORIG" => original = Original::Only,
            "PATH" => original = Original::Never,
            "ORIG_OR_PATH" => original = Original::Preferred,
            other => {
                return Err(FormatError(format!("`%PATH({other})%`: use WQ or NQ, and ORIG, PATH or ORIG_OR_PATH")));
            }
        }
    }
    Ok(Operator::Path { query, original })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_that_an_operator_does_not_take_are_errors() {
        for text in [
            "DURATION(1)%",
            "STREAM_ID(1)%",
            "GRPC_STATUS(X)%",
            "REQ(a?b?c)%",
            "REQ( a )%",
            "QUERY_PARAM()%",
            "QUERY_PARAMS(RAW)%",
            "REQUESTED_SERVER_NAME(HOST_ONLY)%",
            "UPSTREAM_CLUSTER(1)%",
            "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT(129)%",
            "COALESCE(x)%",
            "COALESCE({\"operators\": []})%",
            "COALESCE({\"operators\": [\"NOPE\"]})%",
            "PROTOCOL:3%",
            "START_TIME:3%",
            "CLUSTER_METADATA%",
            "UPSTREAM_METADATA(a):3%",
            "METADATA(FOO:a)%",
            "FILTER_STATE%",
            "FILTER_STATE(a:FIELD)%",
            "FILTER_STATE(a:FOO)%",
            "COMMON_DURATION(DS_RX_BEG)%",
            "COMMON_DURATION(a:b:s)%",
            "ENVIRONMENT%",
            "LISTENER_NAME(x)%",
            "CEL(request.path)%",
        ] {
            assert!(Operator::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn arguments_end_where_the_operator_may_end() {
        for (text, length) in [
            ("PROTOCOL()% rest", 11),
            ("REQ(a):3%", 9),
            ("COALESCE({\"operators\": [{\"command\": \"REQ\", \"param\": \"a\"}, \"PROTOCOL\"]}):4%", 74),
            ("ENVIRONMENT(a)(b)%", 18),
            ("COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%", 40),
            ("METADATA(CLUSTER:istio:services):10%", 36),
        ] {
            assert_eq!(Operator::parse(text).map(|(_, length)| length).ok(), Some(length), "{text}");
        }
    }
}
