//! Colours; they are taken out again where nobody sees them.

/// ANSI codes of what is worth a colour.
#[derive(Debug, Clone, Copy)]
pub(super) enum Paint {
    /// It went well.
    Good,
    /// The client's fault, or worth a look.
    Odd,
    /// It failed.
    Bad,
    /// The gateway's own answer.
    Own,
    /// Less important.
    Dim,
}

impl Paint {
    /// Text in this colour.
    pub(super) fn over(self, text: &str) -> String {
        let code = match self {
            Paint::Good => "32",
            Paint::Odd => "33",
            Paint::Bad => "31",
            Paint::Own => "36",
            Paint::Dim => "2",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// Text in a column: filled up, or cut short with an ellipsis.
pub(super) fn column(text: &str, width: usize) -> String {
    if text.chars().count() > width {
        let kept: String = text.chars().take(width.saturating_sub(1)).collect();
        return format!("{kept}…");
    }
    format!("{text:width$}")
}
