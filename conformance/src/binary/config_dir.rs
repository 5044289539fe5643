//! The configuration of a case as files, in the order in which they are to be read.

use std::path::Path;

use anyhow::Context;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::case::Case;
use crate::world::World;

/// A folder that exists as long as this value: mesh configuration, world, case.
#[derive(Debug)]
pub struct ConfigDir {
    dir: TempDir,
}

impl ConfigDir {
    /// Writes the files. Their names sort in load order: what comes later is younger.
    pub fn write(world: &World, case: &Case) -> anyhow::Result<Self> {
        let dir = TempDir::with_prefix("sallyport-case-")?;
        let mesh = mesh_config_map(case.mesh.as_deref())?;
        for (name, text) in [("00-mesh.yaml", &mesh), ("01-world.yaml", &world.text), ("02-case.yaml", &case.config)] {
            std::fs::write(dir.path().join(name), text).with_context(|| name.to_owned())?;
        }
        Ok(Self { dir })
    }

    /// Where the files are.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }
}

/// ConfigMap istio-system/istio with the case's mesh configuration. The access log is the bench's: it goes to standard
/// output as JSON whatever the case says.
pub(crate) fn mesh_config_map(mesh: Option<&str>) -> anyhow::Result<String> {
    let mut mesh: Map<String, Value> = match mesh {
        Some(text) => serde_saphyr::from_str(text).context("mesh")?,
        None => Map::new(),
    };
    mesh.insert("accessLogFile".to_owned(), json!("/dev/stdout"));
    mesh.insert("accessLogEncoding".to_owned(), json!("JSON"));
    let map = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "istio", "namespace": "istio-system"},
        "data": {"mesh": Value::Object(mesh).to_string()},
    });
    Ok(format!("{map:#}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::behaviour_dir;

    #[test]
    fn files_in_order() {
        let world = World::load(&behaviour_dir().join("world.yaml")).unwrap();
        let case = Case::load(&behaviour_dir().join("edge/tlsgw-proxy-protocol.yaml")).unwrap();
        let config = ConfigDir::write(&world, &case).unwrap();
        let mut names: Vec<_> = std::fs::read_dir(config.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["00-mesh.yaml", "01-world.yaml", "02-case.yaml"]);
        assert_eq!(std::fs::read_to_string(config.path().join("02-case.yaml")).unwrap(), case.config);

        let map: Value =
            serde_saphyr::from_str(&std::fs::read_to_string(config.path().join("00-mesh.yaml")).unwrap()).unwrap();
        let mesh: Value = serde_saphyr::from_str(map["data"]["mesh"].as_str().unwrap()).unwrap();
        assert_eq!(mesh["accessLogFile"], "/dev/stdout");
        assert!(mesh["defaultConfig"]["gatewayTopology"]["proxyProtocol"].is_object());
    }
}
