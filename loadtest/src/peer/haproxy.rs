//! HAProxy: one frontend, one backend, no log, no checks.

use std::ffi::OsString;

use super::Task;
use crate::arguments;

pub(super) fn configure(task: &Task<'_>) -> anyhow::Result<Vec<OsString>> {
    let file = task.write("haproxy.cfg", &configuration(task))?;
    Ok(arguments!["-db", "-f", file])
}

fn configuration(task: &Task<'_>) -> String {
    let Task { scene, plain, tls, .. } = task;
    format!(
        "global\n\
         \x20 nbthread {workers}\n\
         \x20 maxconn {connections}\n\
         defaults\n\
         \x20 mode http\n\
         \x20 timeout connect 5s\n\
         \x20 timeout client 1h\n\
         \x20 timeout server 1h\n\
         \x20 http-reuse always\n\
         frontend edge\n\
         \x20 bind {plain}\n\
         \x20 bind {tls} ssl crt {certificate} alpn h2,http/1.1\n\
         \x20 use_backend shop if {{ hdr(host) -i {host} }} {{ path_beg /api/ }}\n\
         backend shop\n\
         \x20 server one {backend}\n",
        workers = scene.workers,
        connections = scene.connections,
        certificate = scene.certificate.both.display(),
        host = crate::workload::HOST,
        backend = scene.backend,
    )
}
