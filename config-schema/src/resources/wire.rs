//! The small types that Istio's messages share: durations, percentages, string matchers, selectors, references.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, de};

/// For optional scalars of protocol buffers (proto3), where a zero or an empty string is the same as nothing.
pub(super) fn scalar<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default + PartialEq,
{
    Ok(Option::<T>::deserialize(deserializer)?.filter(|value| *value != T::default()))
}

/// A length of time, written like `1h30m`, `1.5s`, `100ms` (Go's notation, which contains that of protocol buffers).
/// Never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Duration(pub std::time::Duration);

impl Duration {
    /// So many whole seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(std::time::Duration::from_secs(seconds))
    }

    /// So many milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(std::time::Duration::from_millis(millis))
    }

    /// Reads Go's notation: decimal numbers with the units `h`, `m`, `s`, `ms`, `us` (`µs`), `ns`, one after the
    /// other. `None` if it is not that, is negative, or does not fit (about 292 years).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('+').unwrap_or(text);
        if text == "0" {
            return Some(Self::default());
        }
        let mut rest = text;
        let mut nanos: u128 = 0;
        while !rest.is_empty() {
            let number = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
            let (digits, tail) = rest.split_at(number);
            let unit = tail.len() - tail.trim_start_matches(|c: char| !(c.is_ascii_digit() || c == '.')).len();
            let (unit, tail) = tail.split_at(unit);
            nanos = nanos.checked_add(part_nanos(digits, unit)?)?;
            rest = tail;
        }
        let nanos = u64::try_from(nanos).ok().filter(|nanos| *nanos <= i64::MAX.unsigned_abs())?;
        (!text.is_empty()).then(|| Self(std::time::Duration::from_nanos(nanos)))
    }
}

fn part_nanos(digits: &str, unit: &str) -> Option<u128> {
    let scale: u128 = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') || whole.len() > 19 {
        return None;
    }
    let mut nanos = if whole.is_empty() { 0 } else { whole.parse::<u128>().ok()?.checked_mul(scale)? };
    let mut weight = scale;
    for digit in fraction.bytes() {
        weight /= 10;
        nanos += u128::from(digit - b'0') * weight;
    }
    Some(nanos)
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s", self.0.as_secs_f64())
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            de::Error::custom(format!(
                "duration: {text:?} must be a valid duration such as \"1.5s\", \"100ms\" or \"1h30m\""
            ))
        })
    }
}

/// A share in percent, with fractions down to 0.0001.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default, Deserialize)]
pub struct Percent {
    /// 0 to 100; a message without it means 0.
    #[serde(default)]
    pub value: f64,
}

/// How a string is compared.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "StringMatchFields")]
pub enum StringMatch {
    /// `{}`: for a header or query parameter, that it is there; for anything else no condition.
    Present,
    /// Equal, case included.
    Exact(String),
    /// Begins with this.
    Prefix(String),
    /// Matches this RE2 expression from beginning to end. `*` means presence for headers.
    Regex(String),
}

#[derive(Deserialize)]
struct StringMatchFields {
    exact: Option<String>,
    prefix: Option<String>,
    regex: Option<String>,
}

impl TryFrom<StringMatchFields> for StringMatch {
    type Error = &'static str;

    fn try_from(fields: StringMatchFields) -> Result<Self, Self::Error> {
        match (fields.exact, fields.prefix, fields.regex) {
            (None, None, None) => Ok(Self::Present),
            (Some(text), None, None) => Ok(Self::Exact(text)),
            (None, Some(text), None) => Ok(Self::Prefix(text)),
            (None, None, Some(text)) => Ok(Self::Regex(text)),
            _ => Err("oneof: only one of exact, prefix, regex may be set"),
        }
    }
}

/// Bytes, written as base64.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Base64Bytes(pub Vec<u8>);

impl<'de> Deserialize<'de> for Base64Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes: String = text.split_ascii_whitespace().collect();
        STANDARD.decode(bytes).map(Self).map_err(|error| de::Error::custom(format!("not base64: {error}")))
    }
}

/// A port by number or by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IntOrString {
    /// A number.
    Int(i32),
    /// A name.
    String(String),
}

impl<'de> Deserialize<'de> for IntOrString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl de::Visitor<'_> for Either {
            type Value = IntOrString;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or a name")
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<IntOrString, E> {
                i32::try_from(value)
                    .map(IntOrString::Int)
                    .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(value), &self))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<IntOrString, E> {
                i32::try_from(value)
                    .map(IntOrString::Int)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(value), &self))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<IntOrString, E> {
                Ok(IntOrString::String(text.to_owned()))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// Which workloads a networking object (Sidecar, ServiceEntry, EnvoyFilter) is meant for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct LabelsSelector {
    /// Every one of these labels must be on the workload; none at all means every workload of the namespace.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// Which workloads a policy (security, telemetry, DestinationRule) is meant for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadSelector {
    /// Every one of these labels must be on the workload; none at all means every workload of the namespace.
    #[serde(default)]
    pub match_labels: BTreeMap<String, String>,
}

/// The object a policy is attached to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
pub struct PolicyTargetReference {
    /// API group; nothing means the core group.
    #[serde(default, deserialize_with = "scalar")]
    pub group: Option<String>,
    /// Kind, such as `Gateway` or `Service`.
    pub kind: String,
    /// Name, in the policy's own namespace.
    pub name: String,
    /// Must be absent: references across namespaces are not possible.
    #[serde(default, deserialize_with = "scalar")]
    pub namespace: Option<String>,
}

/// Kubernetes' label selector: all conditions must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LabelSelector {
    /// Labels with exactly these values.
    #[serde(default)]
    pub match_labels: BTreeMap<String, String>,
    /// Further conditions.
    #[serde(default)]
    pub match_expressions: Vec<LabelSelectorRequirement>,
}

/// One condition of a [`LabelSelector`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct LabelSelectorRequirement {
    /// The label.
    pub key: String,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
    pub operator: String,
    /// The values of `In` and `NotIn`.
    #[serde(default)]
    pub values: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, nanos) in [
            ("0", 0),
            ("0s", 0),
            ("5s", 5_000_000_000),
            ("1.5s", 1_500_000_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("+100ms", 100_000_000),
            ("1h30m", 5_400_000_000_000),
            ("1m0.000000001s", 60_000_000_001),
            ("3us", 3_000),
            ("3µs", 3_000),
            ("7ns", 7),
        ] {
            assert_eq!(Duration::parse(text).map(|d| d.0.as_nanos()), Some(nanos), "{text}");
        }
        for text in ["", "+", "s", "1", "1 s", "-1s", "1d", "1..5s", ".s", "1s2", "5S", "999999999h", "1e3s", "apple"] {
            assert_eq!(Duration::parse(text), None, "{text}");
        }
    }
}
