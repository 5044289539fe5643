//! Which absolute names a name may stand for (resolv.conf(5): `search`, `ndots`).

/// Search domains and when they come first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SearchList {
    domains: Vec<String>,
    ndots: usize,
}

impl SearchList {
    /// Names with `ndots` dots or more are tried as they are first.
    pub(super) fn new(domains: Vec<String>, ndots: usize) -> Self {
        SearchList { domains, ndots }
    }

    /// The absolute names to ask for, in order, with their final dot.
    pub(super) fn candidates(&self, name: &str, search: bool) -> Vec<String> {
        let absolute = format!("{}.", name.trim_end_matches('.'));
        if !search || name.ends_with('.') {
            return vec![absolute];
        }
        let completed = self.domains.iter().map(|domain| format!("{name}.{}.", domain.trim_end_matches('.')));
        let mut candidates: Vec<String> = completed.collect();
        if name.matches('.').count() >= self.ndots {
            candidates.insert(0, absolute);
        } else {
            candidates.push(absolute);
        }
        candidates
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_of_names() {
        let list = SearchList::new(vec!["shop.svc.cluster.local.".into(), "cluster.local".into()], 2);
        let completed = |name: &str| [format!("{name}.shop.svc.cluster.local."), format!("{name}.cluster.local.")];
        let [a, b] = completed("db");
        assert_eq!(list.candidates("db", true), [a, b, "db.".into()]);
        let [a, b] = completed("a.example.com");
        assert_eq!(list.candidates("a.example.com", true), ["a.example.com.".to_owned(), a, b]);
        assert_eq!(list.candidates("a.example.com", false), ["a.example.com."], "no search wanted");
        assert_eq!(list.candidates("db.", true), ["db."], "absolute");
        assert_eq!(SearchList::default().candidates("db", true), ["db."]);
    }
}
