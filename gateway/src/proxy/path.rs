//! Paths in one form before they are matched: RFC 3986 as Envoy's URL library has it.

use std::borrow::Cow;

use bytes::Bytes;
use config_schema::snapshot::{EscapedSlashesAction, HttpOptions, PathNormalization};

/// What normalisation says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Normalized {
    /// Go on with this path and query.
    Path(Bytes),
    /// Answer with a redirect to this path and query.
    Redirect(Bytes),
    /// 400.
    Rejected,
}

/// Normalises a path with its query. The fragment is dropped.
pub(super) fn normalize(raw: &Bytes, options: &HttpOptions) -> Normalized {
    let raw = match memchr::memchr(b'#', raw) {
        Some(at) => raw.slice(..at),
        None => raw.clone(),
    };
    if options.path_normalization == PathNormalization::None {
        return Normalized::Path(raw);
    }
    let split = memchr::memchr(b'?', &raw).unwrap_or(raw.len());
    let (path, query) = raw.split_at(split);
    if is_normal(path, options) {
        return Normalized::Path(raw);
    }
    let action = match options.path_normalization {
        PathNormalization::DecodeAndMergeSlashes => EscapedSlashesAction::UnescapeAndForward,
        PathNormalization::None | PathNormalization::Base | PathNormalization::MergeSlashes => options.escaped_slashes,
    };
    let mut path = Cow::Borrowed(path);
    let mut redirect = false;
    if action != EscapedSlashesAction::Keep
        && let Cow::Owned(decoded) = unescape_slashes(&path)
    {
        match action {
            EscapedSlashesAction::Reject => return Normalized::Rejected,
            EscapedSlashesAction::UnescapeAndRedirect => redirect = true,
            EscapedSlashesAction::Keep | EscapedSlashesAction::UnescapeAndForward => {}
        }
        path = Cow::Owned(decoded);
    }
    let Some(mut path) = canonical(&without_dot_parameters(&path)) else { return Normalized::Rejected };
    if merges_slashes(options) {
        path = merge_slashes(&path);
    }
    path.extend_from_slice(query);
    let path = Bytes::from(path);
    if redirect { Normalized::Redirect(path) } else { Normalized::Path(path) }
}

fn merges_slashes(options: &HttpOptions) -> bool {
    matches!(options.path_normalization, PathNormalization::MergeSlashes | PathNormalization::DecodeAndMergeSlashes)
}

/// The common case: nothing to do.
fn is_normal(path: &[u8], options: &HttpOptions) -> bool {
    let mut previous = 0;
    for byte in path {
        let odd = match byte {
            b'%' | b'\\' => true,
            b'.' | b'/' => previous == b'/' && (*byte == b'.' || merges_slashes(options)),
            other => must_escape(*other),
        };
        if odd {
            return false;
        }
        previous = *byte;
    }
    path.first() == Some(&b'/')
}

/// Characters that are escaped in a canonical path.
fn must_escape(byte: u8) -> bool {
    matches!(byte, 0..=b' ' | b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}' | 127..)
}

/// Decodes unreserved escapes, escapes what must be, and resolves dot segments; a backslash is a slash.
fn canonical(path: &[u8]) -> Option<Vec<u8>> {
    let mut out: Vec<u8> = Vec::with_capacity(path.len() + 8);
    let mut rest = path;
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'/' | b'\\' => {
                out.push(b'/');
                rest = skip_dot_segments(rest, &mut out);
            }
            b'%' => match decode(tail) {
                Some(0) => return None,
                Some(decoded) if is_unreserved(decoded) => {
                    out.push(decoded);
                    rest = &tail[2..];
                }
                Some(_) => {
                    out.extend_from_slice(&[b'%', tail[0], tail[1]]);
                    rest = &tail[2..];
                }
                None => out.push(b'%'),
            },
            other if must_escape(*other) => out.extend_from_slice(format!("%{other:02X}").as_bytes()),
            other => out.push(*other),
        }
    }
    Some(out)
}

/// Takes the parameters of dot segments away: backends that ignore parameters would read `..;x` as `..`, behind the
/// back of every rule on paths. Escaped dots are left as they are, and only a slash ends the parameters.
fn without_dot_parameters(path: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memmem::find(path, b".;").is_none() {
        return Cow::Borrowed(path);
    }
    let segments = path.split(|b| *b == b'/').map(|segment| match segment {
        [b'.', b';', ..] => &segment[..1],
        [b'.', b'.', b';', ..] => &segment[..2],
        other => other,
    });
    Cow::Owned(segments.collect::<Vec<_>>().join(&b'/'))
}

/// Behind a slash: swallows `.` and `..` segments (escaped dots count), taking back what `..` takes back.
fn skip_dot_segments<'a>(mut rest: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    loop {
        let (dots, after) = dots(rest);
        let ends = matches!(after.first(), None | Some(b'/' | b'\\'));
        if !ends || !matches!(dots, 1 | 2) {
            return rest;
        }
        if dots == 2 {
            // Take the slash and the segment before it away, but never the first slash.
            out.pop();
            let keep = out.iter().rposition(|b| *b == b'/').map_or(0, |at| at + 1);
            out.truncate(keep);
            if out.is_empty() {
                out.push(b'/');
            }
        }
        match after.split_first() {
            None => return after,
            Some((_, next)) => rest = next,
        }
    }
}

/// Number of leading dots (at most three count), plain or escaped, and what follows.
fn dots(mut rest: &[u8]) -> (usize, &[u8]) {
    let mut n = 0;
    loop {
        match rest {
            [b'.', tail @ ..] => rest = tail,
            [b'%', b'2', b'e' | b'E', tail @ ..] => rest = tail,
            _ => return (n, rest),
        }
        n += 1;
        if n > 2 {
            return (n, rest);
        }
    }
}

fn decode(tail: &[u8]) -> Option<u8> {
    let (high, low) = (hex(*tail.first()?)?, hex(*tail.get(1)?)?);
    Some(high << 4 | low)
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|n| u8::try_from(n).ok())
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// `%2F` and `%5C` as slashes; borrowed if there are none.
fn unescape_slashes(path: &[u8]) -> Cow<'_, [u8]> {
    let is_escape = |w: &[u8]| matches!(w, [b'%', b'2', b'f' | b'F'] | [b'%', b'5', b'c' | b'C']);
    if !path.windows(3).any(is_escape) {
        return Cow::Borrowed(path);
    }
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((byte, tail)) = rest.split_first() {
        if rest.get(..3).is_some_and(is_escape) {
            out.push(b'/');
            rest = &rest[3..];
        } else {
            out.push(*byte);
            rest = tail;
        }
    }
    Cow::Owned(out)
}

/// Envoy splits at slashes and joins the parts that are not empty; a slash at either end stays.
fn merge_slashes(path: &[u8]) -> Vec<u8> {
    let prefix: &[u8] = if path.starts_with(b"/") { b"/" } else { b"" };
    let suffix: &[u8] = if path.len() > 1 && path.ends_with(b"/") { b"/" } else { b"" };
    let parts: Vec<&[u8]> = path.split(|b| *b == b'/').filter(|part| !part.is_empty()).collect();
    [prefix, &parts.join(&b"/"[..]), suffix].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(raw: &str, options: &HttpOptions) -> String {
        match normalize(&Bytes::copy_from_slice(raw.as_bytes()), options) {
            Normalized::Path(path) => String::from_utf8(path.to_vec()).unwrap(),
            Normalized::Redirect(path) => format!("-> {}", String::from_utf8(path.to_vec()).unwrap()),
            Normalized::Rejected => "400".into(),
        }
    }

    #[test]
    fn base() {
        let options = HttpOptions::default();
        for (raw, expected) in [
            ("/public/../admin/x", "/admin/x"),
            ("/./admin", "/admin"),
            ("//admin", "//admin"),
            ("/public\\..\\admin", "/admin"),
            ("/public/%2e%2E/admin", "/admin"),
            ("/public%2F..%2Fadmin", "/public%2F..%2Fadmin"),
            ("/%61dmin", "/admin"),
            ("/a/../b/./c/..//d?q=/../x", "/b//d?q=/../x"),
            ("/../../etc", "/etc"),
            ("/a/..", "/"),
            ("/a/.", "/a/"),
            ("/a/b/../", "/a/"),
            ("/.../a", "/.../a"),
            ("/a/..b/.c", "/a/..b/.c"),
            ("/..", "/"),
            ("/%41%7E%2d%5f", "/A~-_"),
            ("/a<b>\"c", "/a%3Cb%3E%22c"),
            ("/{a}|b^`", "/%7Ba%7D%7Cb%5E%60"),
            ("/%c3%a9", "/%c3%a9"),
            ("/a%5Cb%5c", "/a%5Cb%5c"),
            ("/%zz/%", "/%zz/%"),
            ("/%00", "400"),
            ("/p?x=1#frag", "/p?x=1"),
            ("/a:b@c!$&'()*+[x]", "/a:b@c!$&'()*+[x]"),
            ("/public/..;x/admin", "/admin"),
            ("/a/.;/b/..;y=1", "/a/"),
            ("/a/...;x/b;..;/c", "/a/...;x/b;..;/c"),
            ("/a/%2e%2e;/b", "/a/..;/b"),
        ] {
            assert_eq!(path(raw, &options), expected, "{raw}");
        }
    }

    #[test]
    fn slashes() {
        let merge = HttpOptions { path_normalization: PathNormalization::MergeSlashes, ..HttpOptions::default() };
        for (raw, expected) in [
            ("//admin", "/admin"),
            ("/a///b//?q=//x", "/a/b/?q=//x"),
            ("/a//../b", "/a/b"),
            ("/a\\\\b", "/a/b"),
            ("/a%2f%2fb", "/a%2f%2fb"),
            ("///", "//"),
            ("//", "//"),
            ("////x", "/x"),
        ] {
            assert_eq!(path(raw, &merge), expected, "{raw}");
        }
        let edge = HttpOptions { escaped_slashes: EscapedSlashesAction::UnescapeAndRedirect, ..merge };
        assert_eq!(path("/a%2Fb?q=1", &edge), "-> /a/b?q=1");
        assert_eq!(path("/a%5cb", &edge), "-> /a/b");
    }
}
