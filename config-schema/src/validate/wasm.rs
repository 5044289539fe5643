use std::collections::BTreeSet;

use super::address;
use super::report::{Report, SPEC};
use super::selector::{Targets, target_refs};
use super::url;
use crate::document::PathRef;
use crate::resources::Object;
use crate::resources::traffic_extension::TrafficExtension;
use crate::resources::wasm_plugin::{EnvValueSource, TrafficSelector, VmConfig, WasmPlugin};

pub(super) fn validate_plugin(object: &Object<WasmPlugin>, report: &mut Report<'_>) {
    let plugin = &object.spec;
    let targets = Targets {
        selector: plugin.selector.as_ref(),
        target_ref: plugin.target_ref.as_ref(),
        target_refs: &plugin.target_refs,
    };
    targets.validate(SPEC, report);
    let module = Module {
        url: &plugin.url,
        sha256: plugin.sha256.as_deref(),
        secret: plugin.image_pull_secret.as_deref(),
        name: plugin.plugin_name.as_deref(),
        vm: plugin.vm_config.as_ref(),
    };
    module.validate(SPEC, report);
    traffic(&plugin.r#match, SPEC.key("match"), report);
}

pub(super) fn validate_extension(object: &Object<TrafficExtension>, report: &mut Report<'_>) {
    let extension = &object.spec;
    if extension.wasm.is_some() == extension.lua.is_some() {
        report.error(SPEC, "oneof", "exactly one of wasm and lua must be set");
    }
    let targets = Targets { selector: extension.selector.as_ref(), target_ref: None, target_refs: &[] };
    targets.validate(SPEC, report);
    if extension.selector.is_some() && !extension.target_refs.is_empty() {
        report.error(SPEC, "oneof", "only one of selector and targetRefs may be set");
    }
    target_refs(&extension.target_refs, SPEC.key("targetRefs"), report);
    if let Some(wasm) = &extension.wasm {
        let module = Module {
            url: &wasm.url,
            sha256: wasm.sha256.as_deref(),
            secret: wasm.image_pull_secret.as_deref(),
            name: wasm.plugin_name.as_deref(),
            vm: wasm.vm_config.as_ref(),
        };
        module.validate(SPEC.key("wasm"), report);
    }
    if let Some(lua) = &extension.lua {
        let path = SPEC.key("lua");
        report.not_empty(path.key("inlineCode"));
        report.max_length(path.key("inlineCode"), &lua.inline_code, 65536);
    }
    traffic(&extension.r#match, SPEC.key("match"), report);
}

/// What the two kinds have in common.
struct Module<'m> {
    url: &'m str,
    sha256: Option<&'m str>,
    secret: Option<&'m str>,
    name: Option<&'m str>,
    vm: Option<&'m VmConfig>,
}

impl Module<'_> {
    fn validate(&self, path: PathRef<'_>, report: &mut Report<'_>) {
        let here = path.key("url");
        if self.url.is_empty() {
            report.error(here, "length", "must not be empty");
        } else if !matches!(url::lenient_scheme(self.url).as_deref(), Some("" | "http" | "https" | "file" | "oci")) {
            report.error(here, "url", "must be a URL with the scheme oci, file, http or https, or none");
        }
        let hex = |sum: &str| sum.len() == 64 && sum.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if self.sha256.is_some_and(|sum| !hex(sum)) {
            report.error(path.key("sha256"), "format", "must be 64 digits of the hexadecimal system, in lower case");
        }
        report.not_empty(path.key("imagePullSecret"));
        report.max_length(path.key("imagePullSecret"), self.secret.unwrap_or_default(), 253);
        report.not_empty(path.key("pluginName"));
        report.max_length(path.key("pluginName"), self.name.unwrap_or_default(), 256);
        let vm = path.key("vmConfig");
        let variables = vm.key("env");
        let mut names = BTreeSet::new();
        let env = self.vm.map(|vm| vm.env.as_slice()).unwrap_or_default();
        report.max_items(variables, env.len(), 256);
        for (index, variable) in env.iter().enumerate() {
            let here = variables.index(index);
            report.not_empty(here.key("name"));
            report.max_length(here.key("name"), &variable.name, 256);
            report.max_length(here.key("value"), variable.value.as_deref().unwrap_or_default(), 2048);
            if !names.insert(&variable.name) {
                let message = format!("the variable {:?} stands here twice", variable.name);
                report.error(here.key("name"), "duplicate", message);
            }
            if variable.value_from == EnvValueSource::Host && report.is_set(here.key("value")) {
                report.error(here.key("value"), "oneof", "it is possible only if valueFrom is INLINE");
            }
        }
    }
}

fn traffic(selectors: &[TrafficSelector], path: PathRef<'_>, report: &mut Report<'_>) {
    for (index, selector) in selectors.iter().enumerate() {
        let here = path.index(index);
        let ports = here.key("ports");
        let mut numbers = BTreeSet::new();
        for (index, port) in selector.ports.iter().enumerate() {
            let here = ports.index(index);
            report.check(here.key("number"), "port", address::port(port.number));
            if !numbers.insert(port.number) {
                report.error(here.key("number"), "duplicate", format!("the port {} stands here twice", port.number));
            }
        }
    }
}
