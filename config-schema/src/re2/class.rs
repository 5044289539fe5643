use super::PatternError;
use super::translate::{Cursor, escaped_letter};

const POSIX: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "word",
    "xdigit",
];

/// A bracket expression, after the opening bracket.
pub(super) fn class(rest: &mut Cursor<'_>) -> Result<String, PatternError> {
    let mut out = String::from(if rest.eat("^") { "[^" } else { "[" });
    let mut first = true;
    loop {
        if !first && rest.eat("]") {
            out.push(']');
            return Ok(out);
        }
        first = false;
        if rest.rest().starts_with("[:") && rest.rest().contains(":]") {
            out.push_str(&posix_class(rest)?);
            continue;
        }
        if rest.rest().starts_with('\\') && rest.rest()[1..].starts_with(['d', 'D', 's', 'S', 'w', 'W', 'p', 'P']) {
            rest.next();
            out.push_str(&perl_class(rest)?);
            continue;
        }
        let low = letter(rest)?;
        let is_range = rest.rest().starts_with('-') && !rest.rest().starts_with("-]") && rest.rest().len() > 1;
        if is_range {
            rest.next();
            let high = letter(rest)?;
            if high < low {
                return Err(PatternError(format!("the range {low}-{high} runs backwards")));
            }
            out.push_str(&format!("{}-{}", hex(low), hex(high)));
        } else {
            out.push_str(&hex(low));
        }
    }
}

fn letter(rest: &mut Cursor<'_>) -> Result<char, PatternError> {
    match rest.next() {
        Some('\\') => escaped_letter(rest),
        Some(letter) => Ok(letter),
        None => Err(PatternError("a bracket expression without end".to_owned())),
    }
}

/// A form that has no second meaning inside of brackets.
fn hex(letter: char) -> String {
    format!("\\x{{{:x}}}", letter as u32)
}

fn posix_class(rest: &mut Cursor<'_>) -> Result<String, PatternError> {
    rest.eat("[:");
    let name = rest.until(":]").unwrap_or_default();
    let plain = name.strip_prefix('^').unwrap_or(name);
    if POSIX.contains(&plain) {
        Ok(format!("[:{name}:]"))
    } else {
        Err(PatternError(format!("there is no class [:{name}:]")))
    }
}

/// `\d`, `\s`, `\w` (ASCII in RE2), `\pN`, `\p{Greek}` and their negations, after the backslash.
pub(super) fn perl_class(rest: &mut Cursor<'_>) -> Result<String, PatternError> {
    let class = match rest.next() {
        Some('d') => "[0-9]",
        Some('D') => "[^0-9]",
        Some('s') => r"[\t\n\x0C\r ]",
        Some('S') => r"[^\t\n\x0C\r ]",
        Some('w') => "[0-9A-Za-z_]",
        Some('W') => "[^0-9A-Za-z_]",
        Some(letter @ ('p' | 'P')) => return unicode_class(rest, letter),
        _ => return Err(PatternError("a backslash at the end".to_owned())),
    };
    Ok(class.to_owned())
}

fn unicode_class(rest: &mut Cursor<'_>, letter: char) -> Result<String, PatternError> {
    let name = if rest.eat("{") { rest.until("}").map(str::to_owned) } else { rest.next().map(String::from) };
    let name = name.filter(|name| {
        let plain = name.strip_prefix('^').unwrap_or(name);
        !plain.is_empty() && plain.chars().all(|c| c == '_' || c.is_ascii_alphanumeric())
    });
    let name = name.ok_or_else(|| PatternError(format!(r"\{letter} is not followed by a class of characters")))?;
    let negated = (letter == 'P') != name.starts_with('^');
    let plain = name.trim_start_matches('^');
    Ok(format!("\\{}{{{plain}}}", if negated { 'P' } else { 'p' }))
}
