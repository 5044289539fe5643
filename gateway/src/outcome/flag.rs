//! Response flags.

use std::fmt;

/// Envoy's response flags (`%RESPONSE_FLAGS%`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Flag {
    /// UH
    NoHealthyUpstream,
    /// UT
    UpstreamRequestTimeout,
    /// LR
    LocalReset,
    /// UR
    UpstreamRemoteReset,
    /// UF
    UpstreamConnectionFailure,
    /// UC
    UpstreamConnectionTermination,
    /// UO
    UpstreamOverflow,
    /// NR
    NoRouteFound,
    /// DI
    DelayInjected,
    /// FI
    FaultInjected,
    /// DC
    DownstreamConnectionTermination,
    /// URX
    UpstreamRetryLimitExceeded,
    /// SI
    StreamIdleTimeout,
    /// DPE
    DownstreamProtocolError,
    /// DT
    DurationTimeout,
    /// UPE
    UpstreamProtocolError,
    /// NC
    NoClusterFound,
    /// DF
    DnsResolutionFailed,
    /// OM
    OverloadManager,
    /// DR
    DownstreamRemoteReset,
    /// UAEX
    Unauthorized,
}

impl Flag {
    /// Short form.
    pub fn as_str(self) -> &'static str {
        match self {
            Flag::NoHealthyUpstream => "UH",
            Flag::UpstreamRequestTimeout => "UT",
            Flag::LocalReset => "LR",
            Flag::UpstreamRemoteReset => "UR",
            Flag::UpstreamConnectionFailure => "UF",
            Flag::UpstreamConnectionTermination => "UC",
            Flag::UpstreamOverflow => "UO",
            Flag::NoRouteFound => "NR",
            Flag::DelayInjected => "DI",
            Flag::FaultInjected => "FI",
            Flag::DownstreamConnectionTermination => "DC",
            Flag::UpstreamRetryLimitExceeded => "URX",
            Flag::StreamIdleTimeout => "SI",
            Flag::DownstreamProtocolError => "DPE",
            Flag::DurationTimeout => "DT",
            Flag::UpstreamProtocolError => "UPE",
            Flag::NoClusterFound => "NC",
            Flag::DnsResolutionFailed => "DF",
            Flag::OverloadManager => "OM",
            Flag::DownstreamRemoteReset => "DR",
            Flag::Unauthorized => "UAEX",
        }
    }

    /// Envoy's long form.
    fn long(self) -> &'static str {
        match self {
            Flag::NoHealthyUpstream => "NoHealthyUpstream",
            Flag::UpstreamRequestTimeout => "UpstreamRequestTimeout",
            Flag::LocalReset => "LocalReset",
            Flag::UpstreamRemoteReset => "UpstreamRemoteReset",
            Flag::UpstreamConnectionFailure => "UpstreamConnectionFailure",
            Flag::UpstreamConnectionTermination => "UpstreamConnectionTermination",
            Flag::UpstreamOverflow => "UpstreamOverflow",
            Flag::NoRouteFound => "NoRouteFound",
            Flag::DelayInjected => "DelayInjected",
            Flag::FaultInjected => "FaultInjected",
            Flag::DownstreamConnectionTermination => "DownstreamConnectionTermination",
            Flag::UpstreamRetryLimitExceeded => "UpstreamRetryLimitExceeded",
            Flag::StreamIdleTimeout => "StreamIdleTimeout",
            Flag::DownstreamProtocolError => "DownstreamProtocolError",
            Flag::DurationTimeout => "DurationTimeout",
            Flag::UpstreamProtocolError => "UpstreamProtocolError",
            Flag::NoClusterFound => "NoClusterFound",
            Flag::DnsResolutionFailed => "DnsResolutionFailed",
            Flag::OverloadManager => "OverloadManagerTerminated",
            Flag::DownstreamRemoteReset => "DownstreamRemoteReset",
            Flag::Unauthorized => "UnauthorizedExternalService",
        }
    }
}

/// The flags of a request, in the order in which they were raised. At most eight are kept; no request raises more.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Flags {
    list: [Option<Flag>; 8],
}

impl Flags {
    /// Raises a flag, once.
    pub fn raise(&mut self, flag: Flag) {
        for slot in &mut self.list {
            match slot {
                Some(raised) if *raised == flag => return,
                Some(_) => {}
                None => {
                    *slot = Some(flag);
                    return;
                }
            }
        }
    }

    /// Whether it is raised.
    pub fn has(&self, flag: Flag) -> bool {
        self.list.contains(&Some(flag))
    }

    /// In words, as `%RESPONSE_FLAGS_LONG%` has them.
    pub fn long(&self) -> String {
        if self.is_empty() {
            return "-".to_owned();
        }
        let words: Vec<&str> = self.list.iter().flatten().map(|flag| flag.long()).collect();
        words.join(",")
    }

    /// None is raised.
    pub fn is_empty(&self) -> bool {
        self.list[0].is_none()
    }
}

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("-");
        }
        for (n, flag) in self.list.iter().flatten().enumerate() {
            if n > 0 {
                f.write_str(",")?;
            }
            f.write_str(flag.as_str())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
