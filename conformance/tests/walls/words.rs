//! Words that must not appear in some places.

use crate::source::Tree;

/// A rule.
pub(crate) struct Wall {
    /// Files whose path begins with one of these.
    within: &'static [&'static str],
    /// What must not appear in their code.
    words: &'static [&'static str],
    /// Why.
    because: &'static str,
    /// Files that may, and why.
    except: &'static [(&'static str, &'static str)],
}

/// All rules.
pub(crate) const WALLS: &[Wall] = &[
    Wall {
        within: &["config-schema/src/"],
        words: &[
            "tokio",
            "tokio_",
            "async fn",
            ".await",
            "std::fs",
            "std::env",
            "std::thread",
            "std::process",
            "std::io::",
            "TcpStream",
            "TcpListener",
            "UdpSocket",
            "Instant",
            "SystemTime",
            "rand::",
            "println!",
            "pingora_",
            "kube::",
        ],
        because: "configuration is pure: no I/O, no clock, no randomness, no runtime, no Kubernetes client",
        except: &[],
    },
    Wall {
        within: &["gateway/src/"],
        words: &["pingora_", "pingora::"],
        because: "Pingora's types stay in the modules that adapt it; everything else speaks our own",
        except: &[
            ("gateway/src/http2/", "the adapters themselves"),
            ("gateway/src/proxy/http2.rs", "the server handshake"),
            ("gateway/src/upstream/pool/h2.rs", "handles of HTTP/2 connections wait in the pool"),
        ],
    },
    Wall {
        within: &["gateway/src/", "config-schema/src/", "loadtest/src/"],
        words: &["kube::", "k8s_openapi"],
        because: "only the controller knows Kubernetes' API",
        except: &[],
    },
    Wall {
        within: &["gateway/src/route/", "gateway/src/upstream/lb/", "gateway/src/outcome.rs", "gateway/src/headers/"],
        words: &[
            "tokio::",
            "async fn",
            ".await",
            "Instant::now",
            "SystemTime",
            "rand::rng",
            "rand::random",
            "std::fs",
            "std::env",
        ],
        because: "decisions are pure: the moment and the randomness are handed in",
        except: &[],
    },
    Wall {
        within: &["gateway/src/"],
        words: &["SystemTime::now", "UNIX_EPOCH.elapsed"],
        because: "the wall clock is clock.rs, so that tests can set it",
        except: &[
            ("gateway/src/clock.rs", "the wall clock"),
            ("gateway/src/tls/boring.rs", "BoringSSL asks for the time inside of the handshake"),
        ],
    },
    Wall {
        within: &["gateway/src/"],
        words: &["rand::rng", "rand::random", "from_os_rng", "thread_rng"],
        because: "randomness comes from the worker's seeded generator",
        except: &[("gateway/src/app.rs", "seeds the workers")],
    },
    Wall {
        within: &["gateway/src/"],
        words: &["std::env::", "env::var"],
        because: "settings come from the command line and the configuration; clap reads what the environment may set",
        except: &[("gateway/src/format/operator.rs", "the access log's operator %ENVIRONMENT%")],
    },
];

/// Everything that breaks a rule, and exceptions that nothing needs.
pub(crate) fn check(tree: &Tree, walls: &[Wall]) -> Vec<String> {
    let mut found = Vec::new();
    for wall in walls {
        let mut needed = vec![false; wall.except.len()];
        let within = |path: &str| wall.within.iter().any(|prefix| path.starts_with(prefix));
        for source in tree.sources.iter().filter(|source| within(&source.path) && !source.is_test()) {
            let excepted = wall.except.iter().position(|(path, _)| source.path.starts_with(path));
            for (number, line) in source.code() {
                let Some(word) = wall.words.iter().find(|word| contains_word(line, word)) else { continue };
                match excepted {
                    Some(index) => needed[index] = true,
                    None => found.push(format!("{}:{number}: `{word}`: {}", source.path, wall.because)),
                }
            }
        }
        let stale = wall.except.iter().zip(needed).filter(|(_, needed)| !needed);
        found.extend(stale.map(|((path, _), _)| format!("{path}: is an exception without need ({})", wall.because)));
    }
    found
}

/// Whether `line` has `word`, and not as a part of a longer name.
fn contains_word(line: &str, word: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let begins = !word.starts_with(is_name) || !line[..at].ends_with(is_name);
        // A word that ends with an underscore stands for all names that begin so.
        let ends = !word.ends_with(is_name) || word.ends_with('_') || !line[at + word.len()..].starts_with(is_name);
        begins && ends
    })
}
