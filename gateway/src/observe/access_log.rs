//! Access logs: Istio's default text and JSON, or a format of one's own, to a file.

use std::fs::OpenOptions;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use config_schema::snapshot::{AccessLog, AccessLogEncoding};
use parking_lot::{Condvar, Mutex};

use super::json_layout;
use crate::format::{Format, FormatError, Scope};

/// Istio's default text format.
const TEXT: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% \
%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% \"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" \
%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \
\"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% \
%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n";

/// Istio's default JSON fields.
const JSON: &[(&str, &str)] = &[
    ("start_time", "%START_TIME%"),
    ("route_name", "%ROUTE_NAME%"),
    ("method", "%REQ(:METHOD)%"),
    ("path", "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"),
    ("protocol", "%PROTOCOL%"),
    ("response_code", "%RESPONSE_CODE%"),
    ("response_flags", "%RESPONSE_FLAGS%"),
    ("response_code_details", "%RESPONSE_CODE_DETAILS%"),
    ("connection_termination_details", "%CONNECTION_TERMINATION_DETAILS%"),
    ("bytes_received", "%BYTES_RECEIVED%"),
    ("bytes_sent", "%BYTES_SENT%"),
    ("duration", "%DURATION%"),
    ("upstream_service_time", "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%"),
    ("x_forwarded_for", "%REQ(X-FORWARDED-FOR)%"),
    ("user_agent", "%REQ(USER-AGENT)%"),
    ("request_id", "%REQ(X-REQUEST-ID)%"),
    ("authority", "%REQ(:AUTHORITY)%"),
    ("upstream_host", "%UPSTREAM_HOST%"),
    ("upstream_cluster", "%UPSTREAM_CLUSTER_RAW%"),
    ("upstream_local_address", "%UPSTREAM_LOCAL_ADDRESS%"),
    ("downstream_local_address", "%DOWNSTREAM_LOCAL_ADDRESS%"),
    ("downstream_remote_address", "%DOWNSTREAM_REMOTE_ADDRESS%"),
    ("requested_server_name", "%REQUESTED_SERVER_NAME%"),
    ("upstream_transport_failure_reason", "%UPSTREAM_TRANSPORT_FAILURE_REASON%"),
];

/// Lines wait in memory for so long at most.
const FLUSH_INTERVAL: Duration = Duration::from_millis(100);
/// Lines that have filled so much are written at once.
const FLUSH_BYTES: usize = 64 * 1024;
/// Beyond this, lines are dropped rather than memory filled by a disk that does not keep up.
const MAX_BYTES: usize = 16 << 20;

/// Formats entries and hands them to a sink.
pub struct AccessLogger {
    /// As configured.
    pub spec: AccessLog,
    layout: Layout,
    sink: Arc<Sink>,
}

enum Layout {
    Text(Format),
    Json(json_layout::Layout),
}

impl AccessLogger {
    /// Parses the format.
    pub fn new(spec: &AccessLog, sink: Arc<Sink>) -> Result<Self, FormatError> {
        let layout = match spec.encoding {
            AccessLogEncoding::Text => {
                let mut text = spec.format.clone().unwrap_or_else(|| TEXT.to_owned());
                if !text.ends_with('\n') {
                    text.push('\n');
                }
                Layout::Text(Format::parse(&text)?)
            }
            AccessLogEncoding::Json => Layout::Json(json_layout::Layout::parse(json(spec)?.into())?),
        };
        Ok(AccessLogger { spec: spec.clone(), layout, sink })
    }

    /// One that logs Istio's default fields, where the format that is wished for is no JSON object; and what is wrong.
    pub fn with_default_fields(spec: &AccessLog) -> Option<(AccessLog, FormatError)> {
        let error = json(spec).err().filter(|_| spec.encoding == AccessLogEncoding::Json)?;
        Some((AccessLog { format: None, ..spec.clone() }, error))
    }

    /// Writes what waits.
    pub fn flush(&self) {
        self.sink.flush();
    }

    /// Opens the file anew: it has been rotated.
    pub fn reopen(&self) {
        if let Sink::File(file) = &*self.sink {
            file.reopen();
        }
    }

    /// Writes an entry.
    pub fn write(&self, scope: &Scope<'_>) {
        let mut line = Vec::with_capacity(512);
        match &self.layout {
            Layout::Text(format) => format.write(scope, "-", &mut line),
            Layout::Json(layout) => {
                line.extend_from_slice(layout.fill(scope).to_string().as_bytes());
                line.push(b'\n');
            }
        }
        self.sink.write(&line);
    }
}

fn json(spec: &AccessLog) -> Result<serde_json::Map<String, serde_json::Value>, FormatError> {
    match spec.format.as_deref() {
        None => Ok(JSON.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect()),
        Some(text) => serde_json::from_str(text)
            .map_err(|error| FormatError::new(format!("accessLogFormat is not a JSON object: {error}"))),
    }
}

/// Where lines go.
pub enum Sink {
    /// A file, written by a thread of its own.
    File(Arc<FileSink>),
    /// Memory, for tests.
    Memory(Mutex<Vec<u8>>),
}

impl Sink {
    fn write(&self, line: &[u8]) {
        match self {
            Sink::File(file) => file.write(line),
            Sink::Memory(memory) => memory.lock().extend_from_slice(line),
        }
    }

    /// Writes what waits.
    pub fn flush(&self) {
        if let Sink::File(file) = self {
            file.flush();
        }
    }
}

/// A file with a buffer in front.
pub struct FileSink {
    path: String,
    buffer: Mutex<Vec<u8>>,
    filled: Condvar,
    /// Serialises writers, so that lines keep their order.
    file: Mutex<Option<std::fs::File>>,
    reopen: AtomicBool,
    dropped: prometheus::IntCounter,
}

impl FileSink {
    /// Opens the file and starts the thread that writes it. `dropped` counts lines that the file did not keep up with.
    pub fn start(path: &str, dropped: prometheus::IntCounter) -> Result<Arc<Self>, std::io::Error> {
        let sink = Arc::new(FileSink {
            path: path.to_owned(),
            buffer: Mutex::default(),
            filled: Condvar::new(),
            file: Mutex::new(Some(open(path)?)),
            reopen: AtomicBool::new(false),
            dropped,
        });
        let weak = Arc::downgrade(&sink);
        std::thread::Builder::new().name("access-log".into()).spawn(move || {
            while let Some(sink) = weak.upgrade() {
                let mut buffer = sink.buffer.lock();
                if buffer.len() < FLUSH_BYTES {
                    sink.filled.wait_for(&mut buffer, FLUSH_INTERVAL);
                }
                drop(buffer);
                sink.flush();
            }
        })?;
        Ok(sink)
    }

    /// Opens the file anew at the next write, after it has been rotated.
    pub fn reopen(&self) {
        self.reopen.store(true, Ordering::Relaxed);
    }

    fn write(&self, line: &[u8]) {
        let mut buffer = self.buffer.lock();
        if buffer.len() + line.len() > MAX_BYTES {
            self.dropped.inc();
            return;
        }
        buffer.extend_from_slice(line);
        if buffer.len() >= FLUSH_BYTES {
            self.filled.notify_one();
        }
    }

    fn flush(&self) {
        let mut file = self.file.lock();
        let lines = std::mem::take(&mut *self.buffer.lock());
        if lines.is_empty() {
            return;
        }
        if self.reopen.swap(false, Ordering::Relaxed) {
            *file = None;
        }
        if file.is_none() {
            *file = open(&self.path).ok();
        }
        if let Some(open) = file.as_mut()
            && let Err(error) = open.write_all(&lines)
        {
            tracing::warn!(path = %self.path, %error, "cannot write the access log");
            *file = None;
        }
    }
}

impl Drop for FileSink {
    fn drop(&mut self) {
        self.flush();
    }
}

fn open(path: &str) -> Result<std::fs::File, std::io::Error> {
    OpenOptions::new().create(true).append(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_json_object_gives_way_to_the_default_fields() {
        let spec = |encoding, format: &str| AccessLog {
            path: String::new(),
            encoding,
            format: Some(format.to_owned()),
            listeners: false,
        };
        for (encoding, format, gives_way) in [
            (AccessLogEncoding::Json, "{\"a\":", true),
            (AccessLogEncoding::Json, "[1]", true),
            (AccessLogEncoding::Json, "{}", false),
            (AccessLogEncoding::Text, "[1]", false),
        ] {
            let by_default = AccessLogger::with_default_fields(&spec(encoding, format));
            assert_eq!(by_default.map(|(spec, _)| spec.format), gives_way.then_some(None), "{format}");
        }
    }
}
