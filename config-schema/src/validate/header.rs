//! Names and values of headers.

/// A character of an HTTP token (RFC 9110, section 5.6.2).
fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

fn token(name: &str) -> Result<(), String> {
    if name.is_empty() {
        Err("the name of a header must not be empty".to_owned())
    } else if name.chars().all(is_token_char) {
        Ok(())
    } else {
        Err(format!("{name:?} is not the name of a header"))
    }
}

/// A header of a CORS policy, or `*`.
pub(super) fn cors_name(name: &str) -> Result<(), String> {
    token(name)
}

/// A header to match: a name, a pseudo-header, or `@request.auth.claims…`.
pub(super) fn match_name(name: &str) -> Result<(), String> {
    let pseudo = [":method", ":scheme", ":authority", ":path", ":status"];
    if pseudo.contains(&name) || is_claim(name) { Ok(()) } else { token(name) }
}

/// True for the key of a match on a claim of a token: `@request.auth.claims.a.b` or `@request.auth.claims[a][b]`.
pub(super) fn is_claim(name: &str) -> bool {
    const PREFIX: &str = "@request.auth.claims";
    let Some(prefix) = name.get(..PREFIX.len()).filter(|prefix| prefix.eq_ignore_ascii_case(PREFIX)) else {
        return false;
    };
    let rest = &name[prefix.len()..];
    rest.starts_with('.') && rest.len() > 1 || rest.starts_with('[') && rest.ends_with(']') && rest.len() > 2
}

pub(super) fn is_authority(name: &str) -> bool {
    name.eq_ignore_ascii_case(":authority") || name.eq_ignore_ascii_case("host")
}

/// A header that is set or added to a request.
pub(super) fn request_change(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("the name of a header must not be empty".to_owned());
    }
    if name.starts_with(':') && !is_authority(name) {
        return Err(format!("the pseudo-header {name:?} cannot be changed"));
    }
    Ok(())
}

/// False for names that Istio lets pass though HTTP does not have them.
pub(super) fn is_sendable(name: &str) -> bool {
    is_authority(name) || token(name).is_ok()
}

/// A header that is removed from a request, or changed in a response.
pub(super) fn other_change(name: &str) -> Result<(), String> {
    if name.eq_ignore_ascii_case("host") {
        return Err(format!("{name:?} cannot be changed here"));
    }
    if name.starts_with(':') {
        return Err(format!("the pseudo-header {name:?} cannot be changed"));
    }
    if name.is_empty() {
        return Err("the name of a header must not be empty".to_owned());
    }
    Ok(())
}

/// A header whose name has only letters, digits, `-` and `_`.
pub(super) fn strict_name(name: &str) -> Result<(), String> {
    if !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
        Ok(())
    } else {
        Err(format!("{name:?} is not the name of a header; it may have letters, digits, - and _"))
    }
}

/// The value of a header that is set or added: text with operators such as `%REQ(x-user)%`, and `%%` for a percent sign.
pub(super) fn value(text: &str) -> Result<(), String> {
    if let Some(c) = text.chars().find(|c| c.is_ascii_control() && *c != '\t') {
        return Err(format!("the value of a header must not have the control character {c:?}"));
    }
    operators(text).map_err(|what| format!("the value {text:?} {what}; write %% for a percent sign"))
}

/// Where a reader of a header value stands; the steps are those of Envoy's own reader.
enum State {
    Text,
    Name,
    ArgumentsBegin,
    ArrayNext,
    StringBegin,
    Argument,
    ArgumentsEnd,
    OperatorEnd,
}

fn operators(text: &str) -> Result<(), &'static str> {
    let bytes = text.as_bytes();
    let mut at = 0;
    let mut state = State::Text;
    while at < bytes.len() {
        let byte = bytes[at];
        state = match (state, byte) {
            (State::Text, b'%') => match bytes.get(at + 1) {
                None => return Err("has a percent sign that begins no operator"),
                Some(b'%') => {
                    at += 1;
                    State::Text
                }
                Some(_) => State::Name,
            },
            (State::Text, _) | (State::Name | State::OperatorEnd, b'%') => State::Text,
            (State::Name, b'(') => State::ArgumentsBegin,
            (State::Name, _) => State::Name,
            (State::ArgumentsBegin, b'[') | (State::ArrayNext, b',') => State::StringBegin,
            (State::ArgumentsBegin, b' ') => State::ArgumentsBegin,
            (State::ArgumentsBegin, _) | (State::StringBegin, b'"') => State::Argument,
            (State::ArrayNext, b']') => State::ArgumentsEnd,
            (State::Argument, b'\\') => {
                at += 1;
                if at >= bytes.len() {
                    return Err("ends in a backslash");
                }
                State::Argument
            }
            (State::Argument | State::ArgumentsEnd, b')') => State::OperatorEnd,
            (State::Argument, b'"') => State::ArrayNext,
            (State::Argument, _) => State::Argument,
            (state @ (State::ArrayNext | State::StringBegin | State::ArgumentsEnd | State::OperatorEnd), b' ') => state,
            _ => return Err("has an operator with malformed arguments"),
        };
        at += 1;
    }
    if matches!(state, State::Text) { Ok(()) } else { Err("has an operator without an end") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_complete_operators() {
        for text in [
            "",
            "foo",
            "%HOSTNAME%",
            "100%%",
            "a %HOSTNAME% b",
            "%REQ(x-user)%",
            "%PER_REQUEST_STATE(a.b)%",
            "tab\t",
            r#"%UPSTREAM_METADATA(["ns", "key"])%"#,
            "%START_TIME(%s)%",
            "%VAR( x)%",
            "é",
        ] {
            assert_eq!(value(text), Ok(()), "{text}");
        }
        for text in
            ["abc%123", "%START_TIME%%", "%", "%REQ(x", "%REQ(x)y%", r#"%V(["a" x])%"#, "%V([x])%", "a\nb", "%V(\\"]
        {
            assert!(value(text).is_err(), "{text}");
        }
    }

    #[test]
    fn claims_are_told_from_headers() {
        for (name, claim) in [
            ("@request.auth.claims.sub", true),
            ("@Request.Auth.Claims[a][b]", true),
            ("@request.auth.claims", false),
            ("@request.auth.claims.", false),
            ("@request.auth.claims[]", false),
            ("x-user", false),
        ] {
            assert_eq!(is_claim(name), claim, "{name}");
        }
    }
}
