use super::node::Content;

/// What a plain (unquoted, untagged) scalar means, by the rules of go-yaml v2, which Kubernetes uses: YAML 1.1 words
/// and octal numbers, underscores in numbers, no base 60, timestamps stay strings. Only words such as `off` are left
/// open until it is known what the field takes (see [`Content::Word`]).
///
/// `None` for the numbers that JSON cannot hold (`.inf`, `.nan`).
pub(super) fn resolve_plain(text: &str) -> Option<Content> {
    let content = match text {
        "" | "~" | "null" | "Null" | "NULL" => Content::Null,
        "true" | "True" | "TRUE" => Content::Bool(true),
        "false" | "False" | "FALSE" => Content::Bool(false),
        _ if word_value(text).is_some() => Content::Word(text.into()),
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf" | "-.Inf"
        | "-.INF" => return None,
        _ => number(text).unwrap_or_else(|| Content::String(text.into())),
    };
    Some(content)
}

/// The boolean that a word of YAML 1.1 stands for.
pub(super) fn word_value(text: &str) -> Option<bool> {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

fn number(text: &str) -> Option<Content> {
    let first = text.bytes().next()?;
    if !(first.is_ascii_digit() || matches!(first, b'+' | b'-' | b'.')) {
        return None;
    }
    let plain = if first == b'.' { text.to_owned() } else { text.replace('_', "") };
    integer(&plain).map(Content::Integer).or_else(|| float(&plain).map(Content::Float))
}

/// An integer of go's base 0 (`0x`, `0o` or a leading 0 for octal, `0b`) that fits in 64 bits.
fn integer(text: &str) -> Option<i128> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let magnitude = i128::from(u64::from_str_radix(digits, radix).ok()?);
    let value = if negative { -magnitude } else { magnitude };
    (value >= i128::from(i64::MIN)).then_some(value)
}

fn float(text: &str) -> Option<f64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let shape = digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    if !shape {
        return None;
    }
    text.parse::<f64>().ok().filter(|value| value.is_finite())
}

/// Go's shortest form of a float as a map key: `1.5`, `1e+21`.
pub(super) fn float_key(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-4..1e21).contains(&magnitude) {
        let text = format!("{value:e}");
        return match text.split_once('e') {
            Some((mantissa, exponent)) if !exponent.starts_with('-') => format!("{mantissa}e+{exponent:0>2}"),
            _ => text,
        };
    }
    value.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(text: &str) -> Content {
        Content::String(text.into())
    }

    #[test]
    fn words_numbers_and_strings_are_told_apart_as_kubernetes_does() {
        for (text, expected) in [
            ("True", Content::Bool(true)),
            ("off", Content::Word("off".into())),
            ("~", Content::Null),
            ("80", Content::Integer(80)),
            ("+80", Content::Integer(80)),
            ("010", Content::Integer(8)),
            ("0o10", Content::Integer(8)),
            ("0x1F", Content::Integer(31)),
            ("-0b11", Content::Integer(-3)),
            ("1_000", Content::Integer(1000)),
            ("08", Content::Float(8.0)),
            ("18446744073709551615", Content::Integer(18_446_744_073_709_551_615)),
            ("18446744073709551616", Content::Float(18_446_744_073_709_551_616.0)),
            ("1e3", Content::Float(1000.0)),
            (".5", Content::Float(0.5)),
            ("5.", Content::Float(5.0)),
            ("-", string("-")),
            ("-h", string("-h")),
            ("1.2.3", string("1.2.3")),
            ("12:30:45", string("12:30:45")),
            ("2026-01-01T00:00:00Z", string("2026-01-01T00:00:00Z")),
            ("1s", string("1s")),
            ("0x", string("0x")),
            ("yEs", string("yEs")),
            ("1e", string("1e")),
            (".", string(".")),
        ] {
            assert_eq!(resolve_plain(text), Some(expected), "{text}");
        }
        assert_eq!(resolve_plain("-.inf"), None);
    }
}
