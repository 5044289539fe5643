//! From answers to health, by Envoy's rules. Pure.

use crate::upstream::host::Checked;

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is well.
    Healthy,
    /// It says that it is not: believed at once.
    Unhealthy(String),
    /// There was no answer, or none that makes sense: believed when it happens again and again.
    Failed(String),
}

/// What is thought of an endpoint.
#[derive(Debug)]
pub(super) struct Verdict {
    /// `None` before the first answer.
    healthy: Option<bool>,
    /// Answers in a row that speak against it.
    against: u32,
    unhealthy_threshold: u32,
    healthy_threshold: u32,
}

impl Verdict {
    /// Goes on from what was found before.
    pub(super) fn new(known: Checked, unhealthy_threshold: u32, healthy_threshold: u32) -> Self {
        let healthy = match known {
            Checked::Never | Checked::NotYet => None,
            Checked::Healthy => Some(true),
            Checked::Unhealthy => Some(false),
        };
        Verdict { healthy, against: 0, unhealthy_threshold, healthy_threshold }
    }

    /// Takes an answer; tells the endpoint's health if it is to be noted. Health is noted each time, because it ends
    /// an ejection too.
    pub(super) fn take(&mut self, answer: &Answer) -> Option<bool> {
        let says_healthy = *answer == Answer::Healthy;
        let needed = match (self.healthy, answer) {
            (None, _) => 1,
            (Some(known), _) if known == says_healthy => {
                self.against = 0;
                return says_healthy.then_some(true);
            }
            (Some(false), _) => self.healthy_threshold,
            (Some(true), Answer::Unhealthy(_)) => 1,
            (Some(true), _) => self.unhealthy_threshold,
        };
        self.against += 1;
        if self.against < needed {
            return None;
        }
        self.against = 0;
        self.healthy = Some(says_healthy);
        Some(says_healthy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `+` healthy, `-` unhealthy, `x` failed; what is told: `+`, `-` or `.` for nothing.
    fn told(known: Checked, answers: &str) -> String {
        let mut verdict = Verdict::new(known, 3, 2);
        let answer = |c| match c {
            '+' => Answer::Healthy,
            '-' => Answer::Unhealthy(String::new()),
            _ => Answer::Failed(String::new()),
        };
        answers
            .chars()
            .map(|c| verdict.take(&answer(c)).map_or('.', |healthy| if healthy { '+' } else { '-' }))
            .collect()
    }

    #[test]
    fn rows_of_answers() {
        for (known, answers, expected) in [
            (Checked::NotYet, "+", "+"),
            (Checked::NotYet, "x", "-"),
            (Checked::NotYet, "x+", "-."),
            (Checked::NotYet, "x++", "-.+"),
            (Checked::Never, "x+x++", "-...+"),
            (Checked::Healthy, "xx+xx", "..+.."),
            (Checked::Healthy, "xxxx", "..-."),
            (Checked::Healthy, "-", "-"),
            (Checked::Healthy, "x-", ".-"),
            (Checked::Unhealthy, "+-++", "...+"),
            (Checked::Unhealthy, "xx", ".."),
        ] {
            assert_eq!(told(known, answers), expected, "{known:?} {answers}");
        }
    }
}
