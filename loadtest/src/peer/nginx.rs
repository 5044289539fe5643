//! nginx: one server, one location, kept connections to the backend, no log.

use std::ffi::OsString;

use super::Task;
use crate::arguments;

pub(super) fn configure(task: &Task<'_>) -> anyhow::Result<Vec<OsString>> {
    let file = task.write("nginx.conf", &configuration(task))?;
    Ok(arguments!["-e", task.directory.join("error.log"), "-p", task.directory, "-c", file])
}

/// With one worker there is no master beside it, so that one process does all the work, as with the others.
fn configuration(task: &Task<'_>) -> String {
    let Task { scene, plain, tls, directory } = task;
    let directory = directory.display();
    let master = if scene.workers == 1 { "off" } else { "on" };
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|name| format!("  {name}_temp_path {directory}/{name};\n"))
        .collect();
    format!(
        "daemon off;\n\
         master_process {master};\n\
         worker_processes {workers};\n\
         pid {directory}/nginx.pid;\n\
         error_log {directory}/error.log error;\n\
         events {{ worker_connections {connections}; }}\n\
         http {{\n\
         {temporary}\
         \x20 access_log off;\n\
         \x20 keepalive_timeout 1h;\n\
         \x20 keepalive_requests 1000000000;\n\
         \x20 upstream shop {{ server {backend}; keepalive 512; keepalive_requests 1000000000; }}\n\
         \x20 server {{\n\
         \x20   listen {plain};\n\
         \x20   listen {tls} ssl http2;\n\
         \x20   server_name {host};\n\
         \x20   ssl_certificate {chain};\n\
         \x20   ssl_certificate_key {key};\n\
         \x20   ssl_protocols TLSv1.2 TLSv1.3;\n\
         \x20   location /api/ {{\n\
         \x20     proxy_pass http://shop;\n\
         \x20     proxy_http_version 1.1;\n\
         \x20     proxy_set_header Host $host;\n\
         \x20     proxy_set_header Connection \"\";\n\
         \x20   }}\n\
         \x20 }}\n\
         }}\n",
        workers = scene.workers,
        // nginx counts both sides.
        connections = 2 * scene.connections,
        backend = scene.backend,
        host = crate::workload::HOST,
        chain = scene.certificate.chain.display(),
        key = scene.certificate.key.display(),
    )
}
