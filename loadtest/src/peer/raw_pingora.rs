//! The smallest Pingora proxy: everything is on its command line.

use std::ffi::OsString;

use super::Task;
use crate::arguments;

pub(super) fn configure(task: &Task<'_>) -> Vec<OsString> {
    let scene = task.scene;
    arguments![
        "--listen",
        task.plain.to_string(),
        "--tls-listen",
        task.tls.to_string(),
        "--certificate",
        &scene.certificate.chain,
        "--key",
        &scene.certificate.key,
        "--backend",
        scene.backend.to_string(),
        "--workers",
        scene.workers.to_string(),
    ]
}
