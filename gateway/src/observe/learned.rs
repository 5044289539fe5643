//! ServiceEntries for hosts that were asked for and that none has: the result of learning what an egress gateway is
//! used for.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use super::egress::{Learned, Spoken};

/// YAML, one ServiceEntry for each host, in `namespace`. Comments say how often and by whom each port was asked for.
pub fn service_entries(learned: &[Learned], namespace: &str) -> String {
    let mut yaml = String::new();
    for Learned { host, ports } in learned {
        if !yaml.is_empty() {
            yaml.push_str("---\n");
        }
        // Writing to a string cannot fail.
        let _ = write!(
            yaml,
            "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\n\
             metadata: {{name: {:?}, namespace: {namespace:?}}}\nspec:\n  hosts: [{host:?}]\n  location: MESH_EXTERNAL\n  \
             resolution: DNS\n  ports:\n",
            object_name(host)
        );
        for (n, (number, spoken, count, sources)) in ports.iter().enumerate() {
            let (name, protocol) = match spoken {
                Spoken::Http => ("http", "HTTP"),
                Spoken::Tls => ("tls", "TLS"),
                Spoken::Tcp => ("tcp", "TCP"),
            };
            // A number that was asked for in two ways is one port: the first counts.
            let again = ports[..n].iter().any(|(other, ..)| other == number);
            let sources: Vec<&str> = sources.iter().map(String::as_str).collect();
            let _ = writeln!(
                yaml,
                "  {}- {{number: {number}, name: {name}-{number}, protocol: {protocol}}} # seen {count} x, by {}",
                if again { "# " } else { "" },
                sources.join(", ")
            );
        }
    }
    yaml
}

/// Hosts are names of objects, but for underscores.
fn object_name(host: &str) -> String {
    host.replace('_', "-").trim_matches('-').to_owned()
}

/// Writes a file as a whole or not at all.
///
/// # Errors
/// The system's.
pub fn write(path: &Path, yaml: &str) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = path.with_file_name(name);
    let mut file = std::fs::File::create(&beside)?;
    file.write_all(yaml.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use config_schema::parse::parse_documents;
    use config_schema::validate::validate;

    use super::*;

    #[test]
    fn what_is_learned_is_valid() {
        let sources = BTreeSet::from(["10.0.0.1".to_owned(), "spiffe://cluster.local/ns/a/sa/b".to_owned()]);
        let learned = [
            Learned {
                host: "api.example.com".into(),
                ports: vec![
                    (80, Spoken::Http, 3, sources.clone()),
                    (443, Spoken::Tls, 1, sources.clone()),
                    (443, Spoken::Tcp, 1, sources.clone()),
                ],
            },
            Learned { host: "_x.example.org".into(), ports: vec![(5432, Spoken::Tcp, 1, sources)] },
        ];
        let yaml = service_entries(&learned, "istio-system");
        let outcome = parse_documents("learned.yaml", &yaml);
        assert!(outcome.violations.is_empty(), "{:?}\n{yaml}", outcome.violations);
        assert_eq!(outcome.objects.len(), 2);
        for parsed in &outcome.objects[..1] {
            assert_eq!(validate(parsed), [], "{yaml}");
        }
        assert!(yaml.contains("# seen 3 x, by 10.0.0.1, spiffe://cluster.local/ns/a/sa/b\n"), "{yaml}");
    }

    #[test]
    fn files_are_written_whole() {
        let folder = std::env::temp_dir().join(format!("sallyport-learned-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("learned.yaml");
        write(&path, "a: 1\n").unwrap();
        write(&path, "b: 2\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "b: 2\n");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
