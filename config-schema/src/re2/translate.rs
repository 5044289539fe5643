use super::PatternError;
use super::class::{class, perl_class};

/// RE2 repeats at most so often.
const MAX_REPEAT: u32 = 1000;

/// Writes an expression in RE2's syntax in that of the `regex` crate, with the same meaning.
///
/// # Errors
/// If it is not RE2.
pub fn translate(pattern: &str) -> Result<String, PatternError> {
    let mut translator =
        Translator { rest: Cursor::new(pattern), out: String::with_capacity(pattern.len() + 8), depth: 0 };
    translator.run()?;
    Ok(translator.out)
}

/// The characters of an expression, with a look ahead.
pub(super) struct Cursor<'p> {
    text: &'p str,
    at: usize,
}

impl<'p> Cursor<'p> {
    fn new(text: &'p str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn rest(&self) -> &'p str {
        &self.text[self.at..]
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let letter = self.rest().chars().next()?;
        self.at += letter.len_utf8();
        Some(letter)
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn eat(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    pub(super) fn until(&mut self, end: &str) -> Option<&'p str> {
        let length = self.rest().find(end)?;
        let text = &self.rest()[..length];
        self.at += length + end.len();
        Some(text)
    }
}

/// What stands before a repetition operator.
#[derive(PartialEq)]
enum Before {
    Nothing,
    Something,
    Repetition,
}

struct Translator<'p> {
    rest: Cursor<'p>,
    out: String,
    /// Groups that are open.
    depth: usize,
}

impl Translator<'_> {
    fn run(&mut self) -> Result<(), PatternError> {
        let mut before = Before::Nothing;
        while let Some(letter) = self.rest.next() {
            before = match letter {
                '*' | '+' | '?' => self.repetition(letter.to_string(), &before)?,
                '{' => match self.counted()? {
                    Some(operator) => self.repetition(operator, &before)?,
                    None => self.literal('{'),
                },
                '(' => self.group()?,
                '|' => self.plain('|', Before::Nothing),
                ')' => {
                    let open = self.depth.checked_sub(1);
                    self.depth =
                        open.ok_or_else(|| PatternError("a group is closed that was not opened".to_owned()))?;
                    self.plain(')', Before::Something)
                }
                '.' | '^' | '$' => self.plain(letter, Before::Something),
                '[' => {
                    self.out.push_str(&class(&mut self.rest)?);
                    Before::Something
                }
                '\\' => self.escape()?,
                letter => self.literal(letter),
            };
        }
        if self.depth > 0 {
            return Err(PatternError("a group is not closed".to_owned()));
        }
        Ok(())
    }

    fn plain(&mut self, letter: char, before: Before) -> Before {
        self.out.push(letter);
        before
    }

    fn literal(&mut self, letter: char) -> Before {
        self.out.push_str(&regex::escape(letter.encode_utf8(&mut [0; 4])));
        Before::Something
    }

    fn repetition(&mut self, operator: String, before: &Before) -> Result<Before, PatternError> {
        match before {
            Before::Nothing => Err(PatternError(format!("nothing stands before the repetition operator {operator}"))),
            Before::Repetition => Err(PatternError(format!("the repetition operator {operator} follows another one"))),
            Before::Something => {
                self.out.push_str(&operator);
                if self.rest.eat("?") {
                    self.out.push('?');
                }
                Ok(Before::Repetition)
            }
        }
    }

    /// `{2}`, `{2,}` or `{2,4}` after the brace; anything else is text.
    fn counted(&mut self) -> Result<Option<String>, PatternError> {
        let Some(end) = self.rest.rest().find('}') else { return Ok(None) };
        let inside = &self.rest.rest()[..end];
        let (low, high) = inside.split_once(',').map_or((inside, None), |(low, high)| (low, Some(high)));
        let count = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            (digits && (text.len() == 1 || !text.starts_with('0'))).then(|| text.parse().unwrap_or(u32::MAX))
        };
        let Some(low) = count(low) else { return Ok(None) };
        let high = match high {
            None => Some(low),
            Some("") => None,
            Some(text) => match count(text) {
                Some(high) => Some(high),
                None => return Ok(None),
            },
        };
        if low > MAX_REPEAT || high.is_some_and(|high| high > MAX_REPEAT || high < low) {
            return Err(PatternError(format!("{{{inside}}} is not a repetition of at most {MAX_REPEAT} times")));
        }
        let operator = format!("{{{inside}}}");
        self.rest.until("}");
        Ok(Some(operator))
    }

    fn group(&mut self) -> Result<Before, PatternError> {
        if !self.rest.eat("?") {
            self.depth += 1;
            return Ok(self.plain('(', Before::Nothing));
        }
        for (opening, name) in [("=", "(?="), ("!", "(?!"), ("<=", "(?<="), ("<!", "(?<!")] {
            if self.rest.rest().starts_with(opening) {
                return Err(PatternError(format!("RE2 cannot look around: {name}")));
            }
        }
        if self.rest.eat("P<") || self.rest.eat("<") {
            let name = self.rest.until(">").filter(|name| is_group_name(name));
            let name = name.ok_or_else(|| PatternError("a group has no valid name".to_owned()))?;
            self.out.push_str(&format!("(?P<{name}>"));
            self.depth += 1;
            return Ok(Before::Nothing);
        }
        let mut flags = String::new();
        loop {
            match self.rest.next() {
                Some(flag @ ('i' | 'm' | 's' | 'U' | '-')) => flags.push(flag),
                Some(end @ (':' | ')')) if end == ':' || !flags.is_empty() => {
                    self.out.push_str(&format!("(?{flags}{end}"));
                    self.depth += usize::from(end == ':');
                    return Ok(Before::Nothing);
                }
                _ => return Err(PatternError("a group begins with flags other than i, m, s and U".to_owned())),
            }
        }
    }

    fn escape(&mut self) -> Result<Before, PatternError> {
        if self.rest.eat("Q") {
            let text = match self.rest.until(r"\E") {
                Some(text) => text.to_owned(),
                None => self.take_all(),
            };
            self.out.push_str(&regex::escape(&text));
            return Ok(if text.is_empty() { Before::Nothing } else { Before::Something });
        }
        match self.rest.peek() {
            Some(letter @ ('A' | 'z')) => {
                self.rest.next();
                self.out.push_str(&format!("\\{letter}"));
            }
            Some(letter @ ('b' | 'B')) => {
                self.rest.next();
                self.out.push_str(&format!(r"(?-u:\{letter})"));
            }
            Some('d' | 'D' | 's' | 'S' | 'w' | 'W' | 'p' | 'P') => {
                let class = perl_class(&mut self.rest)?;
                self.out.push_str(&class);
            }
            _ => {
                let letter = escaped_letter(&mut self.rest)?;
                return Ok(self.literal(letter));
            }
        }
        Ok(Before::Something)
    }

    fn take_all(&mut self) -> String {
        let mut text = String::new();
        while let Some(letter) = self.rest.next() {
            text.push(letter);
        }
        text
    }
}

fn is_group_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|letter| letter == '_' || letter.is_ascii_alphanumeric())
}

/// The character that an escape stands for, after the backslash.
pub(super) fn escaped_letter(rest: &mut Cursor<'_>) -> Result<char, PatternError> {
    let Some(letter) = rest.next() else { return Err(PatternError("a backslash at the end".to_owned())) };
    let octal = |rest: &mut Cursor<'_>, first: char| {
        let mut value = first as u32 - '0' as u32;
        for _ in 0..2 {
            match rest.peek() {
                Some(digit @ '0'..='7') => {
                    value = value * 8 + (digit as u32 - '0' as u32);
                    rest.next();
                }
                _ => break,
            }
        }
        char::from_u32(value)
    };
    let found = match letter {
        '1'..='7' if rest.peek().is_some_and(|next| ('0'..='7').contains(&next)) => octal(rest, letter),
        '0' => octal(rest, letter),
        'a' => Some('\u{7}'),
        'f' => Some('\u{c}'),
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        'v' => Some('\u{b}'),
        'x' => hex_letter(rest),
        '1'..='9' => return Err(PatternError(format!(r"RE2 cannot refer back to a group: \{letter}"))),
        letter if letter.is_ascii() && !letter.is_ascii_alphanumeric() => Some(letter),
        _ => None,
    };
    found.ok_or_else(|| PatternError(format!(r"RE2 has no escape \{letter}")))
}

fn hex_letter(rest: &mut Cursor<'_>) -> Option<char> {
    let digits =
        if rest.eat("{") { rest.until("}")?.to_owned() } else { [rest.next()?, rest.next()?].iter().collect() };
    let hex = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    hex.then(|| u32::from_str_radix(&digits, 16).ok()).flatten().and_then(char::from_u32)
}
